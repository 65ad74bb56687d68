"""A door: a way from outside data into ppcdeps, with a small valid document and a command line that reads it."""

import contextlib
import functools
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from damage import Form, read_tar
from doortrial import Scene

TESTS = Path(__file__).parents[1]
NOTHING: Mapping[str, str] = MappingProxyType({})


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
    environment: Callable[[Scene], Mapping[str, str]] = lambda _: NOTHING
    slow: bool = False
    """Whether a run starts other programs: then fewer inputs are brought here."""

    def variables(self, scene: Scene) -> Mapping[str, str]:
        """Variables of the run's environment."""
        return self.environment(scene)

    def lacks(self) -> str:
        """Why the door cannot be tried on this machine; empty where it can."""
        return next((f"needs {one}" for one in self.needs if shutil.which(one) is None), "")


DOORS: dict[str, Door] = {}


def door(
    name: str, form: Form, document: Callable[[], bytes], suffix: str = ".txt", **more: object
) -> Callable[..., object]:
    """Enter the function below as a door's ``place``."""

    def enter(place: Callable[[Scene, bytes], list[str]]) -> Callable[[Scene, bytes], list[str]]:
        DOORS[name] = Door(name, form, functools.cache(document), place, suffix, **more)  # type: ignore[arg-type]
        return place

    return enter


def unpack(document: bytes, folder: Path) -> None:
    """Lay out a tar archive as a folder: its links, FIFOs and odd names, too, but nothing outside of it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        members = read_tar(document)
    except (tarfile.TarError, OSError, EOFError, MemoryError, ValueError):
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
            # A FIFO of the same name would be written to, and wait.
            if path.is_symlink() or (path.exists() and not path.is_dir()):
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


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Standard output goes nowhere meanwhile."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
