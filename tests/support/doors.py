"""The doors of ppcdeps: each way from outside data in, with a small valid document and a command line that reads it.

Nothing but loopback is asked, and every command works in the folders of its scene. A document of several files is a
tar archive of them.
"""

import functools
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from damage import (
    Form,
    damage_bytes,
    damage_html,
    damage_json,
    damage_lines,
    damage_tar,
    damage_toml,
    damage_xml,
    damage_yaml,
    damage_zip,
    dump_toml,
    read_tar,
    tar_of,
    write_zip,
)
from doortrial import Scene
from guests import DEBIAN_12, domain
from mirror import serving
from pythonroots import compile_library, el_root, has_program, make_dist, own_rpm
from rpmmd import Package, modules_yaml, write_repository
from srpms import make_srpm, run

from ppcdeps.model.nevra import Nevra

TESTS = Path(__file__).parents[1]
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Door:
    """A way in. ``place`` writes a document into a scene with all that it takes, and returns the command line."""

    name: str
    form: Form
    document: Callable[[], bytes]
    """The valid document. It is made once."""
    place: Callable[[Scene, bytes], list[str]]
    suffix: str = ".txt"
    """What a file of the document is called."""
    needs: tuple[str, ...] = ()
    """Programs without which there is no document."""
    environment: Callable[[Scene], Mapping[str, str]] = lambda _: _NONE
    slow: bool = False
    """Whether a run starts other programs: then fewer inputs are brought here."""

    def variables(self, scene: Scene) -> Mapping[str, str]:
        """Variables of the run's environment."""
        return self.environment(scene)

    def lacks(self) -> str:
        """Why the door cannot be tried on this machine; empty where it can."""
        return next((f"needs {one}" for one in self.needs if shutil.which(one) is None), "")


DOORS: dict[str, Door] = {}


def _door(
    name: str, form: Form, document: Callable[[], bytes], suffix: str = ".txt", **more: object
) -> Callable[..., object]:
    """Enter the function below as a door's ``place``."""

    def enter(place: Callable[[Scene, bytes], list[str]]) -> Callable[[Scene, bytes], list[str]]:
        DOORS[name] = Door(name, form, functools.cache(document), place, suffix, **more)  # type: ignore[arg-type]
        return place

    return enter


# Repositories -----------------------------------------------------------------------------------------------


def packages() -> list[Package]:
    """A program that needs a library, a library, a Python package, and a source."""
    parse = Nevra.parse
    return [
        Package(
            parse("app-1.0-1.ppc64le"),
            relations={"requires": ("lib >= 1", "/opt/lib/data", "(lib or other)"), "recommends": ("docs",)},
            files=("/usr/bin/app",),
        ),
        Package(parse("lib-1:1.2-3.ppc64le"), files=("/opt/lib/data", "/usr/lib64/lib.so.1"), pre=("app",)),
        Package(parse("python3-six-1.16.0-1.noarch"), relations={"provides": ("python3dist(six) = 1.16.0",)}),
        Package(parse("lost-1-1.noarch"), relations={"requires": ("gone >= 2", "nobody")}),
    ]


@functools.cache
def repository_files() -> Mapping[str, bytes]:
    """The files of a small repository with modules, by their path; the metadata is not compressed."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_repository(
            Path(name), packages(), modules_yaml({"m:1": ["lib-1:1.2-3.ppc64le"]}, "ppc64le", {"m": "1"})
        )
        found = {
            f"repodata/{path.name.removesuffix('.gz')}": gzip.decompress(path.read_bytes())
            for path in (folder / "repodata").glob("*.gz")
        }
    return {**found, "repodata/repomd.xml": repomd_of(found)}


def repomd_of(files: Mapping[str, bytes]) -> bytes:
    """A repomd.xml with the right digests of these files."""
    records = "".join(
        f'<data type="{Path(name).name.partition(".")[0]}"><checksum type="sha256">{hashlib.sha256(content).hexdigest()}'
        f'</checksum><open-checksum type="sha256">{hashlib.sha256(content).hexdigest()}</open-checksum>'
        f'<location href="{name}"/><timestamp>1700000000</timestamp><size>{len(content)}</size>'
        f"<open-size>{len(content)}</open-size></data>"
        for name, content in files.items()
        if not name.endswith("repomd.xml")
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f"<revision>1700000000</revision>{records}</repomd>\n"
    ).encode()


def repository(scene: Scene, changed: Mapping[str, bytes] = _NONE, name: str = "repo") -> str:  # type: ignore[assignment]
    """Write the small repository with these files changed, and the digests right. Returns its URL."""
    files = {**repository_files(), **changed}
    if "repodata/repomd.xml" not in changed:
        files["repodata/repomd.xml"] = repomd_of(files)
    for path, content in files.items():
        scene.file(f"{name}/{path}", content)
    return (scene.inputs / name).as_uri()


ROOTS = ("app", "lost", "lib >= 1")
PLAIN = ("--no-output", "--python", "rpm")


def plan_on(url: str, *roots: str) -> list[str]:
    """The command line that plans on one repository."""
    return ["plan", *(roots or ROOTS), "--repofrompath", f"base,{url}", *PLAIN]


SOURCE = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm"><name>evil</name><arch>src</arch><version epoch="0" ver="1" rel="1"/>
<checksum type="sha256" pkgid="YES">{digest}</checksum><summary/><description/><packager/><url/>
<time file="1" build="1"/><size package="{size}" installed="1" archive="1"/><location {location}/>
<format><rpm:license>x</rpm:license><rpm:vendor/><rpm:group/><rpm:buildhost/><rpm:sourcerpm/>
<rpm:header-range start="1" end="2"/><rpm:provides><rpm:entry name="evil" flags="EQ" epoch="0" ver="1" rel="1"/>
</rpm:provides></format></package></metadata>
"""


