"""Runs inside: start, stop or kill a compute node with one of nova's drivers that need no hypervisor.

node.py start HOST DRIVER    labnode.PowerDriver, or nova's own fake.FakeDriver
node.py stop HOST
"""

import shutil
import subprocess
import sys
from pathlib import Path

from configuration import nova, written
from processes import start, stop, wait_for

NOVA = Path("/usr/lib/python3/dist-packages/nova/virt")
PROGRAM = "from nova.cmd.compute import main; main()"


def main() -> None:
    """Do what the command line says."""
    verb, host, *driver = sys.argv[1:]
    name = f"compute-{host}"
    if verb == "stop":
        stop(name)
        return
    shutil.copy(Path(__file__).parent / "labnode.py", NOVA / "labnode.py")
    for folder in ("faults", "marks"):
        place = Path("/laboratory", folder)
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    file = Path(f"/etc/nova/{host}.conf")
    instances = Path(f"/var/lib/nova/{host}")
    instances.mkdir(exist_ok=True)
    shutil.chown(instances, "nova", "nova")
    chosen = driver[0] if driver else "labnode.PowerDriver"
    settings = nova(host=host, compute_driver=chosen, instances_path=str(instances))
    settings["DEFAULT"]["update_resources_interval"] = "2"
    settings["oslo_concurrency"]["lock_path"] = str(instances)
    file.write_text(written(settings))
    start(name, "nova", ["python3", "-c", PROGRAM, "--config-file", str(file)])
    wait_for(f"cell of {host}", lambda: host in _hosts())


def _hosts() -> str:
    command = ["nova-manage", "cell_v2", "list_hosts"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
