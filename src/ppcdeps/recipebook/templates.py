"""Templates of specs, scripts and Containerfiles, filled by Jinja with declared variables only."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ppcdeps.model.errors import ConfigError


def fill_template(
    template: Path, declared: Iterable[str], values: Mapping[str, Any], more: Mapping[str, str] | None = None
) -> str:
    """The text that a template gives. ``more`` are variables that its recipe declares, and their values.

    Raises ConfigError where the template is not one, uses a variable that is not declared, or one without a value.
    """
    from jinja2 import Environment, StrictUndefined, TemplateError, meta
    from jinja2.sandbox import SandboxedEnvironment

    # Specs and scripts come out, where HTML's escapes would be wrong. What a shell reads is quoted with shlex.quote
    # beforehand, or by the filter `shell`.
    environment: Environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["shell"] = shlex.quote
    known = {*declared, *(more or {})}
    try:
        text = template.read_text("utf-8")
        used = meta.find_undeclared_variables(environment.parse(text))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read template {template}: {error}") from error
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ConfigError(f"template {template}{f', line {line}' if line else ''}: {error}") from error
    undeclared = sorted(used - known)
    if undeclared:
        raise ConfigError(
            f"template {template} uses variables that are not declared:",
            faults=tuple(f'"{name}"; declared: {", ".join(sorted(known))}' for name in undeclared),
        )
    try:
        return environment.from_string(text).render({**values, **(more or {})})
    except TemplateError as error:
        raise ConfigError(f"template {template}: {error}") from error
