"""Root file systems made of Debian packages by mmdebstrap: no registry, no container, and no program of the packages
runs.

mmdebstrap's variant `extract` only unpacks. What the maintainer scripts would have done and rpmbuild needs is
done here: accounts, links of alternatives, the loader's cache.
"""

import os
import re
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ppcdeps.base.programs import run_program
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.untrusted import read_beneath
from ppcdeps.building.buildroots.debiansources import os_release
from ppcdeps.building.buildroots.definitions import DEBIAN_ARCH, TRIPLET, DebianMaking, Definition
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.recipebook.templates import fill_template

_NOTES: Final = "var/lib/ppcdeps"
"""Where, inside the root, mmdebstrap's hook writes what apt knew about the packages."""
_HOOK: Final = (
    f'mkdir -p "$1/{_NOTES}" && ls "$1/var/cache/apt/archives" >"$1/{_NOTES}/archives" && '
    f'cat "$1"/var/lib/apt/lists/*InRelease >"$1/{_NOTES}/releases" 2>/dev/null || :'
)
_INDEX_HOOK: Final = (
    # After the other: the folder of notes is there.
    f'cd "$1/var/cache/apt/archives" && sha256sum -- *.deb >"$1/{_NOTES}/digests" && '
    # The lists may be compressed; awk keeps of tens of thousands of packages those that are here.
    r"""/usr/lib/apt/apt-helper cat-file "$1"/var/lib/apt/lists/*_Packages* | awk -v digests="$1/"""
    rf"""{_NOTES}/digests" 'BEGIN {{ while ((getline line < digests) > 0) wanted[substr(line, 1, 64)] = 1 }}
/^Filename: / {{ file = $2 }} /^Size: / {{ size = $2 }}
/^SHA256: / {{ if ($2 in wanted) print $2, size, file }}' | sort -u >"$1/"""
    rf"""{_NOTES}/index" || :"""
)
"""What a lock needs to bring the same packages again: where the mirror has each, by its digest."""
_DATABASE: Final = r"""
cd "$1/var/lib/dpkg"
ls "$1"/var/cache/apt/archives/*.deb | while read -r deb; do
  { dpkg-deb --field "$deb"; printf 'Status: install ok installed\n\n'; } >>status
  name=$(dpkg-deb --field "$deb" Package)
  if [ "$(dpkg-deb --field "$deb" Multi-Arch)" = same ]; then name=$name:$(dpkg-deb --field "$deb" Architecture); fi
  dpkg-deb --fsys-tarfile "$deb" | tar --list | sed 's|^\.||; s|/$||; s|^$|/.|' >"info/$name.list"
done
"""
"""What mmdebstrap's hook runs where the root is to have dpkg's database, for programs that ask it whose a file is. It
takes a quarter of a minute, and few programs do."""
_NOT_NEEDED: Final = (
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/linda",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
)
_SECONDS: Final = 7200.0
"""A slow mirror may take its time."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MERGED_USR: Final = Path("/usr/share/mmdebstrap/hooks/merged-usr")
_ARCHIVE: Final = re.compile(r"(?P<name>[^_]+)_(?P<version>[^_]+)_(?P<arch>[^_]+)\.deb")


@dataclass(frozen=True, slots=True)
class DebianContents:
    """What a root was made from: the packages' versions by ``name:arch``, the dates of the mirror's suites, and the
    files of the packages, sorted, as far as the mirror's index has them.
    """

    packages: Mapping[str, str]
    suites: Mapping[str, str]
    archives: tuple["DebianArchive", ...] = ()


@dataclass(frozen=True, slots=True)
class DebianArchive:
    """The file of a Debian package: its place below a mirror, SHA-256 in hexadecimal, and size in bytes."""

    path: str
    sha256: str
    size: int


def sources_for(making: DebianMaking, mirror: str | None = None) -> tuple[str, ...]:
    """The lines of a sources.list for the definition's suites, of ``mirror`` or of where this machine's apt has them
    from. A Debian machine of another release takes the archive that it has its own from: archives have all releases.

    Raises EnvironmentLacksError where apt knows no such suite and no mirror is given.
    """
    places = mirrors_of(making, mirror)
    if making.suite not in places:
        raise EnvironmentLacksError(
            f"apt of this machine knows no mirror of Debian {making.suite}", hint="give one with --mirror URL"
        )
    keyring = f"[signed-by={making.keyring}] " if Path(making.keyring).is_file() else ""
    return tuple(
        f"deb {keyring}{places[suite]} {suite} {' '.join(making.components)}"
        for suite in making.suites
        if suite in places
    )


def mirrors_of(making: DebianMaking, mirror: str | None = None) -> dict[str, str]:
    """The base URL of each suite of a definition: ``mirror``, or what this machine's apt knows of them."""
    return dict.fromkeys(making.suites, mirror) if mirror else _configured(making)


