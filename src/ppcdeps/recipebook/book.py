"""The recipe book: recipes read from their folders, with the user's own laid over those that ppcdeps ships."""

import dataclasses
import fnmatch
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ppcdeps.base.datafiles import shipped_folder
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.named_files import read_folder
from ppcdeps.base.toml import Table, closest, raise_faults, read_toml
from ppcdeps.base.urls import split_url
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.evr import version_key
from ppcdeps.model.recipe import (
    PLATFORM_PYTHON,
    AddLine,
    AddTag,
    BuildSystem,
    Edit,
    ExtendCondition,
    ExtendMacro,
    ExtendTag,
    InterpreterPackage,
    Language,
    Patch,
    Recipe,
    RecipeKind,
    RemoveLine,
    RemoveTag,
    ReplaceLine,
    SetCondition,
    SetMacro,
    SetTag,
    Source,
    Upstream,
    VersionOptions,
    VersionRange,
)
from ppcdeps.model.sizes import bytes_of
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass

RECIPE_FILE = "recipe.toml"
TEMPLATES = "_templates"
_WHAT = "recipe"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MACRO = re.compile(r"[A-Za-z_]\w*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SOURCE = "{source}"
_ROLES = ("main", "crates", "extra")
_Chosen = TypeVar("_Chosen", RecipeKind, BuildSystem)


@dataclass(frozen=True, slots=True)
class RecipeBook:
    """All recipes, in the order of their sources' names. No two of them fit the same source, version and target."""

    recipes: tuple[Recipe, ...]

    def __iter__(self) -> Iterator[Recipe]:
        return iter(self.recipes)

    def named(self, name: str) -> Recipe:
        """The recipe of that folder or source. Raises UsageError where there is none, or more than one."""
        found = [one for one in self.recipes if one.folder.name == name]
        found = found or [one for one in self.recipes if is_named(one, name)]
        if len(found) == 1:
            return found[0]
        folders = [one.folder.name for one in self.recipes]
        if found:
            several = ", ".join(one.folder.name for one in found)
            raise UsageError(f'several recipes are for "{name}"', hint=f"name one by its folder: {several}")
        raise UsageError(
            f'there is no recipe "{name}"', hint=closest(name, folders) or f"known: {', '.join(folders)}"
        )


def load_book(folders: Sequence[Path] = (), *, shipped: bool = True) -> RecipeBook:
    """The shipped recipes with those of ``folders`` laid over them: a recipe replaces an earlier one whose folder
    has the same name.

    Raises ConfigError for the first recipe that is wrong, with all its faults, and for recipes that overlap.
    """
    by_name: dict[str, Path] = {}
    for folder in (*([shipped_recipes()] if shipped else []), *folders):
        if not folder.is_dir():
            raise ConfigError(f"there is no folder of recipes {folder}", hint="give one that holds NAME/recipe.toml")
        by_name |= {file.parent.name: file for file in folder.glob(f"*/{RECIPE_FILE}")}
    recipes = tuple(load_recipe(by_name[name]) for name in sorted(by_name))
    faults = [fault for n, one in enumerate(recipes) for other in recipes[n + 1 :] if (fault := _overlap(one, other))]
    if faults:
        raise ConfigError("recipes overlap:", faults=tuple(faults))
    return RecipeBook(recipes)


def recipe_for(book: RecipeBook, source: str, version: str, target: Target) -> Recipe | None:
    """The recipe that builds a source of that version for the target; None where the book has none.

    ``version`` may have an epoch and a release, which play no part. Notes of kind ``reuse`` are not returned.
    """
    upstream = version.rpartition(":")[2].partition("-")[0]
    for recipe in book:
        fits = is_named(recipe, source) and upstream in recipe.versions and _is_for(recipe, target)
        if fits and recipe.is_buildable:
            return for_source(recipe, source)
    return None


def for_source(recipe: Recipe, source: str) -> Recipe:
    """The recipe as it is for a source of one of its names: ``{source}`` in its packages is that name."""
    packages = tuple(name.replace(_SOURCE, source) for name in recipe.packages)
    return recipe if packages == recipe.packages else replace(recipe, packages=packages)


def for_version(recipe: Recipe, version: str) -> Recipe:
    """The recipe as it is for an upstream version: without the patches and options that are for others."""
    patches = tuple(patch for patch in recipe.patches if version in patch.versions)
    upstream = recipe.upstream
    if upstream is not None and upstream.for_versions:
        more = (option for one in upstream.for_versions if version in one.versions for option in one.options)
        upstream = replace(upstream, options=(*upstream.options, *more), for_versions=())
    return replace(recipe, patches=patches, upstream=upstream)


def recipe_digest(recipe: Recipe) -> str:
    """The SHA-256 of all that a recipe's folder holds, and of the patches that it takes from another recipe's.

    Empty for a recipe that has no folder, as the template's.
    """
    if not (recipe.folder / RECIPE_FILE).is_file():
        return ""
    digest = hashlib.sha256()
    contents: dict[str, str] = {}
    for name, content in read_folder(recipe.folder, "the recipe's folder"):
        path = recipe.folder / name
        if path.is_file():
            # What a link leads to is what the recipe has.
            contents[name] = sha256_of(path) if path.is_symlink() else hashlib.sha256(content).hexdigest()
        else:
            contents[name] = f"link {os.fsdecode(content)}"
    for patch in recipe.patches:
        # That of another recipe, and what is no file: reading it says so.
        if patch.file not in contents:
            from ppcdeps.recipebook.patches import read_patch

            contents[patch.file] = hashlib.sha256(read_patch(recipe.folder, patch.file)).hexdigest()
    for name in sorted(contents):
        digest.update(os.fsencode(f"{name} {contents[name]}\n"))
    return digest.hexdigest()


def shipped_recipes() -> Path:
    """The folder of recipes that ppcdeps brings. Raises ConfigError where there is none."""
    return shipped_folder("recipes", option="--recipes")


def sdist_recipe(
    distribution: str,
    source: Source,
    languages: Iterable[Language],
    *,
    summary: str = "",
    license_expression: str = "",
    url: str = "",
    python: InterpreterPackage = PLATFORM_PYTHON,
) -> Recipe:
    """The recipe that the Python extension template makes of any source distribution: what the route `build-sdist`
    renders. Empty texts are replaced by what can be said without knowing them.
    """
    known = tuple(languages)
    return Recipe(
        source=f"python-{distribution}",
        kind=RecipeKind.SDIST,
        summary=summary or f"{distribution}, from its source distribution",
        reason="no wheel fits the target",
        links=(),
        folder=Path(f"python-{distribution}"),
        sources=(source,),
        upstream=Upstream(
            name=distribution,
            summary=summary or f"{distribution}, built from its source distribution",
            license=license_expression or "LicenseRef-Unknown",
            url=url or source.url,
            description=summary or f"The Python distribution {distribution}, built from its source distribution.",
            languages=known,
        ),
        packages=(f"{python.package}-{distribution}",),
        python=python,
    )


def rebuild_recipe(source: str, packages: Iterable[str] = ()) -> Recipe:
    """The recipe that changes nothing: what the route `rebuild` renders of a source RPM."""
    return Recipe(
        source=source,
        kind=RecipeKind.SRPM,
        summary=f"{source}, rebuilt as it is",
        reason="the target's repositories have no build of it",
        links=(),
        folder=Path(source),
        packages=tuple(packages),
    )


def load_recipe(file: Path) -> Recipe:
    """Read one recipe.toml. Raises ConfigError with all faults of the file, the files it names included."""
    top = read_toml(file, _WHAT)
    recipe = _recipe(top, file.parent)
    top.finish()
    if recipe is None or top.faults:
        raise_faults(top, file, _WHAT)
    assert recipe is not None
    return recipe


def _recipe(top: Table, folder: Path) -> Recipe | None:
    kind = _choice(top, "kind", RecipeKind)
    source = _named(top, "source")
    if source and folder.name != source and not folder.name.startswith(f"{source}-"):
        top.fault(f'the folder is to be called "{source}", or "{source}-" and a word, not "{folder.name}"')
    applies, build, drop = top.table("applies"), top.table("build"), top.table("drop")
    faults = top.faults
    recipe = Recipe(
        source=source,
        kind=kind or RecipeKind.REUSE,
        summary=top.text("summary"),
        reason=top.text("reason").strip(),
        links=top.texts("links"),
        folder=folder,
        names=applies.texts("names"),
        versions=_versions(applies),
        platforms=applies.texts("platforms"),
        targets=applies.texts("targets"),
        macros=_macros(build),
        enabled=_words(build, "with"),
        disabled=_words(build, "without"),
        bootstrap=build.optional_text("bootstrap") or "",
        release_suffix=build.optional_text("release_suffix") or "",
        build_requires=build.texts("requires"),
        memory=_memory(build),
        requires=top.texts("requires"),
        edits=tuple(filter(None, (_edit(table) for table in top.tables("edits")))),
        patches=tuple(_patch(table, folder) for table in top.tables("patches")),
        dropped_build_requires=drop.texts("build_requires"),
        dropped_requires=drop.texts("requires"),
        packages=top.texts("packages"),
        smoke_test=(top.optional_text("smoke_test") or "").strip(),
        sources=tuple(_source(table) for table in top.tables("sources")),
        upstream=_upstream(top.table("upstream"), source, kind) if "upstream" in top else None,
        spec_template=top.optional_text("spec") or "",
        variables=tuple(sorted(top.table("variables").entries().items())),
        version=_own_version(top),
    )
    for table in (applies, build, drop):
        table.finish()
    if kind is None:
        return None
    _check_kind(top, recipe)
    _check_text(top, recipe)
    return recipe if not faults else None


def _memory(build: Table) -> int | None:
    text = build.optional_text("memory")
    try:
        return bytes_of(text) if text is not None else None
    except ValueError as fault:
        build.fault(f'"memory": {fault}')
        return None


def _check_kind(top: Table, recipe: Recipe) -> None:
    """What each kind needs, and what makes no sense for it."""
    needs: Mapping[str, bool]
    match recipe.kind:
        case RecipeKind.SRPM:
            needs = {
                "sources": False, "upstream": False, "spec": False, "variables": False, "requires": False,
                "version": False,
            }  # fmt: skip
        case RecipeKind.SPEC:
            # What is in the spec itself has no sources, and needs a version.
            needs = {"spec": True, "edits": False, "drop": False, "version": "sources" not in top}
        case RecipeKind.SDIST | RecipeKind.COMPILE:
            needs = {
                "sources": True, "upstream": True, "edits": False, "drop": False, "spec": False, "variables": False,
                "version": False,
            }  # fmt: skip
        case RecipeKind.REUSE:
            words = ("build", "sources", "upstream", "spec", "edits", "drop", "patches", "variables", "requires")
            needs = {"packages": True, "version": False} | dict.fromkeys(words, False)
    for key, needed in needs.items():
        if needed and key not in top:
            top.fault(f'"{key}" is missing: kind "{recipe.kind}" needs it')
        elif not needed and key in top:
            top.fault(f'"{key}" has no place in a recipe of kind "{recipe.kind}"')
    if recipe.spec_template and not _within(recipe.folder, recipe.spec_template).is_file():
        top.fault(f'"spec": there is no file {recipe.spec_template} in the recipe\'s folder')
    elif recipe.spec_template and not _is_path(recipe.spec_template):
        top.fault(f'"spec" is not a name for a file: "{recipe.spec_template}"')
    versions: dict[str, int] = {}
    for source in recipe.sources:
        versions[source.version] = versions.get(source.version, 0) + (source.role == "main")
        if source.version and source.version not in recipe.versions:
            top.fault(f"[[sources]] {source.file}: version {source.version} is not in the range {recipe.versions}")
    for version, mains in versions.items():
        if version and mains != 1:
            top.fault(f'[[sources]] version {version} is to have one source of role "main", not {mains}')


def _check_text(top: Table, recipe: Recipe) -> None:
    """What goes into a spec or a script as one line is to be one line."""
    upstream = recipe.upstream
    lines = [
        *recipe.links,
        *recipe.names,
        recipe.summary,
        recipe.release_suffix,
        recipe.bootstrap,
        *recipe.build_requires,
        *recipe.requires,
    ]
    lines += [*recipe.packages, *recipe.dropped_requires, *recipe.dropped_build_requires]
    lines += [text for _, text in recipe.macros]
    if upstream is not None:
        lines += [upstream.summary, upstream.license, upstream.url, *upstream.options]
        lines += [option for one in upstream.for_versions for option in one.options]
    for package in recipe.packages:
        if not _NAME.fullmatch(package.replace(_SOURCE, "source")):
            top.fault(f'"packages" has "{package}", which is not the name of a package')
    for line in lines:
        if not line.isprintable():
            top.fault(f"is to be one line without control characters: {line!r}")


_ACTIONS: Mapping[str, type[Edit]] = {
    "set-macro": SetMacro,
    "extend-macro": ExtendMacro,
    "set-tag": SetTag,
    "extend-tag": ExtendTag,
    "add-tag": AddTag,
    "remove-tag": RemoveTag,
    "add-line": AddLine,
    "remove-line": RemoveLine,
    "replace-line": ReplaceLine,
    "extend-condition": ExtendCondition,
    "set-condition": SetCondition,
}


def _edit(table: Table) -> Edit | None:
    """An edit. Beside ``action``, the keys of its table are the fields of its class, needed where without default."""
    action = table.text("action")
    kind = _ACTIONS.get(action)
    if kind is None:
        if action:
            table.fault(f'"action" is "{action}"; {closest(action, _ACTIONS) or "known: " + ", ".join(_ACTIONS)}')
        return None
    edit = kind(**{field.name: _field(table, field, kind) for field in dataclasses.fields(kind)})
    match edit:
        case AddLine(lines=()):
            table.fault('"lines" names none')
        case ExtendCondition(condition=condition) if condition and not condition.startswith("%if"):
            table.fault(f'"condition" is to begin with %if, as the spec has it, not "{condition}"')
        case SetCondition(condition=condition, value=value):
            for key, text in (("condition", condition), ("value", value)):
                if text and not (text.startswith("%if") and text.isprintable()):
                    table.fault(f'"{key}" is to be one line that begins with %if, not "{text}"')
    table.finish()
    return edit


def _field(table: Table, field: dataclasses.Field[Any], kind: type[Edit]) -> Any:
    match field.name:
        case "optional":
            return table.flag(field.name)
        case "lines":
            return table.texts(field.name)
        case "value" if kind in (SetMacro, ReplaceLine):
            return table.any_text(field.name)
    if field.default is dataclasses.MISSING:
        return table.text(field.name)
    return table.optional_text(field.name) or field.default


def _patch(table: Table, folder: Path) -> Patch:
    strip = table.integer("strip") if "strip" in table else 1
    patch = Patch(
        file=table.text("file"),
        why=table.text("why"),
        origin=table.text("origin"),
        strip=strip,
        versions=_versions(table),
    )
    if patch.file and not _of_book(folder, patch.file).is_file():
        table.fault(f"there is no file {patch.file} in the recipe's folder")
    elif patch.file and not _is_path(patch.file.removeprefix("../")):
        table.fault(f'"file" is not a name for a file: "{patch.file}"')
    table.finish()
    return patch


def _own_version(top: Table) -> str:
    version = top.optional_text("version") or ""
    if version and not _NAME.fullmatch(version):
        top.fault(f'"version" is not a version: "{version}"')
    if version and "sources" in top:
        top.fault('"version" is what [[sources]] say: give one of both')
    return version


def _source(table: Table) -> Source:
    version, url, sha256 = table.text("version"), table.text("url"), table.text("sha256")
    parts = split_url(url)
    if url and (parts.scheme not in {"https", "http"} or not parts.netloc or not url.isprintable() or " " in url):
        table.fault(f'"url" is to be an http(s) URL, not "{url}"')
    if sha256 and not _SHA256.fullmatch(sha256):
        table.fault(f'"sha256" is to be 64 hexadecimal digits in lower case, not "{sha256}"')
    if version and not _NAME.fullmatch(version):
        table.fault(f'"version" is not a version: "{version}"')
    file = table.optional_text("file") or PurePosixPath(parts.path).name
    if url and not _NAME.fullmatch(file):
        table.fault(f'"file" is needed: "{file}" is no name for a file')
    role = table.optional_text("role") or "main"
    if role not in _ROLES:
        table.fault(f'"role" is "{role}"; known: {", ".join(_ROLES)}')
    table.finish()
    return Source(version, url, sha256, file, role)


def _upstream(table: Table, source: str, kind: RecipeKind | None) -> Upstream:
    system = _choice(table, "system", BuildSystem) if kind is RecipeKind.COMPILE else None
    languages: list[Language] = []
    for word in table.texts("languages") if kind is RecipeKind.SDIST else ():
        try:
            languages.append(Language(word))
        except ValueError:
            table.fault(f'"languages" has "{word}"; known: {", ".join(Language)}')
    upstream = Upstream(
        name=table.optional_text("name") or source,
        summary=table.text("summary"),
        license=table.text("license"),
        url=table.text("url"),
        description=table.text("description").strip(),
        system=system,
        options=table.texts("options"),
        for_versions=tuple(_version_options(each) for each in table.tables("for_versions")),
        languages=tuple(languages),
        check=(table.optional_text("check") or "").strip(),
    )
    if upstream.name and not _NAME.fullmatch(upstream.name):
        table.fault(f'"name" is not a name: "{upstream.name}"')
    if any(line.startswith("%") for line in upstream.description.splitlines()):
        table.fault('"description" has a line that begins with "%", where rpm would begin a section')
    table.finish()
    return upstream


def _version_options(table: Table) -> VersionOptions:
    found = VersionOptions(_versions(table), table.texts("options"))
    if not found.options:
        table.fault('"options" names none')
    table.finish()
    return found


def _versions(table: Table) -> VersionRange:
    try:
        return VersionRange.parse(table.optional_text("versions") or "")
    except ValueError as error:
        table.fault(f'"versions": {error}')
        return VersionRange()


def _macros(table: Table) -> tuple[tuple[str, str], ...]:
    macros = table.table("macros").entries()
    for name in macros:
        if not _MACRO.fullmatch(name):
            table.fault(f'[macros] "{name}" is not the name of a macro')
    return tuple(sorted(macros.items()))


def _words(table: Table, key: str) -> tuple[str, ...]:
    words = table.texts(key)
    for word in words:
        if not _NAME.fullmatch(word):
            table.fault(f'"{key}" has "{word}", which is not the name of a build condition')
    return words


def _named(table: Table, key: str) -> str:
    name = table.text(key)
    if name and not _NAME.fullmatch(name):
        table.fault(f'"{key}" is not a name: "{name}"')
    return name


def _choice(table: Table, key: str, known: type[_Chosen]) -> _Chosen | None:
    word = table.text(key)
    try:
        return known(word) if word else None
    except ValueError:
        table.fault(f'"{key}" is "{word}"; {closest(word, list(known)) or "known: " + ", ".join(known)}')
        return None


def _is_path(name: str) -> bool:
    return all(_NAME.fullmatch(part) for part in name.split("/"))


def _within(folder: Path, name: str) -> Path:
    """A file of the recipe's own; what would lead out of its folder is a file that does not exist."""
    path = PurePosixPath(name)
    return folder / "" if path.is_absolute() or ".." in path.parts else folder / path


def _of_book(folder: Path, name: str) -> Path:
    """A file of the recipe's own, or of the recipe beside it that ``../NAME/`` leads to."""
    up, _, rest = name.partition("/")
    return _within(folder.parent, rest) if up == ".." else _within(folder, name)


def is_named(recipe: Recipe, source: str) -> bool:
    """Whether the recipe is for a source of that name."""
    return source == recipe.source or any(fnmatch.fnmatchcase(source, name) for name in recipe.names)


def is_for(recipe: Recipe, source: str, target: Target) -> bool:
    """Whether a recipe builds a source of that name for the target, in whichever version."""
    return is_named(recipe, source) and _is_for(recipe, target) and recipe.is_buildable


def _is_for(recipe: Recipe, target: Target) -> bool:
    if not recipe.platforms and not recipe.targets:
        return True
    return target.platform_id in recipe.platforms or target.name in recipe.targets


def _overlap(one: Recipe, other: Recipe) -> str:
    """Why two recipes contradict each other; nothing where they do not.

    A platform and a target by name are taken for places that may be the same.
    """
    if not _share_a_name(one, other) or one.is_buildable != other.is_buildable:
        return ""
    everywhere = not (one.platforms or one.targets) or not (other.platforms or other.targets)
    mixed = bool(one.platforms and other.targets) or bool(one.targets and other.platforms)
    same = set(one.platforms) & set(other.platforms) or set(one.targets) & set(other.targets)
    if not (everywhere or mixed or same) or not one.versions.overlaps(other.versions):
        return ""
    return (
        f"{one.folder.name} ({one.versions}) and {other.folder.name} ({other.versions}) are both for {other.source}: "
        "narrow the versions or the platforms of one"
    )


def _share_a_name(one: Recipe, other: Recipe) -> bool:
    return is_named(one, other.source) or is_named(other, one.source) or bool(set(one.names) & set(other.names))


def sources_of(recipe: Recipe, version: str | None = None) -> tuple[str, tuple[Source, ...]]:
    """The version to build and its files: of ``version``, or of the newest that the recipe has.

    A spec with all in itself has no files.

    Raises UsageError where the recipe has not that version.
    """
    known = sorted({source.version for source in recipe.sources} or {recipe.version}, key=version_key)
    chosen = version or known[-1]
    if chosen not in known:
        raise UsageError(f"recipe {recipe.folder.name} has no sources of version {chosen}", hint=_known(known))
    return chosen, tuple(source for source in recipe.sources if source.version == chosen)


def _known(versions: Iterable[str]) -> str:
    return f"known: {', '.join(versions)}"
