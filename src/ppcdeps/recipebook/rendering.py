"""A recipe rendered to a folder that rpmbuild builds from: spec, sources, build script, Containerfile.

The folder can be built without ppcdeps, and the same input gives the same bytes.
"""

import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppcdeps.base.digests import sha256_of
from ppcdeps.base.named_files import open_named, read_named
from ppcdeps.base.removal import remove_tree
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.recipe import BuildSystem, Language, Recipe, RecipeKind, Source, Upstream
from ppcdeps.model.values import dataclass
from ppcdeps.python.bridge import spec_of_bridge
from ppcdeps.python.names import normalize, rpm_version
from ppcdeps.recipebook.book import TEMPLATES, for_source, for_version, is_named, shipped_recipes, sources_of
from ppcdeps.recipebook.patches import check_patches, mailed, read_patch
from ppcdeps.recipebook.specedit import edit_spec_apart
from ppcdeps.recipebook.srpm import unpack_srpm
from ppcdeps.recipebook.templates import fill_template
from ppcdeps.rpm.header import source_identity

_SPEC = frozenset(
    {
        "recipe", "name", "version", "rpm_version", "release_suffix", "summary", "license", "url", "description",
        "sources", "patches", "build_requires", "requires", "check",
    }
)  # fmt: skip
_SCRIPT = frozenset({"recipe", "name", "version", "spec_name"})
DECLARED: Mapping[str, frozenset[str]] = {
    "compile.spec.j2": _SPEC | {"system", "options_text"},
    "python-extension.spec.j2": _SPEC
    | {"distribution", "rpm_name", "languages", "languages_text"}
    | {"python", "python_tag", "python_program", "is_platform_python"},
    "build.sh.j2": _SCRIPT | {"rpmbuild_options"},
    "Containerfile.j2": _SCRIPT | {"build_packages_text", "builddep_options"},
    "sources.list.j2": frozenset({"files"}),
    "smoke.sh.j2": frozenset({"packages_text", "smoke_test"}),
}
"""The variables that each shipped template may use."""
OWN_SPEC = _SPEC
"""Those that the spec of a recipe of kind ``spec`` may use, beside the recipe's [variables]."""

