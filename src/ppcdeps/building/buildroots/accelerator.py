"""The cross compiler of this machine, made to work inside an emulated Debian root: the build mode "accelerated".

A copy of the compiler's and binutils' programs, with the libraries of this machine that they load, to be seen at
/opt/accel. Headers, libraries and start files stay the root's own, so that what is compiled is what the root's
compiler would make of the same version. gcc finds its parts relative to where it lies, and the root has links that
lead the kernel to the loader in /opt/accel/host (the definition's ``links``).
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ppcdeps.base.programs import run_program
from ppcdeps.building.buildroots.definitions import TRIPLET
from ppcdeps.model.errors import EnvironmentLacksError

PLACE: Final = "/opt/accel"
"""Where the tools are to be seen inside of the root."""

_COMPILERS: Final = ("gcc", "g++", "cpp", "gcc-ar", "gcc-nm", "gcc-ranlib")
_BINUTILS: Final = (
    "as",
    "ld",
    "ld.bfd",
    "ar",
    "ranlib",
    "nm",
    "strip",
    "objcopy",
    "objdump",
    "readelf",
    "size",
    "strings",
)
_ALIASES: Final = {"cc": "gcc", "c++": "g++"}
_PARTS: Final = ("cc1", "cc1plus", "collect2", "lto1", "lto-wrapper", "liblto_plugin.so", "g++-mapper-server")
_LIBRARY: Final = re.compile(r"\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)")


@dataclass(frozen=True, slots=True)
class CrossCompiler:
    """The cross compiler of this machine. ``version`` is full (12.2.0), ``parts`` the folder of cc1, ``identity``
    names it.
    """

    triplet: str
    version: str
    parts: Path
    identity: str

    @property
    def series(self) -> str:
        """The part of the version that its folders are called by."""
        return self.version.partition(".")[0]


def cross_compiler(target: str = "ppc64le") -> CrossCompiler:
    """The cross compiler of this machine. Raises EnvironmentLacksError where it is missing or in part only."""
    triplet = TRIPLET[target]
    missing = [name for name in ("gcc", "g++", "as", "ld", "ar") if shutil.which(f"{triplet}-{name}") is None]
    if missing:
        raise EnvironmentLacksError(
            f"there is no cross compiler {triplet} (missing: {', '.join(missing)})",
            hint=f"install gcc-{triplet} and g++-{triplet} (packages of Debian), or build emulated: --mode emulated",
        )
    gcc = f"{triplet}-gcc"
    version = _said([gcc, "-dumpfullversion"])
    parts = Path(_said([gcc, "-print-prog-name=cc1"])).parent
    stated = [
        f"{name} {(parts / name).stat().st_size} {(parts / name).stat().st_mtime_ns}" for name in ("cc1", "cc1plus")
    ]
    text = "\n".join([triplet, version, _said([f"{triplet}-as", "--version"]), *stated])
    return CrossCompiler(triplet, version, parts, hashlib.sha256(text.encode()).hexdigest())


def why_not(root: Path, target: str = "ppc64le") -> str:
    """Why the cross compiler of this machine cannot take the place of the root's; empty where it can."""
    try:
        compiler = cross_compiler(target)
    except EnvironmentLacksError as fault:
        return fault.message
    own = root / "usr/lib/gcc" / compiler.triplet / compiler.series / "cc1"
    if not own.is_file():
        return f"the cross compiler is gcc {compiler.version}, and the root has none of that series"
    return ""


def assemble(compiler: CrossCompiler, root: Path, folder: Path) -> None:
    """Fill the new folder with what is to be seen at ``PLACE`` in the root."""
    bin_folder, host = folder / "bin", folder / "host"
    inner = folder / "lib/gcc-cross" / compiler.triplet / compiler.series
    tool_bin = folder / compiler.triplet / "bin"
    for each in (bin_folder, host, inner, tool_bin):
        each.mkdir(parents=True)
    copied = [*_copy_programs(compiler, bin_folder, tool_bin), *_copy_parts(compiler, inner)]
    own = Path("/usr/lib/gcc") / compiler.triplet / compiler.series
    for entry in sorted((root / own.relative_to("/")).iterdir()):
        if not (inner / entry.name).exists():
            (inner / entry.name).symlink_to(own / entry.name)
    _link_headers(compiler, root, folder)
    _copy_libraries(copied, host)


def _copy_programs(compiler: CrossCompiler, bin_folder: Path, tool_bin: Path) -> Iterator[Path]:
    for name in (*_COMPILERS, *_BINUTILS):
        found = shutil.which(f"{compiler.triplet}-{name}")
        if found is None:
            continue
        program = bin_folder / f"{compiler.triplet}-{name}"
        shutil.copy2(Path(found).resolve(), program)
        (bin_folder / name).symlink_to(program.name)
        for alias in (f"{name}-{compiler.series}", f"{compiler.triplet}-{name}-{compiler.series}"):
            if name in _COMPILERS:
                (bin_folder / alias).symlink_to(program.name)
        if name in _BINUTILS:
            (tool_bin / name).symlink_to(f"../../bin/{program.name}")
        yield program
    for alias, name in _ALIASES.items():
        (bin_folder / alias).symlink_to(f"{compiler.triplet}-{name}")


def _copy_parts(compiler: CrossCompiler, inner: Path) -> Iterator[Path]:
    for name in _PARTS:
        part = compiler.parts / name
        if part.is_file():
            shutil.copy2(part.resolve(), inner / name)
            yield inner / name


def _link_headers(compiler: CrossCompiler, root: Path, folder: Path) -> None:
    # A cross compiler has the C++ library's own headers and those of the architecture in one folder, a native one in
    # two.
    own = Path("/usr/include/c++") / compiler.series
    headers = folder / compiler.triplet / "include/c++" / compiler.series
    headers.mkdir(parents=True)
    place = root / own.relative_to("/")
    for entry in sorted(place.iterdir()) if place.is_dir() else ():
        (headers / entry.name).symlink_to(own / entry.name)
    (headers / compiler.triplet).symlink_to(Path("/usr/include") / compiler.triplet / "c++" / compiler.series)


def _copy_libraries(programs: Iterable[Path], host: Path) -> None:
    wanted: set[Path] = set()
    for program in programs:
        listed = run_program(["ldd", str(program)])
        wanted.update(Path(found[1]) for line in listed.text.splitlines() if (found := _LIBRARY.fullmatch(line)))
    for library in sorted(wanted):
        loader = library.name.startswith("ld-linux")
        shutil.copy2(library.resolve(), host / ("ld.so" if loader else library.name))
        if loader:
            (host / library.name).symlink_to("ld.so")


def tools(folder: Path) -> Mapping[str, Path]:
    """What an engine has to show in the root, by place."""
    return {PLACE: folder}


def _said(command: list[str]) -> str:
    return run_program(command).checked(EnvironmentLacksError).text.strip()
