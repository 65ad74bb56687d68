"""Edits of specs, each on a spec that holds a trap."""

import sys
from pathlib import Path
from typing import Any

import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.recipe import (
    AddLine,
    AddTag,
    Edit,
    ExtendCondition,
    ExtendMacro,
    ExtendTag,
    Patch,
    Recipe,
    RecipeKind,
    RemoveLine,
    RemoveTag,
    ReplaceLine,
    SetCondition,
    SetMacro,
    SetTag,
)
from ppcdeps.recipebook.specedit import edit_spec

SPEC = """\
%global only 0
%ifarch %{power64}
    %global only 1
%endif
%global list \\
Requires: %{name}-a \\
%ifarch x86_64 \\
Requires: %{name}-b \\
%endif
Name: x
Version: 1
Release: 1%{?dist}
# Why it is excluded
ExcludeArch: %{power64}
ExcludeArch: %{ix86}
%if 0%{?rhel}
BuildRequires: a >= 1, b(x y), c%{?_isa}
%endif
BuildRequires: (d or e)
Requires(post): b

%if 0%{?rhel}
%package sub
Summary: s
Requires: b

%description sub
s
%endif

%description
x

%prep
%if 1
%setup -q
%endif
%patch1 -p1

%build
%ifarch x86_64
make fast
%endif

%install
make install
  make install

%files
/usr/bin/x
%if 0%{?rhel}
%files -f sub.lang sub
/usr/bin/sub
%endif
"""


def edited(*edits: Edit, text: str = SPEC, **more: Any) -> str:
    recipe = Recipe(
        source="x", kind=RecipeKind.SRPM, summary="", reason="", links=(), folder=Path("x"), edits=edits, **more
    )
    return edit_spec(text, recipe, "x.spec")


def changes(text: str, before: str = SPEC) -> list[str]:
    """The lines that went, with a minus, and those that came, with a plus, without their indentation."""
    import difflib

    lines = difflib.ndiff(before.splitlines(), text.splitlines())
    return [f"{line[0]}{line[2:].strip()}" for line in lines if line[0] in "+-"]


def test_the_rpm_module_of_others_stays_theirs() -> None:
    before = sys.modules.get("rpm")
    edited()
    assert sys.modules.get("rpm") is before


def test_without_edits_not_a_byte_changes() -> None:
    assert edited() == SPEC
    assert edited(text=SPEC.rstrip("\n")) == SPEC.rstrip("\n")


def test_a_macro_is_set_wherever_it_is_defined_with_its_indentation() -> None:
    text = edited(SetMacro(name="only", value="0", why=""))
    assert changes(text) == ["-%global only 1", "+%global only 0"]
    assert "    %global only 0\n" in text


def test_a_macro_is_extended_once() -> None:
    assert changes(edited(ExtendMacro(name="only", add="0 new", why=""))) == [
        "-%global only 0",
        "+%global only 0 new",
        "-%global only 1",
        "+%global only 1 0 new",
    ]


def test_a_tag_goes_with_its_comment_and_its_twin_stays() -> None:
    found = changes(edited(RemoveTag(tag="ExcludeArch", value="%{power64}", why="")))
    assert found == ["-# Why it is excluded", "-ExcludeArch: %{power64}"]


def test_all_tags_of_a_name() -> None:
    assert "ExcludeArch" not in edited(RemoveTag(tag="excludearch", why=""))


def test_tags_of_a_subpackage_under_a_condition() -> None:
    text = edited(
        SetTag(tag="Summary", value="t", package="sub", why=""),
        AddTag(tag="Provides", value="p", package="sub", why=""),
        AddTag(tag="Provides", value="main", why=""),
    )
    assert changes(text) == ["+Provides: main", "-Summary: s", "+Summary: t", "+Provides: p"]
    lines = text.splitlines()
    # The preamble ends with the %if that the subpackage is under: what is added comes before it.
    assert lines.index("Provides: main") < lines.index("%package sub") - 1
    assert lines[lines.index("Provides: main") - 1] == "Requires(post): b"


def test_a_tag_is_extended_and_a_second_time_nothing_happens() -> None:
    once = edited(ExtendTag(tag="Release", add="y", why=""))
    assert "Release: 1%{?dist} y" in once
    assert edited(ExtendTag(tag="Release", add="y", why=""), text=once) == once


def test_a_condition_in_one_section_or_in_all() -> None:
    one = ExtendCondition(condition="%ifarch  x86_64", add="%{power64}", section="build", why="")
    assert changes(edited(one)) == ["-%ifarch x86_64", "+%ifarch x86_64 %{power64}"]
    everywhere = ExtendCondition(condition="%if 0%{?rhel}", add="|| 1", why="")
    assert edited(everywhere).count("%if 0%{?rhel} || 1") == 3


def test_another_condition_in_one_section_or_in_all() -> None:
    one = SetCondition(condition="%ifarch  x86_64", value="%if 1", section="build", why="")
    assert changes(edited(one)) == ["-%ifarch x86_64", "+%if 1"]
    everywhere = edited(SetCondition(condition="%if 0%{?rhel}", value="%if 0", why=""))
    assert everywhere.count("%if 0\n") == 3
    assert "%if 0%{?rhel}" not in everywhere


