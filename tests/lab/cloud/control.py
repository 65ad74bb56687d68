"""Runs inside: bring the control plane up, from empty databases to services that are up."""

import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from configuration import ADDRESS, IDENTITY, PASSWORD, SHARE, files
from processes import LOGS, run, start, succeeds, wait_for

USERS = ("keystone", "placement", "glance", "nova", "neutron", "cinder")
DATABASES = {
    "keystone": ("keystone",),
    "placement": ("placement",),
    "glance": ("glance",),
    "nova": ("nova", "nova_api", "nova_cell0"),
    "neutron": ("neutron",),
    "cinder": ("cinder",),
}
ML2 = ("--config-file", "/etc/neutron/neutron.conf", "--config-file", "/etc/neutron/plugins/ml2/ml2_conf.ini")
CATALOG = {
    "placement": ("placement", ":8778"),
    "glance": ("image", ":9292"),
    "nova": ("compute", ":8774/v2.1"),
    "neutron": ("network", ":9696"),
    "cinder": ("block-storage", ":8776/v3/%(project_id)s"),
}
_BEGAN = time.monotonic()


def say(what: str) -> None:
    """A line with the seconds since the start."""
    sys.stdout.write(f"[{time.monotonic() - _BEGAN:5.1f} s] {what}\n")
    sys.stdout.flush()


def configure() -> None:
    """Write every file, and make the folders."""
    for path, text in files().items():
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for user in USERS:
        for folder in (f"/var/lib/{user}/tmp", f"/var/log/{user}"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            subprocess.run(["chown", "-R", f"{user}:", folder], check=True)
        subprocess.run(["chgrp", "-R", user, f"/etc/{user}"], check=True)
    for owner, folder in (
        ("glance", "/var/lib/glance/images"),
        ("mysql", "/run/mysqld"),
        ("nova", "/var/lib/nova"),
        ("rabbitmq", "/var/log/rabbitmq"),
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, owner)
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} control\n")


def share() -> None:
    """A file system for volumes, where cinder's NFS driver takes its share as mounted.

    Not every kernel has an NFS client, or a device mapper for LVM.
    """
    Path("/srv/nfs").mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g,mode=777", "tmpfs", "/srv/nfs"], check=True)
    shutil.chown("/srv/nfs", "cinder", "cinder")
    for service in ("cinder", "nova"):
        place = Path(f"/var/lib/{service}/mnt", hashlib.md5(SHARE.encode(), usedforsecurity=False).hexdigest())
        place.mkdir(parents=True, exist_ok=True)
        shutil.chown(place.parent, service, service)
        subprocess.run(["mount", "--bind", "/srv/nfs", str(place)], check=True)


def wsgi(name: str, user: str, port: int, program: str, threads: int = 4) -> None:
    """Start an API under uwsgi."""
    options = ["--http-socket", f"{ADDRESS}:{port}", "--wsgi-file", program, "--master", "--lazy-apps"]
    options += ["--processes", "1", "--threads", str(threads), "--enable-threads", "--buffer-size", "65535"]
    options += ["--die-on-term", "--need-app", "--post-buffering", "65536", "--add-header", "Connection: close"]
    start(name, user, ["uwsgi_python311", *options])


def answers(url: str) -> bool:
    """Whether an HTTP server says anything at that address that is not an error of its own."""
    try:
        with urllib.request.urlopen(url, timeout=20):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


