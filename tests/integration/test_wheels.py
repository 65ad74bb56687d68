"""Wheels that were built: checked, published, and downloaded by pip for the target."""

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from repositories import lacks as lacks_publishing
from rpms import compiled, lacks
from wheelfiles import make_wheel

from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.wheels import collect_wheels, read_wheel
from ppcdeps.model.errors import BuildError

needs_compiler = pytest.mark.skipif(bool(lacks()), reason=lacks())
needs_publishing = pytest.mark.skipif(bool(lacks_publishing()), reason=lacks_publishing())

MODULE = "int PyInit_sample(void) { return 0; }\n"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("module"), MODULE, "-shared", "-fPIC")


def pip_download(tmp_path: Path, *options: str) -> list[str]:
    """What pip for ppc64le takes."""
    to = tmp_path / "downloaded"
    platform = ["--platform=linux_ppc64le", "--python-version=3.9.18", "--only-binary=:all:", "--no-deps"]
    command = [sys.executable, "-m", "pip", "--isolated", "download", "--no-cache-dir", "-q", f"--dest={to}"]
    done = subprocess.run(
        [*command, *platform, *options], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    return sorted(path.name for path in to.iterdir())


@needs_compiler
@needs_publishing
def test_pip_takes_published_wheels_for_the_target(module: bytes, tmp_path: Path) -> None:
    build = tmp_path / "build"
    make_wheel(build / "dist", files={"sample.so": module})
    make_wheel(build, "Pure.Name", tag="py3-none-any")
    wheels = collect_wheels(build, "ppc64le")
    assert [(one.name, one.version, one.requires_python) for one in wheels] == [
        ("pure-name", "1.0", ">=3.9"),
        ("sample", "1.0", ">=3.9"),
    ]
    done = publish(tmp_path / "repo", [], wheels=wheels)
    assert done.added == ("Pure.Name-1.0-py3-none-any.whl", "sample-1.0-cp39-cp39-linux_ppc64le.whl")
    index = (done.folder / "wheels/simple").as_uri()
    assert pip_download(tmp_path / "a", f"--index-url={index}", "sample", "pure_name") == list(done.added)
    page = (done.folder / "wheels/index.html").as_uri()
    assert pip_download(tmp_path / "b", "--no-index", f"--find-links={page}", "sample") == list(done.added)[1:]


class _Server(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@needs_publishing
def test_a_plain_server_gives_metadata_without_the_wheel(tmp_path: Path) -> None:
    make_wheel(tmp_path / "build", tag="py3-none-any")
    done = publish(tmp_path / "repo", [], wheels=collect_wheels(tmp_path / "build", "ppc64le"))
    asked: list[str] = []
    handler = type("Handler", (_Server,), {"asked": asked})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(done.folder))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/wheels/simple/"
        command = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "-q", "--no-cache-dir"]
        options = ["--ignore-installed", "--no-deps", f"--index-url={url}", "--report=-", "sample"]
        told = subprocess.run([*command, *options], capture_output=True, text=True)
        server.shutdown()
    assert told.returncode == 0, told.stderr
    (report,) = json.loads(told.stdout)["install"]
    (wheel,) = done.manifest.wheels
    assert report["download_info"]["archive_info"]["hashes"] == {"sha256": wheel.sha256}
    assert any(path.endswith(".whl.metadata") for path in asked)
    assert not any(path.endswith(".whl") for path in asked)


@needs_publishing
def test_the_json_pages_say_the_same(tmp_path: Path) -> None:
    make_wheel(tmp_path / "build")
    done = publish(tmp_path / "repo", [], wheels=collect_wheels(tmp_path / "build", "ppc64le"))
    simple = done.folder / "wheels/simple"
    assert json.loads((simple / "index.json").read_text())["projects"] == [{"name": "sample"}]
    (file,) = json.loads((simple / "sample/index.json").read_text())["files"]
    # As a client joins URLs: by text, whatever is a link.
    place = Path(os.path.normpath(simple / "sample" / file["url"]))
    assert hashlib.sha256(place.read_bytes()).hexdigest() == file["hashes"]["sha256"]
    metadata = place.with_name(f"{place.name}.metadata").read_bytes()
    assert hashlib.sha256(metadata).hexdigest() == file["core-metadata"]["sha256"]
    assert file["requires-python"] == ">=3.9"


