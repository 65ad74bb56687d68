"""Repositories as a distribution publishes them, made from the facts of a snapshot's.

They have prose, people, hosts, sizes, digests for package ids, and a list of files for every package.
"""

import hashlib
import re
from pathlib import Path

from rpmmd import write_files

from ppcdeps.base.compression import open_stream

_PACKAGE = re.compile(
    r'<package type="rpm">\n<name>(?P<name>.*)</name>\n<arch>(?P<arch>.*)</arch>\n(?P<version><version .*/>)\n'
    r'<checksum type="sha256" pkgid="YES">(?P<serial>.*)</checksum>\n<format>\n'
    r"(?P<facts>(?:.*\n)*?)</format>\n</package>\n"
)
_LISTED = re.compile(r'<package pkgid="(.*?)".*\n<version .*\n((?:<file>.*\n)*)')
_PUBLISHED = """\
<package type="rpm">
<name>{name}</name>
<arch>{arch}</arch>
{version}
<checksum type="sha256" pkgid="YES">{digest}</checksum>
<summary>What {name} is for</summary>
<description>A long text about {name}.</description>
<packager>A Person &lt;person@host.example&gt;</packager>
<url>https://host.example/{name}</url>
<time file="1700000000" build="1700000000"/>
<size package="4711" installed="8150" archive="9000"/>
<location href="Packages/{name}.{arch}.rpm"/>
<format>
<rpm:license>MIT</rpm:license>
<rpm:vendor>Host Example</rpm:vendor>
<rpm:group>Unspecified</rpm:group>
<rpm:buildhost>builder.host.example</rpm:buildhost>
<rpm:header-range start="4504" end="80404"/>
{facts}</format>
</package>
"""
_LIST = """\
<package pkgid="{digest}" name="{name}" arch="{arch}">
{version}
<file type="dir">/usr/share/doc/{name}</file>
<file>/usr/share/doc/{name}/README</file>
{files}</package>
"""


def publish(repository: Path, folder: Path) -> Path:
    """Write such a repository, from the folder of a snapshot's. Returns its folder."""
    facts = _text(repository / "repodata/primary.xml.zst")
    lists = _text(repository / "repodata/filelists.xml.zst")
    listed = dict(_LISTED.findall(lists))
    packages = [found.groupdict() for found in _PACKAGE.finditer(facts)]
    assert len(packages) == facts.count("</package>")
    assert len(listed) == lists.count("</package>")
    for package in packages:
        package["digest"] = hashlib.sha256(f"{repository.name} {package['serial']}".encode()).hexdigest()
        in_primary = re.findall(r"<file>.*\n", package["facts"])
        package["files"] = "".join((*in_primary, listed.get(package["serial"], "")))
    primary = f"{_head(facts)}{''.join(_PUBLISHED.format_map(one) for one in packages)}</metadata>\n"
    files = f"{_filelists_head(len(packages))}{''.join(_LIST.format_map(one) for one in packages)}</filelists>\n"
    return write_files(folder, {"primary": primary, "filelists": files})


def _text(path: Path) -> str:
    with open_stream(path) as stream:
        return stream.read().decode()


def _head(document: str) -> str:
    return document[: document.index("<package ")]


def _filelists_head(packages: int) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="{packages}">\n'
    )