def source_repository(place: Scene, location: str, *, remote: bool, content: bytes | None = None) -> str:
    """A source repository whose package has this location. Returns its URL."""
    content = (place.canary / "secret.txt").read_bytes() if content is None else content
    primary = SOURCE.format(digest=hashlib.sha256(content).hexdigest(), size=len(content), location=location).encode()
    files = {"repodata/primary.xml": primary}
    files["repodata/repomd.xml"] = repomd_of(files)
    for name, text in files.items():
        if remote:
            place.serve(f"src/{name}", text)
        else:
            place.file(f"src/{name}", text)
    return f"{place.url}src/" if remote else (place.inputs / "src").as_uri()


def _part(name: str) -> Callable[[], bytes]:
    return lambda: repository_files()[f"repodata/{name}"]


@_door("repomd", damage_xml, _part("repomd.xml"), ".xml")
def _repomd(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/repomd.xml": document}))


@_door("primary", damage_xml, _part("primary.xml"), ".xml")
def _primary(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/primary.xml": document}))


@_door("primary-reference", damage_xml, _part("primary.xml"), ".xml")
def _primary_reference(scene: Scene, document: bytes) -> list[str]:
    """The same as a reference, of x86_64, with its stand-ins, and as a source repository."""
    target = repository(scene)
    other = repository(scene, {"repodata/primary.xml": document.replace(b"ppc64le", b"x86_64")}, "reference")
    sources = repository(scene, {"repodata/primary.xml": document.replace(b"noarch", b"src")}, "source")
    return [*plan_on(target), "--reference", f"x86,{other}", "--source", f"src,{sources}", "-o", "p.json"][:-2]


@_door("filelists", damage_xml, _part("filelists.xml"), ".xml")
def _filelists(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/filelists.xml": document}))


@_door("modules", damage_yaml, _part("modules.yaml"), ".yaml")
def _modules(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/modules.yaml": document}))


def _packed() -> bytes:
    import zstandard

    return zstandard.compress(repository_files()["repodata/primary.xml"])


@_door("primary-zst", damage_bytes, _packed, ".xml.zst")
def _primary_zst(scene: Scene, document: bytes) -> list[str]:
    """Damage to a compressed file under the right digest: what a repository sends is what it says it sends."""
    opened = repository_files()["repodata/primary.xml"]
    digest = hashlib.sha256(document).hexdigest()
    record = (
        f'<data type="primary"><checksum type="sha256">{digest}</checksum>'
        f'<open-checksum type="sha256">{hashlib.sha256(opened).hexdigest()}</open-checksum>'
        f'<location href="repodata/primary.xml.zst"/><timestamp>1700000000</timestamp><size>{len(document)}</size>'
        f"<open-size>{len(opened)}</open-size></data>"
    )
    repomd = f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>{record}</repomd>'
    changed = {"repodata/primary.xml.zst": document, "repodata/repomd.xml": repomd.encode()}
    return plan_on(repository(scene, changed), "app", "lost")


@_door("snapshot-save", damage_xml, _part("primary.xml"), ".xml")
def _snapshot_save(scene: Scene, document: bytes) -> list[str]:
    url = repository(scene, {"repodata/primary.xml": document})
    return ["snapshot", "save", "saved", "--repofrompath", f"base,{url}"]


REPO = b"""[base]
name=A repository
baseurl=@URL@
enabled=1
priority=50
cost=1000
excludepkgs=docs,other*
includepkgs=
gpgcheck=0
repo_gpgcheck=0
skip_if_unavailable=false
metadata_expire=48h
timeout=5
retries=1
module_hotfixes=0
sslverify=1
"""


@_door("repo-file", damage_lines, lambda: REPO, ".repo")
def _repo_file(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("a.repo", document.replace(b"@URL@", repository(scene).encode()))
    return ["plan", *ROOTS, "--repo-file", str(file), *PLAIN]


def _served(scene: Scene) -> str:
    for path, content in repository_files().items():
        scene.serve(f"repo/{path}", content)
    return f"{scene.url}repo/"


QUICK = "timeout=2\nretries=0\n"


@_door("mirrorlist", damage_lines, lambda: b"# mirrors\n@URL@\nhttp://127.0.0.1:9/repo/\n", ".list")
def _mirrorlist(scene: Scene, document: bytes) -> list[str]:
    url = scene.serve("mirrors", document.replace(b"@URL@", _served(scene).encode()))
    return [
        "plan",
        *ROOTS,
        "--repo-file",
        str(scene.file("a.repo", f"[a]\nmirrorlist={url}\n{QUICK}".encode())),
        *PLAIN,
    ]


def _metalink_document() -> bytes:
    content = repository_files()["repodata/repomd.xml"]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f"<mm0:timestamp>1700000000</mm0:timestamp><size>{len(content)}</size><verification>"
        f'<hash type="sha256">{hashlib.sha256(content).hexdigest()}</hash></verification>'
        '<resources maxconnections="1"><url protocol="http" type="http" location="DE" preference="100">'
        "http://127.0.0.1:7/repo/repodata/repomd.xml</url></resources></file></files></metalink>\n"
    ).encode()


@_door("metalink", damage_xml, _metalink_document, ".xml")
def _metalink(scene: Scene, document: bytes) -> list[str]:
    url = scene.serve("metalink", document.replace(b"http://127.0.0.1:7/repo/", _served(scene).encode()))
    return [
        "plan",
        *ROOTS,
        "--repo-file",
        str(scene.file("a.repo", f"[a]\nmetalink={url}\n{QUICK}".encode())),
        *PLAIN,
    ]


@_door("roots", damage_lines, lambda: b"app\nlib >= 1\n(lib or other)\npypi:six", ".txt")
def _roots(scene: Scene, document: bytes) -> list[str]:
    """The command line itself: an argument a line."""
    words = [line for line in document.decode("utf-8", "surrogateescape").split("\n") if line and "\0" not in line]
    words = [word.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for word in words]
    return ["plan", "--repofrompath", f"base,{repository(scene)}", *PLAIN, "--", *(words or ["app"])]


# Snapshots --------------------------------------------------------------------------------------------------


@functools.cache
def snapshot_tar() -> bytes:
    """A snapshot of the small repository, as `snapshot save` writes it."""
    from ppcdeps.cli.main import main

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_repository(folder / "repo", packages())
        command = ["snapshot", "save", f"{folder}/saved", "--repofrompath", f"base,{(folder / 'repo').as_uri()}"]
        command += ["-q", "--json", "--cache-dir", f"{folder}/cache"]
        with _quietly():
            assert main(command) == 0
        saved = folder / "saved"
        return tar_of(
            {str(path.relative_to(saved)): path.read_bytes() for path in sorted(saved.rglob("*")) if path.is_file()}
        )


class _quietly:  # noqa: N801
    """Standard output goes nowhere meanwhile."""

    def __enter__(self) -> None:
        import contextlib
        import io

        self._context = contextlib.redirect_stdout(io.StringIO())
        self._context.__enter__()

    def __exit__(self, *fault: object) -> None:
        self._context.__exit__(None, None, None)


def unpack(document: bytes, folder: Path) -> None:
    """Lay out a tar archive as a folder: its links, FIFOs and odd names, too, but nothing outside of it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        members = read_tar(document)
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return
    for member in members:
        name = os.path.normpath("/" + member.info.name.replace("\0", "")).lstrip("/")
        path = folder / name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        try:
            if os.path.realpath(path.parent) != os.path.realpath(folder) and not os.path.realpath(
                path.parent
            ).startswith(os.path.realpath(folder) + "/"):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.is_file():
                path.unlink()
            match member.info.type:
                case tarfile.SYMTYPE | tarfile.LNKTYPE:
                    path.symlink_to(member.info.linkname)
                case tarfile.FIFOTYPE:
                    os.mkfifo(path)
                case tarfile.CHRTYPE:
                    path.symlink_to("/dev/zero")
                case tarfile.DIRTYPE:
                    path.mkdir(exist_ok=True)
                case _:
                    path.write_bytes(member.content)
        except (OSError, ValueError):
            continue


@_door("snapshot-tar", damage_tar, snapshot_tar, ".tar")
def _snapshot_tar(scene: Scene, document: bytes) -> list[str]:
    return ["plan", *ROOTS, "--snapshot", str(scene.file("s.tar", document)), "--target", "centos-stream-9", *PLAIN]


@_door("snapshot-folder", damage_tar, snapshot_tar, ".tar")
def _snapshot_folder(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "saved")
    return ["plan", *ROOTS, "--snapshot", str(scene.inputs / "saved"), "--target", "centos-stream-9", *PLAIN]


@_door("snapshot-info", damage_tar, snapshot_tar, ".tar")
def _snapshot_info(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "saved")
    return ["snapshot", "info", str(scene.inputs / "saved")]


# TOML -------------------------------------------------------------------------------------------------------

WORKLOAD = b"""name = "w"
title = "A workload"
roots = ["app", "lib >= 1", "/opt/lib/data", "pypi:six"]
advice = ["cpu-baseline"]
[openstack]
default = "yoga"
releases = ["yoga", "zed"]
[constraints]
yoga = "pins.txt"
"""


@_door("workload", damage_toml, lambda: WORKLOAD, ".toml")
def _workload(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("w.toml", document)
    scene.file("pins.txt", b"six===1.16.0\n")
    return ["plan", str(file), "--repofrompath", f"base,{repository(scene)}", "--python", "rpm"]


TARGET = b"""name = "t"
title = "A target"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el9"
cpu_baseline = "POWER9"
buildroot = "centos-stream-9"
build_packages = ["bash", "gcc"]
install_weak_deps = false
module_streams = ["m:1"]
[python]
version = "3.9.25"
glibc = "2.34"
[openstack]
default = "yoga"
releases = ["yoga"]
[variables]
ceph = "x"
[[repositories]]
id = "base"
side = "target"
name = "B $ceph"
baseurl = "@URL@"
enabled = true
priority = 50
cost = 10
excludepkgs = ["docs"]
timeout = 2
retries = 1
metadata_expire = "2d"
optional = true
[[repositories]]
id = "ref"
side = "reference"
baseurl = ["@URL@"]
"""


@_door("target", damage_toml, lambda: TARGET, ".toml")
def _target(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("t.toml", document.replace(b"@URL@", repository(scene).encode()))
    return ["plan", *ROOTS, "--target", str(file), *PLAIN]


@functools.cache
def recipe_tar() -> bytes:
    """A recipe of each kind."""
    shipped = TESTS.parent / "recipes" / "guestfs-tools" / "recipe.toml"
    compiled = """source = "app"
kind = "compile"
summary = "The program"
reason = "a test"
links = ["https://example.org/app"]
packages = ["app"]
requires = ["lib"]
smoke_test = "app --version"
[build]
macros = { x = "1" }
requires = ["gcc", "lib-devel >= 1"]
without = ["docs"]
release_suffix = ".ppc1"
[upstream]
summary = "A program"
license = "MIT"
url = "https://example.org/"
description = "A program."
system = "make"
options = ["--fast"]
check = "true"
[[sources]]
version = "1.0"
url = "https://example.org/app-1.0.tar.gz"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"""
    spec = compiled.replace('kind = "compile"', 'kind = "spec"\nspec = "lib.spec.j2"').replace('"app"', '"lib"')
    spec = spec.partition("[upstream]")[0] + "[[sources]]" + spec.partition("[[sources]]")[2]
    template = (
        "Name: {{ name }}\nVersion: {{ version }}\nRelease: 1\nSummary: L\nLicense: MIT\n"
        "{% for one in sources %}Source{{ loop.index0 }}: {{ one.url }}\n{% endfor %}%description\nL\n%files\n"
    )
    files = {
        "app/recipe.toml": compiled,
        "lib/recipe.toml": spec,
        "lib/lib.spec.j2": template,
        "guestfs-tools/recipe.toml": shipped.read_text(),
    }
    return tar_of({name: text.encode() for name, text in files.items()})


@_door("recipe-show", damage_tar, recipe_tar, ".tar")
def _recipe_show(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "show", "app", "--recipes", str(scene.inputs / "recipes")]


@_door("recipe-plan", damage_tar, recipe_tar, ".tar")
def _recipe_plan(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    reference = repository(scene, name="reference")
    return [
        *plan_on(repository(scene), "lost", "app"),
        *("--reference", f"x86,{reference}", "--recipes", str(scene.inputs / "recipes")),
    ]


@_door("recipe-render", damage_tar, recipe_tar, ".tar")
def _recipe_render(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "render", "app", "--to", "out", "--recipes", str(scene.inputs / "recipes")]


@_door("recipe-template", damage_tar, recipe_tar, ".tar")
def _recipe_template(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "render", "lib", "--to", "out", "--recipes", str(scene.inputs / "recipes")]


@functools.cache
def buildroot_tar() -> bytes:
    """Two definitions of buildroots."""
    containers = TESTS.parent / "containers"
    names = ("centos-stream-9", "debian-12")
    return tar_of(
        {
            f"own-{name}/{path.relative_to(containers / name)}": path.read_bytes()
            for name in names
            for path in sorted((containers / name).rglob("*"))
            if path.is_file()
        }
    )


@_door("buildroot", damage_tar, buildroot_tar, ".tar")
def _buildroot(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "roots")
    return ["buildroot", "list", "--buildroots", str(scene.inputs / "roots")]


# Plans and runs ---------------------------------------------------------------------------------------------


@functools.cache
def plan_json() -> bytes:
    """A plan with gaps, a Python part, waves, and advice."""
    digest = "a" * 64
    document = _plan(digest)
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _plan(digest: str) -> dict[str, object]:
    by = [{"by": "w", "requirement": "app"}]
    return {
        "schema": 1,
        "workload": "w",
        "target": "ad-hoc",
        "arch": "ppc64le",
        "roots": ["app", "pypi:six"],
        "created_from": {
            "base": {
                "date": 1700000000,
                "digest": digest,
                "packages": 4,
                "problem": "",
                "revision": "1700000000",
                "side": "target",
            }
        },
        "summary": {
            "packages": 1,
            "target": 1,
            "reference": 0,
            "standins": 0,
            "gaps": {"build": 0, "run": 2},
            "routes": {"rebuild": 1, "blocked": 1},
        },
        "closure": [
            {"nevra": "app-1.0-1.ppc64le", "repo": "base", "required_by": by, "side": "target", "source": "app"},
            {"nevra": "lib-1.0-1.x86_64", "repo": "ref", "required_by": by, "side": "standin", "source": "lib"},
        ],
        "gaps": [
            {
                "cause": "absent",
                "detail": "",
                "kind": "rpm",
                "name": "lib-1.0-1.x86_64",
                "phase": "run",
                "required_by": by,
                "route": {
                    "digest": "",
                    "help": "",
                    "kind": "rebuild",
                    "minutes": {"native": 1},
                    "reason": "as it is",
                    "subject": ["lib"],
                },
                "source": "lib",
                "wanted": ["lib >= 1"],
            },
            {
                "cause": "unknown",
                "detail": "",
                "kind": "rpm",
                "name": "gone",
                "phase": "run",
                "required_by": by,
                "route": {
                    "digest": "",
                    "help": "name a repository",
                    "kind": "blocked",
                    "minutes": {},
                    "reason": "nothing provides gone",
                    "subject": [],
                },
                "source": None,
                "wanted": ["gone"],
            },
        ],
        "needs": {"lib": ["gcc"]},
        "waves": [["lib"]],
        "reliefs": [],
        "advice": ["a word"],
        "python": {
            "python": "3.9.25",
            "machine": "ppc64le",
            "glibc": "2.34",
            "distributions": [
                {
                    "name": "evil",
                    "version": "1.0",
                    "provided": "wheel",
                    "via": ["w"],
                    "files": [{"name": WHEEL, "sha256": hashlib.sha256(wheel_of(METADATA)).hexdigest(), "size": 1}],
                }
            ],
        },
    }


@_door("plan-diff", damage_json, plan_json, ".json")
def _plan_diff(scene: Scene, document: bytes) -> list[str]:
    return ["diff", str(scene.file("a.json", plan_json())), str(scene.file("b.json", document))]


@_door("plan-lock", damage_json, plan_json, ".json")
def _plan_lock(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    return ["check", "lock", str(scene.file("p.json", document))]


@functools.cache
def empty_plan() -> bytes:
    """A plan that takes no build, of the small repository."""
    plan = _plan("a" * 64)
    del plan["python"]
    plan |= {
        "python": {},
        "waves": [],
        "gaps": [],
        "needs": {},
        "closure": plan["closure"][:1],  # type: ignore[index]
        "created_from": {"base": {**plan["created_from"]["base"], "digest": "@DIGEST@"}},  # type: ignore[index]
        "summary": {"packages": 1, "target": 1, "reference": 0, "standins": 0, "gaps": {}, "routes": {}},
    }
    return json.dumps(plan, indent=1, sort_keys=True).encode()


@_door("plan-build", damage_json, empty_plan, ".json")
def _plan_build(scene: Scene, document: bytes) -> list[str]:
    """Nothing is to be built here: it goes as far as the folders of the run and the repository."""
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    file = scene.file("p.json", document.replace(b"@DIGEST@", digest.encode()))
    return ["build", str(file), "--repofrompath", f"base,{url}", "--engine", "none"]


@_door("plan-verify", damage_json, empty_plan, ".json", slow=True, needs=("dnf",))
def _plan_verify(scene: Scene, document: bytes) -> list[str]:
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    file = scene.file("p.json", document.replace(b"@DIGEST@", digest.encode()))
    repository(scene, name="local")
    return [
        *("verify", str(file), "--repofrompath", f"base,{url}", "--repository", str(scene.inputs / "local")),
        *("--no-install",),
    ]


@functools.cache
def run_state() -> bytes:
    """The state of an interrupted run of the plan that takes no build."""
    return json.dumps(
        {
            "schema": 1,
            "plan": "@PLAN@",
            "digest": "@SHA@",
            "arguments": ["--repofrompath", "base,@URL@", "--engine", "none"],
            "results": {"lib": "failed"},
            "started": 1700000000.5,
            "finished": None,
        }
    ).encode()


@_door("run-state", damage_json, run_state, ".json")
def _run_state(scene: Scene, document: bytes) -> list[str]:
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    plan = scene.file("p.json", empty_plan().replace(b"@DIGEST@", digest.encode()))
    document = document.replace(b"@PLAN@", str(plan).encode()).replace(b"@URL@", url.encode())
    document = document.replace(b"@SHA@", hashlib.sha256(plan.read_bytes()).hexdigest().encode())
    file = scene.file("build-w/run.json", document)
    return ["build", "--resume", "--work", str(file.parent)]


@functools.cache
def cache_state() -> bytes:
    """What the cache says of the small repository on a server, with the repository's URL as a mark."""
    from ppcdeps.cli.main import main

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in repository_files().items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        with serving(folder) as mirror, _quietly():
            command = ["sync", "--repofrompath", f"base,{mirror.url}", "-q", "--cache-dir", f"{folder}/cache"]
            assert main(command) == 0
            (state,) = (folder / "cache").glob("v*/repositories/*.json")
            return state.read_bytes().replace(mirror.url.encode(), b"@URL@")


@_door("cache-state", damage_json, cache_state, ".json")
def _cache_state(scene: Scene, document: bytes) -> list[str]:
    """The state that an earlier run recorded for a repository, damaged: the run after it."""
    from ppcdeps.cli.main import main

    url = _served(scene)
    if not (child := os.fork()):
        # The state and the objects are made by the program itself, which knows what they are called.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        main(["sync", "--repofrompath", f"base,{url}", "-q", "--cache-dir", str(scene.cache)])
        os._exit(0)
    os.waitpid(child, 0)
    for state in scene.cache.glob("v*/repositories/*.json"):
        state.write_bytes(document.replace(b"@URL@", url.encode()))
    return plan_on(url)


# Python -----------------------------------------------------------------------------------------------------

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


def _page(scene: Scene, files: Mapping[str, bytes], metadata: bytes | None = None) -> None:
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


@_door("index-json", damage_json, _index_json, ".json")
def _json_page(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
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


@_door("index-html", damage_html, _index_html, ".html")
def _html_page(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    (scene.served / "simple/evil/index.json").unlink()
    scene.serve("simple/evil/index.html", document)
    return lock_on(scene)


@_door("metadata", damage_lines, lambda: METADATA, ".METADATA")
def _metadata(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, document)
    return lock_on(scene)


@_door("wheel", damage_zip, lambda: wheel_of(METADATA), ".whl")
def _wheel(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: document})
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


@_door("sdist", damage_tar, sdist_tar, ".tar.gz")
def _sdist(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {SDIST: document})
    return lock_on(scene)


def _sdist_with(**changed: bytes) -> bytes:
    files = {
        "evil-1.0/PKG-INFO": METADATA.partition(b"Requires-Dist")[0] + b"\n",
        "evil-1.0/evil/__init__.py": b"",
        **{f"evil-1.0/{name.replace('_', '.')}": content for name, content in changed.items()},
    }
    return tar_of(files, "gz")


@_door("pyproject", damage_toml, lambda: PYPROJECT, ".toml")
def _pyproject(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {SDIST: _sdist_with(pyproject_toml=document)})
    return lock_on(scene)


@_door("setup-py", damage_lines, lambda: SETUP, ".py")
def _setup_py(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {SDIST: _sdist_with(setup_py=document, setup_cfg=b"[metadata]\nname = evil\n")})
    return lock_on(scene)


CONSTRAINTS = b"""# pins
six===1.16.0  # via x
evil==1.0 ; python_version >= "3"
other-thing==2.0,>1
-c more.txt
"""


@_door("constraints", damage_lines, lambda: CONSTRAINTS, ".txt")
def _constraints(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file("more.txt", b"thing==1\n")
    return [*lock_on(scene), "--constraints", str(scene.file("c.txt", document))]


def _requirements() -> bytes:
    digest = hashlib.sha256(wheel_of(METADATA)).hexdigest()
    return (
        f"# made for w on ppc64le, Python 3.9.25, glibc 2.34\nevil==1.0 \\\n    --hash=sha256:{digest}\n    # via w\n"
        f'six==1.16.0 ; python_version >= "3" \\\n    --hash=sha256:{"b" * 64}\n    # from the RPM python3-six\n'
    ).encode()


@_door("lock-requirements", damage_lines, _requirements, ".txt")
def _lock_requirements(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
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
                {"name": "six", "version": "1.16.0", "sdist": {"url": "http://127.0.0.1:9/six.tar.gz", "hashes": {}}},
            ],
        }
    ).encode()


@_door("lock-pylock", damage_toml, _pylock, ".toml")
def _lock_pylock(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file(f"wheels/{WHEEL}", wheel_of(METADATA))
    return ["check", "lock", str(scene.file("pylock.toml", document))]


@_door("lock-wheel", damage_zip, lambda: wheel_of(METADATA), ".whl")
def _lock_wheel(scene: Scene, document: bytes) -> list[str]:
    """The sources in a wheel, read for the names that it uses."""
    _page(scene, {WHEEL: document}, METADATA)
    digest = hashlib.sha256(document).hexdigest()
    return ["check", "lock", str(scene.file("r.txt", f"evil==1.0 --hash=sha256:{digest}\n".encode())), "--tests"]


@_door(
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
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    scene.file("pip.conf", document.replace(b"@URL@", scene.url.encode()))
    return lock_on(scene)


@functools.cache
def former_files() -> bytes:
    """The files of an earlier lock, which `constraints` reads again."""
    return tar_of(
        {"constraints-w.txt": CONSTRAINTS, "requirements-w.txt": _requirements(), "pylock.w.toml": _pylock()}
    )


@_door("former-lock", damage_tar, former_files, ".tar")
def _former(scene: Scene, document: bytes) -> list[str]:
    _page(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    unpack(document, scene.work / "locked")
    file = scene.file("w.toml", b'name = "w"\ntitle = "W"\nroots = ["pypi:evil", "app"]\n')
    return ["constraints", str(file), "--repofrompath", f"base,{repository(scene)}", "-o", "locked"]


# Systems ----------------------------------------------------------------------------------------------------


@functools.cache
def root_tar() -> bytes:
    """The root of a system with a few distributions, a library, and what the loader reads."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root"
        folder.mkdir()
        plain, native = el_root(folder)
        make_dist(plain, "six", "1.16.0")
        make_dist(plain, "evil", "1.0", requires=("six>=1", "gone"), requires_python=">=3.6")
        make_dist(native, "cevil", "2.0", files={"cevil/__init__.py": b"import six\nsix.moves\n"})
        (plain / "own.pth").write_text("/usr/lib/own\nimport os\n")
        (plain / "evil.egg-link").write_text("/usr/src/evil\n")
        (folder / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n/usr/lib64/own\n")
        (folder / "etc/ld.so.conf.d").mkdir()
        (folder / "etc/ld.so.conf.d/a.conf").write_text("/usr/lib64/a\n")
        return _tar_of_folder(folder)


def _tar_of_folder(folder: Path) -> bytes:
    return tar_of(
        {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    )


@_door("env", damage_tar, root_tar, ".tar")
def _env(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "root")
    return ["check", "env", "--root", str(scene.inputs / "root"), "--api", "--offline"]


def _one_file(place: str) -> Callable[[Scene, bytes], list[str]]:
    def placed(scene: Scene, document: bytes) -> list[str]:
        unpack(root_tar(), scene.inputs / "root")
        path = scene.inputs / "root" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document)
        return ["check", "env", "--root", str(scene.inputs / "root")]

    return placed


_LOADER = b"include ld.so.conf.d/*.conf\n/usr/lib64/own\ninclude /etc/ld.so.conf\nhwcap 0 nosegneg\n"
_SITE = "usr/lib/python3.9/site-packages"
_door("ld-so-conf", damage_lines, lambda: _LOADER, ".conf")(_one_file("etc/ld.so.conf"))
_door("os-release", damage_lines, lambda: b'ID="centos"\nID_LIKE="rhel"\nVERSION_ID="9"\n')(
    _one_file("etc/os-release")
)
_door("env-metadata", damage_lines, lambda: METADATA, ".METADATA")(_one_file(f"{_SITE}/evil-1.0.dist-info/METADATA"))
_door(
    "env-record",
    damage_lines,
    lambda: b"evil/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JA,0\nevil-1.0.dist-info/RECORD,,\n",
)(_one_file(f"{_SITE}/evil-1.0.dist-info/RECORD"))
_door("env-pth", damage_lines, lambda: b"/usr/lib/own\n../x\nimport os\n", ".pth")(_one_file(f"{_SITE}/own.pth"))
_door("env-direct-url", damage_json, lambda: b'{"url": "file:///x", "dir_info": {"editable": true}}', ".json")(
    _one_file(f"{_SITE}/evil-1.0.dist-info/direct_url.json")
)


@functools.cache
def library() -> bytes:
    """A shared library of this machine."""
    with tempfile.TemporaryDirectory() as name:
        made = compile_library(
            Path(name) / "x.so", soname="x.so", versions=("X_1.0",), options=("-Wl,-rpath,/usr/lib64/x",)
        )
        return made.read_bytes()


_door("elf", damage_bytes, library, ".so", needs=("gcc",))(
    _one_file(f"{_SITE.replace('lib/', 'lib64/')}/cevil/_c.cpython-39-x86_64-linux-gnu.so")
)


@functools.cache
def rpm_database() -> bytes:
    """An RPM database with one package that owns a distribution."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root"
        folder.mkdir()
        plain, _ = el_root(folder)
        make_dist(plain, "six", "1.16.0", installer="rpm")
        owned = [path for path in plain.rglob("*") if path.is_file()]
        own_rpm(folder, "python3-six", "1.16.0", owned, ("gone",))
        return (folder / "var/lib/rpm/rpmdb.sqlite").read_bytes()


@_door("rpmdb", damage_bytes, rpm_database, ".sqlite", needs=("rpm", "rpmbuild"), slow=True)
def _rpmdb(scene: Scene, document: bytes) -> list[str]:
    unpack(root_tar(), scene.inputs / "root")
    scene.file("root/var/lib/rpm/rpmdb.sqlite", document)
    return ["check", "env", "--root", str(scene.inputs / "root")]


def _domain() -> bytes:
    return domain(
        "<disk type='file' device='disk'><source file='/x.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        "<input type='tablet' bus='usb'/><graphics type='vnc' port='-1'/><video><model type='cirrus' vram='1'/></video>"
        "<interface type='network'><source network='default'/><model type='e1000'/></interface>",
        system="<boot dev='hd'/>",
    ).encode()


@_door("domain", damage_xml, _domain, ".xml")
def _domain_door(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("d.xml", document)
    return ["check", "guest", "--domain", str(file), "--capabilities", str(DEBIAN_12), "--write-domain", "out.xml"]


@_door("domcapabilities", damage_xml, DEBIAN_12.read_bytes, ".xml")
def _domcapabilities(scene: Scene, document: bytes) -> list[str]:
    file, caps = scene.file("d.xml", _domain()), scene.file("c.xml", document)
    return ["check", "guest", "--domain", str(file), "--capabilities", str(caps), "--property", "hw_disk_bus=scsi"]


IMAGE = json.dumps(
    {
        "name": "an image",
        "min_disk": 1,
        "properties": {"hw_disk_bus": "scsi", "hw_video_model": "vga", "hw_vif_model": "virtio", "os_type": "linux"},
    }
).encode()
FLAVOR = json.dumps(
    {"name": "m1", "properties": "hw:cpu_policy='dedicated', hw:mem_page_size='large'", "ram": 512}
).encode()


@_door("image", damage_json, lambda: IMAGE, ".json")
def _image(scene: Scene, document: bytes) -> list[str]:
    return ["check", "guest", "--image", str(scene.file("i.json", document)), "--capabilities", str(DEBIAN_12)]


@_door("flavor", damage_json, lambda: FLAVOR, ".json")
def _flavor(scene: Scene, document: bytes) -> list[str]:
    return ["check", "guest", "--flavor", str(scene.file("f.json", document)), "--capabilities", str(DEBIAN_12)]


@_door(
    "nova-conf",
    damage_lines,
    lambda: (
        b"[DEFAULT]\ndebug = true\n[libvirt]\nvirt_type = kvm\ncpu_mode = custom\ncpu_models = POWER9\n"
        b"hw_machine_type = ppc64le=pseries\nswtpm_enabled = false\n[spice]\nenabled = false\n"
    ),
    ".conf",
)
def _nova_conf(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("nova.conf", document)
    return ["check", "guest", "--nova-conf", str(file), "--nova", "yoga", "--capabilities", str(DEBIAN_12)]


@_door("host-facts", damage_json, (TESTS / "data" / "hosts" / "powernv-power9.json").read_bytes, ".json")
def _host_facts(scene: Scene, document: bytes) -> list[str]:
    return ["check", "host", "--from", str(scene.file("facts.json", document))]


# Source RPMs and specs --------------------------------------------------------------------------------------

SPEC = b"""%global base 1
%bcond_without docs
Name: lib
Version: 1.%{base}
Release: 2%{?dist}
Summary: A library
License: MIT
Source0: https://example.org/lib-%{version}.tar.gz
Patch0: fix.patch
ExclusiveArch: x86_64 ppc64le
BuildRequires: gcc, make >= 4
%ifarch x86_64
BuildRequires: nasm
%endif
Requires: other%{?_isa} >= %{version}
Provides: bundled(x) = 1
%description
A library.
%package devel
Summary: Headers
Requires: %{name}%{?_isa} = %{version}-%{release}
%description devel
Headers.
%prep
%autosetup -p1
%build
make
%install
make install
%files
/usr/lib64/lib.so.1
%files devel
/usr/include/lib.h
%changelog
* Tue Nov 14 2023 A Name <a@example.org> - 1.1-2
- first
"""


@functools.cache
def srpm(spec: bytes = SPEC) -> bytes:
    """The source RPM of a spec, made by rpmbuild."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "lib.spec"
        file.write_bytes(spec)
        return make_srpm(file, Path(name) / "top").read_bytes()


@_door("srpm", damage_bytes, srpm, ".src.rpm", needs=("rpmbuild", "bwrap"), slow=True)
def _srpm(scene: Scene, document: bytes) -> list[str]:
    scene.file("srpms/lib-1.1-2.el9.src.rpm", document)
    return [*plan_on(repository(scene)), "--srpms", str(scene.inputs / "srpms")]


@_door("srpm-render", damage_bytes, lambda: srpm(_GUESTFS), ".src.rpm", needs=("rpmbuild",), slow=True)
def _srpm_render(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("guestfs-tools-1.46-1.src.rpm", document)
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


_GUESTFS = (
    SPEC.replace(b"Name: lib", b"Name: guestfs-tools")
    .replace(b"1.%{base}", b"1.46")
    .replace(b"ExclusiveArch: x86_64 ppc64le", b"ExcludeArch: %{power64}")
)


@_door("spec", damage_lines, lambda: SPEC, ".spec", needs=("rpmbuild", "bwrap"), slow=True)
def _spec(scene: Scene, document: bytes) -> list[str]:
    """A spec inside of a source RPM whose header is right."""
    scene.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": document}))
    reference = repository(scene, name="reference")
    return [*plan_on(repository(scene)), "--reference", f"x86,{reference}", "--srpms", str(scene.inputs / "srpms")]


@_door("spec-render", damage_lines, lambda: _GUESTFS, ".spec", needs=("rpmbuild",), slow=True)
def _spec_render(scene: Scene, document: bytes) -> list[str]:
    """A spec that a recipe edits."""
    file = scene.file("guestfs-tools-1.46-1.src.rpm", repacked(srpm(_GUESTFS), {"lib.spec": document}))
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


def repacked(package: bytes, changed: Mapping[str, bytes]) -> bytes:
    """The package with these files of its payload replaced; what the header says of them is left as it was."""
    head, payload = _divided(package)
    files = dict(_cpio_members(gzip.decompress(payload) if payload[:2] == b"\x1f\x8b" else _unpacked(payload)))
    files.update(changed)
    return head + gzip.compress(_cpio(files), 1, mtime=0)


def _unpacked(payload: bytes) -> bytes:
    import lzma

    import zstandard

    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    return lzma.decompress(payload)


def _divided(package: bytes) -> tuple[bytes, bytes]:
    """Lead, signature and header, and the payload: lead 96 bytes, then two header structures, the first padded to 8."""
    at = 96
    for number in range(2):
        entries = int.from_bytes(package[at + 8 : at + 12], "big")
        data = int.from_bytes(package[at + 12 : at + 16], "big")
        at += 16 + 16 * entries + data
        if number == 0:
            at += -at % 8
    return package[:at], package[at:]


def _cpio_members(content: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while True:
        fields = [int(content[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = content[at + 110 : at + 110 + length - 1].decode()
        at += 110 + length
        at += -at % 4
        if name == "TRAILER!!!":
            return found
        found.append((name.removeprefix("./"), content[at : at + size]))
        at += size + -size % 4


def _cpio(files: Mapping[str, bytes]) -> bytes:
    made = bytearray()
    for number, (name, content) in enumerate({**files, "TRAILER!!!": b""}.items(), 1):
        fields = [number, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        made += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + content
        made += bytes(-len(made) % 4)
    return bytes(made)


def installed() -> str:
    """The rpm of this machine, for the record of a run."""
    return run("rpm", "--version").strip() if has_program("rpm") else "none"
