"""The checks of a compute node on the node itself, in one: host, packages, Python, and what guests will be."""

from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.findings import Report
from ppcdeps.checking.guest.properties import read_nova_conf
from ppcdeps.checking.host.planned import check_planned
from ppcdeps.metadata.targets import list_targets
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, Constraints, parse_constraints
from ppcdeps.workflows.check_guest import GuestByNova, HypervisorChoice, check_guest
from ppcdeps.workflows.checks import ApiCheck, Installation, check_host, report_of

NOVA_CONF = (Path("/etc/nova/nova.conf"), Path("/etc/nova/nova-compute.conf"))
"""Where nova-compute is configured: the last that says something of guests counts, as nova reads them."""


@dataclass(frozen=True, slots=True)
class LocalChoice:
    """What the node is to be: its nova, a version or release (default: the one that it has); its target (default: the
    plan's, or its own distribution); the virtual environment that nova runs in (default: the system); the plan that
    it was installed by, or the lock's constraints; nova.conf.
    """

    nova: str | None = None
    target: str | None = None
    root: Path = Path("/")
    plan: Path | None = None
    constraints: Path | None = None
    nova_conf: Path | None = None


def check_local(choice: LocalChoice, cache: Cache, reporter: Reporter) -> tuple[Report, ...]:
    """The reports of `check host`, of the plan's packages, of `check env --api`, and of `check guest` for what
    nova.conf says of every guest.

    What cannot be looked at is said by the reporter. Raises ConfigError for files that cannot be read, UsageError for
    a nova or target that is not known.
    """
    plan = load_plan(choice.plan) if choice.plan is not None else None
    found = (choice.nova_conf,) if choice.nova_conf is not None else tuple(one for one in NOVA_CONF if one.is_file())
    read_nova_conf(*found)  # a fault in it is said before what takes long
    environment = Installation(choice.root).read()
    reports = [check_host(target=choice.target or _known_target(plan), nova=choice.nova)]
    held: Path | Constraints | None = choice.constraints
    if plan is None:
        reporter.warn("the packages are compared with no plan: name that of the node with --plan")
    elif environment.rpm is None or environment.rpm.unread:
        why = "there is none" if environment.rpm is None else environment.rpm.unread
        reporter.warn(f"the plan's packages are not looked at in the RPM database: {why}")
    else:
        reports.append(check_planned(plan, environment.rpm.installed, "this machine"))
    if plan is not None:
        held = held or _pins_of(plan, environment, str(choice.plan))
    if held is None or held is NO_CONSTRAINTS:
        reporter.warn("Python's distributions are compared with no pins: name the lock's with --constraints")
    reports.append(report_of(environment, reporter, held, ApiCheck(cache, offline=True)))
    if not found:
        reporter.warn(f"guests are not looked at: there is neither {' nor '.join(map(str, NOVA_CONF))}")
        return tuple(reports)
    try:
        by_nova = GuestByNova(nova_conf=found, nova=choice.nova)
        reports.append(check_guest(by_nova, HypervisorChoice(), reporter).report)
    except EnvironmentLacksError as error:
        reporter.warn(f"guests of {' and '.join(map(str, found))} are not looked at: {error.line}")
    return tuple(reports)


def _known_target(plan: Plan | None) -> str | None:
    """The plan's target, where it is one of the shipped ones: what its own file says is not known here."""
    return plan.target if plan is not None and plan.target in list_targets() else None


def _pins_of(plan: Plan, environment: Environment, origin: str) -> Constraints:
    """What the plan has pip install, as constraints."""
    if plan.python is None:
        return NO_CONSTRAINTS
    by_pip = (one for one in plan.python.distributions if one.provision is not Provision.RPM)
    text = "".join(f"{one.name}=={one.version}\n" for one in by_pip)
    return parse_constraints(text, environment.target, origin=origin)
