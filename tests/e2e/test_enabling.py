"""Repositories that are known and not enabled, over HTTP, from a `.repo` file, and up to the build."""

import json
from collections.abc import Iterator

import pytest
from enabling import EnablingCase, read_enabling_cases, write_target
from mirror import Mirror, send, serving
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra

CASES = {case.name: case for case in read_enabling_cases()}
HAS_IT = CASES["a repository that has what is missing"]
NOT_LOOKED_AT = "Known and not enabled, and not looked at for what is missing\n  extra: "
PLAN = ("plan", "app", "--target", "target.toml", "--python", "rpm", "--no-output")


@pytest.fixture
def served(ppcdeps: Program) -> Iterator[Mirror]:
    """The repository that is not enabled, served; the rest is on the disk."""
    place = ppcdeps.folder / "served"
    place.mkdir()
    with serving(place / "extra") as mirror:
        write_world(HAS_IT, ppcdeps, mirror)
        yield mirror


def write_world(case: EnablingCase, ppcdeps: Program, mirror: Mirror) -> None:
    file = write_target(case, ppcdeps.folder / "served", {"extra": mirror.url.rstrip("/")})
    file.rename(ppcdeps.folder / "target.toml")


def test_metadata_of_a_known_repository_is_fetched_only_where_a_gap_asks(ppcdeps: Program, served: Mirror) -> None:
    tool = write_repository(ppcdeps.folder / "own", [Package(Nevra.parse("tool-1-1.noarch"))])
    ppcdeps("plan", "tool", *PLAN[2:], "--repofrompath", f"own,{tool}", code=0)
    assert served.paths() == []
    ppcdeps("sync", "--target", "target.toml")
    assert served.paths() == []
    run = ppcdeps(*PLAN, code=1)
    assert served.paths() == ["repodata/repomd.xml", "repodata/primary.xml.gz"]
    typed = "ppcdeps plan app --target target.toml --python rpm --no-output --enablerepo extra"
    assert f"  type          {typed}\n" in run.out
    ppcdeps(*PLAN, code=1)
    assert len(served.paths()) == 2, "the second run takes it from the cache"
    assert "known and not enabled" not in ppcdeps(*PLAN, "--enablerepo", "extra", code=0).out


def test_without_a_network_what_is_cached_is_looked_at_and_the_rest_said(ppcdeps: Program, served: Mirror) -> None:
    run = ppcdeps(*PLAN, "--offline", code=1)
    assert NOT_LOOKED_AT in run.out
    assert "  lib   absent  rebuild  1     app-1-1.ppc64le" in run.out
    assert served.paths() == []
    ppcdeps(*PLAN, code=1)
    assert "extra, known and not enabled, would close the gap" in ppcdeps(*PLAN, "--offline", code=1).out


@pytest.mark.parametrize("status", [404, 403, 500])
def test_one_that_does_not_answer_is_said_and_the_plan_is_made(status: int, ppcdeps: Program, served: Mirror) -> None:
    served.answers["repomd.xml"] = send(b"no", status)
    run = ppcdeps(*PLAN, "--setopt", "extra.retries=1", code=1)
    assert NOT_LOOKED_AT in run.out
    assert "Missing at run time: 1" in run.out
    plan = json.loads(ppcdeps(*PLAN, "--json", "--setopt", "extra.retries=1", code=1).out)
    assert plan["created_from"]["extra"]["problem"]
    assert plan["enabling"] == []


def test_a_repo_file_has_known_repositories_too(ppcdeps: Program, served: Mirror) -> None:
    (ppcdeps.folder / "my.repo").write_text(
        f"[base]\nname=b\nbaseurl={(ppcdeps.folder / 'served/target').as_uri()}\n"
        f"[extra]\nname=e\nbaseurl={served.url}\nenabled=0\n"
        f"[extra-source]\nname=s\nbaseurl={served.url}source/\nenabled=0\n"
    )
    run = ppcdeps("plan", "app", "--repo-file", "my.repo", "--python", "rpm", "--json", "--no-output", code=1)
    plan = json.loads(run.out)
    assert {gap["name"]: (gap["route"]["kind"], gap["route"]["subject"]) for gap in plan["gaps"]} == {
        "lib": ("enable", ["extra"])
    }
    assert plan["gaps"][0]["alternative"]["kind"] == "blocked"
    assert not any("source" in path for path in served.paths())


def test_the_command_to_type_has_no_password(ppcdeps: Program, served: Mirror) -> None:
    address = served.url.replace("http://", "http://maple:s3cret@")
    words = (*PLAN, "--source", f"more,{address}", "--setopt", "extra.password=s3cret", "--setopt", "more.enabled=0")
    run = ppcdeps(*words, code=1)
    assert "s3cret" not in run.out + run.err
    assert "--setopt 'extra.password=***' --setopt more.enabled=0 --enablerepo extra" in run.out


def test_why_and_diff_show_the_route(ppcdeps: Program, served: Mirror) -> None:
    words = ("--target", "target.toml", "--python", "rpm")
    why = json.loads(ppcdeps("why", "lib", "--for", "app", *words, "--json").out)
    assert (why["gap"]["route"]["kind"], why["gap"]["alternative"]["kind"]) == ("enable", "rebuild")
    ppcdeps("plan", "app", *words, "-o", "without.json", "--disablerepo", "extra", code=1)
    ppcdeps("plan", "app", *words, "-o", "known.json", code=1)
    ppcdeps("plan", "app", *words, "-o", "enabled.json", "--enablerepo", "extra", code=0)
    assert "! lib: route rebuild -> enable" in ppcdeps("diff", "without.json", "known.json").out
    shown = ppcdeps("diff", "known.json", "enabled.json").out
    assert "- lib (absent, run time, enable)" in shown
    assert "! extra (target, not enabled, revision 1, 1 packages" in shown


def test_a_build_leaves_to_the_repository_what_it_would_close(ppcdeps: Program, served: Mirror) -> None:
    ppcdeps("plan", "app", "--target", "target.toml", "--python", "rpm", "-o", "plan.json", code=1)
    build = ("build", "plan.json", "--target", "target.toml")
    assert ppcdeps(*build, code=2).fault == (
        "ppcdeps: error: nothing is built: enabling extra closes a gap of the plan; plan again with `ppcdeps plan "
        "app --enablerepo extra --target target.toml --python rpm`, or build what it lacks all the same with "
        "--alternatives"
    )
    for words in (("--alternatives",), ("--only", "lib")):
        assert "names no buildroot" in ppcdeps(*build, *words, code=3).fault
