"""What nova's libvirt driver does for ppc64le guests in each version: defaults, properties, minimum versions."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TypeVar

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, closest, raise_faults, read_toml
from ppcdeps.model.errors import UsageError
from ppcdeps.model.evr import VersionKey, version_key
from ppcdeps.model.values import dataclass

FOLDER, NAME = "rules", "nova"

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})*((a|b|rc|\.dev)[0-9]+)?")
_FIRST_YEAR, _LAST_YEAR = 2010, 2015
"""Until 2015 nova's version was the year's."""


@dataclass(frozen=True, slots=True)
class NovaDefault:
    """What nova requests of the hypervisor where an image property is not set, in a range of versions.

    ``kind`` is as in hypervisors.toml; ``device`` says of a disk bus what hangs on it; ``first`` and ``before`` are
    the range, open where they are empty; ``fixed_in`` says in which versions it was fixed.
    """

    property: str
    kind: str
    device: str
    value: str
    first: str
    before: str
    fixed_in: str
    reason: str
    source: str

    def holds_in(self, version: str) -> bool:
        """Whether that version of nova does so."""
        return not (self.first and is_older(version, self.first)) and not (
            self.before and not is_older(version, self.before)
        )


@dataclass(frozen=True, slots=True)
class NovaProperty:
    """An image property that nova reads from version ``first`` on.

    Any text is a value where ``values`` is empty; ``any_case`` where nova takes them in capital letters, too;
    ``since`` has the first version of values that came later.
    """

    name: str
    values: tuple[str, ...]
    since: Mapping[str, str]
    first: str
    kind: str
    device: str
    source: str
    any_case: bool = False

    def accepts(self, value: str, version: str) -> bool:
        """Whether nova of that version takes the value; any version that reads the property where it is empty."""
        first = self.since.get(value.lower(), "")
        known = not self.values or (value.lower() if self.any_case else value) in self.values
        return known and not (first and version and is_older(version, first))


@dataclass(frozen=True, slots=True)
class Minimum:
    """The oldest libvirt and QEMU with which nova starts, from its version ``first`` on."""

    first: str
    libvirt: str
    qemu: str
    source: str


@dataclass(frozen=True, slots=True)
class NovaFacts:
    """All that is known of nova. ``releases`` are OpenStack releases with their first version; ``other_names``
    are properties that mean the same on every machine, ``unseen_names`` those that are not judged, with the reason.
    """

    releases: Mapping[str, str]
    defaults: tuple[NovaDefault, ...]
    properties: Mapping[str, NovaProperty]
    other_names: tuple[str, ...]
    unseen_names: Mapping[str, str]
    minimums: tuple[Minimum, ...]

    def version(self, text: str) -> str:
        """The version that a text names: itself, or the first of an OpenStack release.

        Raises UsageError where it is neither.
        """
        cleaned = text.strip().lower()
        if cleaned in self.releases:
            return self.releases[cleaned]
        known = _VERSION.fullmatch(cleaned) and (_year(cleaned) or len(cleaned.partition(".")[0]) < 4)
        if not known:
            hint = (
                closest(cleaned, self.releases)
                or f"give one such as 25.3.0, or a release: {', '.join(self.releases)}"
            )
            raise UsageError(f'"{text}" is not a version of nova', hint=hint)
        return cleaned

    def why_unknown(self, version: str) -> str:
        """Why not all is known that this version does; empty where its release is known, and for no version."""
        newest = max(self.releases.values(), key=_key)
        if not version or not is_older(newest.partition(".")[0], version.partition(".")[0]):
            return ""
        return f"the newest nova that ppcdeps knows is {newest}"

    def defaults_in(self, version: str) -> tuple[NovaDefault, ...]:
        """What that version does where an image says nothing."""
        return tuple(one for one in self.defaults if one.holds_in(version))

    def minimum_for(self, version: str) -> Minimum | None:
        """The oldest libvirt and QEMU for that version; None where it is older than what is known."""
        found = [one for one in self.minimums if not is_older(version, one.first)]
        return found[-1] if found else None


def is_older(version: str, other: str) -> bool:
    """Whether a version of nova is older than another one. The years until 2015 came before 12.0.0."""
    return _key(version) < _key(other)


@cache
def nova_facts() -> NovaFacts:
    """What ppcdeps knows of nova."""
    return load_nova_facts(shipped_file(FOLDER, NAME))


def load_nova_facts(file: TomlFile) -> NovaFacts:
    """Read facts about nova. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    releases = top.table("releases").entries()
    defaults = tuple(_read(table, _default) for table in top.tables("default"))
    properties = [_read(table, _property) for table in top.tables("property")]
    names = top.table("names")
    known = names.texts("known")
    names.text("source")
    names.finish()
    unseen = top.table("unseen").entries()
    minimums = sorted((_read(table, _minimum) for table in top.tables("minimum")), key=lambda one: _key(one.first))
    top.finish()
    raise_faults(top, file, what)
    return NovaFacts(
        MappingProxyType(releases),
        defaults,
        MappingProxyType({one.name: one for one in properties}),
        known,
        MappingProxyType(unseen),
        tuple(minimums),
    )


_Fact = TypeVar("_Fact")


def _read(table: Table, read: Callable[[Table], _Fact]) -> _Fact:
    fact = read(table)
    table.finish()
    return fact


def _default(table: Table) -> NovaDefault:
    return NovaDefault(
        property=table.text("property"),
        kind=table.text("kind"),
        device=table.optional_text("device") or "",
        value=table.text("value"),
        first=table.optional_text("from") or "",
        before=table.optional_text("before") or "",
        fixed_in=table.optional_text("fixed_in") or "",
        reason=table.text("reason"),
        source=table.text("source"),
    )


def _property(table: Table) -> NovaProperty:
    return NovaProperty(
        name=table.text("name"),
        values=table.texts("values"),
        since=MappingProxyType(table.table("since").entries()),
        first=table.optional_text("from") or "",
        kind=table.optional_text("kind") or "",
        device=table.optional_text("device") or "",
        source=table.text("source"),
        any_case=table.flag("any_case"),
    )


def _minimum(table: Table) -> Minimum:
    return Minimum(table.text("from"), table.text("libvirt"), table.text("qemu"), table.text("source"))


def _key(version: str) -> tuple[bool, VersionKey]:
    # rpm's order takes 25.0.0rc1 for newer than 25.0.0; to sort it before needs a tilde.
    spelt = re.sub(r"\.?(a|b|rc|dev)(?=[0-9])", r"~\1", version)
    return not _year(version), version_key(spelt)


def _year(version: str) -> bool:
    """Whether a version is of the time when years were versions."""
    first = version.partition(".")[0]
    return len(first) == 4 and first.isdecimal() and _FIRST_YEAR <= int(first) <= _LAST_YEAR
