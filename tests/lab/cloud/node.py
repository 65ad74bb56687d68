"""Runs inside: compute nodes with drivers that need no hypervisor, and services that hang.

node.py ensure HOST=DRIVER...    start those that do not run, and wait until all can take guests
node.py start HOST DRIVER        labnode.PowerDriver, or nova's own fake.FakeDriver
node.py stop HOST
node.py freeze SERVICE           it takes connections and answers none
node.py thaw SERVICE
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from configuration import nova, written
from processes import PIDS, is_running, start, stop, wait_for

NOVA = Path("/usr/lib/python3/dist-packages/nova/virt")
_MAPPED = "SELECT host FROM nova_api.host_mappings"
_REPORTED = """
SELECT DISTINCT name FROM placement.resource_providers AS provider
JOIN placement.inventories ON resource_provider_id = provider.id
JOIN placement.resource_provider_traits USING (resource_provider_id)
"""
PROGRAM = "from nova.cmd.compute import main; main()"


def main() -> None:
    """Do what the command line says."""
    verb, name, *words = sys.argv[1:]
    match verb:
        case "stop":
            stop(f"compute-{name}")
        case "freeze" | "thaw":
            # The whole session: a service's workers with it.
            os.killpg(int((PIDS / name).read_text()), signal.SIGSTOP if verb == "freeze" else signal.SIGCONT)
        case "start":
            stop(f"compute-{name}")
            begin(name, words[0])
            wait_for(f"cell of {name}", lambda: can_take_guests([name]))
        case "ensure":
            wanted = dict(word.split("=") for word in (name, *words))
            for host, driver in wanted.items():
                if not is_running(f"compute-{host}"):
                    begin(host, driver)
            wait_for(f"cell of {', '.join(wanted)}", lambda: can_take_guests(wanted))


def begin(host: str, driver: str) -> None:
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
    start(f"compute-{host}", "nova", ["python3", "-c", PROGRAM, "--config-file", str(file)])


def hosts() -> list[str]:
    """The hosts that a cell has. nova's own command takes longer to say so than a host takes to come up."""
    return _answers(_MAPPED)


def can_take_guests(names: Iterable[str]) -> bool:
    """Whether all these hosts are in a cell, and placement has what they report."""
    return set(names) <= {*hosts()} & {*_answers(_REPORTED)}


def _answers(statement: str) -> list[str]:
    command = ["mysql", "--batch", "--skip-column-names", "--execute", statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    main()