_TOOLS = {
    BuildSystem.AUTOTOOLS: ("gcc", "gcc-c++", "make"),
    BuildSystem.CMAKE: ("cmake", "gcc", "gcc-c++", "make"),
    BuildSystem.MESON: ("gcc", "gcc-c++", "meson", "ninja-build"),
    BuildSystem.MAKE: ("gcc", "make"),
}
_COMPILERS = {
    Language.C: ("gcc",),
    Language.CXX: ("gcc-c++",),
    Language.CYTHON: ("gcc", "python{python}dist(cython)"),
    # Where code is built for another architecture, `rust` brings the machine's own standard library alone.
    Language.RUST: ("cargo", "gcc", "rust", "rust-std-static"),
}


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered recipe. ``missing`` are the sources that are not in SOURCES yet: build.sh fetches them."""

    folder: Path
    spec: Path
    name: str
    version: str
    missing: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """What is to be built. SOURCES is filled by then."""

    name: str
    version: str
    spec_name: str
    spec: str
    missing: tuple[Source, ...] = ()


def render(
    recipe: Recipe,
    to: Path,
    *,
    version: str | None = None,
    srpm: Path | None = None,
    sources: Iterable[Path] = (),
    build_packages: Iterable[str] = (),
    check: Callable[[Rendering], None] | None = None,
) -> Rendering:
    """Render a recipe to a folder, which must be new or empty.

    ``version`` is the one of the recipe's own sources to build, the newest where it is None. ``srpm`` is the source
    RPM that a recipe of kind ``srpm`` changes. ``sources`` are files that are here already: they are verified, and
    the recipe's patches are tried on them. ``build_packages`` are roots of the target's minimal buildroot. ``check``
    looks at the folder before it gets its name, and raises where it is not to be there.

    Raises UsageError where what the kind needs is not given, ConfigError where the recipe does not fit the source, a
    digest differs, a patch does not apply, or a template is wrong.
    """
    if not recipe.is_buildable:
        names = ", ".join(recipe.packages)
        raise UsageError(f"recipe {recipe.folder.name} builds nothing: {names} are used as they are")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} is not an empty folder", hint="give a new folder")
    with _whole(to) as folder:
        inside = folder / "SOURCES"
        if recipe.kind is RecipeKind.SRPM:
            content = _from_source_package(recipe, srpm, version, inside)
        elif srpm is not None:
            raise UsageError(f"recipe {recipe.folder.name} is of kind {recipe.kind}: it works on no source RPM")
        else:
            content = _from_sources(recipe, version, {path.name: path for path in sources}, inside)
        _write_texts(for_source(recipe, content.name), content, folder, tuple(build_packages))
        if check is not None:
            spec = folder / "SPECS" / content.spec_name
            check(Rendering(folder, spec, content.name, content.version, content.missing))
    spec = to / "SPECS" / content.spec_name
    return Rendering(to, spec, content.name, content.version, content.missing)


def render_spec(recipe: Recipe, spec: Path, version: str, sources: Iterable[Path], to: Path) -> Rendering:
    """Render a spec as it is, with its sources and patches, to a folder, which must be new or empty.

    ``recipe`` is the one that changes nothing. Raises ConfigError where a file cannot be read.
    """
    content = _Content(recipe.source, version, spec.name, _text(spec))
    with _whole(to) as folder:
        for path in sources:
            try:
                shutil.copyfile(path, folder / "SOURCES" / path.name)
            except OSError as error:
                raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
        _write_texts(recipe, content, folder, ())
    return Rendering(to, to / "SPECS" / spec.name, recipe.source, version, ())


def render_bridge(
    workload: str, provides: Iterable[str], to: Path, *, serial: int, requires: Iterable[str] = ()
) -> Rendering:
    """Render the bridge RPM of a workload to a folder, which must be new or empty: see `python.bridge`.

    Raises ConfigError where a capability cannot be provided, or required.
    """
    name = f"ppcdeps-bridge-{workload}"
    recipe = Recipe(
        source=name,
        kind=RecipeKind.SPEC,
        summary=f"what RPM packages of {workload} require and pip provides",
        reason="",
        links=(),
        folder=Path(name),
    )
    content = _Content(name, str(serial), f"{name}.spec", spec_of_bridge(workload, provides, requires, serial=serial))
    with _whole(to) as folder:
        _write_texts(recipe, content, folder, ())
    return Rendering(to, to / "SPECS" / content.spec_name, name, content.version, ())


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """A folder beside ``to``, renamed to it when it is complete and removed otherwise."""
    to = to.absolute() if to.name else to.resolve()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}-"))
    except OSError as error:
        raise ConfigError(f"cannot write {to}: {error.strerror}", hint="give another folder with --to") from error
    try:
        for name in ("SOURCES", "SPECS"):
            (temporary / name).mkdir()
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(to)
    except BaseException:
        remove_tree(temporary, strict=False)
        raise


def _from_source_package(recipe: Recipe, path: Path | None, version: str | None, inside: Path) -> _Content:
    if path is None:
        raise UsageError(
            f"recipe {recipe.folder.name} changes a source RPM of the distribution",
            hint=f"give it with --srpm FILE (dnf download --source {recipe.source})",
        )
    name, found = source_identity(path)
    _check_fit(recipe, name, found, path, version)
    recipe = for_version(recipe, found)
    spec = unpack_srpm(path, inside).spec
    text = edit_spec_apart(_text(spec), recipe, spec.name)
    spec.unlink()
    _add_patches(recipe, inside, path.name)
    return _Content(name, found, spec.name, text)


def _check_fit(recipe: Recipe, name: str, found: str, path: Path, version: str | None) -> None:
    if not is_named(recipe, name):
        raise UsageError(f"{path} is the source of {name}, and recipe {recipe.folder.name} is for {recipe.source}")
    if found not in recipe.versions:
        raise UsageError(
            f"{path} is version {found}; recipe {recipe.folder.name} is for {recipe.versions}",
            hint="look whether its edits still fit, and widen [applies] versions in a recipe of your own",
        )
    if version is not None and version != found:
        raise UsageError(f"{path} is version {found}, not {version}")


def _from_sources(recipe: Recipe, version: str | None, given: Mapping[str, Path], inside: Path) -> _Content:
    version, sources = sources_of(recipe, version)
    recipe = for_version(recipe, version)
    unknown = sorted(given.keys() - {source.file for source in sources})
    if unknown:
        raise UsageError(f"recipe {recipe.folder.name} has no source {unknown[0]} in version {version}")
    for source in sources:
        if source.file in given:
            _add_source(recipe, source, given[source.file], inside)
    _add_patches(recipe, inside, "the sources")
    spec_name, name, spec = _own_spec(recipe, version, sources)
    missing = tuple(source for source in sources if source.file not in given)
    return _Content(name, version, spec_name, spec, missing)


def _add_source(recipe: Recipe, source: Source, path: Path, inside: Path) -> None:
    copy = inside / source.file
    with open_named(path, "package_size") as stream:
        # Before it is copied: what looks large may be a hole, and fills the disk as a copy.
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest == source.sha256:
            stream.seek(0)
            with copy.open("xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            digest = sha256_of(copy)
    if digest != source.sha256:
        raise ConfigError(
            f"{path} is not the file that recipe {recipe.folder.name} names: "
            f"its SHA-256 is {digest}, not {source.sha256}"
        )
    if source.role == "main":
        check_patches(path, recipe.folder, recipe.patches)


def _add_patches(recipe: Recipe, inside: Path, what: str) -> None:
    for patch in recipe.patches:
        place = inside / Path(patch.file).name
        if place.exists():
            raise ConfigError(f"{what} has {place.name} already", hint=f"rename it in recipe {recipe.folder.name}")
        text = read_patch(recipe.folder, patch.file).decode("utf-8", "surrogateescape")
        place.write_text(mailed(text, patch.why), "utf-8", errors="surrogateescape")


def _own_spec(recipe: Recipe, version: str, sources: tuple[Source, ...]) -> tuple[str, str, str]:
    """File name, package name and text of a spec that a template makes."""
    upstream = recipe.upstream
    name = upstream.name if upstream else recipe.source
    main_first = sorted(sources, key=lambda source: source.role != "main")
    values: dict[str, Any] = {
        "recipe": recipe.folder.name,
        "name": name,
        "version": version,
        "rpm_version": version,
        "release_suffix": recipe.release_suffix,
        "sources": [
            {"url": source.url.replace("%", "%%"), "file": source.file, "role": source.role, "number": n}
            for n, source in enumerate(main_first)
        ],
        "patches": [{"file": Path(patch.file).name, "strip": patch.strip} for patch in recipe.patches],
        "build_requires": _tools(recipe),
        "requires": list(recipe.requires),
        **_described(recipe, upstream),
    }
    match recipe.kind:
        case RecipeKind.COMPILE:
            assert upstream is not None
            values |= {"system": str(upstream.system), "options_text": _joined(upstream.options)}
            return f"{name}.spec", name, _fill("compile.spec.j2", values)
        case RecipeKind.SDIST:
            assert upstream is not None
            rpm_name = normalize(name)
            values |= {
                "distribution": rpm_name,
                "rpm_name": rpm_name,
                "rpm_version": rpm_version(version),
                "languages": [str(one) for one in upstream.languages],
                "languages_text": ", ".join(upstream.languages) or "C",
                "python": recipe.python.package,
                "python_tag": recipe.python.tag,
                "python_program": recipe.python.program,
                "is_platform_python": recipe.python.is_platform,
            }
            package = f"{recipe.python.package}-{rpm_name}"
            return f"{package}.spec", package, _fill("python-extension.spec.j2", values)
        case _:
            template, variables = recipe.folder / recipe.spec_template, dict(recipe.variables)
            text = fill_template(template, OWN_SPEC, values, variables, folder=recipe.folder)
            return Path(recipe.spec_template).name.removesuffix(".j2"), name, text


def _described(recipe: Recipe, upstream: Upstream | None) -> dict[str, str]:
    if upstream is None:
        url = recipe.links[0] if recipe.links else ""
        return {"summary": recipe.summary, "license": "", "url": url, "description": recipe.summary, "check": ""}
    return {
        "summary": upstream.summary,
        "license": upstream.license,
        "url": upstream.url.replace("%", "%%"),
        "description": upstream.description,
        "check": upstream.check,
    }


def _tools(recipe: Recipe) -> list[str]:
    """The BuildRequires: the recipe's, and those of how the software is built."""
    upstream = recipe.upstream
    tools: set[str] = {"tar"} if upstream else set()
    if upstream is not None and upstream.system is not None:
        tools |= set(_TOOLS[upstream.system])
    if upstream is not None and recipe.kind is RecipeKind.SDIST:
        for language in upstream.languages or (Language.C,):
            tools |= {tool.format(python=recipe.python.tag) for tool in _COMPILERS[language]}
        if not recipe.python.is_platform:
            # Buildroots have those of the platform's Python.
            tools |= {f"{recipe.python.package}-{one}" for one in ("setuptools", "wheel")}
    if recipe.patches and upstream:
        tools.add("patch")
    return sorted(tools | set(recipe.build_requires))


