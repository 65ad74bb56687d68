"""The recipe book: read, checked, laid over, looked up."""

from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.recipe import ExtendTag, RecipeKind
from ppcdeps.model.target import Target
from ppcdeps.recipebook.book import load_book, load_recipe, recipe_digest, recipe_for, shipped_recipes, sources_of

SRPM = 'source = "{source}"\nkind = "srpm"\nsummary = "s"\nreason = "r"\nlinks = []\n'


@pytest.fixture(scope="module")
def el9() -> Target:
    return load_target("centos-stream-9")


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "recipe.toml").write_text(text)
    return folder / name / "recipe.toml"


def faults(file: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_recipe(file)
    return caught.value.faults


def test_the_shipped_book_covers_what_nova_compute_lacks(el9: Target) -> None:
    book = load_book()
    wanted = {
        "qemu-kvm": "17:9.1.0-7.el9",
        "libvirt": "10.10.0-3.el9",
        "libguestfs": "1:1.54.0-3.el9",
        "guestfs-tools": "1.52.2-2.el9",
        "supermin": "5.3.5-1.el9",
        "virtiofsd": "1.13.0-1.el9",
        "virt-top": "1.1.1-9.el9",
        "openvswitch3.1": "3.1.0-82.el9s",
    }
    for source, evr in wanted.items():
        recipe = recipe_for(book, source, evr, el9)
        assert recipe is not None, source
        assert recipe.kind is RecipeKind.SRPM
        assert all(edit.why for edit in recipe.edits)
        assert not any("{" in package for package in recipe.packages)


def test_firmware_is_a_note_and_never_a_build(el9: Target) -> None:
    book = load_book()
    assert recipe_for(book, "seabios", "1.16.3", el9) is None
    note = book.named("seabios")
    assert note.kind is RecipeKind.REUSE
    assert "seavgabios-bin" in note.packages


def test_a_recipe_is_for_its_versions_and_platforms_only(el9: Target) -> None:
    book = load_book()
    fedora = replace(el9, name="fedora", platform_id="platform:f41")
    assert recipe_for(book, "qemu-kvm", "9.1.0", el9) is not None
    assert recipe_for(book, "qemu-kvm", "6.2.0", el9) is None
    assert recipe_for(book, "qemu-kvm", "9.1.0", fedora) is None
    assert recipe_for(book, "qemu", "9.1.0", el9) is None


def test_targets_by_name_are_enough(tmp_path: Path, el9: Target) -> None:
    write(tmp_path, "x", SRPM.format(source="x") + '[applies]\ntargets = ["rocky-9"]\n')
    book = load_book([tmp_path], shipped=False)
    assert recipe_for(book, "x", "1", el9) is None
    assert recipe_for(book, "x", "1", replace(el9, name="rocky-9")) is not None


def test_a_users_recipe_replaces_the_shipped_one_of_its_name(tmp_path: Path, el9: Target) -> None:
    write(tmp_path, "virtiofsd", SRPM.format(source="virtiofsd").replace('"s"', '"mine"'))
    write(tmp_path, "new", SRPM.format(source="new"))
    book = load_book([tmp_path])
    found = recipe_for(book, "virtiofsd", "1.13.0", el9)
    assert found is not None
    assert found.summary == "mine"
    assert recipe_for(book, "new", "1", el9) is not None
    assert len(book.recipes) == len(load_book().recipes) + 1


def test_recipes_that_overlap_are_reported_together(tmp_path: Path) -> None:
    for name, versions in (("x-old", "< 2"), ("x-mid", ">= 1, < 3"), ("x-new", ">= 3")):
        write(tmp_path, name, SRPM.format(source="x") + f'[applies]\nversions = "{versions}"\n')
    write(tmp_path, "y", SRPM.format(source="y") + '[applies]\nnames = ["x"]\nversions = ">= 4"\n')
    with pytest.raises(ConfigError) as caught:
        load_book([tmp_path], shipped=False)
    assert [fault.partition(" are both")[0] for fault in caught.value.faults] == [
        "x-mid (>= 1, < 3) and x-old (< 2)",
        "x-new (>= 3) and y (>= 4)",
    ]


def test_neighbours_do_not_overlap(tmp_path: Path, el9: Target) -> None:
    write(tmp_path, "x-old", SRPM.format(source="x") + '[applies]\nversions = "< 2"\nplatforms = ["platform:el9"]\n')
    write(tmp_path, "x-new", SRPM.format(source="x") + '[applies]\nversions = ">= 2"\nplatforms = ["platform:el9"]\n')
    write(tmp_path, "x-ten", SRPM.format(source="x") + '[applies]\nplatforms = ["platform:el10"]\n')
    book = load_book([tmp_path], shipped=False)
    found = [recipe_for(book, "x", version, el9) for version in ("1.9", "2", "9:1.9-3")]
    assert [one.folder.name for one in found if one] == ["x-old", "x-new", "x-old"]
    with pytest.raises(UsageError, match="several recipes are for"):
        book.named("x")


def test_all_faults_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "wrong",
        'source = "x"\nkind = "srmp"\nsumary = "s"\nreason = "r"\n'
        '[applies]\nversions = ">= 2, < 1"\nplatform = "platform:el9"\n'
        '[build]\nmacros = { "a b" = "1" }\nwith = ["--x"]\n'
        '[[edits]]\naction = "set-macros"\nwhy = "w"\n'
        '[[edits]]\naction = "set-macro"\nname = "n"\nwhy = "w"\n'
        '[[edits]]\naction = "extend-condition"\ncondition = "ifarch x"\nadd = "y"\nwhy = "w"\n'
        '[[edits]]\naction = "add-line"\nsection = "files"\nwhy = "w"\nlins = ["x"]\n'
        '[[patches]]\nfile = "../../etc/passwd"\nwhy = "w"\norigin = "o"\nversions = "10"\n'
        '[[sources]]\nversion = "1"\nurl = "ftp://x/y"\nsha256 = "12"\nrole = "man"\n',
    )
    told = "\n".join(faults(file))
    for part in (
        'the folder is to be called "x"',
        '"kind" is "srmp"; did you mean "srpm"?',
        '"summary" is missing',
        'unknown key "sumary", did you mean "summary"?',
        'no version can be in ">= 2, < 1"',
        'unknown key "platform", did you mean "platforms"?',
        '[macros] "a b"',
        '"with" has "--x"',
        '[[edits]] number 1: "action" is "set-macros"; did you mean "set-macro"?',
        '[[edits]] number 2: "value" is missing',
        '[[edits]] number 3: "condition" is to begin with %if',
        '[[edits]] number 4: "lines" names none',
        'unknown key "lins", did you mean "lines"?',
        'not a bound: "10"',
        "there is no file ../../etc/passwd in the recipe's folder",
        "is to be an http(s) URL",
        "64 hexadecimal digits",
        '"role" is "man"',
    ):
        assert part in told, part


