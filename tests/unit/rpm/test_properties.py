"""Laws of the solve on random small universes, and of versions and dependencies against rpm itself."""

import json
import random
import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpmmd import Package
from universes import ARCH, REFERENCE_ARCH, Case, Outcome, Repository, run_case

from ppcdeps.model.capability import Capability, Requirement, Rich, parse_requirement
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.repository import Side
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import dependency, translated, translated_document
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.solving import solve_requests

NAMES = "abcdefg"
SLOW = settings(max_examples=60)


# Random universes -------------------------------------------------------------------------------------------

_names = st.sampled_from(NAMES)
_versions = st.sampled_from(["1", "2"])
_plain = st.one_of(
    _names,
    st.builds(
        lambda name, sign, version: f"{name} {sign} {version}", _names, st.sampled_from(["=", ">=", "<"]), _versions
    ),
    st.sampled_from(["virtual", "nobody", "/usr/share/file", "libx.so.1()(64bit)"]),
)
_requirements = st.one_of(
    _plain,
    _plain,
    st.builds(
        lambda one, sign, other: f"({one} {sign} {other})", _plain, st.sampled_from(["or", "if", "and"]), _plain
    ),
)


@st.composite
def _packages(draw: st.DrawFn, arch: str) -> tuple[Package, ...]:
    found = {}
    for _ in range(draw(st.integers(1, 6))):
        nevra = Nevra(draw(_names), 0, draw(_versions), "1", draw(st.sampled_from([arch, arch, "noarch"])))
        relations = {
            "requires": tuple(draw(st.lists(_requirements, max_size=2, unique=True))),
            "provides": tuple(draw(st.lists(st.sampled_from(["virtual", "libx.so.1()(64bit)"]), max_size=1))),
            "conflicts": tuple(draw(st.lists(_names, max_size=1))) if draw(st.integers(0, 5)) == 0 else (),
            "obsoletes": tuple(draw(st.lists(_names, max_size=1))) if draw(st.integers(0, 7)) == 0 else (),
        }
        # A package that conflicts with its own name can never be installed, which is no interesting universe.
        for relation in ("conflicts", "obsoletes"):
            relations[relation] = tuple(one for one in relations[relation] if one != nevra.name)
        source = draw(st.sampled_from(["", "", "suite"]))
        files = ("/usr/share/file",) if draw(st.integers(0, 4)) == 0 else ()
        found[str(nevra)] = Package(nevra, source, files, relations)
    return tuple(found.values())


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    repositories = (
        Repository("one", Side.TARGET, draw(_packages(ARCH))),
        Repository("two", Side.TARGET, draw(_packages(ARCH))),
        Repository("ref", Side.REFERENCE, draw(_packages(REFERENCE_ARCH))),
    )
    roots = tuple(draw(st.lists(_names, min_size=1, max_size=2, unique=True)))
    return Case("random", repositories, roots)


def _run(case: Case) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run_case(case, Path(folder))


@SLOW
@given(_cases(), st.randoms(use_true_random=False))
def test_the_order_of_repositories_and_packages_never_changes_the_answer(case: Case, chance: random.Random) -> None:
    shuffled = [
        Repository(one.id, one.side, tuple(chance.sample(one.packages, len(one.packages))))
        for one in case.repositories
    ]
    chance.shuffle(shuffled)
    other = Case(case.name, tuple(shuffled), case.roots)
    assert _run(other).said == _run(case).said


