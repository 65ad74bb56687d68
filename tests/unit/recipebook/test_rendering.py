"""Templates: declared variables only, and what a shell reads is quoted."""

from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.recipebook.book import TEMPLATES, load_recipe, rebuild_recipe, shipped_recipes
from ppcdeps.recipebook.patches import read_patch
from ppcdeps.recipebook.rendering import DECLARED, render
from ppcdeps.recipebook.specedit import edit_spec_apart
from ppcdeps.recipebook.templates import fill_template

DIGEST = "0" * 64


def template(folder: Path, text: str) -> Path:
    path = folder / "x.j2"
    path.write_text(text)
    return path


def test_every_shipped_template_declares_its_variables() -> None:
    shipped = {path.name for path in (shipped_recipes() / TEMPLATES).glob("*.j2")}
    assert shipped == set(DECLARED)


def test_a_variable_that_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="uses variables that are not declared") as caught:
        fill_template(template(tmp_path, "{{ naem }} {{ other }} {{ name }}"), {"name"}, {"name": "x"})
    assert caught.value.faults == ('"naem"; declared: name', '"other"; declared: name')


def test_a_variable_without_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'name' is undefined"):
        fill_template(template(tmp_path, "{{ name }}"), {"name"}, {})


def test_what_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.j2, line 2: "):
        fill_template(template(tmp_path, "a\n{% if %}"), {"name"}, {})
    with pytest.raises(ConfigError, match="cannot read template"):
        fill_template(tmp_path / "none.j2", {"name"}, {})


def test_nothing_is_escaped_and_words_can_be_quoted(tmp_path: Path) -> None:
    text = fill_template(template(tmp_path, "{{ name }} {{ name | shell }}\n"), {"name"}, {"name": "a<b & 'c'"})
    assert text == """a<b & 'c' 'a<b & '"'"'c'"'"''\n"""


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unsafe"):
        fill_template(template(tmp_path, "{{ name.__class__.__mro__ }}"), {"name"}, {"name": "x"})


def recipe_of_own_spec(folder: Path, spec: str, more: str = "") -> Path:
    folder.mkdir()
    (folder / "own.spec.j2").write_text(spec)
    (folder / "recipe.toml").write_text(
        'source = "own"\nkind = "spec"\nsummary = "Mine"\nreason = "r"\nlinks = ["https://example.org/"]\n'
        f'spec = "own.spec.j2"\n[[sources]]\nversion = "1.0"\nurl = "https://example.org/a%2Fb/own-1.0.tar.gz"\n'
        f'sha256 = "{DIGEST}"\n{more}'
    )
    return folder / "recipe.toml"


def test_a_spec_of_ones_own_with_variables_of_its_own(tmp_path: Path) -> None:
    spec = "Name: {{ name }}\nVersion: {{ version }}\nSource0: {{ sources[0].url }}\n%global color {{ color }}\n"
    recipe = load_recipe(recipe_of_own_spec(tmp_path / "own", spec, '[variables]\ncolor = "blue"\n'))
    rendering = render(recipe, tmp_path / "out")
    assert rendering.spec.read_text() == (
        "Name: own\nVersion: 1.0\nSource0: https://example.org/a%%2Fb/own-1.0.tar.gz\n%global color blue\n"
    )
    listed = (tmp_path / "out" / "sources.list").read_text().splitlines()
    assert listed[1:] == [f"{DIGEST}  own-1.0.tar.gz  https://example.org/a%2Fb/own-1.0.tar.gz"]


def recipe_with_options(folder: Path, only: str) -> Path:
    sources = "".join(
        f'[[sources]]\nversion = "{version}"\nurl = "https://example.org/x-{version}.tar.gz"\nsha256 = "{DIGEST}"\n'
        for version in ("9.0", "10.8")
    )
    folder.mkdir()
    (folder / "recipe.toml").write_text(
        'source = "x"\nkind = "compile"\nsummary = "s"\nreason = "r"\nlinks = ["https://example.org/"]\n[upstream]\n'
        'summary = "s"\nlicense = "MIT"\nurl = "https://example.org/"\ndescription = "d"\nsystem = "meson"\n'
        f'options = ["-Da=b"]\n{only}{sources}'
    )
    return folder / "recipe.toml"


