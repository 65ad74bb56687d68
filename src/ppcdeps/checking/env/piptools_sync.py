"""pip-tools, for environments that are not the running one: the difference that `pip-sync` finds, and its writer.

`piptools.sync` compares with the distributions of an interpreter that runs. Here they are values read from files, and
markers were evaluated for the environment before: pip would evaluate them for the Python that runs ppcdeps.
pip-tools and, through it, pip's internal modules are imported when they are first needed: that takes half a second.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.python.environment import MarkerError, TargetEnvironment
from ppcdeps.python.requirements import requirement_of
from ppcdeps.python.requirementset import RequiredDistribution

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NEVER_REMOVED = frozenset({"pip", "setuptools", "wheel", "distribute", "pip-tools"})
"""What `pip-sync` leaves alone where nothing requires another version of it. It leaves setuptools and wheel alone
up to Python 3.11 only, and takes that from the Python that runs it: here they stay in any environment.
"""
_UNREADABLE = "0.dev0+unreadable"
"""In place of a version that cannot be compared: no requirement that anyone writes allows it."""


@dataclass(frozen=True, slots=True)
class PresentDistribution:
    """An installed distribution to compare. ``direct_url`` is the text of its direct_url.json, or empty."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    direct_url: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Names to install and to uninstall, normalized. ``left_alone`` are those that pip-tools does not remove although
    nothing requires them: pip, what belongs to it, and what these require.
    """

    install: frozenset[str]
    uninstall: frozenset[str]
    left_alone: frozenset[str]


def difference(
    required: Iterable[RequiredDistribution],
    present: Iterable[PresentDistribution],
    environment: TargetEnvironment,
) -> Difference:
    """What `pip-sync` would do. Raises EnvironmentLacksError where pip-tools is not there or does not run."""
    modules = _modules()
    wanted = {each.name: _install_requirement(modules, each) for each in required}
    installed = [_distribution(modules, each, environment) for each in present]
    install, uninstall = modules.sync.diff(wanted.values(), installed)
    # A direct reference that is there already has a key of its own: `name @ URL#sha256=...`.
    removed = {name.partition("@")[0].strip() for name in uninstall} - set(wanted)
    by_key = {each.key: each for each in installed}
    kept = {name for one in NEVER_REMOVED for name in modules.sync.dependency_tree(by_key, one)}
    asked = {id(each) for each in install}
    names = set(by_key)
    return Difference(
        frozenset(name for name, each in wanted.items() if id(each) in asked),
        frozenset(removed - kept),
        frozenset((names - set(wanted)) & (kept | (names - removed))),
    )


def requirement_lines(required: Iterable[RequiredDistribution], *, hashes: bool) -> tuple[str, ...]:
    """Requirements as pip-tools writes them, with or without hashes. `pip-sync` and pip read them.

    Raises EnvironmentLacksError like ``difference``.
    """
    modules = _modules()
    found = {each.name: (_install_requirement(modules, each), each.digests) for each in required}
    digests = {one: {f"sha256:{digest}" for digest in each} for one, each in found.values()} if hashes else None
    stream = io.BytesIO()
    # It reports each line that it writes on standard error, unless it is quiet.
    verbosity, modules.log.verbosity = modules.log.verbosity, -1
    try:
        _writer(modules, stream).write({one for one, _ in found.values()}, set(), set(), {}, digests)
    finally:
        modules.log.verbosity = verbosity
    return tuple(stream.getvalue().decode().splitlines())


def requirement_text(each: RequiredDistribution) -> str:
    """One requirement as pip takes it: the pin, else what is allowed, else the URL."""
    name = f"{each.spelling}[{','.join(each.extras)}]" if each.extras else each.spelling
    if each.url:
        return f"{name} @ {each.url}"
    if each.pin is not None:
        # `===` where the file has it: such a version may be none that can be compared.
        operator = next(
            (
                one.operator
                for one in each.pin.requirement.specifier
                if one.version == each.version and one.operator in ("==", "===")
            ),
            "==",
        )
        return f"{name}{operator}{each.version}"
    return f"{name}{each.specifier}"


def _modules() -> Any:
    try:
        from pip._internal.models.direct_url import DirectUrl
        from pip._internal.models.format_control import FormatControl
        from pip._internal.req.constructors import install_req_from_line
        from piptools import sync
        from piptools._compat import Distribution
        from piptools.logging import log
        from piptools.writer import OutputWriter
    except ImportError as fault:
        raise EnvironmentLacksError(
            f"pip-tools cannot be used with the pip of this Python ({fault})",
            hint="run: python3 -m pip install --upgrade pip-tools pip",
        ) from None
    return SimpleNamespace(
        sync=sync,
        log=log,
        Distribution=Distribution,
        DirectUrl=DirectUrl,
        FormatControl=FormatControl,
        install_req_from_line=install_req_from_line,
        OutputWriter=OutputWriter,
    )


def _install_requirement(modules: Any, each: RequiredDistribution) -> Any:
    try:
        return modules.install_req_from_line(requirement_text(each))
    except Exception as fault:
        if not _is_pips(fault):
            raise
        reason = str(fault).partition("\n")[0]
        raise ConfigError(f"{each.where}: pip does not take {requirement_text(each)!r} ({reason})") from None


def _is_pips(fault: Exception) -> bool:
    """Whether it is an error of pip's own, whose classes have moved between its releases."""
    return isinstance(fault, ValueError) or type(fault).__module__.partition(".")[0] == "pip"


def _distribution(modules: Any, each: PresentDistribution, environment: TargetEnvironment) -> Any:
    from packaging.version import Version

    try:
        Version(each.version)
        version = each.version
    except ValueError:
        version = _UNREADABLE
    try:
        direct = modules.DirectUrl.from_json(each.direct_url) if each.direct_url else None
    except Exception as fault:
        if not _is_pips(fault) and not isinstance(fault, (TypeError, AttributeError, KeyError, RecursionError)):
            raise
        direct = None
    return modules.Distribution(each.name, version, list(_requirements(each.requires, environment)), direct)


def _requirements(texts: tuple[str, ...], environment: TargetEnvironment) -> Iterable["Requirement"]:
    for text in texts:
        try:
            requirement = requirement_of(text)
            if environment.holds(requirement.marker):
                yield requirement
        except (ValueError, MarkerError, RecursionError):
            # A finding of its own.
            continue


def _writer(modules: Any, stream: io.BytesIO) -> Any:
    options: Mapping[str, Any] = {
        "dst_file": stream,
        "click_ctx": None,
        "dry_run": False,
        "emit_header": False,
        "emit_index_url": False,
        "emit_trusted_host": False,
        "annotate": False,
        "annotation_style": "split",
        "strip_extras": False,
        "default_index_url": "",
        "index_urls": [],
        "trusted_hosts": [],
        "format_control": modules.FormatControl(),
        "linesep": "\n",
        "allow_unsafe": True,
        "find_links": [],
        "emit_find_links": False,
        "emit_options": False,
    }
    return modules.OutputWriter(**options)
