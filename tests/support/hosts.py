"""Hosts to check: facts of emulated POWER machines (tests/data/hosts), changed where a test says so."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ppcdeps.checking.findings import Report
from ppcdeps.checking.host.check import HostPurpose, check_host
from ppcdeps.checking.host.hostfacts import HostFacts, load_facts
from ppcdeps.planning.nova import nova_facts

FOLDER = Path(__file__).parents[1] / "data" / "hosts"

EL9 = HostPurpose("centos-stream-9", "POWER9")
EL8 = HostPurpose("el8", "POWER8")


def host(
    name: str,
    *,
    programs: Mapping[str, str] | None = None,
    files: Mapping[str, str | None] | None = None,
    exists: Mapping[str, bool] | None = None,
) -> HostFacts:
    """The facts of a machine with Debian's QEMU, libvirt and genisoimage, which loads kvm_hv at boot.

    ``programs``, ``files`` and ``exists`` change entries; a file that is None, and a program that is empty, is not
    there.
    """
    facts = load_facts(FOLDER / f"{name}.json")
    debian = json.loads((FOLDER / "programs-debian-12.json").read_text())
    told = {name: text for name, text in {**debian, **(programs or {})}.items() if text}
    # What the machines, an initramfs of busybox, could not say.
    node = {"modules-load.d": "kvm_hv\n"}
    read = {name: text for name, text in {**facts.files, **node, **(files or {})}.items() if text is not None}
    there = {"/usr/bin/genisoimage": True, **facts.exists, **(exists or {})}
    return replace(facts, programs=told, files=read, exists=there)


def check(facts: HostFacts, wanted: HostPurpose = EL9, *, nova: str = "") -> Report:
    """What is found of a host."""
    return check_host(facts, replace(wanted, nova=nova), nova_facts(), "the host")


def without_option(facts: HostFacts, option: str) -> HostFacts:
    """The same host with a kernel that lacks an option."""
    lines = facts.files["kernel config"].splitlines(True)
    kept = "".join(line for line in lines if not line.startswith(f"{option}="))
    return replace(facts, files={**facts.files, "kernel config": kept})
