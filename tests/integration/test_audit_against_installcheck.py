"""What the audit finds installable, package by package, held against installcheck of libsolv-tools."""

from pathlib import Path
from types import ModuleType

import el9
import el10
import pytest
from againstdnf import configs_of
from installcheck import lacks, refused_by_installcheck
from universes import Case, case_of, open_universe, write_case

from ppcdeps.auditing.installable import not_installable
from ppcdeps.auditing.requirements import RequirementGraph
from ppcdeps.base.cache import Cache
from ppcdeps.rpm.universe import Universe

LACKS = lacks()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS or "installcheck is there")


def _refused(universe: Universe) -> set[str]:
    """By the solver alone; what the requirements alone say must be a part of that."""
    universe.paths.look_up()
    packages = {i for part in universe.parts for i in part.ids}
    broken = RequirementGraph(universe, packages).broken(packages)
    refused = not_installable(universe, packages, ())
    assert broken <= refused
    assert broken | not_installable(universe, packages - broken, broken) == refused
    return {universe.label(i) for i in refused}


@pytest.mark.parametrize("distribution", [el9, el10], ids=["el9", "el10"])
def test_a_distribution_is_installable_as_installcheck_says(distribution: ModuleType, tmp_path: Path) -> None:
    urls = distribution.urls(distribution.TARGET)
    ours = _refused(open_universe(Case("target", (), ()), configs_of(urls), Cache.open(tmp_path / "cache")))
    theirs = refused_by_installcheck(
        {name: distribution.SNAPSHOT / name for name in distribution.TARGET}, "ppc64le", tmp_path / "unpacked"
    )
    assert theirs
    assert ours == theirs


def test_booleans_conflicts_versions_and_paths_are_judged_alike(tmp_path: Path) -> None:
    case = case_of(
        [],
        target={
            "lib-1-1.ppc64le": {"provides": ["api = 2", "bare"]},
            "data-1-1.noarch": {"files": ["/usr/share/data/one"]},
            "new-1-1.ppc64le": {"requires": ["api >= 3"]},
            "old-1-1.ppc64le": {"requires": ["api < 3", "bare = 7"]},
            "path-1-1.ppc64le": {"requires": ["/usr/share/data/one"]},
            "lost-1-1.ppc64le": {"requires": ["/usr/share/data/two"]},
            "either-1-1.ppc64le": {"requires": ["(nothing or lib)"]},
            "if-1-1.ppc64le": {"requires": ["(nothing if lib)", "lib"]},
            "foe-1-1.ppc64le": {"conflicts": ["lib"]},
            "both-1-1.ppc64le": {"requires": ["foe", "old"]},
            "heir-2-1.ppc64le": {"obsoletes": ["lib < 2"]},
            "heirs-2-1.ppc64le": {"requires": ["heir", "api"]},
        },
    )
    configs = write_case(case, tmp_path / "r")
    ours = _refused(open_universe(case, configs, Cache.open(tmp_path / "cache")))
    theirs = refused_by_installcheck({"target": tmp_path / "r/target"}, "ppc64le", tmp_path / "unpacked")
    assert ours == theirs
    assert {name.split("-")[0] for name in ours} == {"new", "lost", "if", "both", "heirs"}