def test_empty_values() -> None:
    assert "%global only %{nil}" in edited(SetMacro(name="only", value="", why=""))
    assert changes(edited(ReplaceLine(section="build", line="make fast", value="", why=""))) == ["-make fast", "+"]


def test_lines_of_a_section() -> None:
    assert changes(edited(RemoveLine(section="install", line="make install", why=""))) == ["-make install"] * 2
    slow = edited(ReplaceLine(section="%build", line="make fast", value="make", why=""))
    assert changes(slow) == ["-make fast", "+make"]
    assert changes(edited(AddLine(section="build", lines=("a", "b"), after="make fast", why=""))) == ["+a", "+b"]
    text = edited(AddLine(section="files", lines=("/usr/bin/y",), why=""))
    lines = text.splitlines()
    assert lines[lines.index("/usr/bin/y") - 1] == "/usr/bin/x", "not below the %if of the next section"
    within = edited(AddLine(section="files sub", lines=("/usr/bin/z",), why=""))
    assert "/usr/bin/sub\n/usr/bin/z\n%endif" in within, "under the %if that the section is under"


def test_dropped_requirements_leave_their_neighbours() -> None:
    text = edited(dropped_build_requires=("b(x y)", "(d or e)", "c"), dropped_requires=("b",))
    assert changes(text) == [
        "-BuildRequires: a >= 1, b(x y), c%{?_isa}",
        "+BuildRequires: a >= 1",
        "-BuildRequires: (d or e)",
        "-Requires(post): b",
        "-Requires: b",
    ]


def test_patches_are_named_and_applied_where_the_spec_does_not_apply_all() -> None:
    patches = (Patch("patches/one.patch", "w", "o"), Patch("two.patch", "w", "o", strip=2))
    text = edited(patches=patches)
    assert "Patch9000: one.patch\nPatch9001: two.patch\n" in text
    assert "%patch1 -p1\n%patch -P 9000 -p1\n%patch -P 9001 -p2\n" in text


@pytest.mark.parametrize(
    ("prep", "alone"),
    [
        ("%autosetup -p1", True),
        ("%autosetup -N\n%autopatch -p1", True),
        ("%autosetup -N", False),
        ("%setup -q\n%autopatch -p1 -M 100", False),
        ("%setup -q\ngit am %{patches}", True),
    ],
)
def test_who_applies_a_patch(prep: str, alone: bool) -> None:
    text = f"Name: x\nRelease: 1\n\n%prep\n{prep}\n\n%build\n"
    assert ("%patch -P 9000" not in edited(text=text, patches=(Patch("a.patch", "w", "o"),))) is alone


def test_the_release_gets_its_suffix() -> None:
    assert "Release: 1%{?dist}.ppc1\n" in edited(release_suffix=".ppc1")


def test_all_edits_that_find_nothing_are_reported_at_once() -> None:
    with pytest.raises(ConfigError, match=r"recipe x does not fit x\.spec") as caught:
        edited(
            SetMacro(name="none", value="1", why=""),
            RemoveTag(tag="ExcludeArch", value="s390x", why=""),
            SetMacro(name="none", value="1", why="", optional=True),
            SetTag(tag="Summary", value="", package="other", why=""),
            AddTag(tag="Provides", value="", package="other", why=""),
            RemoveLine(section="install", line="make", why=""),
            AddLine(section="check", lines=("x",), why=""),
            AddLine(section="build", lines=("x",), after="y", why=""),
            ExtendCondition(condition="%ifarch s390x", add="x", why=""),
            SetCondition(condition="%if 2", value="%if 1", section="build", why=""),
            dropped_requires=("a",),
        )
    assert caught.value.faults == (
        'edit 1: the spec defines no macro "none"',
        'edit 2: preamble has no "ExcludeArch: s390x"',
        'edit 4: %package other has no tag "Summary"',
        "edit 5: the spec has no %package other",
        'edit 6: %install has no line "make"',
        "edit 7: the spec has no section %check",
        'edit 8: %build has no line "y"',
        'edit 9: the spec has no condition "%ifarch s390x"',
        'edit 10: %build has no condition "%if 2"',
        '[drop]: the spec has no Requires on "a"',
    )


@pytest.mark.parametrize(
    "line",
    [
        "%global when %(touch {})",
        "Provides: x(%(touch {}))",
        "%if %(touch {}; echo 1)\n%endif",
        "%{{lua: io.open('{}', 'w')}}",
        "# %(touch {})",
        "%description %(touch {})",
        "%description -n %{{lua:io.open('{}', 'w')}}",
    ],
)
def test_no_code_of_a_spec_runs(line: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    text = SPEC.replace("Version: 1\n", f"Version: 1\n{line.format(ran)}\n")
    changed = edited(AddTag(tag="Provides", value="main", why=""), SetTag(tag="Name", value="y", why=""), text=text)
    assert not ran.exists()
    assert line.format(ran) in changed
