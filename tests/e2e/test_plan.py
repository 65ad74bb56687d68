"""`ppcdeps plan` and `ppcdeps why` as a user runs them."""

import json
import os
import shutil
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import el9
import jsonschema
import pytest
from indexes import pkg_info, sdist, wheel
from mirror import Mirror
from program import Program

VGA = "/usr/lib64/qemu-kvm/hw-display-virtio-vga.so"
SCHEMA = json.loads((files("ppcdeps") / "data/schemas/plan.schema.json").read_text())


@pytest.fixture
def ppcdeps(ppcdeps: Program, warm_cache: Path) -> Program:
    """The program with a cache in which the embedded snapshot is."""
    shutil.copytree(warm_cache, ppcdeps.cache)
    return ppcdeps


def test_the_embedded_snapshot_answers_without_a_network(ppcdeps: Program) -> None:
    shutil.rmtree(ppcdeps.cache)
    run = ppcdeps("plan", "nova-compute", "--python", "rpm", code=1)
    assert "Missing at run time: 11" in run.out
    assert "Reused as they are: 95 noarch packages" in run.out
    assert "embedded snapshot centos-stream-9-yoga" in run.err
    plan = json.loads((ppcdeps.folder / "plan-nova-compute.json").read_text())
    jsonschema.validate(plan, SCHEMA)
    assert plan["summary"]["packages"] == len(plan["closure"])


def test_without_an_index_python_stays_rpm_and_the_plan_is_made_all_the_same(ppcdeps: Program) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"}
    run = ppcdeps("plan", "nova-compute", code=1, PIP_CONFIG_FILE=os.devnull, **nowhere)
    # Once, and where the rest of the answer is.
    assert "All of Python stays RPMs: " in run.out
    assert "warning" not in run.err
    assert "Missing at run time: 11" in run.out


def test_a_plan_with_what_pip_installs_fits_the_schema(ppcdeps: Program) -> None:
    index = index_of_pins(el9.CONSTRAINTS, ppcdeps.folder / "simple", native="stevedore")
    run = ppcdeps("plan", "nova-compute", code=1, PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=index)
    assert "From the Python index with pip: " in run.out
    plan = json.loads((ppcdeps.folder / "plan-nova-compute.json").read_text())
    jsonschema.validate(plan, SCHEMA)
    assert {each["provision"] for each in plan["python"]["distributions"]} == {"rpm", "wheel", "build"}
    assert plan["python"]["bridge"]
    assert "build-sdist" in plan["summary"]["routes"]


LOCK = """\
lockfileVersion: 1
lockfileVendor: redhat
arches:
- arch: x86_64
  packages:
  - {url: 'https://cdn.example/Packages/zsh-5.8-9.el9.x86_64.rpm', repoid: base}
  - {url: 'https://cdn.example/Packages/glibc-headers-2.34-168.el9.x86_64.rpm', repoid: base}
  - {url: 'https://cdn.example/Packages/glibc-2.34-168.el9.i686.rpm', repoid: base}
"""


def test_a_lock_file_is_a_workload(ppcdeps: Program) -> None:
    (ppcdeps.folder / "rpms.lock.yaml").write_text(LOCK)
    run = ppcdeps("plan", "rpms.lock.yaml", "--python", "rpm", code=1)
    assert "left out of rpms.lock.yaml, as they are of other architectures: glibc.i686" in run.err
    assert "1 of 2 locked packages are there in another version: glibc-headers 2.34-148.el9 (2.34-168" in run.err
    assert "most of the lock" not in run.err
    plan = json.loads((ppcdeps.folder / "plan-rpms.json").read_text())
    assert plan["roots"] == ["glibc-headers", "zsh"]
    assert [(gap["name"], gap["cause"]) for gap in plan["gaps"]] == [("glibc", "not-built")]
    assert plan["request"]["words"] == ["rpms.lock.yaml"]
    assert "rpms\n  needs glibc-headers" in ppcdeps("why", "glibc-headers").out
    # The workload file that it amounts to answers the same.
    (ppcdeps.folder / "mine.toml").write_text(ppcdeps("workloads", "./rpms.lock.yaml").out)
    assert "Missing at run time: 1" in ppcdeps("plan", "mine.toml", "--python", "rpm", "-o", "mine.json", code=1).out
    (ppcdeps.folder / "rpms.lock.yaml").unlink()
    run = ppcdeps("why", "zsh", "--plan", "plan-rpms.json", code=3)
    assert "the workload file rpms.lock.yaml, which the plan was made of" in run.err


