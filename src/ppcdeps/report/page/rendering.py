"""Values as one self-contained HTML page: templates with every text escaped, script and style allowed by digest.

The page's policy lets in no request at all. Names come from repositories: control and direction characters in them
are written out, as in what a terminal is shown.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ppcdeps import __version__
from ppcdeps.model.visible import visible
from ppcdeps.report.build import duration
from ppcdeps.report.page.audit import AuditView
from ppcdeps.report.page.comparison import ComparisonView
from ppcdeps.report.page.view import PlanView

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = ("base.html", "parts.html", "plan.html", "comparison.html", "results.html", "audit.html")


def render_plan_page(page: PlanView) -> str:
    """The page of a plan, with how its builds went, and whether it is closed, where that is known."""
    sections = [("build", "Builds")] if page.build_run else []
    sections += [("verify", "Verified")] if page.verification else []
    sections += [("graph", "Graph")] if page.graph.nodes else []
    sections += [("gaps", "Gaps")]
    sections += [("closure", "Closure")]
    sections += [("python", "Python")] if page.python else []
    sections += [("dropped", "Dropped")] if page.dropped else []
    sections += [("advice", "Advice")] if page.advice else []
    sections += [("metadata", "Metadata")]
    kinds = tuple(dict.fromkeys(node.kind for node in page.graph.nodes))
    return _rendered("plan.html", page, sections, graph_kinds=kinds)


def render_comparison_page(page: ComparisonView) -> str:
    """The page of two plans compared."""
    sections = [(table.id, table.title) for table in page.tables]
    return _rendered(
        "comparison.html", page, [*sections, *([("metadata", "Repositories")] if page.repositories else [])]
    )


def render_audit_page(page: AuditView) -> str:
    """The page of an audit."""
    sections = [("sources", "Sources")] if page.sources else []
    sections += [("order", "Order")] if len(page.steps) > 1 else []
    sections += [("workloads", "Workloads")] if page.workloads else []
    sections += [("groups", "Groups")] if page.groups else []
    sections += [("enabling", "Enabling")] if page.enabling else []
    sections += [("cycles", "Cycles")] if page.cycles else []
    sections += [("reasons", "Blocked")] if page.reasons else []
    return _rendered("audit.html", page, [*sections, ("packages", "Packages"), ("metadata", "Metadata")])


def _rendered(name: str, page: Any, sections: list[tuple[str, str]], **more: Any) -> str:
    from markupsafe import Markup

    style, script = _data("style.css"), _data("page.js")
    text = (
        _environment()
        .get_template(name)
        .render(
            page=page,
            page_sections=sections,
            version=__version__,
            policy=_policy(style, script),
            # Our own, from package data: nothing of the plan is in them.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            **more,
        )
    )
    return f"{text}\n"


@cache
def _environment() -> "Environment":
    # Here, as most commands need no template.
    from jinja2 import DictLoader, Environment, StrictUndefined

    environment = Environment(
        loader=DictLoader({name: _data(name) for name in _TEMPLATES}),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["is_web"] = is_web
    environment.filters["duration"] = duration
    return environment


def is_web(link: str) -> bool:
    """Whether a link leads to the web. Those of other schemes are shown, and lead nowhere: one may be a script."""
    return link.startswith(("https://", "http://"))


def _shown(value: Any) -> Any:
    """What is put in place of a value: visible text; markup, which is escaped already, and numbers as they are."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        # An enumeration's member is its value.
        return visible(str(value))
    return value


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(name: str) -> str:
    return files("ppcdeps").joinpath("data", "page", name).read_text("utf-8")
