"""The lock as files: readable by pip and pip-tools, the same bytes for the same lock."""

import re
import tomllib
from pathlib import Path

import pytest
from indexes import EL9_PYTHON, OpenIndex, Shop, lock_of, pkg_info, sdist, wheel
from packaging.pylock import Pylock

from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.python.lock import PythonLock, PythonRoot
from ppcdeps.python.lockfiles import FilePlaces, LockFiles, former_pins, render_files, spelled_out
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.workload import WorkloadPython, constraints_for

C_SETUP = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"


@pytest.fixture
def lock(shop: Shop, open_index: OpenIndex) -> PythonLock:
    shop.add("app", wheel("app", "1.0", ("lib", "rpm-lib", "native", "pure", "lib[more]"), requires_python=">=3.6"))
    shop.add("lib", wheel("lib", "2.0", tags="cp39-cp39-manylinux_2_28_ppc64le", extras=("more",)))
    shop.add("lib", wheel("lib", "2.0", tags="cp39-cp39-manylinux_2_17_ppc64le", extras=("more",)))
    shop.add(
        "native",
        sdist("native", "3.0", {"PKG-INFO": pkg_info("native", "3.0"), "setup.py": C_SETUP, "x.c": ""}),
    )
    shop.add("pure", sdist("pure", "4.0", {"PKG-INFO": pkg_info("pure", "4.0", metadata="2.2")}))
    return lock_of(open_index(shop), "app", fixed={"rpm-lib": "5.0"})


def texts(files: LockFiles) -> dict[str, str]:
    return dict(files.texts)


def body(text: str) -> str:
    return re.sub(r"(?m)\A(#.*\n)+", "", text)


def test_the_constraints_hold_everything_with_who_provides_it(lock: PythonLock) -> None:
    text = texts(render_files(lock, "demo", command="ppcdeps constraints demo"))["constraints-demo.txt"]
    assert text.startswith("#\n# demo on ppc64le, Python 3.9.25, glibc 2.34\n")
    assert "#    ppcdeps constraints demo\n" in text
    assert body(text) == (
        "app==1.0\n    # via workload test\n    # by pip, as a wheel\n"
        "lib==2.0\n    # via app\n    # by pip, as a wheel for the target's machine\n"
        "native==3.0\n    # via app\n    # built from source (C)\n"
        "pure==4.0\n    # via app\n    # by pip, from source\n"
        "rpm-lib==5.0\n    # via app\n    # from the RPM python3-rpm-lib-5.0-1.el9.noarch\n"
    )


def test_the_requirements_hold_what_pip_installs_with_every_usable_files_hash(lock: PythonLock) -> None:
    text = texts(render_files(lock, "demo", command="c"))["requirements-demo.txt"]
    assert "#    native==3.0 (C)\n" in text
    assert re.findall(r"(?m)^([\w\[\]-]+)==", text) == ["app", "lib[more]", "pure"]
    hashes = re.findall(r"(?m)^    --hash=sha256:([0-9a-f]{64})(?: \\)?$", text)
    assert len(hashes) == 4


def test_pylock_is_what_the_specification_says(lock: PythonLock) -> None:
    document = texts(render_files(lock, "demo", command="c"))["pylock.demo.toml"]
    parsed = Pylock.from_dict(tomllib.loads(document))
    parsed.validate()
    assert [package.name for package in parsed.packages] == ["app", "lib", "pure"]
    selected = {
        package.name: getattr(file, "filename", "")
        for package, file in parsed.select(
            environment={**lock.environment.markers, "extra": ""},  # type: ignore[arg-type]
            tags=lock.environment.tags,
        )
    }
    assert selected == {
        "app": "app-1.0-py3-none-any.whl",
        "lib": "lib-2.0-cp39-cp39-manylinux_2_28_ppc64le.whl",
        "pure": "pure-4.0.tar.gz",
    }


def test_no_file_names_the_index_unless_asked_to(lock: PythonLock) -> None:
    plain = render_files(lock, "demo", command="c")
    assert not any("127.0.0.1" in text for text in texts(plain).values())
    linked = texts(render_files(lock, "demo", command="c", places=FilePlaces.URL))
    assert "http://127.0.0.1" in linked["pylock.demo.toml"]
    assert texts(plain)["requirements-demo.txt"] == linked["requirements-demo.txt"]


