"""Fills one template, as a program of its own: a template is a program, and may take all time and memory there is.

It is started as ``python -I -S template_child.py`` with a JSON document on its standard input (see templates.py), and
prints another: the text, or what is wrong.
"""

import json
import resource
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 500
"""Characters of a message: a template can make it as long as it likes."""


class TemplateFaultError(Exception):
    """What is wrong with a template. ``undeclared`` are names that it uses and may not."""

    def __init__(
        self, message: str, *, line: int | None = None, undeclared: Iterable[str] = (), met: str = ""
    ) -> None:
        super().__init__(" ".join(message.split())[:_LONGEST])
        self.line = line
        self.undeclared = tuple(undeclared)
        self.met = met


def filled(source: str, values: Mapping[str, Any], declared: Iterable[str], ceiling: int) -> str:
    """The text that a template gives, of at most ``ceiling`` characters.

    Raises TemplateFaultError for all that is wrong.
    """
    from jinja2 import StrictUndefined, TemplateError, meta, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Specs and scripts come out, where HTML's escapes would be wrong. What a shell reads is quoted with shlex.quote
    # beforehand, or by the filter `shell`.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["shell"] = shlex.quote
    try:
        tree = environment.parse(source)
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise TemplateFaultError("a template reads no other file", line=node.lineno)
        undeclared = meta.find_undeclared_variables(tree) - set(declared)
        if undeclared:
            raise TemplateFaultError("uses variables that are not declared", undeclared=sorted(undeclared))
        parts: list[str] = []
        size = 0
        for part in environment.from_string(source).generate(**values):
            size += len(part)
            if size > ceiling:
                raise TemplateFaultError(f"gives more than {ceiling} characters", met="template_output")
            parts.append(part)
        text = "".join(parts)
        text.encode()
        return text
    except TemplateError as error:
        raise TemplateFaultError(str(error), line=getattr(error, "lineno", None)) from error
    except MemoryError as error:
        raise TemplateFaultError("takes too much memory", met="template_memory") from error
    except TemplateFaultError:
        raise
    except RecursionError as error:
        raise TemplateFaultError("it is nested too deep, or calls itself") from error
    except Exception as error:  # the template's own: it divides, formats and calls
        raise TemplateFaultError(f"{type(error).__name__}: {error}") from error


def main() -> None:
    """Read what is to be filled, and print what came of it."""
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    for name, most in (("CPU", job["seconds"]), ("AS", job["memory"])):
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (least, least))
    try:
        answer: dict[str, Any] = {"text": filled(job["source"], job["values"], job["declared"], job["output"])}
    except TemplateFaultError as fault:
        answer = {"fault": str(fault), "line": fault.line, "undeclared": fault.undeclared, "met": fault.met}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
