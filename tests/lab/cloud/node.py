"""Runs inside: compute nodes with drivers that need no hypervisor, and services that hang.

node.py ensure HOST=DRIVER...    start those that do not run, and wait until all can take guests
node.py start HOST DRIVER        labnode.PowerDriver, or nova's own fake.FakeDriver
node.py agents HOST DRIVER       that node with neutron's agents: of bridges, of DHCP, of metadata
node.py stop HOST
node.py freeze SERVICE           it takes connections and answers none
node.py thaw SERVICE
node.py scheduler NAME=VALUE...  nova-scheduler anew, with these settings of its section scheduler
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from configuration import agents, nova, written
from control import wsgi
from processes import PIDS, is_running, start, stop, wait_for

NOVA = Path("/usr/lib/python3/dist-packages/nova/virt")
_MAPPED = "SELECT host FROM nova_api.host_mappings"
_REPORTED = """
SELECT DISTINCT name FROM placement.resource_providers AS provider
JOIN placement.inventories ON resource_provider_id = provider.id
JOIN placement.resource_provider_traits USING (resource_provider_id)
"""
_REPORTS = "SELECT host, report_count FROM nova.services WHERE `binary` = 'nova-compute' AND deleted = 0"
_SCHEDULER = "SELECT report_count FROM nova.services WHERE `binary` = 'nova-scheduler' AND deleted = 0"
AGENTS = ("linuxbridge-agent", "dhcp-agent", "metadata-agent")
_AGENTS = "SELECT id FROM neutron.agents WHERE host = '{host}'"
PROGRAM = "from nova.cmd.compute import main; main()"


def main() -> None:
    """Do what the command line says."""
    verb, *names = sys.argv[1:]
    if verb == "scheduler":
        schedule(dict(word.split("=") for word in names))
        return
    name, *words = names
    match verb:
        case "stop":
            stop(f"compute-{name}")
        case "freeze" | "thaw":
            # The whole session: a service's workers with it.
            os.killpg(int((PIDS / name).read_text()), signal.SIGSTOP if verb == "freeze" else signal.SIGCONT)
        case "start":
            stop(f"compute-{name}")
            before = reports([name])
            begin(name, words[0])
            wait_for_nodes(before)
        case "agents":
            stop(f"compute-{name}")
            before = reports([name])
            begin(name, words[0], "root")
            network(name)
            wait_for_nodes(before)
        case "ensure":
            wanted = dict(word.split("=") for word in (name, *words))
            before = reports(wanted)
            for host, driver in wanted.items():
                if not is_running(f"compute-{host}"):
                    begin(host, driver)
            wait_for_nodes(before)


def network(host: str) -> None:
    """Start neutron's agents for a host of that name, and nova's metadata service."""
    file = Path("/etc/neutron/agents.conf")
    file.write_text(agents(host))
    for service in ("nova-metadata", *AGENTS):
        stop(service)
    wsgi("nova-metadata", "nova", 8775, "/usr/bin/nova-metadata-wsgi", threads=1)
    # The agent of bridges names itself by the hardware address of a device, and the loopback has none.
    subprocess.run(["ip", "link", "add", "lab0", "type", "bridge"], check=False, capture_output=True)
    for agent in AGENTS:
        start(agent, "root", [f"neutron-{agent}", "--config-file", str(file)])
    wait_for("agents", lambda: len(_answers(_AGENTS.format(host=host))) == len(AGENTS))


def begin(host: str, driver: str, user: str = "nova") -> None:
    """Start nova-compute for a host of that name."""
    shutil.copy(Path(__file__).parent / "labnode.py", NOVA / "labnode.py")
    for folder in ("faults", "marks"):
        place = Path("/laboratory", folder)
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    instances = Path(f"/var/lib/nova/{host}")
    instances.mkdir(exist_ok=True)
    shutil.chown(instances, "nova", "nova")
    settings = nova(host=host, compute_driver=driver, instances_path=str(instances), update_resources_interval="10")
    settings["oslo_concurrency"]["lock_path"] = str(instances)
    file = Path(f"/etc/nova/{host}.conf")
    file.write_text(written(settings))
    start(f"compute-{host}", user, ["python3", "-c", PROGRAM, "--config-file", str(file)])


def schedule(more: Mapping[str, str]) -> None:
    """Start nova-scheduler anew, and wait until it is up. What is sent to it meanwhile waits in its queue."""
    settings = nova()
    settings["scheduler"] |= more
    file = Path("/etc/nova/scheduler.conf")
    file.write_text(written(settings))
    stop("nova-scheduler")
    before = _answers(_SCHEDULER)
    start("nova-scheduler", "nova", ["nova-scheduler", "--config-file", str(file)])
    # Who asks waits for a minute: on a busy machine it may not be up by then.
    wait_for("report of the scheduler", lambda: _answers(_SCHEDULER) != before)


def hosts() -> list[str]:
    """The hosts that a cell has. nova's own command takes longer to say so than a host takes to come up."""
    return _answers(_MAPPED)


def reports(names: Iterable[str]) -> dict[str, int]:
    """How often the service of each of these hosts has said that it is up."""
    found = _answers(_REPORTS)
    counts = dict(zip(found[::2], map(int, found[1::2]), strict=True))
    return {name: counts.get(name, 0) for name in names}


def wait_for_nodes(before: Mapping[str, int]) -> None:
    """Wait until hosts are in a cell, placement has what they report, and each has reported since.

    A host that is started again has been in all of it before, and nova takes it as down until its next report.
    """

    def can_take_guests() -> bool:
        has_reported = {name for name, count in reports(before).items() if count > before[name]}
        return set(before) <= has_reported & {*hosts()} & {*_answers(_REPORTED)}

    wait_for(f"report of {', '.join(before)}", can_take_guests)


def _answers(statement: str) -> list[str]:
    command = ["mysql", "--batch", "--skip-column-names", "--execute", statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    main()
