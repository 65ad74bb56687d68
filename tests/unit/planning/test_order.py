"""The order of builds: waves, cycles and what breaks them."""

import random
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.model.build_order import Bootstrap
from ppcdeps.planning.order import BuildOrder, BuildStep, order_of
from ppcdeps.planning.plan import waves_of
from ppcdeps.planning.solution import Solution

NAMES = st.sampled_from("abcdefgh")
NEEDS = st.dictionaries(NAMES, st.sets(NAMES, max_size=4), max_size=8)


def positions(order: BuildOrder) -> dict[BuildStep, int]:
    return {step: number for number, wave in enumerate(order.waves) for step in wave}


def test_nothing_to_build_is_no_wave() -> None:
    assert order_of({}) == BuildOrder((), {})


def test_sources_that_need_nothing_are_one_wave_in_order_of_names() -> None:
    assert order_of({"b": [], "a": []}).names == (("a", "b"),)


def test_a_source_comes_after_what_its_environment_holds() -> None:
    order = order_of({"guestfs": ["supermin", "qemu"], "qemu": ["dyninst"], "supermin": []})
    assert order.names == (("dyninst", "supermin"), ("qemu",), ("guestfs",))


def test_a_cycle_is_named_by_its_shortest_chain_and_left_to_a_person() -> None:
    order = order_of({"a": ["b", "c"], "b": ["c"], "c": ["a"], "after": ["b"], "free": []})
    (cycle,) = order.cycles
    assert str(cycle) == "a needs c needs a"
    assert cycle.members == ("a", "b", "c")
    assert cycle.broken_by is None
    assert order.names == (("free",),)
    assert order.undecided == ("a", "after", "b", "c")


def test_a_source_that_needs_itself_is_a_cycle_of_one() -> None:
    order = order_of({"ghc": ["ghc", "llvm"]})
    assert [str(cycle) for cycle in order.cycles] == ["ghc needs ghc"]
    assert order.undecided == ("ghc",)
    assert order.names == (("llvm",),)


def test_a_bootstrap_condition_breaks_a_cycle_of_three() -> None:
    needs = {"a": ["b"], "b": ["c"], "c": ["a", "base"], "user": ["c"]}
    bootstrap = Bootstrap("c", "bootstrap", frozenset({"a"}))
    order = order_of(needs, [bootstrap])
    assert order.names == (("base",), ("c (with bootstrap)",), ("b",), ("a",), ("c",), ("user",))
    assert [cycle.broken_by for cycle in order.cycles] == [bootstrap]
    assert order.undecided == ()


def test_a_source_that_bootstraps_itself_is_built_twice() -> None:
    order = order_of({"ghc": ["ghc"]}, [Bootstrap("ghc", "stage1", frozenset({"ghc"}))])
    assert order.names == (("ghc (with stage1)",), ("ghc",))


def test_a_bootstrap_that_does_not_open_the_cycle_is_not_used() -> None:
    needs = {"a": ["b", "x"], "b": ["a"], "x": []}
    order = order_of(needs, [Bootstrap("a", "docs", frozenset({"x"}))])
    assert order.undecided == ("a", "b")
    assert order.cycles[0].broken_by is None


def test_a_condition_alone_does_without_the_whole_cycle() -> None:
    order = order_of({"a": ["b"], "b": ["c"], "c": ["a", "b", "base"]}, [Bootstrap("c", "bootstrap")])
    assert order.names == (("base",), ("c (with bootstrap)",), ("b",), ("a",), ("c",))
    assert [cycle.broken_by for cycle in order.cycles] == [Bootstrap("c", "bootstrap", frozenset("abc"))]


def test_two_cycles_in_one_knot_are_broken_one_after_the_other() -> None:
    needs = {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    both = [Bootstrap("b", "boot", frozenset({"a"})), Bootstrap("c", "boot", frozenset({"a"}))]
    order = order_of(needs, both)
    assert order.names == (("b (with boot)", "c (with boot)"), ("a",), ("b", "c"))
    assert order_of(needs, both[:1]).undecided == ("a", "b", "c")


@given(NEEDS, st.sets(st.tuples(NAMES, NAMES), max_size=6), st.randoms(use_true_random=False))
def test_waves_keep_every_need_and_do_not_depend_on_the_order_of_input(
    needs: dict[str, set[str]], broken: set[tuple[str, str]], luck: random.Random
) -> None:
    bootstraps = [Bootstrap(source, f"no-{without}", frozenset({without})) for source, without in sorted(broken)]
    order = order_of(needs, bootstraps)
    at = positions(order)
    everything = set(needs) | {one for wanted in needs.values() for one in wanted}
    assert {step.source for step in at if not step.bootstrap} | set(order.undecided) == everything
    for step, number in at.items():
        skipped = {one.condition: one.without or () for one in bootstraps if one.source == step.source}
        for wanted in needs.get(step.source, ()):
            if step.bootstrap and wanted in skipped[step.bootstrap]:
                continue
            earlier = [where for other, where in at.items() if other.source == wanted]
            assert min(earlier) < number, f"{step} before {wanted}"
    shuffled = list(needs.items())
    luck.shuffle(shuffled)
    assert order_of(dict(shuffled), bootstraps[::-1]) == order


def test_an_order_without_cycles_loads_no_graph_library() -> None:
    code = (
        "import sys; from ppcdeps.planning.order import order_of; order_of({'a': ['b'], 'b': []}); "
        "sys.exit('networkx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nova_compute_builds_supermin_and_qemu_kvm_before_libguestfs(nova: Solution) -> None:
    order = waves_of(nova)
    assert not order.cycles
    assert {source for source, stage in nova.builds.items()} <= {step.source for step in positions(order)}
    of = {source: number for number, wave in enumerate(order.names) for source in wave}
    assert of["supermin"] < of["libguestfs"]
    assert of["qemu-kvm"] < of["libguestfs"]
    assert of["libvirt"] < of["libguestfs"]
    assert of["libsodium"] < of["python-pynacl"]


def test_what_the_target_has_makes_no_edge(nova: Solution) -> None:
    order = waves_of(nova)
    assert "gcc" not in order.needs
    assert all(set(wanted) <= set(nova.builds) for wanted in order.needs.values())
