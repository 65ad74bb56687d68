"""Requests to the solver: packages that exist only to require what is to be satisfied together."""

from collections.abc import Iterable
from typing import Any

from ppcdeps.model.capability import capabilities_in, parse_requirement
from ppcdeps.model.errors import UsageError
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import dependency
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.universe import Universe


@dataclass(frozen=True, slots=True)
class Request:
    """A package made for one request: its requirements are what must be satisfied together."""

    id: int
    title: str


def request_packages(
    universe: Universe, title: str, requirements: Iterable[str], exactly: Iterable[int] = ()
) -> Request:
    """A request for packages that satisfy all requirements, and for these packages ``exactly``.

    As with `dnf install`, the bare name of a package stands for that package or for one that obsoletes it, and a text
    that nothing provides may be a package's identity, parts of it, or a glob (`ppcdeps.rpm.subjects`).
    Raises UsageError where a requirement is not well-formed.
    """
    deps = []
    for text in sorted(set(requirements)):
        universe.provide_symbols(text)
        try:
            deps += _as_dnf_takes(universe, text, dependency(universe.pool, text))
            paths = {each.name for each in capabilities_in(parse_requirement(text)) if each.is_path}
        except ValueError as error:
            raise UsageError(f"{title}: {error}") from error
        if paths:
            universe.index.outdate(paths=True)
            universe.paths.request(paths)
    deps += [_exactly(universe, package) for package in exactly]
    return request_dependencies(universe, title, deps)


def request_dependencies(
    universe: Universe, title: str, deps: Iterable[Any], conflicts: Iterable[Any] = ()
) -> Request:
    """A request made of libsolv's own dependencies, such as the BuildRequires of a source package.

    ``conflicts`` are what must not be installed with it.
    """
    solv = libsolv()
    request = universe.requests.add_solvable()
    request.name, request.evr, request.arch = f"@{title}", "0-0", "noarch"
    for dep in deps:
        request.add_deparray(solv.SOLVABLE_REQUIRES, dep)
    for dep in conflicts:
        request.add_deparray(solv.SOLVABLE_CONFLICTS, dep)
    return Request(request.id, title)


def _as_dnf_takes(universe: Universe, text: str, dep: Any) -> list[Any]:
    """The dependencies that stand for a subject of `dnf install`: one for each name that a glob fits."""
    if any(sign in text for sign in " /") or universe.providers(dep.id):
        return [_as_dnf_means(universe, text, dep)]
    from ppcdeps.rpm.subjects import is_glob, packages_meant

    found = []
    for meant in packages_meant(universe, text):
        if meant.by_name:
            found.append(_as_dnf_means(universe, meant.name, universe.pool.Dep(meant.name)))
            continue
        mark = universe.pool.Dep(f"{text} ({meant.name})" if is_glob(text) else text)
        known = {s.id for s in universe.pool.whatprovides(mark)}
        _provide(universe, mark, [each for each in meant.packages if each not in known])
        found.append(mark)
    return found or [_as_dnf_means(universe, text, dep)]


def _as_dnf_means(universe: Universe, name: str, dep: Any) -> Any:
    """The dependency that stands for `dnf install` of a bare name.

    Where the target has packages of the name, others that only provide it do not count; packages that obsolete
    one of the name do. Where that is not what the name alone says, the right ones are marked.
    """
    named = {role: universe.named(name, role) for role in (Role.TARGET, Role.REFERENCE, Role.STANDIN)}
    meant = {i for found in named.values() for i in found}
    if not meant:
        return dep
    providers = set(universe.providers(dep.id))
    meant |= {i for package in meant for i in universe.obsoleting(universe.nevra(package))}
    if not named[Role.TARGET]:
        meant |= providers
    if meant == providers:
        return dep
    mark = universe.pool.Dep(f"package({name})")
    _provide(universe, mark, meant.difference(s.id for s in universe.pool.whatprovides(mark)))
    return mark


def _exactly(universe: Universe, package: int) -> Any:
    """A dependency that one package satisfies, and no other of its name and version.

    It reads as what any build of the version satisfies, and is one name to the solver.
    """
    mark = universe.pool.Dep(universe.nevra(package).any_release)
    _provide(universe, mark, [package])
    return mark


def _provide(universe: Universe, mark: Any, packages: Iterable[int]) -> None:
    for package in packages:
        universe.pool.id2solvable(package).add_deparray(libsolv().SOLVABLE_PROVIDES, mark)
        universe.index.outdate()
