"""What a plan wants to be built, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.building.run.tasks import BRIDGE, Bridge, LeftOut, left_out, tasks_of
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedDistribution, PlannedFile, PlannedPython, Provision
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.recipebook.book import RecipeBook, load_book, recipe_digest

RECIPE = """\
source = "{source}"
kind = "compile"
summary = "a library"
reason = "EL has none"
packages = ["{source}"]

[upstream]
summary = "a library"
license = "MIT"
url = "https://example.org"
description = "A library."
system = "make"

[[sources]]
version = "1.0"
url = "https://example.org/{source}-1.0.tar.gz"
sha256 = "{digest}"
"""


def book_of(folder: Path, *sources: str) -> RecipeBook:
    for source in sources:
        (folder / source).mkdir()
        (folder / source / "recipe.toml").write_text(RECIPE.format(source=source, digest="0" * 64))
    return load_book([folder], shipped=False)


def gap(name: str, route: Route, kind: GapKind = GapKind.RPM) -> Gap:
    wanted = (Nevra.parse(f"{name}-1.0-1.ppc64le"),) if kind is GapKind.RPM else (f"{name}==1.0",)
    return Gap(name, kind, Cause.ABSENT, Phase.RUN, wanted, (), route, source=name)


def by_recipe(recipe: Recipe) -> Gap:
    return gap(recipe.source, Route(RouteKind.RECIPE, (recipe.source,), digest=recipe_digest(recipe)))


def plan_of(book: RecipeBook, waves: list[list[str]], needs: dict[str, tuple[str, ...]], *more: Gap) -> Plan:
    gaps = (*map(by_recipe, book), *more)
    return Plan("work", "el9", "ppc64le", (), (), (), gaps, waves=tuple(tuple(wave) for wave in waves), needs=needs)


def test_tasks_need_what_the_plan_says_and_not_the_whole_wave_before(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b", "c")
    plan = plan_of(book, [["a", "b"], ["c"]], {"c": ("a",)})
    tasks = {task.name: task for task in tasks_of(plan, book)}
    assert list(tasks) == ["a", "b", "c"]
    assert tasks["c"].needs == ("a",)
    assert tasks["a"].expected.packages == ("a",)


def test_a_bootstrap_is_a_build_of_its_own_that_the_cycle_waits_for(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b")
    plan = plan_of(book, [["a (with bootstrap)"], ["b"], ["a"]], {"a": ("b",), "b": ("a",)})
    first, second, last = tasks_of(plan, book)
    assert (first.source, first.needs) == ("a", ())
    assert isinstance(first.recipe, Recipe)
    assert first.recipe.enabled == ("bootstrap",)
    assert second.needs == ("a (with bootstrap)",)
    assert last.needs == ("b",)
    assert isinstance(last.recipe, Recipe)
    assert last.recipe.enabled == ()


def test_a_recipe_that_was_changed_since_the_plan_is_found_out(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b")
    plan = plan_of(book, [["a", "b"]], {})
    (tmp_path / "a" / "extra.patch").write_text("--- a\n")
    with pytest.raises(ConfigError) as fault:
        tasks_of(plan, book)
    assert "the recipe a was changed since the plan was made" in str(fault.value)
    assert "plan again" in str(fault.value)
    assert fault.value.exit_code == 3


def test_all_missing_recipes_are_reported_at_once(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b")
    plan = plan_of(book, [["a", "b"]], {})
    with pytest.raises(ConfigError) as fault:
        tasks_of(plan, RecipeBook(()))
    assert [line.strip().split(":")[0] for line in str(fault.value).splitlines()[1:]] == [
        "there is no recipe a for a (any more)",
        "there is no recipe b for b (any more)",
    ]


def test_a_distribution_is_built_from_the_very_sdist_of_the_lock(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    route = Route(RouteKind.BUILD_SDIST, ("msgpack==1.0",))
    plan = plan_of(book, [["msgpack"]], {}, gap("msgpack", route, GapKind.PYTHON))
    files = (PlannedFile("msgpack-1.0-py3-none-any.whl", "1" * 64), PlannedFile("msgpack-1.0.tar.gz", "2" * 64))
    msgpack = PlannedDistribution("msgpack", "1.0", Provision.BUILD, files=files, builds_from=("Cython", "C"))
    lock = PlannedPython("3.9.25", "ppc64le", "2.34", (msgpack,))
    (task,) = tasks_of(replace(plan, python=lock), book)
    assert isinstance(task.recipe, Recipe)
    assert task.recipe.kind is RecipeKind.SDIST
    assert [source.sha256 for source in task.recipe.sources] == ["2" * 64]
    assert task.pinned == "msgpack==1.0"
    assert task.expected.packages == ("python3-msgpack",)


def test_what_pip_installs_is_bridged_by_a_task_of_its_own(tmp_path: Path) -> None:
    plan = replace(
        plan_of(book_of(tmp_path), [], {}),
        python=PlannedPython("3.9.25", "ppc64le", "2.34", bridge=("python3-nova = 1:25.3.0",)),
    )
    (task,) = tasks_of(plan, RecipeBook(()))
    assert task.name == BRIDGE
    assert task.recipe == Bridge("work", ("python3-nova = 1:25.3.0",), 1)


def test_only_some_are_built_with_what_these_need(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b", "c", "d")
    plan = plan_of(book, [["a", "d"], ["b"], ["c"]], {"c": ("b",), "b": ("a",)})
    assert [task.name for task in tasks_of(plan, book, ["b"])] == ["a", "b"]
    with pytest.raises(UsageError, match="does not build e"):
        tasks_of(plan, book, ["e"])


@pytest.mark.parametrize(
    ("package", "python", "name", "required"),
    [
        ("python3", "3.9.25", "python3-msgpack", "python3"),
        ("python3.11", "3.11.13", "python3.11-msgpack", "python3.11"),
        ("python39", "3.9.20", "python39-msgpack", "python39"),
        ("python", "2.7.5", "python2-msgpack", "python2"),
    ],
)
def test_what_is_built_from_an_sdist_has_the_name_of_its_interpreter(
    package: str, python: str, name: str, required: str, tmp_path: Path
) -> None:
    book = book_of(tmp_path)
    built = gap("msgpack", Route(RouteKind.BUILD_SDIST, ("msgpack==1.0",)), GapKind.PYTHON)
    file = PlannedFile("msgpack-1.0.tar.gz", "0" * 64)
    pinned = PlannedDistribution("msgpack", "1.0", Provision.BUILD, files=(file,), builds_from=("Cython",))
    lock = PlannedPython(python, "ppc64le", "2.28", (pinned,), package=package)
    (task,) = tasks_of(replace(plan_of(book, [["msgpack"]], {}, built), python=lock), book)
    assert task.expected.packages == (name,)
    assert isinstance(task.recipe, Recipe)
    assert (task.recipe.python.package, task.recipe.packages) == (required, (name,))


def with_repository(plan: Plan, *names: str) -> Plan:
    """The plan where enabling a repository closes these gaps."""
    enable = Route(RouteKind.ENABLE, ("extra",))
    gaps = (replace(each, route=enable, alternative=each.route) if each.name in names else each for each in plan.gaps)
    return replace(plan, gaps=tuple(gaps))


def test_what_enabling_closes_is_left_out_with_what_needs_it(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b", "c", "d")
    plan = plan_of(book, [["a", "d"], ["b"], ["c"]], {"b": ("a",), "c": ("b",)})
    plan = with_repository(plan, "a")
    assert left_out(plan) == LeftOut(("a",), ("b", "c"), ("extra",))
    assert [task.name for task in tasks_of(plan, book)] == ["d"]


def test_what_enabling_closes_is_built_where_it_is_asked_for(tmp_path: Path) -> None:
    book = book_of(tmp_path, "a", "b", "c")
    plan = plan_of(book, [["a"], ["b"], ["c"]], {"b": ("a",)})
    every = [(task.name, task.needs) for task in tasks_of(plan, book)]
    plan = with_repository(plan, "a", "b")
    assert [(task.name, task.needs) for task in tasks_of(plan, book, alternatives=True)] == every
    assert left_out(plan, alternatives=True) == LeftOut()
    assert [task.name for task in tasks_of(plan, book, ["b"])] == ["a", "b"]
    assert [task.name for task in tasks_of(plan, book)] == ["c"]


def test_the_bridge_does_not_change_with_repositories_that_are_not_enabled() -> None:
    states = (RepositoryState("base", "target", "1", 100, "", 1), RepositoryState("x", "target", "1", 900, "", 1))
    python = PlannedPython("3.9.21", "ppc64le", "2.34", bridge=("python3-six = 1",))
    plan = replace(plan_of(RecipeBook(()), [], {}), python=python, repositories=states)
    off = replace(plan, repositories=(states[0], replace(states[1], enabled=False)))
    serials = [
        task.recipe.serial
        for one in (plan, off)
        for task in tasks_of(one, RecipeBook(()))
        if isinstance(task.recipe, Bridge)
    ]
    assert serials == [900, 100]
