"""Doors of Python: index pages, wheels, source distributions, constraints, locks, pip's configuration."""

import functools
import hashlib
import json
from collections.abc import Mapping

from damage import (
    damage_html,
    damage_json,
    damage_lines,
    damage_tar,
    damage_toml,
    damage_zip,
    dump_toml,
    tar_of,
    write_zip,
)
from door import door, unpack
from doortrial import Scene
from repositorydoors import repository

METADATA = b"""Metadata-Version: 2.1
Name: evil
Version: 1.0
Summary: A sample
Requires-Python: >=3.6
Requires-Dist: six >=1 ; python_version >= "3"
Requires-Dist: extra-thing ; extra == "more"
Provides-Extra: more
Classifier: Programming Language :: Python :: 3
Project-URL: Home, https://example.org

A description.
"""


def wheel_of(metadata: bytes) -> bytes:
    """A small wheel."""
    return write_zip(
        [
            ("evil/__init__.py", b"import six\nprint(six.moves)\n"),
            ("evil-1.0.dist-info/METADATA", metadata),
            ("evil-1.0.dist-info/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("evil-1.0.dist-info/entry_points.txt", b"[console_scripts]\nevil = evil:main\n"),
            ("evil-1.0.dist-info/RECORD", b"evil/__init__.py,,\n"),
        ]
    )


WHEEL = "evil-1.0-py3-none-any.whl"
SDIST = "evil-1.0.tar.gz"


def lock_on(scene: Scene) -> list[str]:
    """The command line that locks `evil` with the index that the server has."""
    options = ["--repofrompath", f"base,{repository(scene)}", "-o", "locked"]
    return ["constraints", "pypi:evil", "app", *options]


def _six(scene: Scene) -> None:
    content = write_zip([("six-1.16.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n")])
    name = "six-1.16.0-py3-none-any.whl"
    scene.serve(f"files/{name}", content)
    digest = hashlib.sha256(content).hexdigest()
    page = {"name": "six", "files": [{"filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest}}]}
    scene.serve("simple/six/index.json", json.dumps(page | {"meta": {"api-version": "1.1"}}).encode())


def offer(scene: Scene, files: Mapping[str, bytes], metadata: bytes | None = None) -> None:
    _six(scene)
    entries = []
    for name, content in files.items():
        scene.serve(f"files/{name}", content)
        entry: dict[str, object] = {
            "filename": name,
            "url": f"/files/{name}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": len(content),
        }
        if metadata is not None:
            scene.serve(f"files/{name}.metadata", metadata)
            entry["core-metadata"] = {"sha256": hashlib.sha256(metadata).hexdigest()}
        entries.append(entry)
    page = {"meta": {"api-version": "1.1"}, "name": "evil", "files": entries}
    scene.serve("simple/evil/index.json", json.dumps(page).encode())


def _index_json() -> bytes:
    entry = {
        "filename": WHEEL,
        "url": f"/files/{WHEEL}",
        "hashes": {"sha256": hashlib.sha256(wheel_of(METADATA)).hexdigest()},
        "size": len(wheel_of(METADATA)),
        "requires-python": ">=3.6",
        "upload-time": "2023-11-14T00:00:00Z",
        "yanked": False,
        "core-metadata": {"sha256": hashlib.sha256(METADATA).hexdigest()},
    }
    older = {**entry, "filename": "evil-0.9-py3-none-any.whl", "yanked": "broken"}
    return json.dumps(
        {"meta": {"api-version": "1.1"}, "name": "evil", "versions": ["0.9", "1.0"], "files": [entry, older]}
    ).encode()


@door("index-json", damage_json, _index_json, ".json")
def _json_page(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.serve("simple/evil/index.json", document)
    return lock_on(scene)


def _index_html() -> bytes:
    digest = hashlib.sha256(wheel_of(METADATA)).hexdigest()
    return (
        "<!DOCTYPE html><html><head><title>Links for evil</title></head><body>\n"
        f'<a href="/files/{WHEEL}#sha256={digest}" data-requires-python="&gt;=3.6" '
        f'data-dist-info-metadata="true">{WHEEL}</a>\n<a href="/files/evil-0.9-py3-none-any.whl" data-yanked="x">'
        "evil-0.9-py3-none-any.whl</a></body></html>\n"
    ).encode()


@door("index-html", damage_html, _index_html, ".html")
def _html_page(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    (scene.served / "simple/evil/index.json").unlink()
    scene.serve("simple/evil/index.html", document)
    return lock_on(scene)


@door("metadata", damage_lines, lambda: METADATA, ".METADATA")
def _metadata(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, document)
    return lock_on(scene)


@door("wheel", damage_zip, lambda: wheel_of(METADATA), ".whl")
def _wheel(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: document})
    return lock_on(scene)


@functools.cache
def sdist_tar() -> bytes:
    """A source distribution whose metadata are static, with all build files that are read."""
    files = {
        "evil-1.0/PKG-INFO": METADATA.replace(b"2.1", b"2.2"),
        "evil-1.0/pyproject.toml": PYPROJECT,
        "evil-1.0/setup.py": SETUP,
        "evil-1.0/setup.cfg": b"[metadata]\nname = evil\nversion = 1.0\n[options]\ninstall_requires =\n  six\n",
        "evil-1.0/evil/__init__.py": b"",
        "evil-1.0/evil.egg-info/requires.txt": b"six\n[more]\nextra-thing\n",
    }
    return tar_of(files, "gz")


PYPROJECT = b"""[build-system]
requires = ["setuptools>=40", "wheel"]
build-backend = "setuptools.build_meta"
[project]
name = "evil"
version = "1.0"
requires-python = ">=3.6"
dependencies = ["six>=1"]
dynamic = ["description"]
[project.optional-dependencies]
more = ["extra-thing"]
[tool.setuptools]
packages = ["evil"]
[[tool.setuptools.ext-modules]]
name = "evil._x"
sources = ["x.c"]
"""
SETUP = b"""from setuptools import setup, Extension
import sys
deps = ["six>=1"]
if sys.version_info < (3,):
    deps.append("enum34")
setup(name="evil", version="1.0", packages=["evil"], install_requires=deps, ext_modules=[],
      extras_require={"more": ["extra-thing"]}, python_requires=">=3.6")
"""


@door("sdist", damage_tar, sdist_tar, ".tar.gz")
def _sdist(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {SDIST: document})
    return lock_on(scene)


def sdist_with(**changed: bytes) -> bytes:
    files = {
        "evil-1.0/PKG-INFO": METADATA.partition(b"Requires-Dist")[0] + b"\n",
        "evil-1.0/evil/__init__.py": b"",
        **{f"evil-1.0/{name.replace('_', '.')}": content for name, content in changed.items()},
    }
    return tar_of(files, "gz")


@door("pyproject", damage_toml, lambda: PYPROJECT, ".toml")
def _pyproject(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {SDIST: sdist_with(pyproject_toml=document)})
    return lock_on(scene)


@door("setup-py", damage_lines, lambda: SETUP, ".py")
def _setup_py(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {SDIST: sdist_with(setup_py=document, setup_cfg=b"[metadata]\nname = evil\n")})
    return lock_on(scene)


CONSTRAINTS = b"""# pins
six===1.16.0  # via x
evil==1.0 ; python_version >= "3"
other-thing==2.0,>1
-c more.txt
"""


@door("constraints", damage_lines, lambda: CONSTRAINTS, ".txt")
def _constraints(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file("more.txt", b"thing==1\n")
    return [*lock_on(scene), "--constraints", str(scene.file("c.txt", document))]


def _requirements() -> bytes:
    digest = hashlib.sha256(wheel_of(METADATA)).hexdigest()
    return (
        f"# made for w on ppc64le, Python 3.9.25, glibc 2.34\nevil==1.0 \\\n    --hash=sha256:{digest}\n    # via w\n"
        f'six==1.16.0 ; python_version >= "3" \\\n    --hash=sha256:{"b" * 64}\n    # from the RPM python3-six\n'
    ).encode()


@door("lock-requirements", damage_lines, _requirements, ".txt")
def _lock_requirements(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    return ["check", "lock", str(scene.file("r.txt", document))]


def _pylock() -> bytes:
    digest = hashlib.sha256(wheel_of(METADATA)).hexdigest()
    return dump_toml(
        {
            "lock-version": "1.0",
            "created-by": "x",
            "requires-python": "==3.9.*",
            "environments": ["python_version == '3.9' and platform_machine == 'ppc64le'"],
            "packages": [
                {
                    "name": "evil",
                    "version": "1.0",
                    "marker": "python_version >= '3'",
                    "wheels": [{"name": WHEEL, "path": f"wheels/{WHEEL}", "hashes": {"sha256": digest}}],
                },
                {
                    "name": "six",
                    "version": "1.16.0",
                    "sdist": {"url": "http://127.0.0.1:9/six-1.16.0.tar.gz", "hashes": {"sha256": "0" * 64}},
                },
            ],
        }
    ).encode()


@door("lock-pylock", damage_toml, _pylock, ".toml")
def _lock_pylock(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file(f"wheels/{WHEEL}", wheel_of(METADATA))
    return ["check", "lock", str(scene.file("pylock.toml", document))]


@door("lock-wheel", damage_zip, lambda: wheel_of(METADATA), ".whl")
def _lock_wheel(scene: Scene, document: bytes) -> list[str]:
    """The sources in a wheel, read for the names that it uses."""
    offer(scene, {WHEEL: document}, METADATA)
    digest = hashlib.sha256(document).hexdigest()
    return ["check", "lock", str(scene.file("r.txt", f"evil==1.0 --hash=sha256:{digest}\n".encode())), "--tests"]


@door(
    "pip-config",
    damage_lines,
    lambda: b"[global]\nindex-url = @URL@simple\ntimeout = 2\nretries = 0\n[install]\nno-index = false\n",
    ".conf",
    environment=lambda scene: {
        "PIP_INDEX_URL": "",
        "PIP_CONFIG_FILE": str(scene.inputs / "pip.conf"),
        "PIP_RETRIES": "0",
        "PIP_TIMEOUT": "1",
    },
)
def _pip_config(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file("pip.conf", document.replace(b"@URL@", scene.url.encode()))
    return lock_on(scene)


@functools.cache
def former_files() -> bytes:
    """The files of an earlier lock, which `constraints` reads again."""
    return tar_of(
        {
            "constraints-w.txt": CONSTRAINTS,
            "more.txt": b"thing==1\n",
            "requirements-w.txt": _requirements(),
            "pylock.w.toml": _pylock(),
        }
    )


@door("former-lock", damage_tar, former_files, ".tar")
def _former(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    unpack(document, scene.work / "locked")
    file = scene.file("w.toml", b'name = "w"\ntitle = "W"\nroots = ["pypi:evil", "app"]\n')
    return ["constraints", str(file), "--repofrompath", f"base,{repository(scene)}", "-o", "locked"]
