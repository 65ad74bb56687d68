"""What a plan advises beyond its packages, by its target, its closure and nova's version; no host is needed."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, read_entries
from ppcdeps.model.evr import compare_versions
from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.plan import ChosenPackage
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.model.workload import Workload
from ppcdeps.planning.nova import is_older, nova_facts

FOLDER, NAME = "rules", "advice"

NOVA = "openstack-nova-compute"
"""Whose version is nova's."""


@dataclass(frozen=True, slots=True)
class AdviceRule:
    """A piece of advice, and when it is given. Conditions that are empty are no conditions.

    ``packages`` are names, one of which is to be in the closure, unless the workload names the rule; ``but`` are
    targets that the ``platforms`` do not stand for; ``first`` and ``before`` are a range of nova's versions, which
    only a closure with nova can be in; the package ``of`` is older than nova takes of ``oldest`` (libvirt or qemu).
    ``by_pip`` is a distribution that pip installs; ``without`` are packages of which the closure has none.
    """

    id: str
    text: str
    source: str
    packages: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    baseline: str = ""
    recipe: str = ""
    first: str = ""
    before: str = ""
    oldest: str = ""
    of: str = ""
    by_pip: str = ""
    without: tuple[str, ...] = ()


def advice_of(
    workload: Workload,
    target: Target,
    closure: Iterable[ChosenPackage],
    gaps: Iterable[Gap],
    rules: Iterable[AdviceRule] | None = None,
    by_pip: Collection[str] = (),
) -> tuple[str, ...]:
    """The advice for a plan in the order of the rules, each a line that ends with its source.

    ``by_pip`` are the distributions that pip installs, by normalized name.
    """
    versions = {package.nevra.name: package.nevra.version for package in closure}
    recipes = {gap.name for gap in gaps if gap.route.kind is RouteKind.RECIPE}
    nova = versions.get(NOVA, "")
    given = []
    for rule in load_advice() if rules is None else rules:
        if rule.by_pip and rule.by_pip not in by_pip:
            continue
        if _applies(rule, workload, target, versions, recipes, nova):
            text = rule.text.format(
                nova=nova,
                target=target.name,
                title=target.title,
                baseline=target.cpu_baseline,
                oldest=_oldest(rule, nova),
                has=versions.get(rule.of, ""),
                packages=" and ".join(name for name in rule.packages if name in versions),
            )
            given.append(f"{text} ({rule.source})")
    return tuple(given)


@cache
def load_advice(file: TomlFile | None = None) -> tuple[AdviceRule, ...]:
    """The advice that ppcdeps knows, or that of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    return read_entries(file or shipped_file(FOLDER, NAME), "rules file", "advice", _rule)


def _applies(
    rule: AdviceRule,
    workload: Workload,
    target: Target,
    versions: Mapping[str, str],
    recipes: Collection[str],
    nova: str,
) -> bool:
    if rule.packages and rule.id not in workload.advice and not versions.keys() & set(rule.packages):
        return False
    if versions.keys() & set(rule.without):
        return False
    if rule.platforms and (target.platform_id not in rule.platforms or target.name in rule.but):
        return False
    if rule.baseline and target.cpu_baseline != rule.baseline:
        return False
    if rule.recipe and rule.recipe not in recipes:
        return False
    if rule.oldest:
        has, oldest = versions.get(rule.of), _oldest(rule, nova)
        if not has or not oldest or compare_versions(has, oldest) >= 0:
            return False
    if rule.first and not (nova and not is_older(nova, rule.first)):
        return False
    return not rule.before or bool(nova and is_older(nova, rule.before))


def _oldest(rule: AdviceRule, nova: str) -> str:
    """What nova takes at least; empty where the rule has no such condition or that is not known."""
    minimum = nova_facts().minimum_for(nova) if nova and rule.oldest else None
    if minimum is None:
        return ""
    return minimum.libvirt if rule.oldest == "libvirt" else minimum.qemu


def _rule(table: Table) -> AdviceRule:
    rule = AdviceRule(
        id=table.text("id"),
        text=table.text("text"),
        source=table.text("source"),
        packages=table.texts("packages"),
        platforms=table.texts("platforms"),
        but=table.texts("except"),
        baseline=table.optional_text("baseline") or "",
        recipe=table.optional_text("recipe") or "",
        first=table.optional_text("from") or "",
        before=table.optional_text("before") or "",
        oldest=table.optional_text("oldest") or "",
        of=table.optional_text("of") or "",
        by_pip=table.optional_text("by_pip") or "",
        without=table.texts("without"),
    )
    if rule.oldest not in ("", "libvirt", "qemu") or bool(rule.oldest) != bool(rule.of):
        table.fault('"oldest" is to be libvirt or qemu, with the package that is compared as "of"')
    if not any((rule.packages, rule.platforms, rule.baseline, rule.recipe, rule.by_pip)):
        table.fault("it has no condition: every plan would give it")
    try:
        rule.text.format(nova="", target="", title="", baseline="", oldest="", has="", packages="")
    except (KeyError, IndexError, ValueError) as error:
        table.fault(f'"text" has a field that nothing stands for: {error}')
    return rule
