"""Why the solver found nothing, read from all rules of a problem.

The one-line text of libsolv names a wrong culprit for boolean dependencies ("requires filesystem, but none of the
providers can be installed" where a file is missing); the rules have the right one.
"""

from collections.abc import Callable

from ppcdeps.model.capability import Capability, Requirement, Rich, parse_requirement
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.solving import SolverResult


@dataclass(frozen=True, slots=True)
class Lacking:
    """Nothing provides what a package requires."""

    requirement: str
    package: int


@dataclass(frozen=True, slots=True)
class PackageClash:
    """Two packages that cannot be installed together, and the words of the rule that says so.

    ``kind`` is conflicts, obsoletes or same-name.
    """

    kind: str
    package: int
    other: int
    dependency: str
    text: str


@dataclass(frozen=True, slots=True)
class UninstallableProviders:
    """A requirement that only packages with problems of their own would satisfy."""

    requirement: str
    package: int


Statement = Lacking | PackageClash | UninstallableProviders

Provided = Callable[[Requirement], bool]
"""Whether any one package satisfies a plain capability, or a boolean one with `with` or `without`."""


def statements_of(result: SolverResult) -> list[Statement]:
    """Everything the rules behind the problems say, each thing once, in a stable order.

    Takes the result, not its problems: these are dead once the solver is freed, and reading them crashes.
    """
    solv = libsolv().Solver
    lacking = {solv.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP, solv.SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP}
    clashes = {
        solv.SOLVER_RULE_PKG_CONFLICTS: "conflicts",
        solv.SOLVER_RULE_PKG_SELF_CONFLICT: "conflicts",
        solv.SOLVER_RULE_PKG_OBSOLETES: "obsoletes",
        solv.SOLVER_RULE_PKG_IMPLICIT_OBSOLETES: "obsoletes",
        solv.SOLVER_RULE_PKG_SAME_NAME: "same-name",
    }
    found: dict[Statement, None] = {}
    for problem in result.problems:
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                package = info.solvable.id if info.solvable else 0
                dependency = str(info.dep) if info.dep else ""
                if info.type in lacking:
                    found[Lacking(dependency, package)] = None
                elif info.type in clashes and info.othersolvable:
                    other = info.othersolvable.id
                    found[PackageClash(clashes[info.type], package, other, dependency, info.problemstr())] = None
                elif info.type == solv.SOLVER_RULE_PKG_REQUIRES and dependency:
                    found[UninstallableProviders(dependency, package)] = None
    return list(found)


def missing_leaves(requirement: str, provided: Provided) -> list[str]:
    """What would satisfy a requirement if it were provided: each text is what one package must satisfy.

    For a boolean dependency these are its consequences that nothing provides, never its conditions. Operands of
    `with` and `without` speak of one package, so such a dependency counts as one thing.
    """
    try:
        return [str(leaf) for leaf in _leaves(parse_requirement(requirement), provided)]
    except ValueError:
        return [requirement]


def hypothetical_leaves(requirement: str, provided: Provided) -> list[str]:
    """Those of the missing leaves that are asked only under a condition which nothing that is there satisfies.

    ``(macros = 2 if macros)`` asks for nothing as long as there are no macros: it says which version they must have.
    """
    try:
        found = _hypothetical(parse_requirement(requirement), provided)
    except ValueError:
        return []
    return [str(leaf) for leaf in found]


def _hypothetical(requirement: Requirement, provided: Provided) -> list[Requirement]:
    match requirement:
        case Rich("and", operands, _):
            return [leaf for operand in operands for leaf in _hypothetical(operand, provided)]
        case Rich("if", (consequence, condition), None) if not _holds(condition, provided):
            return _leaves(consequence, provided)
        case _:
            return []


def _leaves(requirement: Requirement, provided: Provided) -> list[Requirement]:
    match requirement:
        case Capability() | Rich("with" | "without"):
            return [] if provided(requirement) else [requirement]
        case Rich("and", operands, _):
            return [leaf for operand in operands for leaf in _leaves(operand, provided)]
        case Rich("or", operands, _):
            return _leaves(operands[0], provided)
        case Rich("if", (consequence, condition), otherwise):
            then = _leaves(consequence, provided)
            if otherwise is None or _holds(condition, provided):
                return then
            return _leaves(otherwise, provided)
        case Rich("unless", (consequence, *_), _):
            return _leaves(consequence, provided)
        case _:
            return []


def _holds(requirement: Requirement, provided: Provided) -> bool:
    return not _leaves(requirement, provided)
