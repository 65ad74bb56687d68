"""Spec files, evaluated for one architecture of one distribution: what is built from them, and what that takes.

The evaluation is rpm's own (rpmspec(8)), with the macros of the target's distribution in place of this machine's,
without the user's configuration, and confined. Where a spec runs code while it is read (a shell, or Lua that reaches
out), bubblewrap confines that, too; without bubblewrap, such a spec is refused.
"""

import re
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from ppcdeps.base.named_files import followed
from ppcdeps.base.untrusted import open_regular
from ppcdeps.engines.confined_shell import INSTALL, UNKNOWN_OUTPUT, run_confined_with_shell
from ppcdeps.engines.confinement import Confined, UnconfinableError, run_confined
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.evaluated_spec import SpecEvaluation, SpecPackage
from ppcdeps.rpm.platforms import PlatformMacros
from ppcdeps.rpm.specscan import RUNS_SHELL, Code, code_in, without_shells

_LIBRARY = Path("/usr/lib/rpm")
_PLATFORM, _SOURCES = "platform.macros", "sources"
_PACKAGE = re.compile(r"%package(?![\w}])(?P<rest>.*)")
_GENERATES = re.compile(r"^%generate_buildrequires\b.*$", re.MULTILINE)
# rpm 4.18 leaves the line out of what `rpmspec -P` prints; the lines below it are there.
_GENERATES_MARK = ": ppcdeps found generate_buildrequires"
_FILES = re.compile(r"%files(?![\w}])(?P<rest>.*)")
_SECTION = re.compile(
    r"%(?:package|description|prep|generate_buildrequires|build|install|check|clean|changelog|sourcelist|patchlist"
    r"|(?:pre|post)(?:un|trans|untrans)?|trigger\w*|filetrigger\w*|transfiletrigger\w*|verifyscript|sepolicy)(?![\w}])"
)
_ATTRIBUTE = re.compile(r"%(?:attr|verify|lang|caps|config|dir|ghost|artifact|missingok)(?:\([^()]*\))?\s+")
_PLAIN_PATH = re.compile(r"/[\w.+~@:,=-]+(?:/[\w.+~@:,=-]+)*")
_PATTERN = re.compile(r"/[\w.+~@:,=/*?\[\]-]*[*?\[][\w.+~@:,=/*?\[\]-]*")
_EPOCH = re.compile(r"[0-9]{1,10}")
_FOLDER_OF_COPY = re.compile(r"\S*/ppcdeps-spec-[^/\s]*/")
_CODE_ATTEMPT = "it starts a program while it is read"
_NOT_THERE = re.compile(re.escape(UNKNOWN_OUTPUT).replace(r"\{\}", r"(\S+)"))
_NO_MEMORY = ("not enough memory", "memory alloc", "emory exhausted", "bad_alloc")
"""Words of rpm, of Lua and of the C++ library where a program gets no more memory."""
_LINES, _WIDTH = 20, 500
"""How much is shown of what rpm says: a spec can make it say anything, as often as it likes."""

_BUILT = (
    "package\\t%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\n"
    "[provides\\t%{PROVIDENEVRS}\\n][requires\\t%{REQUIRENEVRS}\\n]"
    "[conflicts\\t%{CONFLICTNEVRS}\\n][obsoletes\\t%{OBSOLETENEVRS}\\n]"
)
_SOURCE = (
    "package\\t%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\tsrc\\n"
    "[requires\\t%{REQUIRENEVRS}\\n][conflicts\\t%{CONFLICTNEVRS}\\n]"
    "[file\\t%{SOURCE}\\n][file\\t%{PATCH}\\n]"
    "[exclusive\\t%{EXCLUSIVEARCH}\\n][excluded\\t%{EXCLUDEARCH}\\n]"
)


class SpecRefusedError(ConfigError):
    """A spec that would run code when it is read. Only its build reads it, in the buildroot."""


