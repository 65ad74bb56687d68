"""Templates of specs, scripts and Containerfiles, filled by Jinja with declared variables only."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.base.untrusted import open_beneath
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.recipebook import template_child
from ppcdeps.recipebook.template_child import TemplateFaultError


def fill_template(
    template: Path,
    declared: Iterable[str],
    values: Mapping[str, Any],
    more: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    shipped: bool = False,
) -> str:
    """The text that a template gives. ``more`` are variables that its recipe declares, and their values.

    The template lies beneath ``folder``, its own where none is given, and is no link. One that is not ``shipped``
    with ppcdeps is filled by a process of its own, under ceilings of time, memory and output.

    Raises ConfigError where the template is not one, uses a variable that is not declared, or one without a value,
    and where it meets a ceiling.
    """
    source = _source(template, folder or template.parent)
    values = {**values, **(more or {})}
    known = sorted({*declared, *(more or {})})
    try:
        if shipped:
            return template_child.filled(source, values, known, sys.maxsize)
        return _filled_apart(source, values, known)
    except TemplateFaultError as fault:
        if fault.undeclared:
            raise ConfigError(
                f"template {template} uses variables that are not declared:",
                faults=tuple(f'"{name}"; declared: {", ".join(known)}' for name in fault.undeclared),
            ) from fault
        line = f", line {fault.line}" if fault.line else ""
        hint = how_to_raise(fault.met) if fault.met else None
        raise ConfigError(f"template {template}{line}: {fault}", hint=hint) from fault


def _source(template: Path, folder: Path) -> str:
    try:
        with open_beneath(folder, template.relative_to(folder).as_posix()) as stream:
            content = stream.read(CEILINGS.template_size + 1)
        if len(content) > CEILINGS.template_size:
            raise ConfigError(
                f"template {template} has more than {CEILINGS.template_size} bytes",
                hint=how_to_raise("template_size"),
            )
        return content.decode()
    except OSError as error:
        raise ConfigError(f"cannot read template {template}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read template {template}: {error}") from error


def _filled_apart(source: str, values: Mapping[str, Any], declared: list[str]) -> str:
    job = {
        "path": sys.path,
        "source": source,
        "values": values,
        "declared": declared,
        "seconds": CEILINGS.template_seconds,
        "memory": CEILINGS.template_memory,
        "output": CEILINGS.template_output,
    }
    overdue = TemplateFaultError(f"takes more than {CEILINGS.template_seconds} s", met="template_seconds")
    try:
        done = run_program(
            [sys.executable, "-I", "-S", template_child.__file__],
            given=json.dumps(job),
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
            bare=True,
            seconds=CEILINGS.template_seconds,
            ceiling=16 * CEILINGS.template_output,
        )
    except UnfinishedProgramError:
        raise overdue from None
    if done.code in (-24, -9):
        raise overdue
    try:
        answer = json.loads(done.output)
    except ValueError:
        # Python itself came to an end: of its stack, or of its memory while it printed.
        raise TemplateFaultError(
            f"takes more than {CEILINGS.template_memory} bytes of memory, or is nested too deep",
            met="template_memory",
        ) from None
    if "text" in answer:
        return str(answer["text"])
    raise TemplateFaultError(answer["fault"], line=answer["line"], undeclared=answer["undeclared"], met=answer["met"])
