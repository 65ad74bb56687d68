"""What breaks at run time, found before it does: in an installed Python, in a lock, on a POWER host."""

from pathlib import Path

from ppcdeps.base.atomic import write_output
from ppcdeps.base.cache import Cache
from ppcdeps.checking.api.lockcheck import check_lock as check_read_lock
from ppcdeps.checking.api.locks import read_lock
from ppcdeps.checking.env.api_use import with_api
from ppcdeps.checking.env.check import report_on
from ppcdeps.checking.env.environment import Environment, read_environment
from ppcdeps.checking.findings import Report
from ppcdeps.checking.host import hostfacts
from ppcdeps.checking.host.check import HostPurpose, distribution_of, nova_of
from ppcdeps.checking.host.check import check_host as check_facts
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.planning.nova import nova_facts
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, Constraints
from ppcdeps.workflows.index import open_index


@dataclass(frozen=True, slots=True)
class Installation:
    """An installed Python to check: the root folder of a system, of any architecture, or a virtual environment.

    ``python`` and ``user_home`` are paths inside the root; ``isolated`` is the search path of ``python -s``.
    """

    root: Path
    python: Path | None = None
    isolated: bool = False
    user_home: str | None = None

    def read(self) -> Environment:
        """What is installed there. Raises UsageError and ConfigError where there is no such Python."""
        return read_environment(self.root, self.python, isolated=self.isolated, user_home=self.user_home)


@dataclass(frozen=True, slots=True)
class ApiCheck:
    """How names that distributions use of each other are followed.

    ``tests``: in the tests that they ship, too. ``find_versions``: look at other releases for what is missing, on the
    index, of which nothing new is fetched where ``offline`` is set.
    """

    cache: Cache
    tests: bool = False
    find_versions: bool = False
    offline: bool = False


def check_env(
    installation: Installation, reporter: Reporter, *, constraints: Path | None = None, api: ApiCheck | None = None
) -> Report:
    """What is wrong with an installed Python. Nothing in it is run.

    ``constraints`` are versions that it is to have, in pip's format; ``api`` follows names across distributions.
    Raises ConfigError for what cannot be read, RepositoryError where the index cannot.
    """
    return report_of(installation.read(), reporter, constraints, api)


def report_of(
    environment: Environment, reporter: Reporter, constraints: Path | Constraints | None, api: ApiCheck | None
) -> Report:
    """What is wrong with an environment that has been read. Raises like ``check_env``."""
    report = report_on(environment, reporter, NO_CONSTRAINTS if constraints is None else constraints)
    if api is None:
        return report
    with open_index(api.cache, reporter, offline=api.offline) as index:
        searched = index if api.find_versions else None
        return with_api(report, environment, api.cache, reporter, tests=api.tests, index=searched)


def check_lock(file: Path, api: ApiCheck, reporter: Reporter, *, python: str | None = None) -> Report:
    """Names that the distributions of a lock use of each other and do not have, at the pinned versions.

    The file is a plan, another lock, or requirements or constraints for pip; ``python`` is the target's version
    where the file does not say it. Raises ConfigError for a file that cannot be read, RepositoryError where the index
    does not have what it names.
    """
    lock = read_lock(file, python=python)
    with open_index(api.cache, reporter, offline=api.offline) as index:
        return check_read_lock(lock, index, reporter, tests=api.tests, find_versions=api.find_versions)


def check_host(*, collected: Path | None = None, target: str | None = None, nova: str | None = None) -> Report:
    """What keeps a host from being a compute node: this machine, or the one whose facts were collected in a file.

    ``target`` is by default the host's own distribution, where that is one, ``nova`` (a version or a release) the one
    that it has. Raises UsageError for a target or a nova that is not known, ConfigError for a file without facts.
    """
    facts = hostfacts.load_facts(collected) if collected is not None else hostfacts.collect()
    known = nova_facts()
    own = distribution_of(facts)
    named = target or (own.target if own else None)
    version = known.version(nova) if nova else nova_of(facts)
    wanted = HostPurpose("", "", version)
    if named:
        chosen = load_target(named)
        wanted = HostPurpose(chosen.name, chosen.cpu_baseline, version)
    subject = f"the facts in {collected}" if collected is not None else "this machine"
    return check_facts(facts, wanted, known, subject)


def collect_host(file: Path) -> str:
    """Write the facts of this machine that `check_host` judges to a file. Returns its text."""
    text = hostfacts.dump_facts(hostfacts.collect())
    write_output(file, text, "--collect")
    return text