def evaluate_spec(
    spec: Path,
    platform: PlatformMacros,
    arch: str,
    *,
    sources: Path | None = None,
    conditions: Mapping[str, bool] | None = None,
    defines: Mapping[str, str] | None = None,
    shells_unknown: bool = False,
) -> SpecEvaluation:
    """Evaluate a spec for an architecture, on this machine.

    ``sources`` is the folder of its sources, which few specs read (`%include`, `%{load:...}`); ``conditions`` are
    build conditions by name, as `--with` and `--without` set them; ``defines`` are macros that win over the
    platform's. Code of the spec runs in bubblewrap. With ``shells_unknown``, where that does not work, the word
    ``unknown`` stands for what a shell in the spec would print, with a warning for each, and the spec is not refused
    for it.

    Raises ConfigError with rpm's own words where the spec does not parse, or meets a ceiling; SpecRefusedError where
    it would run code and bubblewrap does not work, EnvironmentLacksError where rpmspec is missing or the kernel
    cannot confine it.
    """
    content = _content(spec)
    text = content.decode("utf-8", "replace")
    found = code_in(text)
    with tempfile.TemporaryDirectory(prefix="ppcdeps-spec-") as name:
        folder = Path(name)
        # The bytes that were scanned for code: the file may change in between.
        copy = folder / "read.spec"
        copy.write_bytes(content)
        marked = folder / "parsed.spec"
        marked.write_bytes(_marked(text))
        (folder / _PLATFORM).write_text(platform.macros, "utf-8")
        place = folder / _SOURCES
        if sources is None:
            place.mkdir()
        else:
            # A link, named from where rpmspec runs: in a path rpm expands macros.
            place.symlink_to(followed(sources), target_is_directory=True)
        options = [
            *_instead_of_this_machine(arch),
            *_defined({"_sourcedir": _SOURCES}),
            *_set(conditions or {}, {**platform.defines, **(defines or {})}),
        ]
        readable = (_LIBRARY, place.resolve())
        reading = _Reading(spec.name, arch, platform.name, copy.name, marked.name, options, folder, readable)
        fault: ConfigError
        try:
            if not found:
                return reading.evaluated()
        except _StartsProgramError:
            found = (Code(0, _CODE_ATTEMPT),)
        try:
            return reading.evaluated(with_shell=True)
        except UnconfinableError as why:
            fault = _refused(spec.name, tuple(each.what if not each.line else str(each) for each in found), str(why))
            fault.__cause__ = why
        except ConfigError as error:
            fault = error
        plain, replaced = without_shells(text)
        if not shells_unknown or not replaced or code_in(plain):
            raise fault
        copy.write_text(plain, "utf-8", errors="replace")
        marked.write_bytes(_marked(plain))
        try:
            evaluation = reading.evaluated()
        except (ConfigError, _StartsProgramError):
            raise fault from None
    return replace(evaluation, warnings=(*map(str, replaced[:_LINES]), *evaluation.warnings))


class _StartsProgramError(Exception):
    """rpm tried to start a program where there is none."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How rpm reads one spec: under which title, for what, with which options, and what it sees."""

    title: str
    arch: str
    platform: str
    spec: str
    marked: str
    """The spec with a mark where it generates BuildRequires: rpm leaves that section out of what it parsed."""
    options: Sequence[str]
    folder: Path
    readable: Sequence[Path]

    def evaluated(self, *, with_shell: bool = False) -> SpecEvaluation:
        """The evaluation. Raises _StartsProgramError where the spec starts a program and has no shell."""
        # One time for all: a spec that sleeps is not to be waited for at each query.
        deadline = time.monotonic() + CEILINGS.spec_seconds

        def queried(*query: str, spec: str = self.spec) -> Confined:
            left = max(0.1, deadline - time.monotonic())
            done = self._run(["rpmspec", *self.options, *query, spec], left, with_shell=with_shell)
            if done.caught and not with_shell:
                raise _StartsProgramError
            _check_ceilings(self.title, done)
            if done.code:
                raise _unparsable(self.title, self.arch, self.spec, done.errors)
            return done

        # `rpmspec -q` alone lists packages that are never built (EL9's qemu-kvm); --builtrpms what the build gives.
        built = queried("-q", "--builtrpms", "--qf", _BUILT)
        source = queried("-q", "--srpm", "--qf", _SOURCE)
        return _evaluation(
            self.title, self.arch, self.platform, built.output, source.output, queried("-P", spec=self.marked)
        )

    def _run(self, command: Sequence[str], seconds: float, *, with_shell: bool) -> Confined:
        run = partial(run_confined_with_shell, arch=self.arch) if with_shell else run_confined
        try:
            return run(
                command,
                folder=self.folder,
                readable=self.readable,
                seconds=seconds,
                memory=CEILINGS.spec_memory,
                output=CEILINGS.spec_output,
            )
        except FileNotFoundError as error:
            raise _no_rpmspec() from error
        except UnconfinableError as error:
            if with_shell:
                raise
            raise EnvironmentLacksError(
                f"specs are evaluated only where the kernel can confine rpmspec, and here it cannot: {error}",
                hint="run ppcdeps on Linux with seccomp, where namespaces can be made or Landlock is switched on",
            ) from error


