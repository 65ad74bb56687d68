"""The rules of findings, from one TOML file for each family: env, api, guest, host, node, plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, read_entries
from ppcdeps.checking.findings import Finding, Severity

FOLDER = "rules/checks"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a check looks for.

    ``id`` begins with its family: ``env-shadowed``. ``reason`` says what goes wrong, ``sources`` where that can be
    read, ``severity`` how bad a finding is unless the check knows better.
    """

    id: str
    severity: Severity
    summary: str
    reason: str
    sources: tuple[str, ...]


def load_rules(family: str, file: TomlFile | None = None) -> tuple[Rule, ...]:
    """The rules of a family in the order of their file: the shipped ones, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """

    def read(table: Table) -> Rule:
        name, severity = table.text("id"), table.text("severity")
        if severity and severity not in list(Severity):
            table.fault(f'"severity" is to be one of {", ".join(Severity)}, not "{severity}"')
            severity = ""
        if name and not name.startswith(f"{family}-"):
            table.fault(f'"id" is to begin with "{family}-"')
        known = Severity(severity) if severity else Severity.ERROR
        rule = Rule(name, known, table.text("summary"), table.text("reason"), table.texts("source"))
        if not rule.sources:
            table.fault('"source" is missing: where can the reason be read?')
        return rule

    return read_entries(file or shipped_file(FOLDER, family), "the file of rules", "rule", read)


@cache
def rules_of(family: str) -> Mapping[str, Rule]:
    """The shipped rules of a family by id."""
    return MappingProxyType({rule.id: rule for rule in load_rules(family)})


def rule(name: str) -> Rule:
    """The shipped rule of that id. Raises KeyError where there is none: a defect of the check that names it."""
    return rules_of(name.partition("-")[0])[name]


def finding(
    name: str,
    message: str,
    where: str,
    *,
    severity: Severity | None = None,
    detail: Iterable[str] = (),
    fix: Iterable[str] = (),
    fixed_in: str | None = None,
) -> Finding:
    """A finding of the rule of that id, as bad as the rule says unless ``severity`` is given.

    Raises KeyError where there is no such rule.
    """
    found = rule(name)
    links = tuple(one for one in found.sources if one.startswith("https://"))
    return Finding(name, severity or found.severity, message, where, tuple(detail), tuple(fix), fixed_in, links)