def test_each_kind_needs_its_own(tmp_path: Path) -> None:
    common = 'source = "x"\nsummary = "s"\nreason = "r"\n'
    compile_faults = faults(write(tmp_path, "x", common + 'kind = "compile"\n[[edits]]\naction = "set-macro"\n'
                                  'name = "n"\nvalue = "v"\nwhy = "w"\n'))  # fmt: skip
    assert '"sources" is missing: kind "compile" needs it' in compile_faults
    assert '"upstream" is missing: kind "compile" needs it' in compile_faults
    assert '"edits" has no place in a recipe of kind "compile"' in compile_faults
    spec_faults = faults(write(tmp_path, "x", common + 'kind = "spec"\nspec = "none.spec.j2"\n'))
    assert '"spec": there is no file none.spec.j2 in the recipe\'s folder' in spec_faults
    reuse_faults = faults(write(tmp_path, "x", common + 'kind = "reuse"\n[build]\nwith = ["y"]\n'))
    assert '"packages" is missing: kind "reuse" needs it' in reuse_faults
    assert '"build" has no place in a recipe of kind "reuse"' in reuse_faults


def test_sources_by_version(tmp_path: Path) -> None:
    one = '[[sources]]\nversion = "{v}"\nurl = "https://example.org/x-{v}.tar.gz"\nsha256 = "' + "0" * 64 + '"\n'
    upstream = '[upstream]\nsummary = "s"\nlicense = "MIT"\nurl = "https://example.org"\ndescription = "d"\n'
    upstream += 'system = "make"\n'
    text = 'source = "x"\nkind = "compile"\nsummary = "s"\nreason = "r"\n' + upstream
    recipe = load_recipe(write(tmp_path, "x", text + one.format(v="1.9") + one.format(v="1.10")))
    assert sources_of(recipe)[0] == "1.10"
    assert sources_of(recipe, "1.9")[1][0].file == "x-1.9.tar.gz"
    with pytest.raises(UsageError, match=r"no sources of version 2; known: 1\.9, 1\.10"):
        sources_of(recipe, "2")
    twice = faults(write(tmp_path, "x", text + one.format(v="1.9") * 2))
    assert twice == ('[[sources]] version 1.9 is to have one source of role "main", not 2',)
    outside = faults(write(tmp_path, "x", text + one.format(v="3") + '[applies]\nversions = "< 2"\n'))
    assert outside == ("[[sources]] x-3.tar.gz: version 3 is not in the range < 2",)


