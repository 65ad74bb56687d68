"""The macros of a distribution: specs are evaluated with these, not with those of the machine that plans."""

from collections.abc import Mapping
from dataclasses import field
from importlib.resources import files

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass

_SUFFIX = ".macros"


@dataclass(frozen=True, slots=True)
class PlatformMacros:
    """A distribution release as spec files see it.

    ``macros`` is a macro file's text, as rpm reads them; ``defines`` are further macros by name.
    """

    name: str
    macros: str
    defines: Mapping[str, str] = field(default_factory=dict)


def platform_of(target: Target) -> PlatformMacros:
    """The platform of a target: the shared macros, those of its platform id, and what its own file says.

    Raises ConfigError where ppcdeps has no macros for the target's platform id.
    """
    name = (target.platform_id or "").removeprefix("platform:")
    number = name.lstrip("abcdefghijklmnopqrstuvwxyz")
    file = "fedora" if name == f"f{number}" else name
    if not number.isdigit() or file not in _known():
        raise ConfigError(
            f"target {target.name}: there are no macros for the platform {target.platform_id or '(none)'}",
            hint=f"set platform_id in the target file; known: {', '.join(f'platform:{one}' for one in _known())}",
        )
    version = target.python.version.split(".")
    short = ".".join(version[:2])
    defines = {
        "python3_version": short,
        "python3_version_nodots": "".join(version[:2]),
        "python3_sitelib": f"/usr/lib/python{short}/site-packages",
        "python3_sitearch": f"/usr/lib64/python{short}/site-packages",
    }
    if file == "fedora":
        defines |= {"fedora": number, f"fc{number}": "1"}
    elif target.name.startswith("centos"):
        defines["centos"] = number
    return PlatformMacros(name, "".join(_text(one) for one in ("common", file, "evaluation")), defines)


def _known() -> list[str]:
    names = (entry.name for entry in files("ppcdeps").joinpath("data", "macros").iterdir())
    return sorted({name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)} - {"common", "evaluation"})


def _text(name: str) -> str:
    return files("ppcdeps").joinpath("data", "macros", f"{name}{_SUFFIX}").read_text("utf-8")
