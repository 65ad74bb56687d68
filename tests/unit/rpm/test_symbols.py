"""Symbols of kernels, which are kept apart: every question has the answer that it has where they are not."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from universes import Case, case_of, open_universe, run_case, write_case

from ppcdeps.base.cache import Cache
from ppcdeps.rpm import loading, primary, symbols
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.solving import solve_requests
from ppcdeps.rpm.symbols import CutPackage, cut_symbols

KERNEL = {
    "kernel-core-5-1.x86_64": {
        "provides": [
            "kernel(a) = 0x1",
            "kernel(b) = 0x2",
            "kmod(x.ko)",
            "modalias(pci:v01*)",
            "kernel(x86-64) = 5-1",
            "kernel-uname-r = 5-1",
        ],
        "from": "kernel-5-1.src.rpm",
    },
}


def with_symbols(**requirements: list[str]) -> Case:
    """A kernel of the reference, and packages of the target that require these."""
    packages = {f"{name}-1-1.ppc64le": {"requires": wanted} for name, wanted in requirements.items()}
    return case_of(list(requirements), target=packages, reference=KERNEL, source={"kernel-5-1.src": {}})


def answer(case: Case, folder: Path) -> Mapping[str, Any]:
    return run_case(case, folder).said


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has nothing kept apart from now on."""
    return lambda: monkeypatch.setattr(primary, "cut_symbols", CutPackage)


@pytest.mark.parametrize(
    ("requirement", "is_met"),
    [
        ("kernel(a)", True),
        ("kernel(a) = 0x1", True),
        ("kernel(a) = 0x2", False),
        ("kernel(c)", False),
        ("kernel(a", False),
        ("kmod(x.ko)", True),
        ("modalias(pci:v01*)", True),
        ("(kernel(a) = 0x1 and kernel(b))", True),
        ("(kernel(c) or kmod(x.ko))", True),
        ("kernel-uname-r = 5-1", True),
        ("kernel(ppc-64) = 5-1", True),
        ("kernel(x86-64) = 5-1", False),
    ],
)
def test_what_is_required_is_found(requirement: str, is_met: bool, tmp_path: Path, together: Any) -> None:
    case = with_symbols(app=[requirement])
    apart = answer(case, tmp_path / "apart")
    assert ("kernel" in apart["sources"]) is is_met
    together()
    assert answer(case, tmp_path / "together") == apart


def test_a_stand_in_requires_what_its_rebuild_will(tmp_path: Path, together: Any) -> None:
    """By the target's mark of its architecture, whether the kernel is the target's or a stand-in, too."""
    module = {"module-1-1.x86_64": {"requires": ["kernel(x86-64) = 5-1", "kernel(a)"], "from": "module-1-1.src.rpm"}}
    kernel = {"kernel-core-5-1.ppc64le": {"provides": ["kernel(ppc-64) = 5-1", "kernel(a) = 0x1"]}}
    cases = {
        "standins": case_of(["module"], target={}, reference=KERNEL | module),
        "target": case_of(["module"], target=kernel, reference=module),
    }
    apart = {name: answer(case, tmp_path / "apart" / name) for name, case in cases.items()}
    assert {name: said["sources"] for name, said in apart.items()} == {
        "standins": ["kernel", "module"],
        "target": ["module"],
    }
    assert not any(said["unknown"] for said in apart.values())
    together()
    assert {name: answer(case, tmp_path / "together" / name) for name, case in cases.items()} == apart


def test_any_universe_has_the_answer_that_it_has_without(tmp_path: Path, together: Any) -> None:
    chance = random.Random(5)
    symbols = [f"{family}({name})" for family in ("kernel", "kmod", "modalias") for name in "abcdef"]

    def some(most: int, *, versions: bool = True) -> list[str]:
        chosen = chance.sample(symbols, chance.randrange(most))
        return [f"{one} = 0x{chance.randrange(2)}" if versions and chance.random() < 0.5 else one for one in chosen]

    cases = [
        case_of(
            ["app0", "app1"],
            target={f"app{number}-1-1.ppc64le": {"requires": some(3), "conflicts": some(2)} for number in range(3)}
            | {"modules-1-1.ppc64le": {"provides": some(5)}},
            reference={
                f"kernel{number}-1-1.x86_64": {
                    "provides": some(9),
                    "requires": some(2),
                    "from": f"k{number}-1-1.src.rpm",
                }
                for number in range(3)
            },
            source={f"k{number}-1-1.src": {} for number in range(3)},
        )
        for _ in range(15)
    ]
    apart = [measured(answer(case, tmp_path / f"apart{number}")) for number, case in enumerate(cases)]
    together()
    assert [measured(answer(case, tmp_path / f"together{number}")) for number, case in enumerate(cases)] == apart
    assert {sources for sources, *_ in apart} >= {0, 1}


def measured(said: Mapping[str, Any]) -> tuple[Any, ...]:
    """An answer without the choice between equals, which follows libsolv's numbers of names."""
    return len(said["sources"]), said["unknown"], said["dropped"], len(said["clashes"]), said["problems"]


def test_only_what_is_asked_for_is_in_the_pool_and_what_a_user_asks_for_comes_into_it(tmp_path: Path) -> None:
    case = with_symbols(app=["kernel(b)"])
    universe = open_universe(case, write_case(case, tmp_path / "repositories"), Cache.open(tmp_path / "cache"))
    (kernel,) = universe.providers_of("kernel-uname-r")
    assert {*universe.provides_of(kernel)} == {
        "kernel-core = 5-1",
        "kernel-core(ppc-64) = 5-1",
        "kernel-uname-r = 5-1",
        "kernel(b) = 0x2",
    }
    assert list(universe.providers_of("kernel(a) = 0x1")) == [kernel]
    result = solve_requests(universe, [request_packages(universe, "me", ["kmod(x.ko)", "(kernel(a) and kernel(b))"])])
    assert result.chosen == (kernel,)


@pytest.mark.parametrize("few", [0, 20])
@pytest.mark.parametrize(
    ("glob", "is_met"),
    [("kernel(a*)", True), ("k*d(?.ko)", True), ("*v01*", True), ("kernel(c*)", False), ("@*", False)],
)
def test_a_glob_finds_them(
    glob: str, is_met: bool, few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(symbols, "_FEW", few)
    case = with_symbols(app=["kernel-uname-r"])
    universe = open_universe(case, write_case(case, tmp_path / "repositories"), Cache.open(tmp_path / "cache"))
    result = solve_requests(universe, [request_packages(universe, "me", [glob])])
    assert result.solved is is_met
    assert result.chosen == (tuple(universe.providers_of("kernel-uname-r")) if is_met else ())


def test_a_file_that_a_loss_of_power_left_empty_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, cache = with_symbols(app=["kernel(a)"]), Cache.open(tmp_path / "cache")
    configs = write_case(case, tmp_path / "repositories")
    (kept,) = {part.symbols for part in open_universe(case, configs, cache).parts} - {None}
    assert kept is not None
    content = kept.read_bytes()
    kept.write_bytes(b"")
    universe = open_universe(case, configs, cache)
    assert universe.providers_of("kernel(a)")
    assert kept.read_bytes() == content
    monkeypatch.setattr(loading, "_convert", None)
    assert open_universe(case, configs, cache).providers_of("kernel(a)"), "nothing is left to convert"


def test_a_name_that_is_written_in_numbers_is_found(tmp_path: Path) -> None:
    text = b'<package><format><rpm:requires><rpm:entry name="kernel&#40;a)"/></rpm:requires></format></package>'
    assert cut_symbols(text) == CutPackage(text, wanted=["kernel(a)"])
