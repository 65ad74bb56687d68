"""The checks of a compute node on the node itself, in one: the host, its Python, and how guests are configured."""

from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.checking.findings import Report
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Reporter
from ppcdeps.workflows.check_guest import GuestByNova, HypervisorChoice, check_guest
from ppcdeps.workflows.checks import ApiCheck, Installation, check_env, check_host

NOVA_CONF = (Path("/etc/nova/nova.conf"), Path("/etc/nova/nova-compute.conf"))
"""Where nova-compute is configured: the last that says something of guests counts, as nova reads them."""


@dataclass(frozen=True, slots=True)
class LocalChoice:
    """What the node is to be: its nova, a version or release (default: the one that it has); its target; the virtual
    environment that nova runs in (default: the system); the lock's constraints; nova.conf.
    """

    nova: str | None = None
    target: str | None = None
    root: Path = Path("/")
    constraints: Path | None = None
    nova_conf: Path | None = None


def check_local(choice: LocalChoice, cache: Cache, reporter: Reporter) -> tuple[Report, ...]:
    """The reports of `check host`, of `check env --api`, and of `check guest` for what nova.conf says of every guest.

    What cannot be looked at is said by the reporter. Raises ConfigError for files that cannot be read, UsageError for
    a nova or target that is not known.
    """
    reports = [check_host(target=choice.target, nova=choice.nova)]
    installation = Installation(choice.root)
    reports.append(
        check_env(installation, reporter, constraints=choice.constraints, api=ApiCheck(cache, offline=True))
    )
    files = [choice.nova_conf] if choice.nova_conf is not None else [one for one in NOVA_CONF if one.is_file()]
    if not files:
        reporter.warn(f"guests are not looked at: there is neither {' nor '.join(map(str, NOVA_CONF))}")
    for file in files:
        by_nova = GuestByNova(nova_conf=file, nova=choice.nova)
        try:
            reports.append(check_guest(by_nova, HypervisorChoice(), reporter).report)
        except EnvironmentLacksError as error:
            reporter.warn(f"guests of {file} are not looked at: {error.line}")
    return tuple(reports)