def test_a_lock_file_of_another_release_is_noticed(ppcdeps: Program) -> None:
    (ppcdeps.folder / "rpms.lock.yaml").write_text(LOCK.replace(".el9.", ".el10_1."))
    run = ppcdeps("plan", "rpms.lock.yaml", "--python", "rpm", code=1)
    assert "; most of the lock is of el10, and centos-stream-9 is of el9: name another --target to compare" in run.err


def index_of_pins(constraints: Path, folder: Path, *, native: str) -> str:
    """The URL of an index with a wheel of every pin, without requirements; of one there is only an sdist with C."""
    files: dict[str, list[tuple[str, bytes]]] = {}
    setup = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
    for line in constraints.read_text().splitlines():
        name, _, version = line.partition(";")[0].strip().lower().partition("===")
        name = name.replace("_", "-").replace(".", "-")
        if name == native:
            sources = {"PKG-INFO": pkg_info(name, version, metadata="2.2"), "setup.py": setup, "x.c": ""}
            files.setdefault(name, []).append(sdist(name, version, sources))
        else:
            files.setdefault(name, []).append(wheel(name, version))
    for name, entries in files.items():
        page = folder / name
        page.mkdir(parents=True)
        links = [f'<a href="{file}#sha256={sha256(content).hexdigest()}">{file}</a>' for file, content in entries]
        (page / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(links))
        for file, content in entries:
            (page / file).write_bytes(content)
    return folder.as_uri()


def test_snapshot_and_live_repositories_give_the_same_plan(ppcdeps: Program) -> None:
    from_snapshot = json.loads(ppcdeps("plan", "nova-compute", "--python", "rpm", "--json", code=1).out)
    arguments = ("plan", "nova-compute", "--python", "rpm", "--json", "--target", el9.TARGET_FILE)
    live = json.loads(ppcdeps(*arguments, code=1).out)
    for part in ("closure", "gaps", "dropped_requirements", "summary"):
        assert from_snapshot[part] == live[part]


def test_the_same_question_gives_the_same_bytes_again(ppcdeps: Program) -> None:
    arguments = ("plan", "nova-compute", "--python", "rpm", "--target", el9.TARGET_FILE, "--json")
    first = ppcdeps(*arguments, code=1).out
    assert ppcdeps(*arguments, code=1).out == first
    assert ppcdeps(*arguments, "--refresh", code=1).out == first
    assert (ppcdeps.folder / "plan-nova-compute.json").read_text() == first


def test_nothing_missing_is_exit_code_0(ppcdeps: Program) -> None:
    run = ppcdeps("plan", "bash", "--no-output", code=0)
    assert "RPM packages satisfy the workload together" in run.out
    assert not list(ppcdeps.folder.glob("plan-*.json"))


def test_why_tells_the_chain_the_gap_and_what_was_tried(ppcdeps: Program) -> None:
    told = ppcdeps("why", VGA, "--python", "rpm").out
    assert "Gap: qemu-kvm, not-built" in told
    assert f"needs ({VGA} if (filesystem(x86-64) or filesystem(ppc-64)))" in told
    assert f"{VGA}: no package of appstream, baseos, crb provides it" in told
    document = json.loads(ppcdeps("why", VGA, "--python", "rpm", "--json").out)
    assert document["gap"]["name"] == "qemu-kvm"
    assert document["chain"][0]["by"] == "nova-compute"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nova-compte",), 'did you mean "nova-compute"?'),
        (("qemu-kvm-cor",), 'did you mean "qemu-kvm-core"?'),
        (("/no/such/path",), "no repository of centos-stream-9 knows /no/such/path"),
        (("(bash or",), "boolean dependency"),
    ],
)
def test_a_root_that_nobody_knows_is_a_usage_error(ppcdeps: Program, words: tuple[str, ...], told: str) -> None:
    assert told in ppcdeps("plan", *words, code=2).fault
    assert not list(ppcdeps.folder.glob("*.json"))


def test_a_name_that_is_not_in_the_plan_is_a_usage_error(ppcdeps: Program) -> None:
    assert (
        "exists, but nova-compute on centos-stream-9 does not need it"
        in ppcdeps("why", "zsh", "--python", "rpm", code=2).fault
    )