def _configured(making: DebianMaking) -> dict[str, str]:
    if shutil.which("apt-get") is None:
        return {}
    wanted = "$(RELEASE)\t$(CODENAME)\t$(COMPONENT)\t$(REPO_URI)"
    listed = run_program(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"])
    found: dict[str, str] = {}
    machine = os_release()
    own = machine.get("VERSION_CODENAME") if machine.get("ID") == "debian" else None
    archive = ""
    for line in listed.text.splitlines():
        release, codename, component, uri = [*line.split("\t"), "", "", ""][:4]
        if own and own in (release, codename) and component in making.components:
            archive = archive or uri.rstrip("/")
        for suite in (release, codename):
            if suite in making.suites and component in making.components:
                found.setdefault(suite, uri.rstrip("/"))
    if archive:
        found.setdefault(making.suite, archive)
    return found


def make_root(
    definition: Definition,
    machine: str,
    root: Path,
    packages: Sequence[str],
    sources: Sequence[str],
    log: Path,
    reporter: Reporter,
) -> DebianContents:
    """Fill the new folder ``root``. ``packages`` are wanted beside the definition's, ``log`` is written where
    mmdebstrap fails. Returns what it was made from.

    Raises EnvironmentLacksError where mmdebstrap or space is missing, RepositoryError where the mirror cannot be
    read, ConfigError where it has not all packages. The folder may then be there in part.
    """
    making = definition.making
    assert isinstance(making, DebianMaking)
    arch = machine if definition.arch == "machine" else definition.arch
    wanted = [*making.packages, *packages]
    architectures = [DEBIAN_ARCH[arch]]
    if arch != definition.target:
        architectures.append(DEBIAN_ARCH[definition.target])
    reporter.note(f"{definition.name}: unpacking Debian packages with mmdebstrap, which takes about a minute")
    _unpack(root, architectures, wanted, making.suite, sources, log)
    contents = _contents(root)
    _finish(definition, arch, machine, root, making)
    return contents


# --- mmdebstrap --------------------------------------------------------------------------------------------


def _unpack(
    root: Path, architectures: Sequence[str], packages: Sequence[str], suite: str, sources: Sequence[str], log: Path
) -> None:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EnvironmentLacksError(
            "mmdebstrap is not installed, which makes roots out of Debian packages",
            hint="install it: apt-get install mmdebstrap (Debian, Ubuntu), dnf install mmdebstrap (Fedora)",
        )
    command = [
        program,
        "--variant=extract",
        f"--architectures={','.join(architectures)}",
        f"--include={','.join(dict.fromkeys(packages))}",
        *([f"--hook-dir={_MERGED_USR}"] if _MERGED_USR.is_dir() else []),
        f"--extract-hook={_HOOK}",
        f"--extract-hook={_INDEX_HOOK}",
        *([f"--extract-hook={_DATABASE}"] if "dpkg" in packages else []),
        '--aptopt=Acquire::Retries "3"',
    ]
    listed = "".join(f"{line}\n" for line in sources)
    if os.geteuid() == 0:
        _run([*command, "--mode=root", "--format=directory", suite, str(root), "-"], listed, sources, log)
        return
    # Every file belongs to who makes it: a plain folder for rootless engines, and easy to remove.
    root.mkdir()
    tar = ["tar", "--extract", f"--directory={root}", "--no-same-owner", "--exclude=./dev/*"]
    making = shlex.join([*command, "--mode=unshare", "--format=tar", suite, "-", "-"])
    pipe = f"set -o pipefail; {making} | {shlex.join(tar)}"
    _run(["bash", "-c", pipe], listed, sources, log)


def _run(command: Sequence[str], sources_list: str, sources: Sequence[str], log: Path) -> None:
    done = run_program(
        command,
        given=sources_list,
        # Its helpers are the system's, and want the system's interpreters.
        environment={"PATH": _PATH},
        seconds=_SECONDS,
        merged=True,
        # It unmounts and removes what it made on SIGTERM.
        dies_by=signal.SIGTERM,
    )
    if not done.is_well:
        log.write_text(done.text)
        raise _failure(done.text, sources, log)


def _failure(output: str, sources: Sequence[str], log: Path) -> PpcdepsError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    signs = ("E:", "Err:", "W: Failed", "dpkg: error", "dpkg-deb: error")
    # apt's own errors have the reason in one line; what comes before them may be in two.
    found = sorted((line for line in lines if line.startswith(signs)), key=lambda line: not line.startswith("E:"))
    faults = [fault for line in found if (fault := line.removeprefix("E: ")) != "mmdebstrap failed to run"]
    first = faults[0] if faults else (lines[-1] if lines else "it said nothing")
    whole = output.lower()
    if "no space left" in whole:
        return EnvironmentLacksError(
            "no space left while making a Debian root", hint="free some space or set PPCDEPS_CACHE"
        )
    missing = re.findall(r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate", output)
    if missing:
        names = ", ".join(sorted({one or other for one, other in missing}))
        return ConfigError(
            f"the Debian mirror has no package {names}", hint="correct the name; Debian's names are meant"
        )
    unmet = re.findall(r"^ (\S+) : (?:Depends|Conflicts|Breaks|PreDepends): (.+)$", output, re.MULTILINE)
    if unmet:
        name, needs = unmet[0]
        return ConfigError(f"Debian's packages cannot be installed together: {name} needs {needs.strip()}")
    reach = (
        "could not resolve",
        "failed to fetch",
        "unable to connect",
        "cannot initiate",
        "does not have a release",
    )
    if any(sign in whole for sign in reach):
        place = sources[0].split()[-3] if sources else "of Debian"
        return RepositoryError(
            f"the Debian mirror {place} cannot be read: {first}", hint="give another with --mirror URL"
        )
    if "no_pubkey" in whole or "not signed" in whole:
        return EnvironmentLacksError(
            f"Debian's signatures cannot be verified: {first}", hint="install the package debian-archive-keyring"
        )
    return EnvironmentLacksError(f"mmdebstrap failed: {first}", hint=f"all that it said is in {log}")


def _contents(root: Path) -> DebianContents:
    notes = root / _NOTES
    packages: dict[str, str] = {}
    for line in (notes / "archives").read_text().splitlines():
        found = _ARCHIVE.fullmatch(line)
        if found is not None:
            packages[f"{found['name']}:{found['arch']}"] = found["version"].replace("%3a", ":")
    suites: dict[str, str] = {}
    codename = ""
    releases = notes / "releases"
    for line in releases.read_text(errors="replace").splitlines() if releases.is_file() else ():
        key, _, value = line.partition(": ")
        if key == "Codename":
            codename = value
        elif key == "Date" and codename:
            suites[codename] = value
    index = notes / "index"
    lines = index.read_text().splitlines() if index.is_file() else ()
    rows = (line.split(" ", 2) for line in lines)
    archives = sorted(
        (DebianArchive(path, sha256, int(size)) for sha256, size, path in rows), key=lambda one: one.path
    )
    remove_tree(notes)
    return DebianContents(dict(sorted(packages.items())), dict(sorted(suites.items())), tuple(archives))


# --- what maintainer scripts would have done -----------------------------------------------------------------


def _finish(definition: Definition, arch: str, machine: str, root: Path, making: DebianMaking) -> None:
    for name in ("passwd", "group"):
        master = root / "usr/share/base-passwd" / f"{name}.master"
        if master.is_file():
            shutil.copyfile(master, root / "etc" / name)
    # Here and not as dpkg's path-exclude: mmdebstrap would start a filter for each package, and take twice as long.
    for folder in _NOT_NEEDED:
        remove_tree(root / folder, strict=False)
    for folder in (
        "build",
        "tmp",
        "proc",
        "sys",
        "dev",
        "run",
        "root",
        "var/lib/rpm",
        "opt/accel",
        "usr/lib/sysimage",
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    # What mmdebstrap took from this machine.
    for copied in ("etc/resolv.conf", "etc/hostname"):
        (root / copied).unlink(missing_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for name, where in making.links.items():
        _link(root, name, where)
    values = {"arch": arch, "triplet": TRIPLET[arch], "target": definition.target}
    for origin in reversed(definition.origins):
        # A definition that takes tables from another does not take its files: they are of another architecture.
        if origin == definition.folder:
            copy_files(origin / "files", root, values)
    _write_loader_cache(arch, machine, root)


def _link(root: Path, name: str, where: str) -> None:
    link = root / name.lstrip("/")
    if link.is_symlink() or link.exists():
        return
    target = root / where.lstrip("/") if where.startswith("/") else link.parent / where
    if not where.startswith("/opt/accel/") and not (target.is_symlink() or target.exists()):
        # The package that has it is not in this root.
        return
    _make_folder_of(link, root)
    link.symlink_to(where)


def _make_folder_of(place: Path, root: Path) -> None:
    """Make the folder that a file of a definition goes to. A link in a package must not lead it out of the root."""
    known = place.parent
    while not (known.exists() or known.is_symlink()):
        known = known.parent
    if not known.resolve().is_relative_to(root.resolve()):
        inside = f"/{known.relative_to(root)}"
        raise ConfigError(
            f"/{place.relative_to(root)} of the buildroot's definition would lie outside of the root: "
            f"{inside} leads to {known.resolve()}"
        )
    place.parent.mkdir(parents=True, exist_ok=True)


def _own_file(origin: Path, file: Path) -> bytes:
    try:
        return read_beneath(origin, file.relative_to(origin).as_posix(), CEILINGS.package_size)
    except OSError as fault:
        raise ConfigError(f"cannot read {file}: {fault.strerror}") from fault


def copy_files(origin: Path, root: Path, values: Mapping[str, str]) -> None:
    """Put a definition's own files into the root, in place of what is there; programs are made executable."""
    if not origin.is_dir():
        return
    for file in sorted(path for path in origin.rglob("*") if path.is_file()):
        place = root / file.relative_to(origin)
        if place.suffix == ".j2":
            place = place.with_suffix("")
            content = fill_template(file, values, values, folder=origin).encode()
        else:
            content = _own_file(origin, file)
        _make_folder_of(place, root)
        # A package may have a link there, and what it leads to is another's.
        place.unlink(missing_ok=True)
        place.write_bytes(content)
        place.chmod(0o755 if "bin" in place.parent.parts else 0o644)


def _write_loader_cache(arch: str, machine: str, root: Path) -> None:
    # Libraries in the loader's own folders are found without; this is for those that ask ldconfig.
    ldconfig = root / "usr/sbin/ldconfig"
    runner: list[str] = []
    if arch != machine:
        qemu = shutil.which(f"qemu-{arch}-static") or shutil.which(f"qemu-{arch}")
        if qemu is None:
            return
        runner = [qemu]
    if ldconfig.is_file():
        run_program([*runner, str(ldconfig), "-r", str(root)])