def _no_rpmspec() -> EnvironmentLacksError:
    return EnvironmentLacksError(
        "rpmspec is not installed, and specs are evaluated with it",
        hint="install the package rpm (Debian) or rpm-build (EL, Fedora)",
    )


def _marked(text: str) -> bytes:
    return _GENERATES.sub(rf"\g<0>\n{_GENERATES_MARK}", text).encode("utf-8", "replace")


def _content(spec: Path) -> bytes:
    try:
        with open_regular(spec) as stream:
            content = stream.read(CEILINGS.spec_size + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the spec {spec}: {error.strerror}") from error
    if len(content) > CEILINGS.spec_size:
        raise ConfigError(f"the spec {spec} has more than {CEILINGS.spec_size} bytes", hint=how_to_raise("spec_size"))
    if b"\0" in content:
        raise ConfigError(f"the spec {spec} is not text: it has a NUL byte in line {_line_of_nul(content)}")
    return content


def _check_ceilings(title: str, done: Confined) -> None:
    if done.caught:
        raise ConfigError(f"{title} is not evaluated: it starts more programs than a spec may")
    if done.overdue:
        met, key = f"takes more than {CEILINGS.spec_seconds} s", "spec_seconds"
    elif done.flooded:
        met, key = f"gives more than {CEILINGS.spec_output} bytes", "spec_output"
    elif done.code and (done.code == -signal.SIGABRT or any(words in done.errors for words in _NO_MEMORY)):
        met, key = f"takes more than {CEILINGS.spec_memory} bytes of memory", "spec_memory"
    else:
        return
    raise ConfigError(f"{title} is not evaluated: that {met}", hint=how_to_raise(key))


def _line_of_nul(content: bytes) -> int:
    return content.count(b"\n", 0, content.index(b"\0")) + 1


def _refused(title: str, faults: tuple[str, ...], why: str) -> SpecRefusedError:
    return SpecRefusedError(
        f"{title} is not evaluated on this machine, as it would run code, and that is not confined here: {why}",
        hint=f"{INSTALL}; the build reads it in the buildroot; a recipe may replace these lines",
        faults=faults[:_LINES],
    )


def _instead_of_this_machine(arch: str) -> list[str]:
    """The options that leave out all macros but rpm's own and the platform's, whose file lies where rpmspec runs."""
    files = (_LIBRARY / "macros", _LIBRARY / "platform" / f"{arch}-linux" / "macros")
    for file in files:
        if not file.is_file():
            raise EnvironmentLacksError(
                f"rpm's own file {file} is missing, and specs are evaluated with it",
                hint="install the package rpm-common (Debian) or rpm-build (EL, Fedora)",
            )
    # --load would be simpler, but --target makes rpm forget what it loaded.
    places = ":".join(map(str, (*files, _PLATFORM)))
    return ["--rcfile", str(_LIBRARY / "rpmrc"), "--macros", places, "--target", arch]


def _set(conditions: Mapping[str, bool], defines: Mapping[str, str]) -> list[str]:
    words = {name: "with" if wanted else "without" for name, wanted in sorted(conditions.items())}
    return [
        *_defined({f"_{word}_{name}": f"--{word}-{name}" for name, word in words.items()}),
        *_defined(dict(sorted(defines.items()))),
    ]


def _defined(macros: Mapping[str, str]) -> list[str]:
    return [word for name, body in macros.items() for word in ("-D", f"{name} {body}")]


def _unparsable(title: str, arch: str, spec: str, errors: str) -> ConfigError:
    lines = (
        _FOLDER_OF_COPY.sub("", line[:_WIDTH].removeprefix("error: ")).replace(spec, title)
        for line in errors.splitlines()
        if line.strip() and not line.startswith(("warning:", "error: query of specfile"))
    )
    faults = tuple(dict.fromkeys(islice(lines, _LINES)))
    return ConfigError(
        f"{title} does not parse for {arch}",
        hint="a macro that its distribution defines may be unknown here: see the platform's macro file",
        faults=faults,
    )


def _evaluation(title: str, arch: str, platform: str, built: str, source: str, parsed: Confined) -> SpecEvaluation:
    found = _packages(source)
    if not found:
        raise ConfigError(f"{title} is not evaluated: rpm names no source package of it")
    (header, tags), *_ = found
    listed = _listed_files(parsed.output, header.name)
    packages = tuple(
        SpecPackage(
            nevra,
            provides=_stated(one, "provides"),
            requires=_stated(one, "requires"),
            conflicts=_stated(one, "conflicts"),
            obsoletes=_stated(one, "obsoletes"),
            files=tuple(path for path in listed.get(nevra.name, ()) if _PLAIN_PATH.fullmatch(path)),
            patterns=tuple(path for path in listed.get(nevra.name, ()) if _PATTERN.fullmatch(path)),
        )
        for nevra, one in _packages(built)
    )
    evaluation = SpecEvaluation(
        arch=arch,
        platform=platform,
        source=header,
        packages=packages,
        declared=_declared(parsed.output, header.name),
        build_requires=_stated(tags, "requires"),
        exclusive_arch=tuple(tags.get("exclusive", ())),
        exclude_arch=tuple(tags.get("excluded", ())),
        warnings=_warnings(parsed.errors),
        build_conflicts=_stated(tags, "conflicts"),
        files=tuple(sorted(set(tags.get("file", ())))),
        generates_build_requires=_GENERATES_MARK in parsed.output,
        if_not_excluded=packages,
    )
    if not evaluation.excluded:
        return evaluation
    # rpm lists packages of an excluded architecture as well, without one to build them for.
    return replace(evaluation, packages=())


def _warnings(errors: str) -> tuple[str, ...]:
    """What rpm, and programs of a shell, say where they go on, each line once."""
    lines = dict.fromkeys(line[:_WIDTH].removeprefix("warning: ") for line in errors.splitlines() if line.strip())
    said = (f"{line}{RUNS_SHELL}" if _NOT_THERE.fullmatch(line) else line for line in lines)
    return tuple(islice(said, _LINES))


def _packages(output: str) -> list[tuple[Nevra, dict[str, list[str]]]]:
    found: list[tuple[Nevra, dict[str, list[str]]]] = []
    for line in output.splitlines():
        key, *values = line.split("\t")
        match values:
            case [name, epoch, version, release, arch] if key == "package" and _EPOCH.fullmatch(epoch):
                found.append((Nevra(name, int(epoch), version, release, arch), {}))
            case [value] if found and value and value != "(none)":
                found[-1][1].setdefault(key, []).append(value)
            case _:
                continue
    return found


def _stated(tags: Mapping[str, list[str]], tag: str) -> tuple[str, ...]:
    """The capabilities of a tag, once each and sorted, without those that rpm itself provides."""
    return tuple(sorted({text for text in tags.get(tag, ()) if not text.startswith("rpmlib(")}))


def _declared(text: str, name: str) -> tuple[str, ...]:
    """The names of all packages that the expanded text of a spec describes, built or not: no query has those."""
    declared = [name]
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("%package") and (found := _PACKAGE.fullmatch(line)):
            declared.append(_subpackage(found["rest"], name))
    return tuple(dict.fromkeys(declared))


def _subpackage(words: str, name: str) -> str:
    parts = words.split()
    if "-n" in parts[:-1]:
        return parts[parts.index("-n") + 1]
    return f"{name}-{parts[-1]}" if parts else name


def _listed_files(text: str, name: str) -> dict[str, tuple[str, ...]]:
    """The paths and patterns that the expanded text of a spec lists for each package.

    `%ghost` files are none: the package does not bring them.
    """
    found: dict[str, list[str]] = {}
    package: str | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if starts := _FILES.fullmatch(line):
            words = starts["rest"].split()
            if "-f" in words[:-1]:
                del words[words.index("-f") : words.index("-f") + 2]
            package = _subpackage(" ".join(words), name)
        elif _SECTION.match(line):
            package = None
        elif package is not None and not line.startswith(("%ghost", "%exclude", "%doc", "%license")):
            path = _ATTRIBUTE.sub("", line)
            if path.startswith("/"):
                found.setdefault(package, []).append(path)
    return {each: tuple(sorted(set(paths))) for each, paths in found.items()}