def _write_texts(recipe: Recipe, content: _Content, folder: Path, build_packages: tuple[str, ...]) -> None:
    urls = {source.file: source.url for source in recipe.sources}
    listed = {one.file: {"sha256": one.sha256, "name": one.file, "url": one.url} for one in content.missing}
    for path in (folder / "SOURCES").iterdir():
        listed[path.name] = {"sha256": sha256_of(path), "name": path.name, "url": urls.get(path.name, "-")}
        path.chmod(0o644)
    for name in listed:
        if any(char.isspace() for char in name):
            raise ConfigError(f"a source of {content.name} has white space in its name: {name!r}")
    common = {
        "recipe": recipe.folder.name,
        "name": content.name,
        "version": content.version,
        "spec_name": content.spec_name,
    }
    texts = {
        "build.sh": _fill("build.sh.j2", common | {"rpmbuild_options": rpmbuild_options(recipe)}),
        "Containerfile": _fill(
            "Containerfile.j2",
            common | {"build_packages_text": _joined(build_packages), "builddep_options": _builddep_options(recipe)},
        ),
        "sources.list": _fill("sources.list.j2", {"files": [listed[name] for name in sorted(listed)]}),
        f"SPECS/{content.spec_name}": content.spec,
    }
    if recipe.smoke_test:
        values = {"packages_text": " ".join(recipe.packages) or content.name, "smoke_test": recipe.smoke_test}
        texts["smoke.sh"] = _fill("smoke.sh.j2", values)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
        (folder / name).chmod(0o755 if name.endswith(".sh") else 0o644)


