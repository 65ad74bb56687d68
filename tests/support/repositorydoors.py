"""Doors of repositories: metadata, .repo files, mirror lists, and the roots of the command line."""

import functools
import gzip
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from damage import damage_bytes, damage_lines, damage_xml, damage_yaml
from door import NOTHING, door
from doortrial import Scene
from rpmmd import Package, modules_yaml, write_repository

from ppcdeps.model.nevra import Nevra


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
        f'<data type="{Path(name).name.partition(".")[0]}">'
        f'<checksum type="sha256">{hashlib.sha256(content).hexdigest()}</checksum>'
        f'<open-checksum type="sha256">{hashlib.sha256(content).hexdigest()}</open-checksum>'
        f'<location href="{name}"/><timestamp>1700000000</timestamp><size>{len(content)}</size>'
        f"<open-size>{len(content)}</open-size></data>"
        for name, content in files.items()
        if not name.endswith("repomd.xml")
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f"<revision>1700000000</revision>{records}</repomd>\n"
    ).encode()


def repository(scene: Scene, changed: Mapping[str, bytes] = NOTHING, name: str = "repo") -> str:  # type: ignore[assignment]
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


@door("repomd", damage_xml, _part("repomd.xml"), ".xml")
def _repomd(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/repomd.xml": document}))


@door("primary", damage_xml, _part("primary.xml"), ".xml")
def _primary(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/primary.xml": document}))


@door("primary-reference", damage_xml, _part("primary.xml"), ".xml")
def _primary_reference(scene: Scene, document: bytes) -> list[str]:
    """The same as a reference, of x86_64, with its stand-ins, and as a source repository."""
    target = repository(scene)
    other = repository(scene, {"repodata/primary.xml": document.replace(b"ppc64le", b"x86_64")}, "reference")
    sources = repository(scene, {"repodata/primary.xml": document.replace(b"noarch", b"src")}, "source")
    return [*plan_on(target), "--reference", f"x86,{other}", "--source", f"src,{sources}", "-o", "p.json"][:-2]


@door("filelists", damage_xml, _part("filelists.xml"), ".xml")
def _filelists(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/filelists.xml": document}))


@door("modules", damage_yaml, _part("modules.yaml"), ".yaml")
def _modules(scene: Scene, document: bytes) -> list[str]:
    return plan_on(repository(scene, {"repodata/modules.yaml": document}))


COMPS = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//X//DTD Comps info//EN" "comps.dtd">
<comps><group><id>apps</id><name>Apps</name><name xml:lang="de">Programme</name><packagelist>
<packagereq type="mandatory">app</packagereq><packagereq type="default">lost</packagereq>
<packagereq type="conditional" requires="app">docs</packagereq></packagelist></group>
<environment><id>e</id><name>E</name><grouplist><groupid>apps</groupid></grouplist></environment></comps>
"""


@door("groups", damage_xml, lambda: COMPS, ".xml")
def _groups(scene: Scene, document: bytes) -> list[str]:
    return ["audit", "--repofrompath", f"base,{repository(scene, {'repodata/group.xml': document})}"]


def _packed() -> bytes:
    import zstandard

    return zstandard.compress(repository_files()["repodata/primary.xml"])


@door("primary-zst", damage_bytes, _packed, ".xml.zst")
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


@door("snapshot-save", damage_xml, _part("primary.xml"), ".xml")
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


@door("repo-file", damage_lines, lambda: REPO, ".repo")
def _repo_file(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("a.repo", document.replace(b"@URL@", repository(scene).encode()))
    return ["plan", *ROOTS, "--repo-file", str(file), *PLAIN]


def on_server(scene: Scene) -> str:
    for path, content in repository_files().items():
        scene.serve(f"repo/{path}", content)
    return f"{scene.url}repo/"


QUICK = "timeout=2\nretries=0\n"


@door("mirrorlist", damage_lines, lambda: b"# mirrors\n@URL@\nhttp://127.0.0.1:9/repo/\n", ".list")
def _mirrorlist(scene: Scene, document: bytes) -> list[str]:
    url = scene.serve("mirrors", document.replace(b"@URL@", on_server(scene).encode()))
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


@door("metalink", damage_xml, _metalink_document, ".xml")
def _metalink(scene: Scene, document: bytes) -> list[str]:
    url = scene.serve("metalink", document.replace(b"http://127.0.0.1:7/repo/", on_server(scene).encode()))
    return [
        "plan",
        *ROOTS,
        "--repo-file",
        str(scene.file("a.repo", f"[a]\nmetalink={url}\n{QUICK}".encode())),
        *PLAIN,
    ]


@door("roots", damage_lines, lambda: b"app\nlib >= 1\n(lib or other)", ".txt")
def _roots(scene: Scene, document: bytes) -> list[str]:
    """The command line itself: an argument a line."""
    words = [line for line in document.decode("utf-8", "surrogateescape").split("\n") if line and "\0" not in line]
    words = [word.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for word in words]
    return ["plan", "--repofrompath", f"base,{repository(scene)}", *PLAIN, "--", *(words or ["app"])]