def test_a_build_gets_the_options_that_its_version_knows(tmp_path: Path) -> None:
    only = "[[upstream.for_versions]]\nversions = '{}'\noptions = ['{}']\n"
    both = only.format("< 10.8", "-Dyajl=enabled") + only.format(">= 10.8", "-Djson_c=enabled")
    recipe = load_recipe(recipe_with_options(tmp_path / "x", both))
    for version, option in (("9.0", "-Dyajl=enabled"), ("10.8", "-Djson_c=enabled")):
        rendering = render(recipe, tmp_path / version, version=version)
        assert f"--wrap-mode=nodownload -Da=b {option}\n" in rendering.spec.read_text()


def test_options_of_versions_name_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe_with_options(tmp_path / "x", '[[upstream.for_versions]]\nversions = "10"\n'))
    assert [fault.partition(" number 1: ")[2] for fault in caught.value.faults] == [
        '"versions": not a bound: "10"; write a relation and a version, such as ">= 9.0, < 10"',
        '"options" names none',
    ]


def test_an_empty_folder_will_do_even_if_it_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(recipe_of_own_spec(tmp_path / "own", "Name: own\n"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    render(recipe, Path())
    assert (tmp_path / "here" / "SPECS" / "own.spec").read_text() == "Name: own\n"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_of_own_spec(tmp_path / "own", "Name: own\n"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not an empty folder"):
        render(recipe, tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot write"):
        render(recipe, tmp_path / "file" / "below")


def test_a_spec_of_ones_own_that_forgets_to_declare(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_of_own_spec(tmp_path / "own", "Name: {{ name }}\n{{ color }}\n"))
    with pytest.raises(ConfigError, match="uses variables that are not declared"):
        render(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_macros_and_conditions_reach_the_build_quoted(tmp_path: Path) -> None:
    more = '[build]\nmacros = { color = "it\'s blue" }\nwith = ["fast"]\nwithout = ["tests"]\n'
    recipe = load_recipe(recipe_of_own_spec(tmp_path / "own", "Name: own\n", more))
    render(recipe, tmp_path / "out")
    script = (tmp_path / "out" / "build.sh").read_text()
    assert """ --define 'color it'"'"'s blue' --with fast --without tests "$@" SPECS/own.spec""" in script
    container = (tmp_path / "out" / "Containerfile").read_text()
    assert "--define '_with_fast --with-fast' --define '_without_tests --without-tests'" in container


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for a in range(9999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", r"template\.seconds"),
        ("{{ 'x' * 10**10 }}", r"template\.memory"),
        ("{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", r"template\.output"),
        ("\n{% include '/etc/passwd' %}", r"line 2: a template reads no other file"),
        ("{{ 1 / 0 }}", "division by zero"),
        ('{{ "\\ud800" }}', "surrogates"),
    ],
)
def test_a_template_meets_its_ceilings(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CEILINGS, "template_seconds", 2)
    with pytest.raises(ConfigError, match=said):
        fill_template(template(tmp_path, text), (), {})


def test_a_template_that_is_a_link_is_refused(tmp_path: Path) -> None:
    template(tmp_path, "{{ name }}")
    (tmp_path / "link.j2").symlink_to(tmp_path / "x.j2")
    with pytest.raises(ConfigError, match="cannot read template"):
        fill_template(tmp_path / "link.j2", {"name"}, {"name": "x"})


def test_a_patch_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/a.patch").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="cannot read the patch"):
        read_patch(tmp_path / "recipe", "a.patch")


def test_a_spec_that_takes_for_ever_to_edit_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CEILINGS, "spec_seconds", 1)
    text = "Name: x\nRelease: 1\n" + "%if 1\n" * 100_000
    recipe = replace(rebuild_recipe("x"), release_suffix=".a")
    with pytest.raises(ConfigError, match=r"spec\.seconds"):
        edit_spec_apart(text, recipe, "x.spec")


def test_a_spec_is_edited_apart_as_it_is_here() -> None:
    recipe = replace(rebuild_recipe("x"), release_suffix=".a")
    assert edit_spec_apart("Name: x\nRelease: 1\n", recipe, "x.spec") == "Name: x\nRelease: 1.a\n"
    with pytest.raises(ConfigError, match=r"does not fit x\.spec") as caught:
        edit_spec_apart("Name: x\n", recipe, "x.spec")
    assert len(caught.value.faults) == 1
