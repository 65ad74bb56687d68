"""Faults of released Python distributions that a compute node on POWER meets, and no metadata shows."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, read_entries
from ppcdeps.model.plan import ChosenPackage
from ppcdeps.model.python_plan import PlannedPython
from ppcdeps.model.values import dataclass
from ppcdeps.python.names import normalize, wanted_by

FOLDER, NAME = "rules", "known-faults"
SEVERITIES = ("error", "warning", "advice")


@dataclass(frozen=True, slots=True)
class KnownFault:
    """A fault of some releases of a distribution, by its normalized name.

    ``machines`` are uname's, none where it concerns every machine. A program of ``unless_programs`` on the path of
    services hides it, an RPM of ``unless_packages`` brings one. ``text`` in the module ``file`` shows the fault.
    ``what`` happens; ``fix`` are lines to copy, ``fix_without_rpm`` where a system has no RPM database; ``advice`` is
    a plan's, empty where plans say nothing.
    """

    id: str
    distribution: str
    versions: SpecifierSet
    fixed_in: str
    severity: str
    what: str
    sources: tuple[str, ...]
    machines: tuple[str, ...] = ()
    unless_programs: tuple[str, ...] = ()
    unless_packages: tuple[str, ...] = ()
    file: str = ""
    text: str = ""
    fix: tuple[str, ...] = ()
    fix_without_rpm: tuple[str, ...] = ()
    advice: str = ""

    def is_in(self, version: str) -> bool:
        """Whether that release has the fault. A text that is not a version of Python's has none."""
        try:
            return self.versions.contains(version, prereleases=True)
        except ValueError:
            return False


@cache
def known_faults() -> tuple[KnownFault, ...]:
    """The faults that ppcdeps knows."""
    return load_known_faults(shipped_file(FOLDER, NAME))


def load_known_faults(file: TomlFile) -> tuple[KnownFault, ...]:
    """Read known faults. Raises ConfigError with all faults of the file."""
    return read_entries(file, "rules file", "fault", _fault)


def fault_advice(
    closure: Iterable[ChosenPackage],
    python: PlannedPython | None,
    arch: str,
    faults: Iterable[KnownFault] | None = None,
) -> Iterator[str]:
    """What a plan says of the releases that it takes, by pip or as RPMs; each line ends with its source."""
    packages = {package.nevra.name: package.nevra.version for package in closure}
    versions = _distributions(packages, python)
    for fault in known_faults() if faults is None else faults:
        version = versions.get(fault.distribution)
        concerns = fault.advice and (not fault.machines or arch in fault.machines)
        hidden = packages.keys() & set(fault.unless_packages)
        if concerns and not hidden and version and fault.is_in(version):
            yield f"{fault.advice.format(version=version)} ({fault.sources[0]})"


def _distributions(packages: Mapping[str, str], python: PlannedPython | None) -> dict[str, str]:
    """Versions of distributions by normalized name: of the plan's Python part, and of packages by their name."""
    found = {}
    for package, version in packages.items():
        named = wanted_by(package)
        if named is not None:
            found[named.name] = version
    for distribution in python.distributions if python else ():
        found[normalize(distribution.name)] = distribution.version
    return found


def _fault(table: Table) -> KnownFault:
    versions, severity = table.text("versions"), table.text("severity")
    try:
        specifiers = SpecifierSet(versions)
    except InvalidSpecifier:
        table.fault(f'"versions" has no specifiers: "{versions}"')
        specifiers = SpecifierSet()
    if severity not in SEVERITIES:
        table.fault(f'"severity" is to be one of {", ".join(SEVERITIES)}, not "{severity}"')
    fault = KnownFault(
        id=table.text("id"),
        distribution=normalize(table.text("distribution")),
        versions=specifiers,
        fixed_in=table.text("fixed_in"),
        severity=severity,
        what=table.text("what"),
        sources=table.texts("source"),
        machines=table.texts("machines"),
        unless_programs=table.texts("unless_programs"),
        unless_packages=table.texts("unless_packages"),
        file=table.optional_text("file") or "",
        text=table.optional_text("text") or "",
        fix=table.texts("fix"),
        fix_without_rpm=table.texts("fix_without_rpm"),
        advice=table.optional_text("advice") or "",
    )
    if not fault.sources:
        table.fault('"source" is missing: where can that be read?')
    if bool(fault.file) != bool(fault.text):
        table.fault('"file" and "text" belong together')
    try:
        fault.advice.format(version="")
    except (KeyError, IndexError, ValueError) as error:
        table.fault(f'"advice" has a field that nothing stands for: {error}')
    return fault