def test_a_spec_that_has_all_in_itself_has_a_version_and_no_sources(tmp_path: Path) -> None:
    text = 'source = "x"\nkind = "spec"\nsummary = "s"\nreason = "r"\nspec = "x.spec.j2"\n'
    file = write(tmp_path, "x", text + 'version = "3"\n')
    (file.parent / "x.spec.j2").write_text("Name: {{ name }}\nVersion: {{ version }}\n")
    recipe = load_recipe(file)
    assert sources_of(recipe) == ("3", ())
    with pytest.raises(UsageError, match="no sources of version 4; known: 3"):
        sources_of(recipe, "4")
    assert '"version" is missing: kind "spec" needs it' in faults(write(tmp_path, "x", text))
    one = '[[sources]]\nversion = "3"\nurl = "https://example.org/x-3.tar.gz"\nsha256 = "' + "0" * 64 + '"\n'
    both = faults(write(tmp_path, "x", text + 'version = "3"\n' + one))
    assert '"version" is what [[sources]] say: give one of both' in both
    bad = faults(write(tmp_path, "x", text + 'version = "3 x"\n'))
    assert '"version" is not a version: "3 x"' in bad


def test_what_becomes_one_line_has_to_be_one(tmp_path: Path) -> None:
    text = SRPM.format(source="x") + '[build]\nrelease_suffix = ".x\\n%post\\nrm -rf /"\n'
    assert "is to be one line" in faults(write(tmp_path, "x", text))[0]


def test_edits_are_read_as_what_they_are() -> None:
    recipe = load_book().named("virtiofsd")
    edit = recipe.edits[0]
    assert isinstance(edit, ExtendTag)
    assert (edit.tag, edit.add, edit.optional) == ("ExclusiveArch", "%{power64}", False)


def test_a_linked_file_counts_in_the_digest_by_what_it_says(tmp_path: Path) -> None:
    text = SRPM.format(source="widget")
    common = tmp_path / "common.toml"
    common.write_text(text)
    for name in ("links", "files"):
        (tmp_path / name / "widget").mkdir(parents=True)
    (tmp_path / "links" / "widget" / "recipe.toml").symlink_to(common)
    (tmp_path / "files" / "widget" / "recipe.toml").write_text(text)

    def digest(folder: str) -> str:
        return recipe_digest(load_recipe(tmp_path / folder / "widget" / "recipe.toml"))

    before = digest("links")
    assert before == digest("files")
    common.write_text(f"{text}# changed\n")
    assert digest("links") != before


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="there is no folder of recipes"):
        load_book([Path("nowhere")])


def test_the_recipes_are_found_in_a_checkout_and_in_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    assert shipped_recipes().resolve() == (project_root / "recipes").resolve()
    installed = tmp_path / "ppcdeps"
    (installed / "recipes" / "_templates").mkdir(parents=True)
    monkeypatch.setattr("ppcdeps.base.datafiles.PACKAGE", installed)
    assert shipped_recipes() == installed / "recipes"
