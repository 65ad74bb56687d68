"""Checks the use of names across a set of distributions: scan every source, then follow every use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.distribution_scan import Tree, scan_all
from ppcdeps.checking.api.module_facts import ModuleFacts, Use
from ppcdeps.checking.api.module_tree import ModuleTree, ScannedDistribution, module_of
from ppcdeps.checking.api.removed import PYTHON
from ppcdeps.checking.api.resolve import Missing, Resolver
from ppcdeps.model.reporter import Reporter

if TYPE_CHECKING:
    from ppcdeps.base.cache import Cache


@dataclass(frozen=True, slots=True)
class ApiFault:
    """``user`` uses in ``path`` what ``provider`` does not have. ``lines`` are where it does so first, in each way;
    ``wanted`` is the name as the file says it. ``reached``: some module or entry point of the set imports the file.
    """

    user: str
    user_version: str
    path: str
    lines: tuple[int, ...]
    wanted: str
    missing: Missing
    provider: str
    provider_version: str
    reached: bool


@dataclass(frozen=True, slots=True)
class ApiResult:
    """``faults`` in order; ``unread`` are files with the reason; counts of what was looked at."""

    faults: tuple[ApiFault, ...]
    unread: tuple[tuple[str, str, str], ...]
    distributions: int
    files: int
    uses: int


def check_api(
    trees: Sequence[Tree],
    platform: PythonPlatform,
    cache: "Cache | None" = None,
    reporter: Reporter | None = None,
    *,
    tests: bool = False,
    workers: int | None = None,
) -> ApiResult:
    """The names that distributions use of each other and do not have. ``tests``: also in the tests that they ship.

    Nothing is imported. ``workers``: processes at once, as many as the machine has processors by default.
    """
    releases = scan_all(trees, platform, cache, reporter, tests=tests, workers=workers)
    return judge(releases, platform)


def judge(releases: Sequence[ScannedDistribution], platform: PythonPlatform) -> ApiResult:
    """The faults among scanned distributions."""
    tree = ModuleTree(releases)
    judge_ = _Judge(tree, platform, _surveyed(releases, tree))
    for release in releases:
        for path, row in release.rows.items():
            if row is not None:
                judge_.look(release, path, ModuleFacts.of(row))
    faults = sorted(judge_.faults, key=lambda fault: (fault.user, fault.path, fault.lines, fault.wanted))
    return ApiResult(tuple(faults), tuple(sorted(judge_.unread)), len(tree.releases), judge_.files, judge_.uses)


def module_tree_of(releases: Sequence[ScannedDistribution]) -> ModuleTree:
    """The complete tree of some releases."""
    tree = ModuleTree(releases)
    _surveyed(releases, tree)
    return tree


@dataclass(frozen=True, slots=True)
class _Expectations:
    """What a distribution probes for, or tries to import, in any of its files: it expects that it may be missing.
    ``tops`` are the top-level modules that it imports.
    """

    probed: set[str]
    tried: set[str]
    tops: set[str]


@dataclass(frozen=True, slots=True)
class _Survey:
    """What must be known of all modules before one is judged. ``reached`` is what they, or entry points, import."""

    prepared: dict[str, _Expectations]
    reached: set[str]


def _surveyed(releases: Sequence[ScannedDistribution], tree: ModuleTree) -> _Survey:
    survey = _Survey({}, set())
    for release in releases:
        prepared = survey.prepared[release.name] = _Expectations(set(), set(), set())
        for path, row in release.rows.items():
            if row is None:
                continue
            facts = ModuleFacts.of(row)
            tree.note(facts)
            prepared.probed.update(facts.probed)
            prepared.tried.update(facts.tried)
            own = module_of(path)[0]
            if "." not in own:
                # The top-level package is imported by the programs that use the distribution.
                survey.reached.add(own)
            for use in facts.uses:
                prepared.tops.add(use.module.partition(".")[0])
                parts = [*use.module.split("."), *use.names]
                survey.reached.update(name for name in _heads(parts) if name != own)
        prepared.tops.update(name.partition(".")[0] for name in prepared.tried)
        for module in release.entry_points:
            survey.reached.update(_heads(module.split(".")))
    return survey


def _heads(parts: list[str]) -> Iterator[str]:
    """``a``, ``a.b``, ``a.b.c`` of their parts."""
    head = ""
    for part in parts:
        head = f"{head}.{part}" if head else part
        yield head


class _Judge:
    def __init__(self, tree: ModuleTree, platform: PythonPlatform, survey: _Survey) -> None:
        self.tree = tree
        self.survey = survey
        self.resolver = Resolver(tree, platform.version)
        self.is_python_2 = platform.version[0] == 2
        self.faults: list[ApiFault] = []
        self.unread: list[tuple[str, str, str]] = []
        self.files = 0
        self.uses = 0

    def look(self, release: ScannedDistribution, path: str, facts: ModuleFacts) -> None:
        """Judge the uses of one module, and note its faults."""
        self.files += 1
        self.uses += len(facts.uses)
        if facts.fault:
            self.unread.append((release.name, path, facts.fault))
        module = module_of(path)[0]
        found: dict[str, tuple[list[int], Missing, str]] = {}
        for use in facts.uses:
            missing = self.resolver.missing(use)
            if missing is None or self._is_excused(release, path, module, use, missing):
                continue
            wanted = ".".join((use.module, *use.names[: missing.position + 1]))
            known = found.setdefault(missing.dotted, ([], missing, wanted))
            known[0].append(use.line)
        for lines, missing, wanted in found.values():
            provider = self.tree.releases.get(missing.distribution)
            self.faults.append(
                ApiFault(
                    user=release.name,
                    user_version=release.version,
                    path=path,
                    lines=tuple(sorted(set(lines))),
                    wanted=wanted,
                    missing=missing,
                    provider=missing.distribution,
                    provider_version=provider.version if provider is not None else "",
                    reached=module in self.survey.reached,
                )
            )

    def _fails(self, module: str, name: str) -> bool:
        """Whether an import certainly fails."""
        return self.resolver.missing(Use(module, (name,) if name else (), 0, 0)) is not None

    def _is_excused(self, release: ScannedDistribution, path: str, module: str, use: Use, missing: Missing) -> bool:
        """Whether what is missing is not a fault: it is the distribution's own, or it is prepared for."""
        if missing.distribution == release.name:
            return True
        if use.instead and not any(self._fails(module, name) for module, name in use.instead):
            return True
        if not use.is_import and missing.position < use.imported:
            # The import statement fails first, or is guarded.
            return True
        top = use.module.partition(".")[0]
        if self.is_python_2:
            # Python 2 looks beside the file first.
            package = path.rpartition("/")[0].replace("/", ".")
            if f"{package}.{top}" in self.tree.modules:
                return True
        if missing.position < 0 and missing.removed is None and top == module.partition(".")[0]:
            # A package that several distributions share, each with a part of its own.
            return True
        prepared = self.survey.prepared[release.name]
        wanted = ".".join((use.module, *use.names[: missing.position + 1]))
        if missing.name in prepared.probed or missing.dotted in prepared.tried or wanted in prepared.tried:
            return True
        if missing.removed is None or missing.distribution != PYTHON:
            return False
        # What Python removed is not a fault in a file that nothing imports (code for an older Python, mostly),
        # nor in a distribution that also imports the backport.
        return module not in self.survey.reached or missing.removed.unless in prepared.tops
