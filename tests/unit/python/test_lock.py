"""One consistent set for the target, or a conflict that a person can read."""

import pytest
from indexes import EL9_PYTHON, OpenIndex, Shop, lock_of, pins, pkg_info, sdist, wheel
from packaging.version import Version
from reporters import Recorder

from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.python_plan import Provision
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.explain import ConflictError
from ppcdeps.python.lock import LockPolicy, LockRequest, PythonRoot
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.resolution import resolve


def offer(shop: Shop, name: str, *versions: str, requires: tuple[str, ...] = ()) -> None:
    for version in versions:
        shop.add(name, wheel(name, version, requires))


def test_the_newest_that_fits_is_taken(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", requires=("lib<2", "tool; sys_platform == 'win32'"))
    offer(shop, "lib", "1.0", "1.5", "2.0")
    lock = lock_of(open_index(shop), "app")
    assert pins(lock) == {"app": "1.0", "lib": "1.5"}
    assert lock.distributions[1].required_by == (("app", "<2"),)
    assert lock.distributions[0].requires == ("lib",)


def test_markers_are_evaluated_for_the_target(shop: Shop, open_index: OpenIndex) -> None:
    offer(
        shop,
        "app",
        "1.0",
        requires=(
            "here; platform_machine == 'ppc64le'",
            "there; platform_machine == 'x86_64'",
            "old; python_version < '3.9'",
        ),
    )
    offer(shop, "here", "1.0")
    assert pins(lock_of(open_index(shop), "app", "there; python_version > '3.9'")) == {
        "app": "1.0",
        "here": "1.0",
    }


def test_what_an_rpm_provides_is_fixed(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", requires=("lib>=1",))
    offer(shop, "lib", "1.0", "2.0")
    lock = lock_of(open_index(shop), "app", fixed={"Lib": "1.0", "unrelated": "3"})
    found = lock.by_name("lib")
    assert found is not None
    assert (found.version, found.provision, found.rpm) == (
        "1.0",
        Provision.RPM,
        "python3-Lib-1.0-1.el9.noarch",
    )
    assert pins(lock)["unrelated"] == "3", "whoever installs more with pip must not replace it"
    assert shop.asked("/simple/lib") == 0


def test_constraints_win_over_the_newest_and_rpms_over_constraints(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", requires=("lib", "fixed"))
    offer(shop, "lib", "1.0", "2.0")
    lock = lock_of(open_index(shop), "app", constraints="lib===1.0\nfixed===2.0\n", fixed={"fixed": "1.9"})
    assert pins(lock) == {"app": "1.0", "lib": "1.0", "fixed": "1.9"}
    assert lock.notes == ("fixed is 1.9 from the RPM python3-fixed-1.9-1.el9.noarch; c.txt:2 says ===2.0",)
    held = lock.by_name("lib")
    assert held is not None
    assert held.pinned_by == "c.txt:1"


def test_the_reference_rpms_version_is_preferred_where_constraints_are_silent(
    shop: Shop, open_index: OpenIndex
) -> None:
    offer(shop, "app", "1.0", "1.1", "2.0")
    assert pins(lock_of(open_index(shop), "app", reference={"app": "1.0"})) == {"app": "1.0"}
    assert pins(lock_of(open_index(shop), "app", reference={"app": "1.0"}, constraints="app==2.0")) == {"app": "2.0"}
    assert pins(lock_of(open_index(shop), "app>=2", reference={"app": "1.0"})) == {"app": "2.0"}
    assert pins(lock_of(open_index(shop), "app", reference={"app": "1.0.7"})) == {"app": "1.0"}, "of its series"


def test_a_former_pin_is_kept_as_long_as_it_fits(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", "2.0")
    assert pins(lock_of(open_index(shop), "app", hints={"app": "1.0"})) == {"app": "1.0"}
    assert pins(lock_of(open_index(shop), "app>1", hints={"app": "1.0"})) == {"app": "2.0"}


def test_what_is_no_version_is_no_preference(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0"))
    none = {"app": "9999-12-31T23:59:59-23:59"}
    for lock in (lock_of(open_index(shop), "app", hints=none), lock_of(open_index(shop), "app", reference=none)):
        assert [(each.version, each.pinned_by) for each in lock.distributions] == [("1.0", "the newest that fits")]


def test_extras_bring_their_requirements(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0", ("lib; extra == 'fast'", "slow; extra == 'slow'"), extras=("fast", "slow")))
    offer(shop, "lib", "1.0")
    lock = lock_of(open_index(shop), "app[Fast]")
    assert pins(lock) == {"app": "1.0", "lib": "1.0"}
    assert lock.distributions[0].extras == ("fast",)


def test_an_extra_of_what_an_rpm_provides_is_looked_up(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0", ("lib; extra == 'fast'",), extras=("fast",)))
    offer(shop, "lib", "1.0")
    assert pins(lock_of(open_index(shop), "app[fast]", fixed={"app": "1.0"})) == {"app": "1.0", "lib": "1.0"}


def test_releases_for_another_python_are_passed_over(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0"))
    shop.add("app", wheel("app", "2.0"), **{"requires-python": ">=3.10"})
    shop.add("app", wheel("app", "1.5", requires_python=">=3.9.30"))
    assert pins(lock_of(open_index(shop), "app")) == {"app": "1.0"}


def test_yanked_releases_are_for_those_who_pin_them(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0")
    shop.add("app", wheel("app", "1.1"), yanked="broken build")
    assert pins(lock_of(open_index(shop), "app")) == {"app": "1.0"}
    lock = lock_of(open_index(shop), "app", constraints="app===1.1")
    assert pins(lock) == {"app": "1.1"}
    assert "app 1.1 was yanked: broken build" in lock.notes
    with pytest.raises(ConflictError):
        lock_of(open_index(shop), "app>1.0")


def test_pre_releases_only_on_request_or_where_there_is_nothing_else(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", "2.0rc1")
    offer(shop, "young", "0.1b1")
    index = open_index(shop)
    assert pins(lock_of(index, "app", "young")) == {"app": "1.0", "young": "0.1b1"}
    assert pins(lock_of(index, "app>=2.0rc1")) == {"app": "2.0rc1"}
    assert pins(lock_of(index, "app", policy=LockPolicy(prereleases=True))) == {"app": "2.0rc1"}


def test_a_local_version_matches_two_equals_signs_and_not_three(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "2.2.6+ppc64le1", tags="cp39-cp39-manylinux_2_34_ppc64le"))
    shop.add("app", sdist("app", "2.2.6", {"PKG-INFO": pkg_info("app", "2.2.6", metadata="2.2")}))
    index = open_index(shop)
    assert pins(lock_of(index, "app", constraints="app==2.2.6")) == {"app": "2.2.6+ppc64le1"}
    assert pins(lock_of(index, "app", constraints="app===2.2.6")) == {"app": "2.2.6"}
    fixed = {"app": "2.2.6+ppc64le1"}
    assert pins(lock_of(index, "app==2.2.6", fixed=fixed)) == {"app": "2.2.6+ppc64le1"}
    with pytest.raises(ConflictError):
        lock_of(index, "app===2.2.6", fixed=fixed)


def test_an_rpms_version_without_its_last_zeros_is_the_same(shop: Shop, open_index: OpenIndex) -> None:
    lock = lock_of(open_index(shop), "app===3.2.0", fixed={"app": "3.2"}, constraints="app===3.2.0")
    assert pins(lock) == {"app": "3.2"}
    assert lock.notes == ()


def test_one_release_spelled_in_two_ways_is_one(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "2021.5"))
    shop.add("app", sdist("app", "2021.05", {"PKG-INFO": pkg_info("app", "2021.5", metadata="2.2")}))
    for constraints in ("", "app===2021.5", "app==2021.05"):
        lock = lock_of(open_index(shop), "app", constraints=constraints)
        assert lock.distributions[0].provision is Provision.WHEEL
        assert Version(lock.distributions[0].version) == Version("2021.5")


def test_direct_references(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0")
    offer(shop, "lib", "1.0", "2.0")
    base = shop.url.removesuffix("simple") + "files/"
    shop.add("user", wheel("user", "1.0", (f"lib @ {base}lib-1.0-py3-none-any.whl",)))
    lock = lock_of(open_index(shop), "user", f"app @ {base}app-1.0-py3-none-any.whl")
    assert pins(lock) == {"app": "1.0", "lib": "1.0", "user": "1.0"}
    assert lock.distributions[0].url.endswith("app-1.0-py3-none-any.whl")
    with pytest.raises(ConflictError):
        lock_of(open_index(shop), "user", "lib>=2")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("app @ git+https://x.example/app", "version control"),
        ("app @ https://x.example/other-1.0.tar.gz", "wheel or sdist of app"),
        ("app @ https://x.example/app-1.0-cp39-cp39-win_amd64.whl", "does not install on ppc64le"),
    ],
)
def test_direct_references_that_cannot_be(shop: Shop, open_index: OpenIndex, reference: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lock_of(open_index(shop), reference)


def test_malformed_roots_are_all_told(shop: Shop, open_index: OpenIndex) -> None:
    with pytest.raises(ConfigError) as caught:
        lock_of(open_index(shop), "a b", "c ==", "six")
    assert len(caught.value.faults) == 2


def test_the_incident_is_told_before_anything_is_installed(shop: Shop, open_index: OpenIndex) -> None:
    for version, lowest in (("3.4.0", "3.2"), ("3.5.0", "3.4"), ("3.6.0", "3.5"), ("3.20.0", "3.5")):
        offer(shop, "oslo.concurrency", version, requires=(f"oslo.utils>={lowest}",))
        shop.projects["oslo-concurrency"] = shop.projects["oslo.concurrency"]
    offer(shop, "oslo-utils", "3.4.0", "3.5.0", "3.20.0")
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "oslo.concurrency==3.20.0", fixed={"oslo.utils": "3.4.0"})
    assert str(caught.value).splitlines() == [
        "no version of oslo-utils satisfies every requirement",
        "  oslo-utils >=3.5: required by oslo-concurrency 3.20.0, which is required by workload test",
        "  oslo-utils ==3.4.0: fixed by the RPM python3-oslo.utils-3.4.0-1.el9.noarch",
        "  consistent instead: oslo-concurrency==3.5.0 oslo-utils==3.4.0",
    ]
    assert caught.value.exit_code == 3
    assert caught.value.offer == ("oslo-concurrency==3.5.0", "oslo-utils==3.4.0")


def test_a_conflict_with_an_rpm_names_the_pins_that_would_avoid_it(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", requires=("cmd>=2",))
    offer(shop, "cmd", "2.5.8", requires=("width",))
    offer(shop, "cmd", "2.5.11", requires=("width>=0.2.10",))
    offer(shop, "width", "0.2.6", "0.2.10")
    fixed, index = {"width": "0.2.6"}, open_index(shop)
    with pytest.raises(ConflictError) as caught:
        lock_of(index, "app", constraints="cmd===2.5.11", fixed=fixed, reference={"cmd": "2.5.8"})
    rpm = "python3-width-0.2.6-1.el9.noarch"
    assert caught.value.reason == f"width is 0.2.6 in the RPM {rpm}, and cmd 2.5.11 requires >=0.2.10"
    assert caught.value.ways_out == (
        "a repository of the target with python3-width >=0.2.10",
        "cmd==2.5.8, as the reference's RPM has it, in the constraints",
    )
    # What is advised does avoid it.
    assert pins(lock_of(index, "app", constraints="cmd===2.5.8", fixed=fixed))["cmd"] == "2.5.8"

    # A version of the reference's that does not get along either is no way out.
    with pytest.raises(ConflictError) as caught:
        lock_of(index, "app", constraints="cmd===2.5.11", fixed=fixed, reference={"cmd": "2.5.11"})
    assert caught.value.ways_out == ("a repository of the target with python3-width >=0.2.10",)


def test_an_unsatisfiable_set_of_constraints(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0", requires=("lib>=2",))
    offer(shop, "lib", "1.0", "2.0")
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "app", constraints="app==1.0\nlib===1.0\n")
    lines = str(caught.value).splitlines()
    assert "  lib >=2: required by app 1.0, which is required by workload test" in lines
    assert "  lib ===1.0: held by c.txt:2" in lines


def test_a_pin_that_no_index_has(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0")
    with pytest.raises(ConflictError, match=r"app: 1\.0 usable on this target"):
        lock_of(open_index(shop), "app", constraints="app===7")


def test_a_name_that_nobody_knows(shop: Shop, open_index: OpenIndex) -> None:
    with pytest.raises(ConflictError, match="app: no configured index knows it"):
        lock_of(open_index(shop), "app")


def test_a_pin_that_is_not_for_this_python(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0"), **{"requires-python": ">=3.10"})
    with pytest.raises(
        ConflictError, match=r"app: none of its 1 releases is for this target; 1\.0 requires Python >=3\.10"
    ):
        lock_of(open_index(shop), "app==1.0")


def test_wheels_for_other_machines_without_source(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", wheel("app", "1.0", tags="cp39-cp39-manylinux_2_17_x86_64"))
    with pytest.raises(ConflictError, match="wheels for other machines and no source"):
        lock_of(open_index(shop), "app")


def test_releases_are_not_tried_one_after_the_other_for_ever(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "hog", *(f"1.{number}" for number in range(60)), requires=("lib>=2",))
    offer(shop, "lib", "1.0")
    with pytest.raises(ConflictError, match="hog: 41 releases were tried") as caught:
        lock_of(open_index(shop), "hog", constraints="lib===1.0")
    assert "pin hog in the constraints file" in str(caught.value)
    assert shop.asked("hog-1.") < 50


def test_rpms_that_disagree(shop: Shop, open_index: OpenIndex) -> None:
    fixed = (FixedDistribution("six", "1.15", "a"), FixedDistribution("Six", "1.16", "b"))
    with pytest.raises(ConfigError, match=r"six is 1\.15 in the RPM a and 1\.16 in the RPM b"):
        resolve(LockRequest(EL9_PYTHON, (PythonRoot("six", "w"),), fixed=fixed), open_index(shop))


def test_damaged_files_stop_the_resolution(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("app", ("app-1.0-py3-none-any.whl", b"no zip"))
    with pytest.raises(RepositoryError, match="damaged wheel"):
        lock_of(open_index(shop), "app")


C_SETUP = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
OPTIONAL = C_SETUP.replace("['x.c']", "['x.c'], optional=True")


@pytest.mark.parametrize(
    ("files", "as_pure", "provision", "builds"),
    [
        ({"setup.py": "from setuptools import setup\nsetup()\n"}, False, Provision.SDIST, ()),
        ({"setup.py": C_SETUP, "x.c": ""}, False, Provision.BUILD, ("C",)),
        ({"setup.py": OPTIONAL, "x.c": ""}, False, Provision.BUILD, ("C",)),
        ({"setup.py": OPTIONAL, "x.c": ""}, True, Provision.SDIST, ("C",)),
    ],
)
def test_sdists_are_routed_by_what_they_compile(
    shop: Shop,
    open_index: OpenIndex,
    files: dict[str, str],
    as_pure: bool,
    provision: Provision,
    builds: tuple[str, ...],
) -> None:
    shop.add("app", sdist("app", "1.0", {"PKG-INFO": pkg_info("app", "1.0", metadata="2.2"), **files}))
    (found,) = lock_of(open_index(shop), "app", policy=LockPolicy(optional_as_pure=as_pure)).distributions
    assert (found.provision, found.builds_from) == (provision, builds)
    assert found.metadata is MetadataSource.SDIST


def test_an_rpm_that_spares_a_native_build_is_taken_where_it_fits(shop: Shop, open_index: OpenIndex) -> None:
    for name, version in (("slow", "2.0"), ("new", "3.0")):
        files = {"PKG-INFO": pkg_info(name, version, metadata="2.2"), "setup.py": C_SETUP, "x.c": ""}
        shop.add(name, sdist(name, version, files))
    offer(shop, "easy", "1.0")
    offer(shop, "app", "1.0", requires=("slow>=1", "new>=3", "easy"))
    available = (
        FixedDistribution("slow", "1.5", "python3-slow-1.5-1.el9.ppc64le"),
        FixedDistribution("new", "2.0", "python3-new-2.0-1.el9.ppc64le"),
        FixedDistribution("easy", "0.9", "python3-easy-0.9-1.el9.noarch"),
    )
    request = LockRequest(EL9_PYTHON, (PythonRoot("app", "w"),), available=available)
    lock = resolve(request, open_index(shop))
    assert {each.name: (each.version, each.provision) for each in lock.distributions} == {
        "app": ("1.0", Provision.WHEEL),
        "easy": ("1.0", Provision.WHEEL),
        "new": ("3.0", Provision.BUILD),
        "slow": ("1.5", Provision.RPM),
    }
    assert lock.added == available[:1]


def test_the_best_compatible_wheel_comes_first_and_foreign_ones_not_at_all(shop: Shop, open_index: OpenIndex) -> None:
    for tags in (
        "py3-none-any",
        "cp39-cp39-manylinux_2_28_ppc64le",
        "cp39-cp39-manylinux_2_34_ppc64le",
        "cp39-cp39-manylinux_2_17_x86_64",
        "cp39-cp39-manylinux_2_39_ppc64le",
    ):
        shop.add("app", wheel("app", "1.0", tags=tags))
    (found,) = lock_of(open_index(shop), "app").distributions
    assert [file.filename.removeprefix("app-1.0-") for file in found.files] == [
        "cp39-cp39-manylinux_2_34_ppc64le.whl",
        "cp39-cp39-manylinux_2_28_ppc64le.whl",
        "py3-none-any.whl",
    ]
    assert found.native


def test_the_order_of_roots_changes_nothing(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "a", "1.0", "2.0", requires=("c<2",))
    offer(shop, "b", "1.0", "2.0", requires=("c",))
    offer(shop, "c", "1.0", "1.5", "2.0")
    index = open_index(shop)
    assert lock_of(index, "a", "b", "c").distributions == lock_of(index, "c", "b", "a").distributions


def test_an_rpm_whose_version_is_none_is_passed_over_with_a_note(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "app", "1.0")
    lock = lock_of(open_index(shop), "app", fixed={"lorax": "devel"})
    assert pins(lock) == {"app": "1.0"}
    assert "lorax is 'devel' in the RPM" in lock.notes[0]


INVALID = "its metadata is invalid (.* suffix can only be used with"


def test_invalid_metadata_is_the_reason_of_a_conflict(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "dep", "1.0")
    offer(shop, "oldstar", "1.0", requires=("dep>=0.9.*",))
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "oldstar")
    assert any(line.startswith(f"oldstar 1.0 {INVALID}") for line in caught.value.faults)
    assert not any("usable on this target" in line for line in caught.value.faults)


def test_invalid_metadata_of_what_would_fit_is_named_beside_what_does_not(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "dep", "1.0")
    offer(shop, "oldstar", "1.0")
    offer(shop, "oldstar", "2.0", "2.1", requires=("dep>=0.9.*",))
    offer(shop, "top", "1.0", requires=("oldstar>=2",))
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "top")
    named = [line.partition(INVALID)[0] for line in caught.value.faults if INVALID in line]
    assert named == ["oldstar 2.1 ", "oldstar 2.0 "]


def test_several_releases_with_invalid_metadata_are_counted_with_a_reason(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "many", "1.0", "1.1", requires=("dep (>=0.9.*)",))
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "many")
    assert any(
        line.startswith(f"many: 2 releases with metadata that cannot be used, such as 1.1 ({INVALID}")
        for line in caught.value.faults
    )


BAD_REQUIREMENTS = {
    "a range with a star": "numpy (>=1.19.*) ; python_version >= '3.7'",
    "one parenthesis": "numpy (>=1.19",
    "a star within": "sub (!=3.3*)",
    "a version of no form": "sub>=1.0.5+torch1.6.0+cu101",
    "a name alone is not enough": "-sub",
}


@pytest.mark.parametrize("case", BAD_REQUIREMENTS)
def test_each_kind_of_invalid_metadata_is_the_reason(case: str, shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "numpy", "1.20")
    offer(shop, "top", "1.0", requires=("middle",))
    offer(shop, "middle", "1.0", requires=(BAD_REQUIREMENTS[case],))
    with pytest.raises(ConflictError) as caught:
        lock_of(open_index(shop), "top")
    assert any(line.startswith("middle 1.0 its metadata is invalid (") for line in caught.value.faults)
    assert not any("'middle<1,>=1'" in line for line in (*caught.value.faults, caught.value.hint or ""))


def test_a_requires_python_that_is_invalid_is_passed_over_as_by_pip(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("hub", wheel("hub", "1.0", requires_python="!=3.3*"))
    assert pins(lock_of(open_index(shop), "hub")) == {"hub": "1.0"}


def test_a_release_that_is_passed_over_for_invalid_metadata_is_a_warning(shop: Shop, open_index: OpenIndex) -> None:
    offer(shop, "oldstar", "1.0")
    offer(shop, "oldstar", "2.0", requires=("dep>=0.9.*",))
    reporter = Recorder()
    index = open_index(shop, reporter=reporter)
    assert pins(lock_of(index, "oldstar")) == {"oldstar": "1.0"}
    assert [text.partition(" (")[0] for text in reporter.warnings] == [
        "oldstar 2.0 is passed over: its metadata is invalid"
    ]