def test_credentials_never_reach_a_file(lock: PythonLock) -> None:
    from dataclasses import replace

    first = lock.distributions[0]
    file = replace(first.files[0], url="https://me:secret@h.example/app-1.0-py3-none-any.whl")
    secret = replace(lock, distributions=(replace(first, files=(file,)),))
    text = texts(render_files(secret, "demo", command="c", places=FilePlaces.URL))["pylock.demo.toml"]
    assert "https://h.example/app" in text
    assert "secret" not in text


def test_files_come_all_or_not_at_all(lock: PythonLock, tmp_path: Path) -> None:
    files = render_files(lock, "demo", command="c")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentLacksError):
        files.write(tmp_path / "file")
    written = files.write(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)


def test_repetition_changes_nothing_and_a_move_little(shop: Shop, open_index: OpenIndex, tmp_path: Path) -> None:
    shop.add("app", wheel("app", "1.0", ("a", "b")))
    shop.add("a", wheel("a", "1.0"))
    shop.add("b", wheel("b", "1.0"))
    asked = WorkloadPython("demo", EL9_PYTHON, (PythonRoot("app", "demo"),))
    _, files = constraints_for(asked, open_index(shop), former=tmp_path)
    files.write(tmp_path)
    shop.add("a", wheel("a", "2.0"))
    _, again = constraints_for(asked, open_index(shop, refresh=True), former=tmp_path)
    assert again == files, "the former pins still fit"
    shop.add("app", wheel("app", "2.0", ("a>=2", "b")))
    moved = WorkloadPython("demo", EL9_PYTHON, (PythonRoot("app>=2", "demo"),))
    shop.add("b", wheel("b", "2.0"))
    lock, _ = constraints_for(moved, open_index(shop, refresh=True), former=tmp_path)
    assert {each.name: each.version for each in lock.distributions} == {"app": "2.0", "a": "2.0", "b": "1.0"}
    lock, _ = constraints_for(moved, open_index(shop, refresh=True))
    assert {each.name: each.version for each in lock.distributions} == {"app": "2.0", "a": "2.0", "b": "2.0"}


def test_a_failure_leaves_the_former_files_as_they_were(shop: Shop, open_index: OpenIndex, tmp_path: Path) -> None:
    shop.add("app", wheel("app", "1.0"))
    asked = WorkloadPython("demo", EL9_PYTHON, (PythonRoot("app", "demo"),))
    constraints_for(asked, open_index(shop))[1].write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    pins = tmp_path / "uc.txt"
    pins.write_text("app===1\napp===2\n")
    with pytest.raises(ConfigError):
        broken = WorkloadPython("demo", EL9_PYTHON, (PythonRoot("app", "demo"),), constraints=pins)
        constraints_for(broken, open_index(shop), former=tmp_path)
    pins.unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_what_was_written_is_read_as_former_pins(lock: PythonLock, tmp_path: Path) -> None:
    render_files(lock, "demo", command="c").write(tmp_path)
    pins = former_pins(tmp_path, "demo", lock.environment)
    assert pins == {"app": "1.0", "lib": "2.0", "native": "3.0", "pure": "4.0"}, "RPMs have theirs from elsewhere"
    assert former_pins(tmp_path, "other", lock.environment) == {}


def test_native_distributions_are_spelled_out(lock: PythonLock) -> None:
    assert spelled_out(lock) == ["native 3.0: C (setup.py: ext_modules=; setup.py: Extension(); x.c)"]


def test_the_rpms_version_is_in_the_constraints_though_nothing_asks_for_it(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0"))
    fixed = (FixedDistribution("quiet", "7", "python3-quiet-7-1.noarch"),)
    asked = WorkloadPython("demo", EL9_PYTHON, (PythonRoot("app", "demo"),), fixed=fixed)
    _, files = constraints_for(asked, open_index(shop))
    assert "quiet==7\n    # from the RPM python3-quiet-7-1.noarch\n" in texts(files)["constraints-demo.txt"]
    assert "quiet" not in texts(files)["requirements-demo.txt"]
