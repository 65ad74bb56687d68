"""Doors of systems: roots with their distributions and libraries, guests, hypervisors, hosts."""

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from damage import damage_bytes, damage_json, damage_lines, damage_tar, damage_xml, tar_of
from door import TESTS, door, unpack
from doortrial import Scene
from guests import DEBIAN_12, domain
from pythondoors import METADATA
from pythonroots import compile_library, el_root, make_dist, own_rpm


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
        return tar_of_folder(folder)


def tar_of_folder(folder: Path) -> bytes:
    return tar_of(
        {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    )


@door("env", damage_tar, root_tar, ".tar")
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
door("ld-so-conf", damage_lines, lambda: _LOADER, ".conf")(_one_file("etc/ld.so.conf"))
door("os-release", damage_lines, lambda: b'ID="centos"\nID_LIKE="rhel"\nVERSION_ID="9"\n')(
    _one_file("etc/os-release")
)
door("env-metadata", damage_lines, lambda: METADATA, ".METADATA")(_one_file(f"{_SITE}/evil-1.0.dist-info/METADATA"))
door(
    "env-record",
    damage_lines,
    lambda: b"evil/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JA,0\nevil-1.0.dist-info/RECORD,,\n",
)(_one_file(f"{_SITE}/evil-1.0.dist-info/RECORD"))
door("env-pth", damage_lines, lambda: b"/usr/lib/own\n../x\nimport os\n", ".pth")(_one_file(f"{_SITE}/own.pth"))
door("env-direct-url", damage_json, lambda: b'{"url": "file:///x", "dir_info": {"editable": true}}', ".json")(
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


door("elf", damage_bytes, library, ".so", needs=("gcc",))(
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


@door("rpmdb", damage_bytes, rpm_database, ".sqlite", needs=("rpm", "rpmbuild"), slow=True)
def _rpmdb(scene: Scene, document: bytes) -> list[str]:
    unpack(root_tar(), scene.inputs / "root")
    scene.file("root/var/lib/rpm/rpmdb.sqlite", document)
    return ["check", "env", "--root", str(scene.inputs / "root")]


def _domain() -> bytes:
    return domain(
        "<disk type='file' device='disk'><source file='/x.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        "<input type='tablet' bus='usb'/><graphics type='vnc' port='-1'/>"
        "<video><model type='cirrus' vram='1'/></video>"
        "<interface type='network'><source network='default'/><model type='e1000'/></interface>",
        system="<boot dev='hd'/>",
    ).encode()


@door("domain", damage_xml, _domain, ".xml")
def _domain_door(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("d.xml", document)
    return ["check", "guest", "--domain", str(file), "--capabilities", str(DEBIAN_12), "--write-domain", "out.xml"]


@door("domcapabilities", damage_xml, DEBIAN_12.read_bytes, ".xml")
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


@door("image", damage_json, lambda: IMAGE, ".json")
def _image(scene: Scene, document: bytes) -> list[str]:
    return ["check", "guest", "--image", str(scene.file("i.json", document)), "--capabilities", str(DEBIAN_12)]


@door("flavor", damage_json, lambda: FLAVOR, ".json")
def _flavor(scene: Scene, document: bytes) -> list[str]:
    return ["check", "guest", "--flavor", str(scene.file("f.json", document)), "--capabilities", str(DEBIAN_12)]


@door(
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


@door("host-facts", damage_json, (TESTS / "data" / "hosts" / "powernv-power9.json").read_bytes, ".json")
def _host_facts(scene: Scene, document: bytes) -> list[str]:
    return ["check", "host", "--from", str(scene.file("facts.json", document))]
