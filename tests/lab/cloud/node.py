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
from pathlib import Path

from configuration import nova, written
from processes import PIDS, is_running, start, stop, wait_for

NOVA = Path("/usr/lib/python3/dist-packages/nova/virt")
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
            wait_for(f"cell of {name}", lambda: name in hosts())
        case "ensure":
            wanted = dict(word.split("=") for word in (name, *words))
            for host, driver in wanted.items():
                if not is_running(f"compute-{host}"):
                    begin(host, driver)
            wait_for(f"cell of {', '.join(wanted)}", lambda: all(host in hosts() for host in wanted))


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
    settings = nova(host=host, compute_driver=driver, instances_path=str(instances), update_resources_interval="5")
    settings["oslo_concurrency"]["lock_path"] = str(instances)
    file = Path(f"/etc/nova/{host}.conf")
    file.write_text(written(settings))
    start(f"compute-{host}", "nova", ["python3", "-c", PROGRAM, "--config-file", str(file)])


def hosts() -> str:
    """The hosts that a cell has."""
    command = ["nova-manage", "cell_v2", "list_hosts"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
