"""Names: from RPM capabilities and package names to Python distributions, and back."""

import re
from functools import cache

from ppcdeps.base.datafiles import PACKAGE
from ppcdeps.model.documents import parse_toml
from ppcdeps.model.values import dataclass

BRIDGE_PREFIX = "ppcdeps-bridge-"
"""What the names of all bridge RPMs begin with; the workload's name follows."""

_SEPARATORS = re.compile(r"[-_.]+")
_CAPABILITY = re.compile(
    r"python(?P<python>\d+(?:\.\d+)?)?(?:dist)\((?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[(?P<extras>[^\]]+)\])?\)"
    r"(?:\s*(?P<op>[<>]=?|=)\s*(?P<version>\S+))?"
)
_PACKAGE = re.compile(
    r"(?P<prefix>python\d+(?:\.\d+)?|python)-(?P<name>[A-Za-z0-9][A-Za-z0-9._+-]*)"
    r"(?:\s*(?P<op>[<>]=?|=)\s*(?P<version>\S+))?"
)
_EVR = re.compile(r"(?:(?P<epoch>\d+):)?(?P<version>[^-]+)(?:-(?P<release>\S+))?")
_OPERATORS = {"=": "==", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
# Subpackages that carry no importable distribution of their own.
_NOT_A_DISTRIBUTION = re.compile(
    r"-(?:doc|docs|tests?|tests-[a-z]+|lang|devel|debug|debuginfo|common|libs|srpm-macros)$"
)
# Parts of the interpreter itself, packaged apart.
_INTERPRETER = frozenset(
    {
        "libs",
        "devel",
        "debug",
        "idle",
        "tkinter",
        "test",
        "rpm-macros",
        "rpm-generators",
        "unversioned-command",
    }
)


def normalize(name: str) -> str:
    """The one spelling of a distribution's name, as PEP 503 defines it: ``Oslo.Utils`` is ``oslo-utils``."""
    return _SEPARATORS.sub("-", name).lower()


@dataclass(frozen=True, slots=True)
class NamedDistribution:
    """A Python distribution that an RPM requirement names.

    ``specifier`` is in the packaging syntax (``>=1.2,<2``) and empty where any version will do; ``certain``
    is False where the distribution's name was only concluded from the name of an RPM package; ``python`` is
    the interpreter that the requirement names: ``3``, ``3.9``, or empty.
    """

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    certain: bool = True
    python: str = ""

    @property
    def requirement(self) -> str:
        """The PEP 508 text."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


def wanted_by(requirement: str) -> NamedDistribution | None:
    """What an RPM requirement means in Python, or None where it is not about an importable distribution.

    Understands ``python3dist(x)``, ``python3.9dist(x[extra]) >= 1``, ``(… with …)`` as rpm's generators write
    them, and ``python3-x`` package names, whose distribution is taken from the table
    ``data/python/names.toml`` and, where that is silent, is what follows the prefix.
    """
    text = requirement.strip()
    if text.startswith("(") and text.endswith(")") and " with " in text:
        return _rich(text[1:-1])
    found = _CAPABILITY.fullmatch(text)
    if found is not None:
        extras = tuple(sorted(normalize(extra) for extra in (found["extras"] or "").split(",") if extra.strip()))
        specifier = specifier_of(found["op"], found["version"])
        return NamedDistribution(normalize(found["name"]), extras, specifier, python=found["python"] or "")
    found = _PACKAGE.fullmatch(text)
    if found is None or _NOT_A_DISTRIBUTION.search(found["name"]) or found["name"] in _INTERPRETER:
        return None
    return _by_package(found)


def _rich(text: str) -> NamedDistribution | None:
    parts = [wanted_by(part) for part in text.split(" with ")]
    first = parts[0]
    if first is None or any(part is None or (part.name, part.extras) != (first.name, first.extras) for part in parts):
        return None
    specifiers = [part.specifier for part in parts if part is not None and part.specifier]
    return NamedDistribution(first.name, first.extras, ",".join(specifiers), first.certain, first.python)


def wanted_by_either(text: str) -> NamedDistribution | None:
    """What a requirement such as ``(python3dist(x) < 13 or python3dist(x) > 13.1)`` means in Python: rpm's generators
    write so what a distribution excludes (``!=13.0.*``). None where it is not about one distribution.

    What no specifier can say leaves any version open.
    """
    text = text.strip()
    if not text.startswith("(") or not text.endswith(")") or " or " not in text:
        return None
    parts = [wanted_by(part) for part in text[1:-1].split(" or ")]
    first = parts[0]
    if first is None or any(part is None or (part.name, part.extras) != (first.name, first.extras) for part in parts):
        return None
    specifiers = [part.specifier for part in parts if part is not None]
    excluded = _between(*specifiers) if len(specifiers) == 2 else ""
    return NamedDistribution(first.name, first.extras, excluded, first.certain, first.python)


def _between(one: str, other: str) -> str:
    """The specifier for what lies between ``<13`` and ``>13.1`` or ``>=13.1``; empty where none says it."""
    from packaging.version import Version

    below, above = sorted((one, other))
    found = re.fullmatch(r"<([^=].*)", below), re.fullmatch(r">(=?)([^=].*)", above)
    if found[0] is None or found[1] is None:
        return ""
    try:
        lower, upper = Version(found[0][1]), Version(found[1][2])
    except ValueError:
        return ""
    if lower == upper:
        return "" if found[1][1] else f"!={lower}"
    if not lower.is_prerelease and not upper.is_prerelease:
        length = max(len(lower.release), len(upper.release))
        prefix, end = ([*each.release, *(0,) * (length - len(each.release))] for each in (lower, upper))
        for last in range(length):
            following = [*prefix[:last], prefix[last] + 1, *(0,) * (length - last - 1)]
            if following == end and not any(prefix[last + 1 :]):
                series = ".".join(map(str, prefix[: last + 1]))
                return f"!={series}.*" if found[1][1] else f"!={series}.*,!={upper}"
    return ""


def _by_package(found: re.Match[str]) -> NamedDistribution | None:
    stem, plus, extra = found["name"].partition("+")
    known = _table().get(stem.lower())
    if known == "":
        return None
    extras = (normalize(extra),) if plus and extra else ()
    name = known or normalize(stem)
    return NamedDistribution(
        name,
        extras,
        specifier_of(found["op"], found["version"]),
        certain=known is not None,
        python=found["prefix"].removeprefix("python"),
    )


def provided_distribution(provide: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a provide such as ``python3.9dist(oslo.utils) = 4.12.1``
    states.

    None for everything else: other capabilities, provides of extras, and provides without a version.
    """
    found = _CAPABILITY.fullmatch(provide.strip())
    if found is None or found["extras"] or found["op"] != "=":
        return None
    return normalize(found["name"]), python_version(found["version"])


def python_version(rpm_version: str) -> str:
    """A Python version from one that rpm's generator wrote: epoch and release go, ``3~rc1`` becomes
    ``3rc1``.
    """
    found = _EVR.fullmatch(rpm_version)
    version = found["version"] if found else rpm_version
    return version.replace("~", "").replace("^post", ".post").replace("^", "+")


def rpm_version(version: str) -> str:
    """A Python version as rpm orders it right: pre-releases get a tilde, ``3rc1`` becomes ``3~rc1``."""
    from packaging.version import Version

    try:
        parsed = Version(version)
    except ValueError:
        return version
    text = ".".join(str(part) for part in parsed.release)
    if parsed.epoch:
        text = f"{parsed.epoch}!{text}"
    if parsed.pre is not None:
        text += f"~{parsed.pre[0]}{parsed.pre[1]}"
    if parsed.dev is not None:
        # PEP 440 has 3.dev1 before 3a1, and in rpm two tildes sort before one.
        text += f"~~dev{parsed.dev}" if parsed.pre is None else f"~dev{parsed.dev}"
    if parsed.post is not None:
        # In rpm, 3^post1 is after 3 and before 3.0.1, as PEP 440 has 3.post1.
        text += f"^post{parsed.post}"
    if parsed.local is not None:
        text += f"+{parsed.local}"
    return text


def specifier_of(operator: str | None, version: str | None) -> str:
    """The specifier (``==26.0.0``) that RPM's relation and version mean; empty where either is missing."""
    if not operator or not version:
        return ""
    return f"{_OPERATORS[operator]}{python_version(version)}"


@cache
def _table() -> dict[str, str]:
    text = (PACKAGE / "data/python/names.toml").read_text("utf-8")
    document = parse_toml(text)
    table = {str(key).lower(): normalize(str(value)) for key, value in document["distributions"].items()}
    table.update((str(key).lower(), "") for key in document["not_distributions"]["names"])
    return table