@needs_publishing
def test_wheels_are_replaced_kept_and_withdrawn(tmp_path: Path) -> None:
    first = collect_wheels(make_wheel(tmp_path / "a").parent, "ppc64le")
    other = collect_wheels(make_wheel(tmp_path / "b", "other").parent, "ppc64le")
    again = collect_wheels(make_wheel(tmp_path / "c", files={"more.py": b""}).parent, "ppc64le")
    publish(tmp_path / "repo", [], wheels=first)
    assert not publish(tmp_path / "repo", [], wheels=first).is_changed
    publish(tmp_path / "repo", [], wheels=other)
    done = publish(tmp_path / "repo", [], wheels=again)
    assert done.replaced == done.added == (again[0].file,)
    assert [one.sha256 for one in done.manifest.wheels] == [other[0].sha256, again[0].sha256]
    done = publish(tmp_path / "repo", [], withdraw=[again[0].file])
    assert done.withdrawn == (again[0].file,)
    assert not (done.folder / "wheels/simple/sample").exists()
    assert (done.folder / "wheels/simple/other/index.html").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tag": "cp39-cp39-linux_x86_64"}, "is for linux_x86_64, not for ppc64le"),
        ({"tag": "cp39-cp39-win_ppc64le"}, "is for win_ppc64le, not for ppc64le"),
        ({"tag": "nonsense"}, "is no name of a wheel"),
        ({"inside": {"WHEEL": b"Tag: cp311-cp311-linux_ppc64le\n"}}, "says other tags inside: cp311"),
        ({"inside": {"WHEEL": None}}, "says other tags inside: none"),
        ({"inside": {"METADATA": None}}, "has no METADATA"),
        ({"inside": {"RECORD": None}}, "has no RECORD"),
        ({"inside": {"METADATA": b"Name: other\nVersion: 1.0\n"}}, "says inside to be other 1.0"),
        (
            {"inside": {"METADATA": b"Name: sample\nVersion: 1.0\nRequires-Python: new\n"}},
            "has a Requires-Python that is none",
        ),
        ({"record": {"sample.py": b"other"}}, "sample.py is not as RECORD says"),
        ({"record": {"lost.py": b"other"}}, "RECORD lists lost.py, which is not there"),
        ({"files": {"bad.so": b"\x7fELF damaged"}}, "bad.so is a damaged ELF file"),
    ],
)
def test_wheels_with_a_fault_are_reported(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, **options)
    with pytest.raises(BuildError) as caught:
        read_wheel(path, "ppc64le")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@needs_compiler
def test_modules_of_another_machine_and_pure_wheels_with_modules(module: bytes, tmp_path: Path) -> None:
    native = make_wheel(tmp_path, tag="cp39-cp39-linux_x86_64", files={"sample.so": module})
    with pytest.raises(BuildError, match=r"sample.so is not for x86_64: machine PPC64, not X86_64"):
        read_wheel(native, "x86_64")
    pure = make_wheel(tmp_path, tag="py3-none-any", files={"sample.so": module})
    with pytest.raises(BuildError, match=r"sample.so is compiled, and the wheel's name says"):
        read_wheel(pure, "ppc64le")


def test_what_is_no_zip_file(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BuildError, match="is damaged"):
        read_wheel(path, "ppc64le")


def test_two_wheels_of_one_name_that_differ(tmp_path: Path) -> None:
    make_wheel(tmp_path / "a")
    make_wheel(tmp_path / "b")
    assert len(collect_wheels(tmp_path, "ppc64le")) == 1
    make_wheel(tmp_path / "c", files={"more.py": b""})
    with pytest.raises(BuildError, match="two different sample-1"):
        collect_wheels(tmp_path, "ppc64le")
