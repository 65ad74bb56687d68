"""Lint of recipes that can be read: checks of our own, and rpmlint on the rendered specs."""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from ppcdeps.base.named_files import open_named, read_named, read_named_text
from ppcdeps.base.programs import run_program
from ppcdeps.engines.confinement import UnconfinableError, run_confined
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.recipebook.book import RecipeBook, is_named, sources_of
from ppcdeps.recipebook.patches import header_of
from ppcdeps.recipebook.promises import broken_promises, evaluate_rendering
from ppcdeps.recipebook.rendering import Rendering, render
from ppcdeps.rpm.header import source_identity
from ppcdeps.rpm.platforms import PlatformMacros, platform_of

_RPMLINT_CONFIG = """\
# rpmlint would try where it can write, and in confinement it can nowhere. It unpacks nothing of a spec.
ExtractDir = "/nonexistent"
# Errors to rpmlint that are none in a spec which is built here and not published by a distribution. The
# templates apply patches with patch(1) itself, without fuzz.
Filters = ["no-changelogname-tag", "no-%check-section", "no-buildroot-tag", "invalid-url", "patch-not-applied"]
"""


_RPMLINT = """\
import runpy, subprocess, sys
class Missing(subprocess.Popen):
    def __init__(self, command, *rest, **options):
        raise FileNotFoundError(2, "there are no programs", str(command))
    def __del__(self, **options):
        pass
subprocess.Popen = Missing
subprocess.run = lambda command, *rest, **options: subprocess.CompletedProcess(command, 0, "", "")
subprocess.check_output = lambda *rest, **options: ""
try:
    import rpm
    rpm.expandMacro("%{load:platform.macros}")
except ImportError:
    pass
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs rpmlint where no program can be started. It starts rpm to have a spec evaluated, which is done here before.

The target's macros are in place of those of this machine that start programs, as they are in that evaluation.
"""
_LINTED = (0, 64, 65, 66)
"""The exit codes of rpmlint where it came to an end, whatever it found."""
_SECONDS = 10
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/etc/xdg/rpmlint")
"""Where Python, rpmlint, rpm with its macros, and their libraries are."""


class LintSeverity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing to look at. ``recipe`` is the name of its folder."""

    recipe: str
    severity: LintSeverity
    message: str


def lint_book(
    book: RecipeBook, target: Target, known_targets: Iterable[str], reporter: Reporter, *, srpms: Iterable[Path] = ()
) -> tuple[LintFinding, ...]:
    """All findings, in the order of the recipes.

    What needs no source is checked for all; a recipe of kind ``srpm`` is rendered where its source RPM is among
    ``srpms``. What could not be checked is reported, with the reason. Raises ConfigError for a source RPM that
    cannot be read.
    """
    given = [(source_identity(path)[0], path) for path in srpms]
    by_recipe = {one.folder.name: path for one in book for name, path in given if is_named(one, name)}
    targets = frozenset(known_targets)
    if shutil.which("rpmlint") is None:
        reporter.warn("rpmlint is not installed: specs are checked without it (Debian, Fedora: package rpmlint)")
    unseen = [one.folder.name for one in book if one.kind is RecipeKind.SRPM and one.folder.name not in by_recipe]
    if unseen:
        reporter.note(f"not rendered, as their source RPMs were not given with --srpm: {', '.join(unseen)}")
    return tuple(finding for recipe in book for finding in _lint(recipe, target, targets, by_recipe))


def _lint(
    recipe: Recipe, target: Target, targets: frozenset[str], srpms: Mapping[str, Path]
) -> Iterator[LintFinding]:
    name = recipe.folder.name
    for message in _doubts(recipe, targets):
        yield LintFinding(name, LintSeverity.WARNING, message)
    for message in _faults(recipe):
        yield LintFinding(name, LintSeverity.ERROR, message)
    if not recipe.is_buildable or (recipe.kind is RecipeKind.SRPM and name not in srpms):
        return
    with tempfile.TemporaryDirectory(prefix="ppcdeps-lint-") as folder:
        own = sorted({one.version for one in recipe.sources}) or [recipe.version]
        versions = [None] if recipe.kind is RecipeKind.SRPM else own
        for version in versions:
            place = Path(folder) / (version or "srpm")
            srpm = srpms.get(name) if recipe.kind is RecipeKind.SRPM else None
            try:
                rendering = render(recipe, place, version=version, srpm=srpm)
                yield from lint_rendering(name, rendering, recipe, target)
            except EnvironmentLacksError:
                raise
            except PpcdepsError as fault:
                yield LintFinding(name, LintSeverity.ERROR, fault.line)


def _doubts(recipe: Recipe, targets: frozenset[str]) -> Iterator[str]:
    if not recipe.links:
        yield '"links" names none: where can the reason be looked up?'
    for link in recipe.links:
        if not link.startswith("https://"):
            yield f'"links": {link} is not https'
    for target in recipe.targets:
        if target not in targets:
            yield f'[applies] targets: there is no target "{target}"'
    if recipe.is_buildable and not recipe.packages:
        yield '"packages" names none: a build that gives nothing would pass'
    if recipe.is_buildable and not recipe.smoke_test:
        yield '"smoke_test" is missing: nothing shows that the result works'
    if recipe.kind is RecipeKind.SRPM and not recipe.release_suffix:
        yield '[build] "release_suffix" is missing: a rebuild is to differ from the distribution\'s build'


def _faults(recipe: Recipe) -> Iterator[str]:
    for patch in recipe.patches:
        try:
            header = header_of(recipe.folder, patch.file)
        except ConfigError as fault:
            yield fault.line
            continue
        if not any(line.strip() for line in header):
            yield f"{patch.file} has no header: write its reason and origin before the first change"
    if recipe.smoke_test:
        yield from (f"smoke_test: {fault}" for fault in _shell_faults(recipe.smoke_test))
    if recipe.sources:
        sources_of(recipe)


def lint_rendering(name: str, rendering: Rendering, recipe: Recipe, target: Target) -> Iterator[LintFinding]:
    """Findings on a rendered folder: its scripts, its spec as rpm evaluates it for the target, and rpmlint's."""
    for script in sorted(rendering.folder.glob("*.sh")):
        for fault in _shell_faults(read_named_text(script, "template_output")):
            yield LintFinding(name, LintSeverity.ERROR, f"{script.name}: {fault}")
    platform = platform_of(target)
    try:
        evaluated = evaluate_rendering(rendering, recipe, platform, target.arch)
    except EnvironmentLacksError:
        raise
    except ConfigError as fault:
        # What rpm cannot evaluate, rpmlint, which has rpm evaluate it, is not given.
        yield LintFinding(name, LintSeverity.ERROR, fault.line)
        return
    for broken in broken_promises(recipe, rendering, evaluated):
        yield LintFinding(name, LintSeverity.ERROR, broken)
    if recipe.kind is RecipeKind.SRPM:
        # rpmlint would report the style of the distribution's own spec.
        return
    yield from rpmlint_findings(name, rendering.spec, platform)


