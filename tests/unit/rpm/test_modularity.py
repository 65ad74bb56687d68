"""Modularity where the cases have no words for it: errors, and the cost where there are no modules."""

import subprocess
import sys
from pathlib import Path

import pytest
from rpmmd import Package, modules_yaml, write_repository
from universes import Case, Repository, open_universe, run_case, write_case

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import RepositoryError, UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.repository import Side

TOOL = Package(Nevra.parse("tool-2-1.el9.noarch"))
STREAMS = {"tool:2": ["tool-0:2-1.el9.noarch"]}


def _case(modules: str, *streams: str) -> Case:
    return Case("modular", (Repository("target", Side.TARGET, (TOOL,), modules=modules),), ("tool",), streams=streams)


def test_a_stream_that_no_repository_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tool:3 is not in any repository; there are 2"):
        run_case(_case(modules_yaml(STREAMS, "ppc64le"), "tool:3"), tmp_path)


def test_a_stream_is_refused_where_no_repository_has_modules(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no repository has this module"):
        run_case(_case("", "tool:2"), tmp_path)


def test_damaged_modules_are_told_with_their_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="repository target: modules is not well-formed YAML"):
        run_case(_case("---\ndocument: [modulemd\n"), tmp_path)


def test_a_default_stream_that_cannot_be_active_is_told(tmp_path: Path) -> None:
    text = modules_yaml(STREAMS, "ppc64le", {"tool": "2"}).replace("platform: [el9]", "platform: [el8]")
    outcome = run_case(_case(text), tmp_path)
    assert outcome.said["unknown"] == ["tool"]
    assert len(outcome.said["problems"]) == 1
    assert outcome.said["problems"][0].startswith("module tool:2 cannot be active")
    assert outcome.said["problems"][0].endswith("(target repositories)")


def test_a_stream_of_another_architecture_in_a_target_repository_hides_nothing(tmp_path: Path) -> None:
    outcome = run_case(_case(modules_yaml(STREAMS, "x86_64")), tmp_path)
    assert outcome.said["closure"] == ["tool-2-1.el9.noarch"]


def test_enabling_another_stream_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    cache = Cache.open(tmp_path / "cache")
    configs = write_case(_case(modules_yaml(STREAMS, "ppc64le")), tmp_path)
    without = open_universe(_case(""), configs, cache)
    enabled = open_universe(_case("", "tool:2"), configs, cache)
    again = open_universe(_case(""), configs, cache)
    assert [len(one.named("tool", one.parts[0].role)) for one in (without, enabled, again)] == [0, 1, 0]


def test_without_modules_no_yaml_is_read(tmp_path: Path) -> None:
    url = write_repository(tmp_path / "plain", [TOOL]).as_uri()
    program = (
        "import sys; from pathlib import Path; from universes import *\n"
        f"configs = [RepoConfig('plain', Side.TARGET, baseurl=({url!r},))]\n"
        f"open_universe(Case('plain', (), ()), configs, Cache.open(Path({str(tmp_path / 'cache')!r})))\n"
        "print(sorted(name for name in sys.modules if name.startswith('yaml') or name == 'ppcdeps.metadata.modules'))"
    )
    support = Path(__file__).parents[2] / "support"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=support, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
