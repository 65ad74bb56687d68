"""Modularity: which streams are active, which packages they hide, by the rules of dnf.

The documents are those of modules.yaml (modulemd v2 and v1, modulemd-defaults v1); obsoletes of modules are not
followed, as dnf does not by default. What an active stream hides follows libdnf: the artifacts of all streams
that are not active, and of the packages that are in no active stream, those that have the name of an active
artifact or provide it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.base.yaml_documents import parse_yaml
from ppcdeps.model.documents import DocumentError
from ppcdeps.model.errors import UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass

_SOURCE_ARCHES = frozenset({"src", "nosrc"})


@dataclass(frozen=True, slots=True)
class ModuleStream:
    """One build of a stream: what it holds, and what it needs of other modules.

    ``requires`` are alternatives: at least one of the mappings must hold, each maps a module to the streams
    of which one must be active (none named: any; a leading ``-``: not that one).
    """

    name: str
    stream: str
    version: int
    context: str
    arch: str
    artifacts: tuple[str, ...] = ()
    """NEVRAs with their epoch, 0 as well, as modules.yaml has them."""
    requires: tuple[Mapping[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}:{self.stream}:{self.version}:{self.context}:{self.arch}"


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """The modules of one repository. ``defaults`` maps a module to its default stream."""

    streams: tuple[ModuleStream, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModuleVerdict:
    """What modularity does to the packages of all repositories that are not exempt (module_hotfixes).

    A package is hidden if its NEVRA is in ``excluded``, or if it is not in ``included`` and has, or
    provides, one of ``hidden_names`` (``hidden_sources`` for source packages). NEVRAs leave an epoch of 0
    out. ``active`` are the active streams as ``name:stream``; ``problems`` say which wanted ones could not
    be.
    """

    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    hidden_names: frozenset[str] = frozenset()
    hidden_sources: frozenset[str] = frozenset()
    active: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def hides(self, nevra: Nevra, provides: Iterable[str] = ()) -> bool:
        """Whether a package is invisible. ``provides`` are the names of its capabilities."""
        text = str(nevra)
        if text in self.included:
            return False
        if text in self.excluded:
            return True
        if nevra.arch in _SOURCE_ARCHES:
            return nevra.name in self.hidden_sources
        return nevra.name in self.hidden_names or not self.hidden_names.isdisjoint(provides)


def read_modules(path: Path) -> ModuleIndex:
    """Read a modules.yaml, compressed or not. Raises DamagedError where it is none.

    A document of a kind or version that is not known is passed over, as libmodulemd does.
    """
    streams: list[ModuleStream] = []
    defaults: dict[str, tuple[int, str]] = {}
    for document in load_documents(path):
        data = document.get("data")
        if not isinstance(data, dict):
            continue
        try:
            match document.get("document"):
                case "modulemd":
                    streams.append(_stream_of(data))
                case "modulemd-defaults" if data.get("stream") is not None:
                    # A number that grows says which of two defaults is the newer one.
                    modified = int(data.get("modified") or 0)
                    name = str(data["module"])
                    if name not in defaults or defaults[name][0] <= modified:
                        defaults[name] = (modified, str(data["stream"]))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as fault:
            raise DamagedError(f"has a malformed module document ({fault!r})") from fault
    return ModuleIndex(tuple(streams), {name: stream for name, (_, stream) in defaults.items()})


def load_documents(path: Path) -> list[Mapping[str, Any]]:
    """The documents of a modules.yaml as they are. Raises DamagedError where it is not YAML."""
    try:
        with open_stream(path, ceiling="metadata_modules") as stream:
            documents = parse_yaml(stream, size="metadata_modules", depth="metadata_depth")
    except DocumentError as fault:
        raise DamagedError(str(fault)) from fault
    return [document for document in documents if isinstance(document, dict)]


def module_filter(
    indexes: Sequence[ModuleIndex],
    enabled_streams: Sequence[str],
    platform_id: str | None,
    *,
    arch: str | None = None,
) -> ModuleVerdict:
    """What is hidden where these streams (``name:stream``) are enabled, and default streams otherwise.

    ``platform_id`` is ``platform:el9`` or the like; without it, no stream is refused over its platform.
    ``arch`` leaves out streams of other architectures, of which dnf would know nothing. Raises UsageError
    where an enabled stream is in no repository, or two streams of one module are enabled.
    """
    streams = [one for index in indexes for one in index.streams if arch is None or one.arch in (arch, "noarch")]
    if not streams and not enabled_streams:
        return ModuleVerdict()
    enabled = _enabled(enabled_streams, streams)
    solver = _Activation(streams, enabled, _defaults(indexes), platform_id)
    active = solver.run()
    included = {artifact for one in active for artifact in one.artifacts}
    excluded = {artifact for one in streams for artifact in one.artifacts} - included
    names: set[str] = set()
    sources: set[str] = set()
    for nevra in map(_nevra, included):
        if nevra is not None:
            (sources if nevra.arch in _SOURCE_ARCHES else names).add(nevra.name)
    return ModuleVerdict(
        _normalised(included),
        _normalised(excluded),
        frozenset(names),
        frozenset(sources),
        tuple(sorted({f"{one.name}:{one.stream}" for one in active})),
        tuple(solver.problems),
    )


# Choosing ---------------------------------------------------------------------------------------------------


class _Activation:
    """Activates the enabled streams, then the default ones, each with what it requires.

    A depth-first search stands for the solver of libdnf: for each stream the newest version, for each
    version the first context whose requirements can be met without a second stream of any module.
    """

    def __init__(
        self,
        streams: Sequence[ModuleStream],
        enabled: Mapping[str, str],
        defaults: Mapping[str, str],
        platform_id: str | None,
    ) -> None:
        self._by_stream: dict[tuple[str, str], list[ModuleStream]] = {}
        for one in streams:
            self._by_stream.setdefault((one.name, one.stream), []).append(one)
        for builds in self._by_stream.values():
            builds.sort(key=lambda one: (-one.version, one.context))
        self._enabled = enabled
        self._defaults = defaults
        self._platform = platform_id
        self.problems: list[str] = []

    def run(self) -> list[ModuleStream]:
        chosen: dict[str, ModuleStream] = {}
        wanted = [*sorted(self._enabled.items())]
        wanted += [item for item in sorted(self._defaults.items()) if item[0] not in self._enabled]
        for name, stream in wanted:
            if (name, stream) not in self._by_stream:
                continue
            grown = self._activate(name, (stream,), chosen)
            if grown is None:
                self.problems.append(
                    f"module {name}:{stream} cannot be active: what it requires of other modules is not there"
                )
            else:
                chosen = grown
        # Every build of an active stream counts whose requirements the active streams meet, older versions
        # too: dnf lets users downgrade within a stream.
        return [
            build
            for one in chosen.values()
            for build in self._by_stream[one.name, one.stream]
            if self._satisfied(build, chosen) == chosen
        ]

    def _activate(
        self, name: str, streams: Iterable[str], chosen: dict[str, ModuleStream]
    ) -> dict[str, ModuleStream] | None:
        """The choice with one of these streams of the module added, or None where none can be."""
        have = chosen.get(name)
        for stream in streams:
            if have is not None:
                if have.stream == stream:
                    return chosen
                continue
            for build in self._by_stream.get((name, stream), ()):
                # The build is chosen before its requirements are looked at, so that modules may require each other.
                grown = self._satisfied(build, chosen | {name: build})
                if grown is not None:
                    return grown
        return None

    def _satisfied(self, build: ModuleStream, chosen: dict[str, ModuleStream]) -> dict[str, ModuleStream] | None:
        if not build.requires:
            return chosen
        for alternative in build.requires:
            grown = self._all_met(alternative, chosen)
            if grown is not None:
                return grown
        return None

    def _all_met(
        self, needs: Mapping[str, tuple[str, ...]], chosen: dict[str, ModuleStream]
    ) -> dict[str, ModuleStream] | None:
        for name, streams in needs.items():
            grown = self._met(name, streams, chosen)
            if grown is None:
                return None
            chosen = grown
        return chosen

    def _met(
        self, name: str, streams: tuple[str, ...], chosen: dict[str, ModuleStream]
    ) -> dict[str, ModuleStream] | None:
        # The platform is a module in name only: dnf makes its stream from PLATFORM_ID of os-release.
        if name == "platform":
            return chosen if self._platform is None or self._is_platform(streams) else None
        return self._activate(name, self._preferred(name, streams), chosen)

    def _is_platform(self, streams: tuple[str, ...]) -> bool:
        ours = (self._platform or "").removeprefix("platform:")
        refused = {one[1:] for one in streams if one.startswith("-")}
        accepted = {one for one in streams if not one.startswith("-")}
        return ours not in refused and (not accepted or ours in accepted)

    def _preferred(self, name: str, streams: tuple[str, ...]) -> list[str]:
        """The streams that would do: the enabled one alone if there is one, else the default one first."""
        refused = {one[1:] for one in streams if one.startswith("-")}
        accepted = [one for one in streams if not one.startswith("-")]
        known = sorted(stream for module, stream in self._by_stream if module == name)
        usable = [one for one in accepted or known if one not in refused]
        if name in self._enabled:
            return [one for one in usable if one == self._enabled[name]]
        default = self._defaults.get(name)
        return sorted(usable, key=lambda one: (one != default, one))


def _enabled(texts: Sequence[str], streams: Sequence[ModuleStream]) -> dict[str, str]:
    enabled: dict[str, str] = {}
    for text in texts:
        name, _, stream = text.partition(":")
        known = sorted({one.stream for one in streams if one.name == name})
        if stream not in known:
            there = f"there are {', '.join(known)}" if known else "no repository has this module"
            raise UsageError(f"the module stream {text} is not in any repository; {there}")
        if enabled.get(name, stream) != stream:
            raise UsageError(f"two streams of module {name} are enabled: {enabled[name]} and {stream}")
        enabled[name] = stream
    return enabled


def _defaults(indexes: Sequence[ModuleIndex]) -> dict[str, str]:
    """The default stream of each module. Repositories that disagree leave a module without, as libmodulemd
    does.
    """
    said: dict[str, set[str]] = {}
    for index in indexes:
        for name, stream in index.defaults.items():
            said.setdefault(name, set()).add(stream)
    return {name: next(iter(streams)) for name, streams in said.items() if len(streams) == 1}


# Reading ----------------------------------------------------------------------------------------------------


def _stream_of(data: Mapping[str, Any]) -> ModuleStream:
    artifacts = (data.get("artifacts") or {}).get("rpms") or ()
    return ModuleStream(
        str(data["name"]),
        str(data["stream"]),
        int(data["version"]),
        str(data.get("context") or ""),
        str(data.get("arch") or "noarch"),
        tuple(str(one) for one in artifacts),
        _requires_of(data.get("dependencies")),
    )


def _requires_of(dependencies: Any) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    if not dependencies:
        return ()
    if isinstance(dependencies, dict):
        # Version 1: one mapping of module to one stream.
        return ({str(k): (str(v),) for k, v in (dependencies.get("requires") or {}).items()},)
    return tuple(
        {str(k): tuple(str(one) for one in v or ()) for k, v in (one.get("requires") or {}).items()}
        for one in dependencies
    )


def _nevra(text: str) -> Nevra | None:
    try:
        return Nevra.parse(text)
    except ValueError:
        return None


# Artifacts have every epoch written out, and the text of a Nevra leaves 0 out.
_EPOCH_ZERO = re.compile(r"-0:(?=[^:]+$)")


def _normalised(artifacts: Iterable[str]) -> frozenset[str]:
    return frozenset(_EPOCH_ZERO.sub("-", one.removesuffix(".rpm"), count=1) for one in artifacts)
