"""Pipes, devices, endless and sparse files where a recipe or a source is expected: one line, no waiting."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import dump_toml
from doortrial import Bring, Scene
from repositorydoors import plan_on, repository

from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.model.errors import ConfigError
from ppcdeps.recipebook.book import load_recipe, recipe_digest

SPARSE = 1 << 42
Special = Callable[[Path], None]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def own_device(path: Path) -> None:
    try:
        os.mknod(path, 0o20644, os.makedev(1, 5))
        path.open("rb").close()
    except PermissionError:
        pytest.skip("devices can be made or opened by root only, and not here")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


def socket(path: Path) -> None:
    os.mknod(path, 0o140644)


SPECIALS = pytest.mark.parametrize(
    "special", [fifo, sparse, device, own_device, socket], ids=lambda one: one.__name__
)


def recipe(place: Scene, **changed: object) -> Path:
    table: dict[str, object] = {
        "source": "evil",
        "kind": "spec",
        "summary": "s",
        "reason": "r",
        "links": ["https://x/"],
        "packages": ["evil"],
        "smoke_test": "true",
        "spec": "evil.spec.j2",
        "sources": [{"version": "1", "url": "https://x/y-1.tar.gz", "sha256": "a" * 64, "role": "main"}],
    }
    spec = b"Name: evil\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\ns\n%files\n"
    place.file("recipes/evil/evil.spec.j2", spec)
    return place.file("recipes/evil/recipe.toml", dump_toml(table | changed).encode()).parent


def commands(place: Scene) -> list[tuple[object, ...]]:
    book = ("--recipes", place.inputs / "recipes")
    return [("recipes", "lint", *book), ("recipes", "render", "evil", "--to", "out", *book), ("recipes", *book)]


@SPECIALS
@pytest.mark.parametrize("what", ["recipe.toml", "evil.spec.j2", "fix.patch"])
def test_in_the_folder_of_a_recipe(what: str, special: Special, place: Scene, bring: Bring) -> None:
    folder = recipe(place, patches=[{"file": "fix.patch", "why": "w"}] if what == "fix.patch" else [])
    (folder / what).unlink(missing_ok=True)
    special(folder / what)
    for command in commands(place)[:2]:
        bring(*command, code=3)


@SPECIALS
def test_beside_the_files_of_a_recipe(special: Special, place: Scene, bring: Bring) -> None:
    folder = recipe(place)
    special(folder / "more")
    bring(*commands(place)[1], code=0)
    loaded = load_recipe(folder / "recipe.toml")
    if special is sparse:
        with pytest.raises(ConfigError, match=r"folder\.size in ceilings\.toml"):
            recipe_digest(loaded)
    else:
        assert len(recipe_digest(loaded)) == 64


@SPECIALS
def test_beside_the_files_of_a_buildroot(special: Special, place: Scene) -> None:
    file = place.file(
        "buildroots/mine/buildroot.toml",
        b'title = "t"\nkind = "image"\narch = "machine"\nmodes = ["native"]\n[image]\nname = "x/y"\n',
    )
    special(file.parent / "more")
    definitions = load_definitions([file.parent.parent], shipped=False)
    if special is sparse:
        with pytest.raises(ConfigError, match=r"folder\.size in ceilings\.toml"):
            definitions.named("mine")
    else:
        assert len(definitions.named("mine").digest) == 64


@SPECIALS
@pytest.mark.parametrize("option", ["--srpm", "--source-file"])
def test_as_a_source(option: str, special: Special, place: Scene, bring: Bring) -> None:
    recipe(place)
    name = "guestfs-tools" if option == "--srpm" else "evil"
    file = place.inputs / ("x.src.rpm" if option == "--srpm" else "y-1.tar.gz")
    special(file)
    outcome = bring(
        *("recipes", "render", name, "--to", "out", "--recipes", place.inputs / "recipes", option, file), code=3
    )
    assert str(file) in outcome.err
    if option == "--srpm":
        bring("recipes", "lint", option, file, code=3)


@SPECIALS
def test_among_the_source_packages(special: Special, place: Scene, bring: Bring) -> None:
    (place.inputs / "srpms").mkdir()
    special(place.inputs / "srpms/lib-1.1-2.el9.src.rpm")
    bring(*plan_on(repository(place)), "--srpms", place.inputs / "srpms", code={0, 1, 3})


@SPECIALS
@pytest.mark.parametrize(
    "command",
    [
        ("plan", "FILE"),
        ("plan", "app", "--target", "FILE"),
        ("plan", "app", "--repo-file", "FILE"),
        ("constraints", "pypi:evil", "app", "--repofrompath", "REPO", "--constraints", "FILE"),
        ("snapshot", "info", "FILE"),
        ("snapshot", "use", "FILE"),
        ("build", "FILE"),
        ("verify", "FILE"),
        ("diff", "FILE", "FILE"),
        ("check", "lock", "FILE"),
        ("check", "guest", "--domain", "FILE"),
        ("check", "guest", "--image", "FILE"),
        ("check", "guest", "--nova-conf", "FILE"),
        ("check", "host", "--from", "FILE"),
        ("check", "env", "--constraints", "FILE"),
    ],
    ids=" ".join,
)
def test_as_a_named_document(command: tuple[str, ...], special: Special, place: Scene, bring: Bring) -> None:
    file = place.inputs / "special.toml"
    special(file)
    places = {"FILE": str(file), "REPO": f"base,{repository(place)}"}
    words = [places.get(word, word) for word in command]
    bring(*words, code=3)