def rpmlint_findings(name: str, spec: Path, platform: PlatformMacros) -> Iterator[LintFinding]:
    """What rpmlint says. It evaluates the spec by rpm, with this machine's macros, and so is confined like rpm."""
    python = _python_of_rpmlint()
    if python is None:
        return
    program, *options = python
    with tempfile.TemporaryDirectory(prefix="ppcdeps-rpmlint-") as scratch:
        folder = Path(scratch)
        config, copy = folder / "ppcdeps.toml", folder / spec.name
        config.write_text(_RPMLINT_CONFIG, "utf-8")
        copy.write_bytes(read_named(spec, "spec_size"))
        defines = "".join(f"%{macro} {body}\n" for macro, body in platform.defines.items())
        (folder / "platform.macros").write_text(platform.macros + defines, "utf-8")
        script = Path(shutil.which("rpmlint") or "rpmlint")
        try:
            done = run_confined(
                [program, *options, "-c", _RPMLINT, str(script), "--config", config.name, "--", copy.name],
                folder=folder,
                readable=(script, *(Path(path) for path in _LIBRARIES if Path(path).exists())),
                seconds=_SECONDS,
                output=CEILINGS.spec_output,
            )
        except (FileNotFoundError, UnconfinableError) as fault:
            raise EnvironmentLacksError(f"rpmlint cannot be run in confinement: {fault}") from fault
    if done.caught:
        text = f"rpmlint: {spec.name}: ended, as a macro of this machine or of the spec starts a program"
        yield LintFinding(name, LintSeverity.WARNING, text)
    elif done.overdue or done.flooded:
        yield LintFinding(name, LintSeverity.ERROR, f"rpmlint: {spec.name}: rpmlint does not come to an end with it")
    elif done.code not in _LINTED:
        said = (done.errors.strip() or done.output.strip()).splitlines() or [f"exit code {done.code}"]
        yield LintFinding(name, LintSeverity.WARNING, f"rpmlint does not work here: {said[-1]}")
    for line in done.output.splitlines():
        where, mark, message = line.partition(": E: ")
        if not mark:
            where, mark, message = line.partition(": W: ")
        if mark:
            severity = LintSeverity.ERROR if mark == ": E: " else LintSeverity.WARNING
            yield LintFinding(name, severity, f"rpmlint: {Path(where).name}: {message}")


def _python_of_rpmlint() -> list[str] | None:
    """The Python that rpmlint runs with, and its options, as its first line says; None where there is no rpmlint."""
    script = shutil.which("rpmlint")
    if script is None:
        return None
    with open_named(Path(script), "document_size") as file:
        first = file.readline(1000).decode("utf-8", "replace")
    words = first.removeprefix("#!").split()
    if words[:1] == ["/usr/bin/env"]:
        del words[0]
    return words if first.startswith("#!") and words else [sys.executable]


def _shell_faults(script: str) -> list[str]:
    """What sh says to the script's syntax; nothing of it is run."""
    done = run_program(["sh", "-n"], given=script)
    return [] if done.is_well else done.error_text.strip().splitlines()[:1]