def rabbit() -> None:
    """The message queue, with its user."""
    shutil.rmtree("/var/lib/rabbitmq/mnesia", ignore_errors=True)
    values = {"RABBITMQ_NODENAME": "rabbit@localhost", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none"}
    start("rabbitmq", "rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], values)
    wait_for("rabbitmq", lambda: takes_connections(5672))
    say("rabbitmq")


def takes_connections(port: int) -> bool:
    """Whether something listens at that port."""
    try:
        with socket.create_connection((ADDRESS, port), timeout=20):
            return True
    except OSError:
        return False


def mariadb() -> None:
    """An empty database server, with the databases and their users."""
    data = Path("/var/lib/mysql")
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    # Nothing of it is to survive the cloud.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(data)], check=True)
    shutil.chown(data, "mysql", "mysql")
    run("mariadb", "mysql", "mysql_install_db", "--user=mysql", "--skip-test-db")
    options = ["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M", "--max-connections=400"]
    options += ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-log-file-size=64M"]
    start("mariadb", "mysql", ["mariadbd", *options, "--performance-schema=off", "--skip-log-bin"])
    wait_for("mariadb", lambda: succeeds("mysqladmin", "ping"))
    statements = []
    for user, names in DATABASES.items():
        for name in names:
            statements.append(f"CREATE DATABASE {name} CHARACTER SET utf8;")
            for host in ("localhost", "127.0.0.1"):
                statements.append(f"GRANT ALL ON {name}.* TO '{user}'@'{host}' IDENTIFIED BY '{PASSWORD}';")
    subprocess.run(["mysql"], input="\n".join(statements), text=True, check=True)
    say("mariadb")


def manage(service: str, *commands: Sequence[str]) -> None:
    """Run commands of a service's manager."""
    words = [word for command in commands for word in ("+", *command)]
    program = f"{service}-manage"
    run(program, service, "python3", "/lab/cloud/manage.py", program, f"{service}.cmd.manage", *words[1:])


def identity() -> None:
    """keystone, with its keys, its schema, and the catalog of all services."""
    for name in ("fernet-keys", "credential-keys"):
        folder = Path("/etc/keystone", name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.chown(folder, "keystone", "keystone")
    owner = ("--keystone-user", "keystone", "--keystone-group", "keystone")
    words = ["bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "RegionOne"]
    for interface in ("admin", "internal", "public"):
        words += [f"--bootstrap-{interface}-url", f"{IDENTITY}/v3"]
    manage("keystone", ("fernet_setup", *owner), ("credential_setup", *owner), ("db_sync",), words)
    say("keystone's schema")
    wsgi("keystone", "keystone", 5000, "/usr/bin/keystone-wsgi-public")
    wait_for("keystone", lambda: answers(f"{IDENTITY}/v3"))
    catalog()
    say("keystone")


def connection() -> Any:
    """The cloud as its administrator sees it."""
    import openstack

    return openstack.connect(
        auth_url=f"{IDENTITY}/v3",
        username="admin",
        password=PASSWORD,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
        identity_api_version="3",
    )


def catalog() -> None:
    """The services' users, and where the services are."""
    cloud = connection().identity
    project = cloud.create_project(name="service", domain_id="default")
    role = cloud.find_role("service") or cloud.create_role(name="service")
    roles = [cloud.find_role("admin"), role]
    for name, (kind, place) in CATALOG.items():
        user = cloud.create_user(name=name, password=PASSWORD, domain_id="default")
        for role in roles:
            cloud.assign_project_role_to_user(project, user, role)
        service = cloud.create_service(name=name, type=kind)
        for interface in ("public", "internal"):
            url = f"http://{ADDRESS}{place}"
            cloud.create_endpoint(service_id=service.id, interface=interface, region_id="RegionOne", url=url)


def nova_schema() -> None:
    """nova's three databases, and its one cell."""
    cell = ("cell_v2", "create_cell", "--name", "cell1")
    manage("nova", ("api_db", "sync"), ("cell_v2", "map_cell0"), cell, ("db", "sync"))
    say("nova's schema")


def network() -> None:
    """neutron's server without agents: nova asks it for ports, even of a guest that has none."""
    run("neutron-db-manage", "neutron", "neutron-db-manage", *ML2, "upgrade", "head")
    say("neutron's schema")


def images() -> None:
    """placement's and glance's schemas."""
    run("placement-manage", "placement", "placement-manage", "db", "sync")
    run("glance-manage", "glance", "glance-manage", "db_sync")
    say("placement's and glance's schema")


def without_rootwrap() -> None:
    """Let cinder, which runs as root here, do things without sudo and rootwrap, which cost seconds each time."""
    for name, text in (
        ("sudo", '[ "$1" = cinder-rootwrap ] && shift 2\nexec "$@"'),
        # cinder looks whether it is there; the share is mounted already.
        ("mount.nfs", "exit 0"),
    ):
        shim = Path("/usr/local/bin", name)
        shim.write_text(f"#!/bin/sh\n{text}\n")
        shim.chmod(0o755)


def volumes() -> None:
    """cinder's schema."""
    run("cinder-manage", "cinder", "cinder-manage", "db", "sync")
    say("cinder's schema")


def beside(*tasks: Callable[[], None]) -> None:
    """Do all of them, each in a process of its own. Ends the program where one fails."""
    running = {}
    for task in tasks:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                task()
                code = 0
            except Exception as error:
                say(f"{task.__name__}: {error}")
            finally:
                os._exit(code)
        running[pid] = task.__name__
    while running:
        pid, status = os.waitpid(-1, 0)
        name = running.pop(pid, None)
        if name and status:
            for other in running:
                os.kill(other, signal.SIGKILL)
            sys.exit(f"{name} failed; the logs are in {LOGS}")


def services() -> None:
    """Start what is left, and wait until it is up."""
    wsgi("placement", "placement", 8778, "/usr/bin/placement-api")
    start("glance-api", "glance", ["glance-api", "--config-file", "/etc/glance/glance-api.conf"])
    start("neutron-server", "neutron", ["neutron-server", *ML2])
    # Its threads are eventlet's: a second one of uwsgi's would break it.
    wsgi("nova-api", "nova", 8774, "/usr/bin/nova-api-wsgi", threads=1)
    for name in ("nova-conductor", "nova-scheduler"):
        start(name, "nova", [name])
    wsgi("cinder-api", "cinder", 8776, "/usr/bin/cinder-wsgi", threads=1)
    start("cinder-scheduler", "cinder", ["cinder-scheduler"])
    without_rootwrap()
    start("cinder-volume", "root", ["cinder-volume"])
    for name, (_, place) in CATALOG.items():
        port = place.partition("/")[0]
        wait_for(name, lambda port=port: answers(f"http://{ADDRESS}{port}/"))  # type: ignore[misc]
    # neutron 21 with ml2 alone answers every request for ports with an error of its own, until one other query has
    # made SQLAlchemy configure its mappers.
    list(connection().network.networks())
    say("every API answers")


def main() -> None:
    """All of it, in order."""
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    LOGS.chmod(0o777)
    configure()
    share()
    start("memcached", "memcache", ["memcached", "-l", "127.0.0.1", "-m", "32"])
    mariadb()
    # Two cores: the longest chain is keystone's, the widest schema neutron's.
    beside(rabbit, identity, nova_schema, network, images, volumes)
    services()
    Path("/laboratory/control.up").touch()


if __name__ == "__main__":
    main()
