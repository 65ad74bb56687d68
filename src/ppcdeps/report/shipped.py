"""Targets and workloads that ppcdeps ships, as tables and as JSON."""

from collections.abc import Iterable

from ppcdeps.model.target import Target
from ppcdeps.model.workload import Workload
from ppcdeps.report.text import as_json, columns, text_of


def render_targets(targets: Iterable[Target]) -> str:
    """A row for each target: what it is compiled for, its interpreters, and the OpenStack releases, default first."""
    rows = [("NAME", "COMPILED FOR", "PYTHON", "OPENSTACK", "")]
    rows += [
        (each.name, each.cpu_baseline, ", ".join(_pythons(each)), ", ".join(_releases(each)) or "-", each.title)
        for each in targets
    ]
    way_on = (
        "`ppcdeps targets NAME > mine.toml` makes a file of your own from one, and `--target mine.toml` takes it."
    )
    return text_of([*columns(rows, ""), "", way_on])


def render_workloads(workloads: Iterable[Workload]) -> str:
    """A row for each workload with its roots and OpenStack releases, default first."""
    rows = [("NAME", "ROOTS", "OPENSTACK", "")]
    rows += [(each.name, ", ".join(each.roots), _span(_releases(each)), each.title) for each in workloads]
    way_on = (
        "`ppcdeps workloads NAME > mine.toml` makes a file of your own from one, "
        "and `ppcdeps plan ./mine.toml` takes it."
    )
    return text_of([*columns(rows, ""), "", way_on])


def dump_targets(targets: Iterable[Target]) -> str:
    """The targets as JSON text."""
    return as_json(
        [
            {
                "name": each.name,
                "title": each.title,
                "cpu_baseline": each.cpu_baseline,
                "pythons": _pythons(each),
                "openstack": _releases(each),
            }
            for each in targets
        ]
    )


def dump_workloads(workloads: Iterable[Workload]) -> str:
    """The workloads as JSON text."""
    return as_json(
        [
            {"name": each.name, "title": each.title, "roots": list(each.roots), "openstack": _releases(each)}
            for each in workloads
        ]
    )


def _pythons(target: Target) -> list[str]:
    return [each.tag for each in target.pythons]


def _releases(of: Target | Workload) -> list[str]:
    """All OpenStack releases, the one that is taken by default first."""
    default = of.openstack if isinstance(of, Target) else of.release
    known = of.openstack_releases if isinstance(of, Target) else of.releases
    return sorted(known, key=lambda release: release != default)


def _span(releases: list[str]) -> str:
    """The default, and how many others there are."""
    if not releases:
        return "-"
    return releases[0] + (f" and {len(releases) - 1} more" if len(releases) > 1 else "")