@SLOW
@given(_cases())
def test_nothing_in_the_gap_set_is_needless(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_case(case, Path(folder))
        universe, closure = outcome.universe, outcome.closure
        request = request_packages(universe, "again", case.roots)
        sources, placeholders = set(closure.sources), set(closure.unknown)
        assert solve_requests(universe, [request], sources, placeholders=placeholders).solved
        for source in sources:
            assert not solve_requests(universe, [request], sources - {source}, placeholders=placeholders).solved
        for placeholder in placeholders:
            assert not solve_requests(universe, [request], sources, placeholders=placeholders - {placeholder}).solved


@SLOW
@given(_cases())
def test_every_requirement_of_the_closure_is_met_in_it(case: Case) -> None:
    """Checked without the solver: each plain requirement has a provider among the chosen packages."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_case(case, Path(folder))
        universe, chosen = outcome.universe, set(outcome.closure.chosen)
        for package in chosen:
            for dep in universe.requirements_of(package):
                if not universe.text_of(dep).startswith("("):
                    provided = chosen.intersection(s.id for s in universe.pool.whatprovides(dep))
                    assert provided, universe.text_of(dep)


# Versions ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("rpm") is None, reason="needs rpm (package rpm)")
def test_libsolv_orders_versions_as_rpm_does() -> None:
    pairs = [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0^git1"),
        ("1.0^git1", "1.01"),
        ("2_0", "2.0"),
        ("1.0^", "1.0~"),
        ("1.0~~", "1.0~"),
        ("1.05", "1.5"),
        ("1.a", "1.1"),
        ("1.", "1"),
        ("a", "1"),
    ]
    chance = random.Random(9)
    segments = ["0", "1", "01", "10", "9", "a", "b", "rc", "Z", ".", "_", "+", "~", "^", "git", "..", "0010"]
    pairs += [
        (
            "".join(chance.choices(segments, k=chance.randint(1, 5))),
            "".join(chance.choices(segments, k=chance.randint(1, 5))),
        )
        for _ in range(3000)
    ]
    program = "".join(f'print(rpm.vercmp("{one}", "{other}"), " ")\n' for one, other in pairs)
    done = subprocess.run(
        ["rpm", "--eval", f"%{{lua:\n{program}}}"], capture_output=True, text=True, check=True, timeout=60
    )
    rpm = [int(word) for word in done.stdout.split()]
    pool = libsolv().Pool()
    pool.setdisttype(libsolv().Pool.DISTTYPE_RPM)
    repo = pool.add_repo("versions")

    def solvable(version: str) -> object:
        found = repo.add_solvable()
        found.name, found.evr, found.arch = "x", f"{version}-1", "noarch"
        return found

    ours = [solvable(one).evrcmp(solvable(other)) for one, other in pairs]  # type: ignore[attr-defined]
    assert len(rpm) == len(pairs)
    assert [(p, r, o) for p, r, o in zip(pairs, rpm, ours, strict=True) if r != o] == []


def test_libsolv_matches_versioned_dependencies_as_rpm_does() -> None:
    """Every relation on both sides, with and without epoch and release, against librpm's own comparison."""
    python = Path("/usr/bin/python3")
    if (
        not python.exists()
        or subprocess.run([python, "-c", "import rpm"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs librpm's Python binding (package python3-rpm)")
    evrs = ["1", "2", "1-1", "1-2", "2-1", "1:1", "1:1-1", "0:1-1", "1~a", "1^b-1"]
    sides = [("x", "", "")] + [("x", sign, evr) for sign in ("<", "<=", "=", ">=", ">") for evr in evrs]
    program = (
        "import json, rpm, sys\n"
        "flags = {'': 0, '<': rpm.RPMSENSE_LESS, '<=': rpm.RPMSENSE_LESS | rpm.RPMSENSE_EQUAL,"
        " '=': rpm.RPMSENSE_EQUAL, '>=': rpm.RPMSENSE_GREATER | rpm.RPMSENSE_EQUAL, '>': rpm.RPMSENSE_GREATER}\n"
        "sides = json.load(sys.stdin)\n"
        "ds = lambda s, tag: rpm.ds((s[0], flags[s[1]], s[2]), tag)\n"
        "out = []\n"
        "for p in sides:\n"
        "    for r in sides:\n"
        "        out.append(bool(ds(r, 'requires').Compare(ds(p, 'provides'))))\n"
        "json.dump(out, sys.stdout)\n"
    )
    done = subprocess.run(
        [python, "-c", program], input=json.dumps(sides), capture_output=True, text=True, check=True, timeout=60
    )
    rpm = json.loads(done.stdout)
    solv = libsolv()
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(ARCH)
    repo = pool.add_repo("x")
    providers = []
    for number, side in enumerate(sides):
        package = repo.add_solvable()
        package.name, package.evr, package.arch = f"p{number}", "1-1", "noarch"
        package.add_deparray(solv.SOLVABLE_PROVIDES, dependency(pool, str(Capability(*side))))
        providers.append(package.id)
    pool.createwhatprovides()
    ours = []
    for requirement in sides:
        found = {s.id for s in pool.whatprovides(dependency(pool, str(Capability(*requirement))))}
        ours.append([provider in found for provider in providers])
    differing = [
        f"{Capability(*p)} for {Capability(*r)}: rpm {rpm[i * len(sides) + j]}"
        for i, p in enumerate(sides)
        for j, r in enumerate(sides)
        if rpm[i * len(sides) + j] != ours[j][i]
    ]
    assert differing == []


# Dependencies as text ---------------------------------------------------------------------------------------

_word = st.from_regex(r"[A-Za-z0-9/][A-Za-z0-9._+/-]{0,8}(\([A-Za-z0-9:_.-]{0,6}\)){0,2}", fullmatch=True).filter(
    lambda word: word not in ("and", "or", "if", "unless", "else", "with", "without")
)
_capability = st.one_of(
    st.builds(Capability, _word),
    st.builds(
        Capability,
        _word,
        st.sampled_from(["<", "<=", "=", ">=", ">"]),
        st.from_regex(r"([1-9]:)?[0-9a-z.~^_]{1,5}(-[0-9a-z.]{1,3})?", fullmatch=True),
    ),
)


def _is_without(requirement: Requirement) -> bool:
    return isinstance(requirement, Rich) and requirement.operator == "without"


def _richer(inner: st.SearchStrategy[Requirement]) -> st.SearchStrategy[Requirement]:
    many = st.lists(inner, min_size=2, max_size=3).map(tuple)
    two = st.tuples(inner, inner)
    return st.one_of(
        st.builds(Rich, st.sampled_from(["and", "or", "with"]), many),
        # libsolv prints one `without` in another as a chain; rpm allows no such chain, and nobody writes it.
        st.builds(Rich, st.just("without"), two).filter(lambda rich: not any(map(_is_without, rich.operands))),
        st.builds(Rich, st.sampled_from(["if", "unless"]), two, st.one_of(st.none(), inner)),
    )


_requirement: st.SearchStrategy[Requirement] = st.recursive(_capability, _richer, max_leaves=6)


@given(_requirement)
def test_requirements_print_and_parse_inversely(requirement: Requirement) -> None:
    assert parse_requirement(str(requirement)) == requirement


@given(_requirement)
def test_libsolv_prints_a_boolean_dependency_that_means_the_same(requirement: Requirement) -> None:
    """Problems are read from libsolv's text: once through it, the text stays as it is."""
    pool = libsolv().Pool()
    pool.setdisttype(libsolv().Pool.DISTTYPE_RPM)
    once = str(dependency(pool, str(requirement)))
    assert _flat(parse_requirement(once)) == _flat(requirement)


def _flat(requirement: Requirement) -> object:
    """The requirement with chains of one operator, which associate, written as one."""
    if isinstance(requirement, Capability):
        return str(requirement)
    operands: list[object] = []
    for operand in requirement.operands:
        flat = _flat(operand)
        if (
            requirement.operator in ("and", "or", "with")
            and isinstance(flat, tuple)
            and flat[0] == requirement.operator
        ):
            operands += flat[1]
        else:
            operands.append(flat)
    otherwise = None if requirement.otherwise is None else _flat(requirement.otherwise)
    return (requirement.operator, operands, otherwise)


_identities = st.builds(
    Nevra,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,10}", fullmatch=True),
    st.integers(0, 30),
    st.from_regex(r"[A-Za-z0-9._+~^]{1,8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._+~^]{1,8}", fullmatch=True),
    st.sampled_from(["noarch", "ppc64le", "x86_64", "src"]),
)


@given(_identities)
def test_package_identities_print_and_parse_inversely(nevra: Nevra) -> None:
    assert Nevra.parse(str(nevra)) == nevra
    assert Nevra.parse(f"{nevra}.rpm") == nevra


_fragments = st.sampled_from(
    [
        *("(x86-64)", "(ppc-64)", "ld-linux-x86-64.so.2", "ld64.so.2", "libc.so.6", "(GLIBC_2.2.5)", "(GLIBC_2.16)"),
        *(".cpython-312-x86_64-linux-gnu", ".cpython-39-x86-64-linux-gnu", "CPYTHON_39_X86_64_LINUX_GNU_1"),
        *("(GLIBC_2.17)", "(GLIBC_2.34)", "(GLIBC_PRIVATE)", "(64bit)", "()", " = 1", "foo", "(", ")", " if "),
    ]
)


@given(st.lists(_fragments, max_size=8).map("".join))
def test_translation_is_idempotent_and_leaves_nothing_of_x86(text: str) -> None:
    once = translated(text)
    assert translated(once) == once
    assert "(x86-64)" not in once
    assert "ld-linux-x86-64.so.2" not in once
    assert "GLIBC_2.2.5)" not in once
    assert "64-linux-gnu" not in once
    assert "X86_64" not in once


@given(st.lists(_fragments, max_size=8).map("".join), st.sampled_from(("plain", "numbers", "hexadecimal")))
def test_a_document_says_what_its_capabilities_say(text: str, spelling: str) -> None:
    """However the document spells them, an XML parser reads each capability as `translated` gives it."""
    write = {
        "plain": lambda one: escape(one, {'"': "&quot;"}),
        "numbers": lambda one: f"&#{ord(one)};",
        "hexadecimal": lambda one: f"&#x{ord(one):x};",
    }[spelling]
    document = f'<rpm:entry name="{"".join(map(write, text))}"/>'.encode()
    read = re.fullmatch(r'<rpm:entry name="(.*)"/>', translated_document(document).decode())
    assert read is not None
    assert unescape(read[1]) == translated(text)
