"""What explains a failure: texts of nova, libvirt and QEMU, and the rules of ppcdeps that know them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import TomlFile, raise_faults, read_toml
from ppcdeps.checking.findings import Finding
from ppcdeps.checking.rules import finding

FOLDER, NAME = "rules", "node-faults"
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class FaultText:
    """A text that a failure has, and the rule that explains it: of any family. ``steps`` are those that it can be
    seen in, any where there are none.
    """

    pattern: re.Pattern[str]
    rule: str
    steps: tuple[str, ...]
    fix: tuple[str, ...]


def explain(step: str, lines: Iterable[str]) -> tuple[Finding, ...]:
    """Findings that explain a failure of that step, by the text of its reason and its evidence. Each rule once."""
    text = "\n".join(lines)[:_LONGEST]
    found: dict[str, Finding] = {}
    for fault in fault_texts():
        match = fault.pattern.search(text) if not fault.steps or step in fault.steps else None
        if match and fault.rule not in found:
            made = finding(fault.rule, _summary(fault.rule), step, fix=fault.fix)
            found[fault.rule] = made
    return tuple(found.values())


def _summary(name: str) -> str:
    from ppcdeps.checking.rules import rule

    known = rule(name)
    return f"{known.summary}: {known.reason}"


@cache
def fault_texts() -> tuple[FaultText, ...]:
    """The shipped ones."""
    return load_fault_texts(shipped_file(FOLDER, NAME))


def load_fault_texts(file: TomlFile) -> tuple[FaultText, ...]:
    """Read the texts of faults. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    found = []
    for table in top.tables("fault"):
        text = table.text("pattern")
        try:
            pattern = re.compile(text)
        except re.error as error:
            table.fault(f'"pattern" is not a regular expression: {error}')
            pattern = re.compile("")
        found.append(FaultText(pattern, table.text("rule"), table.texts("steps"), table.texts("fix")))
        table.finish()
    top.finish()
    raise_faults(top, file, what)
    return tuple(found)