def rpmbuild_options(recipe: Recipe) -> str:
    """The options of rpmbuild and rpmspec for the recipe's macros and build conditions, quoted for a shell."""
    options: list[str] = []
    for name, value in recipe.macros:
        options += ["--define", f"{name} {value}"]
    options += [word for name in recipe.enabled for word in ("--with", name)]
    options += [word for name in recipe.disabled for word in ("--without", name)]
    return _joined(options)


def _builddep_options(recipe: Recipe) -> str:
    """The same for `dnf builddep`, which knows --define alone: what rpmbuild makes of --with and --without."""
    defined = [f"{name} {value}" for name, value in recipe.macros]
    defined += [f"_with_{name} --with-{name}" for name in recipe.enabled]
    defined += [f"_without_{name} --without-{name}" for name in recipe.disabled]
    return _joined([word for one in defined for word in ("--define", one)])


def _joined(words: Iterable[str]) -> str:
    """Words for a shell, each after a space."""
    return "".join(f" {shlex.quote(word)}" for word in words)


def _fill(name: str, values: Mapping[str, Any]) -> str:
    return fill_template(shipped_recipes() / TEMPLATES / name, DECLARED[name], values, shipped=True)


def _text(spec: Path) -> str:
    try:
        return read_named(spec, "spec_size").decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{spec.name} is not UTF-8 text (byte {error.start})") from error