def test_a_plan_that_cannot_be_written_is_told(ppcdeps: Program) -> None:
    fault = ppcdeps("plan", "bash", "--output", "no/such/folder/plan.json", code=3).fault
    assert "cannot write no/such/folder/plan.json: No such file or directory; name another place" in fault


def test_ad_hoc_repositories_are_enough(ppcdeps: Program, mirror: Mirror) -> None:
    arguments = ("--repofrompath", f"mine,{mirror.url}", "--releasever", "9", "--no-output")
    assert "1 RPM packages satisfy" in ppcdeps("plan", "app", *arguments).out


def test_workloads_and_roots_are_planned_together(ppcdeps: Program) -> None:
    arguments = ("--python", "rpm", "--json", "--no-output")
    both = json.loads(ppcdeps("plan", "nova-compute", "libvirt-kvm", "zsh", *arguments, code=1).out)
    assert {"openstack-nova-compute", "zsh"} < set(both["roots"])
    names = {package["nevra"].rsplit("-", 2)[0] for package in both["closure"]}
    assert {"openstack-nova-compute", "libvirt-daemon-kvm", "zsh"} <= names


def test_a_python_root_that_no_index_knows_is_told_not_forgotten(ppcdeps: Program) -> None:
    empty = ppcdeps.folder / "empty"
    empty.mkdir()
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(empty)}
    told = ppcdeps("plan", "pypi:nowhere-at-all", code=3, **settings)
    assert "nowhere-at-all" in told.fault
    assert not told.out


@pytest.mark.parametrize("words", [("pypi:six",), ("zsh", "pypi:six"), ("own.toml",)])
def test_a_python_root_where_all_of_python_is_to_be_rpms_is_refused(ppcdeps: Program, words: tuple[str, ...]) -> None:
    own = 'name = "own"\ntitle = "Own"\nroots = ["zsh", "pypi:six"]\n'
    (ppcdeps.folder / "own.toml").write_text(own)
    told = ppcdeps("plan", *words, "--python", "rpm", code=2)
    assert "with --python rpm nothing comes from the Python index, and pypi:six would have to" in told.fault
    assert not told.out


def test_a_folder_of_ones_own_recipes_is_laid_over_the_shipped_ones(ppcdeps: Program) -> None:
    own = ppcdeps.folder / "recipes" / "python-yappi"
    own.mkdir(parents=True)
    (own / "recipe.toml").write_text(
        'source = "python-yappi"\nkind = "srpm"\nsummary = "ours"\nreason = "a test"\npackages = ["python3-yappi"]\n'
    )
    run = ppcdeps("plan", "python3-yappi", "--python", "rpm", "--json", "--recipes", "recipes", code=1)
    routes = {gap["name"]: gap["route"] for gap in json.loads(run.out)["gaps"]}
    assert (routes["python-yappi"]["kind"], routes["python-yappi"]["reason"]) == ("recipe", "ours")
    without = ppcdeps("plan", "python3-yappi", "--python", "rpm", "--json", code=1)
    assert {gap["name"]: gap["route"]["kind"] for gap in json.loads(without.out)["gaps"]}["python-yappi"] == "rebuild"


@pytest.mark.parametrize("option", ["--output", "--build-order", "--html"])
def test_a_place_that_is_none_is_said_before_anything_is_planned(option: str, ppcdeps: Program) -> None:
    run = ppcdeps("plan", "nova-compute", "--python", "rpm", option, "none/x", code=3)
    assert run.err == (
        f"ppcdeps: error: cannot write none/x: No such file or directory; name another place with {option}\n"
    )
    assert not (ppcdeps.folder / "plan-nova-compute.json").exists()


def test_the_build_order_is_written_for_other_tools(ppcdeps: Program) -> None:
    ppcdeps("plan", "nova-compute", "--python", "rpm", "--no-output", "--build-order", "order.json", code=1)
    order = json.loads((ppcdeps.folder / "order.json").read_text())
    waves = [{step["source"] for step in wave} for wave in order["waves"]]
    assert "supermin" in waves[0]
    assert "libguestfs" in waves[-1]
    assert {"supermin", "qemu-kvm"} <= set(order["needs"]["libguestfs"])
