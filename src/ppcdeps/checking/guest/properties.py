"""Image and flavor properties and nova.conf: read from files, and turned into requests to a hypervisor."""

import re
from collections.abc import Callable, Iterable, Mapping
from configparser import ConfigParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppcdeps.base.ini_files import IniError, read_ini
from ppcdeps.base.named_files import read_named, read_named_text
from ppcdeps.base.toml import closest
from ppcdeps.checking.findings import Finding, Skipped
from ppcdeps.checking.guest.requests import Guest, GuestRequest, RequestedBy
from ppcdeps.checking.rules import finding
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.planning.nova import NovaFacts, NovaProperty, is_older

# Names begin at their beginnings, and nothing is tried twice: it takes linear time for any text.
_QUOTED = re.compile(r"(?<![^=,\s])([^=,\s]++)\s*+=\s*+('(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"|[^,]*+)\s*+(?:,|$)")
_ARCHITECTURES = {
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "x86_32": "i686",
    "x86_32p": "i686",
    "amd64": "x86_64",
}
_TRAIT = re.compile(r"trait[A-Za-z0-9_-]*:(.+)")
_FOREIGN_TRAIT = re.compile(r"HW_(?:CPU_(?:X86|AMD|INTEL|AARCH64|ARM|S390X)_|ARCH_(?!PPC))")
"""Traits of the processors of other architectures, as os-traits names them."""
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_NUMBERED = re.compile(r"(?<=hw_numa_cpus)\.\d+$|(?<=hw_numa_mem)\.\d+$")
"""Which guest NUMA node a property is of."""
_FLAVOR = re.compile(r"(hw|os|hw_rng|hw_video):(.+)")


@dataclass(frozen=True, slots=True)
class Property:
    """A property as it was set. ``name`` is an image's (hw_disk_bus); ``key`` as it was written."""

    name: str
    value: str
    key: str
    owner: str
    """image or flavor."""


@dataclass(frozen=True, slots=True)
class Described:
    """An image or a flavor: its name, and its properties."""

    name: str
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class NovaConf:
    """What of nova.conf decides on guests: virtualization, CPU, graphics, machine type. Empty where it is silent."""

    name: str = "nova.conf"
    virt_type: str = ""
    cpu_mode: str = ""
    cpu_models: tuple[str, ...] = ()
    machine: str = ""
    spice: bool = False
    cpu_flags: tuple[str, ...] = ()
    machine_of_x86: str = ""
    prefilter: bool = False


def property_of(text: str, owner: str = "image") -> Property:
    """The property that a text such as ``hw_disk_bus=scsi`` sets. Raises UsageError where it is not of that form."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key or not value or not key.isprintable() or not value.isprintable():
        raise UsageError(f'"{text}" sets no property', hint="give one as --property hw_disk_bus=scsi")
    return _property(key, value, owner)


def read_description(file: Path, owner: str) -> Described:
    """An image or a flavor (``owner``), as ``openstack image show -f json`` and ``flavor show -f json`` print it.

    Raises ConfigError where the file cannot be read, or is something else.
    """
    hint = f"make one with `openstack {owner} show -f json {owner.upper()}`"
    content = read_named(file, "guest_size", hint=hint)
    try:
        document = parse_json(content)
    except DocumentError as error:
        raise ConfigError(f"{file} {error}", hint=hint) from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file} has no {owner}, but {_json_type(document)}", hint=hint)
    if "properties" not in document and not any(str(name).startswith(("hw_", "hw:")) for name in document):
        raise ConfigError(f"{file} has no {owner}: it has no properties", hint=hint)
    found = document.get("properties", document)
    pairs = _pairs(found) if isinstance(found, str) else found
    if not isinstance(pairs, dict):
        raise ConfigError(f'{file}: "properties" is {_json_type(found)}, not an object', hint=hint)
    if len(pairs) > CEILINGS.guest_properties:
        raise ConfigError(f"{file} has {beyond('guest_properties', 'more than')}")
    name = document.get("name") or document.get("id") or file.name
    properties = (
        _property(str(key), _text(value), owner)
        for key, value in sorted(pairs.items())
        if isinstance(value, str | int | float | bool)
    )
    return Described(str(name), tuple(properties))


def read_nova_conf(*files: Path) -> NovaConf:
    """What of a nova.conf decides on guests; of several, the last that says something counts, as for nova.

    Raises ConfigError where one cannot be read, or is not such a file.
    """
    parser = ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    for one in files:
        try:
            read_ini(parser, read_named_text(one, "guest_size"), str(one))
        except IniError as error:
            raise ConfigError(f"{one} is not a configuration file: {error}") from error
    file = " and ".join(map(str, files))

    def option_of(section: str, option: str) -> str:
        return (parser.get(section, option, fallback="") or "").strip()

    models = option_of("libvirt", "cpu_models") or option_of("libvirt", "cpu_model")
    if models.count(",") >= CEILINGS.guest_properties:
        raise ConfigError(f"{file}: cpu_models has {beyond('guest_properties', 'more than')}")
    machines = {
        arch.strip(): value.strip()
        for arch, _, value in (one.partition("=") for one in option_of("libvirt", "hw_machine_type").split(","))
    }
    flags = option_of("libvirt", "cpu_model_extra_flags")
    if flags.count(",") >= CEILINGS.guest_properties:
        raise ConfigError(f"{file}: cpu_model_extra_flags has {beyond('guest_properties', 'more than')}")
    return NovaConf(
        file,
        option_of("libvirt", "virt_type"),
        option_of("libvirt", "cpu_mode"),
        tuple(one.strip() for one in models.split(",") if one.strip()),
        machines.get("ppc64le", ""),
        option_of("spice", "enabled").lower() in _TRUE,
        tuple(one.strip() for one in flags.split(",") if one.strip()),
        machines.get("x86_64", ""),
        option_of("scheduler", "image_metadata_prefilter").lower() in _TRUE,
    )


def requests_of_properties(properties: Iterable[Property], facts: NovaFacts, nova: str) -> tuple[GuestRequest, ...]:
    """What the properties request of a hypervisor, and what nova of that version requests where they say nothing.

    ``nova`` is empty where the version is not known: then only what is set counts. A flavor's property wins.
    """
    properties = tuple(properties)
    # Names of today count before those of old.
    properties = (*_of_old_names(properties), *properties)
    chosen = {one.name: one for one in sorted(properties, key=lambda one: one.owner == "flavor")}
    requests = []
    for name, one in chosen.items():
        known = facts.properties.get(name)
        if known is not None and known.kind and _counts(one, known, nova):
            value = one.value.lower() if known.any_case else one.value
            requests.append(_request(one, known.kind, value, known.device))
    requests += _consequences(chosen)
    for default in facts.defaults_in(nova) if nova else ():
        if default.property not in chosen or _is_unread(facts.properties[default.property].first, nova):
            where = f"{default.property} (not set)"
            requests.append(
                GuestRequest(
                    default.kind,
                    default.value,
                    RequestedBy.DEFAULT,
                    where,
                    default.device,
                    default.property,
                    default.reason,
                    default.fixed_in,
                )
            )
    return tuple(requests)


def guest_by_nova(
    subject: str, properties: Iterable[Property], facts: NovaFacts, nova: str, config: NovaConf | None = None
) -> Guest:
    """The guest that nova of that version makes of an image and a flavor; ``nova`` is empty where it is not known."""
    found = tuple(properties)
    requests = requests_of_properties(found, facts, nova) + (requests_of_config(config) if config else ())
    arch = (
        _last(found, "hw_emulation_architecture") or _last(found, "hw_architecture") or _last(found, "architecture")
    )
    machine = _last(found, "hw_machine_type")
    conf_machine = config.machine if config and not machine else ""
    return Guest(
        subject,
        requests,
        arch=canonical_architecture(arch.value) if arch else "",
        machine=machine.value if machine else conf_machine,
        arch_where=_place(arch) if arch else "",
        machine_where=_place(machine) if machine else f"{config.name} [libvirt] hw_machine_type" if config else "",
        nova=nova,
        unseen=tuple(_unseen(found, facts, nova)),
    )


def _of_old_names(properties: Iterable[Property]) -> Iterable[Property]:
    """What nova reads in properties of VMware's images, whatever the hypervisor: bus and controller of disks."""
    for one in properties:
        if one.name == "vmware_adaptertype":
            yield replace(one, name="hw_disk_bus", value="ide" if one.value == "ide" else "scsi")
            if one.value != "ide":
                yield replace(one, name="hw_scsi_model")


def canonical_architecture(name: str) -> str:
    """An architecture as nova spells it: it takes any case, and a few names of x86 (Architecture.canonicalize)."""
    lowered = name.lower()
    return _ARCHITECTURES.get(lowered, lowered)


def _unseen(properties: Iterable[Property], facts: NovaFacts, nova: str) -> Iterable[Skipped]:
    """A nova that is newer than what is known, and properties that say something of the host, or are not known."""
    if unknown := facts.why_unknown(nova):
        yield Skipped(f"what is new in nova {nova}", unknown)
    for one in properties:
        trait = _TRAIT.fullmatch(one.key)
        why = facts.unseen_names.get(one.name, "")
        if trait and not _FOREIGN_TRAIT.match(trait[1]):
            why = "which hosts have the trait is not looked at"
        elif one.name.startswith("hw_") and _NUMBERED.sub("", one.name) not in {
            *facts.properties,
            *facts.other_names,
            *facts.unseen_names,
        }:
            why = "nothing is known of it: nova 32 does not read it"
        if why:
            yield Skipped(_place(one), why)


def requests_of_config(config: NovaConf) -> tuple[GuestRequest, ...]:
    """What nova.conf requests of a hypervisor."""
    note = "" if config.virt_type else " (not set)"
    virt_type = config.virt_type or "kvm"  # nova's default
    requests = [GuestRequest("virttype", virt_type, RequestedBy.CONFIG, f"{config.name} [libvirt] virt_type{note}")]
    if config.cpu_mode in ("host-model", "host-passthrough", "maximum"):
        requests.append(
            GuestRequest("cpu.mode", config.cpu_mode, RequestedBy.CONFIG, f"{config.name} [libvirt] cpu_mode")
        )
    requests += [
        GuestRequest("cpu.model", model, RequestedBy.CONFIG, f"{config.name} [libvirt] cpu_models")
        for model in config.cpu_models
    ]
    if config.cpu_mode != "none":
        requests += [
            GuestRequest(
                "cpu.feature",
                flag.lstrip("+-").lower(),
                RequestedBy.CONFIG,
                f"{config.name} [libvirt] cpu_model_extra_flags",
            )
            for flag in config.cpu_flags
        ]
    if config.spice:
        requests.append(GuestRequest("graphics.type", "spice", RequestedBy.CONFIG, f"{config.name} [spice] enabled"))
    return tuple(requests)


def faults_of(properties: Iterable[Property], facts: NovaFacts, nova: str) -> tuple[Finding, ...]:
    """Properties that nova refuses, does not know, or does not read yet."""
    found = []
    for one in properties:
        trait = _TRAIT.fullmatch(one.key)
        if trait and one.value.lower() == "required" and _FOREIGN_TRAIT.match(trait[1]):
            found.append(
                finding(
                    "guest-trait",
                    f"no POWER host has the trait {trait[1]}: the scheduler finds no valid host",
                    _place(one),
                    fix=[f"openstack {one.owner} unset --property {one.key} {one.owner.upper()}"],
                )
            )
        known = facts.properties.get(one.name)
        if known is None:
            names = (*facts.properties, *facts.other_names, *facts.unseen_names)
            if one.name.startswith(("hw_", "os_")) and _NUMBERED.sub("", one.name) not in names:
                found += _misspelt(one, names)
            continue
        if not known.accepts(one.value, nova):
            accepted = [value for value in known.values if known.accepts(value, nova)]
            hint = closest(one.value.lower(), accepted)
            first = known.since.get(one.value.lower())
            found.append(
                finding(
                    "guest-property-value",
                    f'nova {nova} does not accept "{one.value}" for {one.name}'.replace("  ", " ")
                    + (f"; {hint}" if hint and not first else ""),
                    _place(one),
                    detail=[f"it accepts {', '.join(accepted)}"],
                    fixed_in=f"nova {first}" if first else None,
                )
            )
        if _is_unread(known.first, nova):
            found.append(
                finding(
                    "guest-property-unread",
                    f"nova {nova} does not read {one.name}; {known.first} is the first that does",
                    _place(one),
                    fixed_in=f"nova {known.first}",
                )
            )
    return tuple(found)


def setting_command(
    properties: Mapping[str, str], target: str = "IMAGE", command: str = "openstack image set"
) -> str:
    """The command that sets properties, of an image unless another is given."""
    options = " ".join(f"--property {name}={value}" for name, value in sorted(properties.items()))
    return f"{command} {options} {target}"


def _misspelt(one: Property, names: Iterable[str]) -> list[Finding]:
    near = closest(one.name, names)
    if not near:
        return []  # another program may read it
    return [
        finding(
            "guest-property-name",
            f"nova reads no property {one.name}; {near}",
            _place(one),
        )
    ]


_IMPLIED: tuple[tuple[str, Callable[[str], bool], str, str], ...] = (
    ("hw_firmware_type", lambda value: value == "uefi", "os.firmware", "efi"),
    ("os_secure_boot", lambda value: value == "required", "loader.secure", "yes"),
    ("hw_watchdog_action", lambda value: value != "disabled", "watchdog.model", "i6300esb"),
    ("hw_mem_encryption", lambda value: value in _TRUE, "feature", "sev"),
    ("os_type", lambda value: value == "windows", "feature", "hyperv"),  # nova adds Hyper-V enlightenments
    ("hw_mem_encryption_model", bool, "feature", "sev"),
    ("hw_pmu", lambda value: value not in _TRUE, "feature", "pmu off"),
    ("hw_time_hpet", lambda value: value in _TRUE, "timer", "hpet"),
    ("img_hide_hypervisor_id", lambda value: value in _TRUE, "feature", "kvm hidden"),
    ("hw_hide_hypervisor_id", lambda value: value in _TRUE, "feature", "kvm hidden"),
    ("hw_firmware_stateless", lambda value: value in _TRUE, "os.firmware", "efi"),
    ("hw_maxphysaddr_mode", bool, "cpu.setting", "maxphysaddr"),
    ("hw_cpu_threads", lambda value: value not in ("", "0", "1"), "tcg", "several threads of a core"),
)
"""What properties request without naming it: the property, for which values, and the request."""


def _consequences(chosen: Mapping[str, Property]) -> list[GuestRequest]:
    """What properties request that do not say it by its name."""
    requests = [
        _request(chosen[name], kind, value)
        for name, holds, kind, value in _IMPLIED
        if name in chosen and holds(chosen[name].value.lower())
    ]
    tpm, iommu = chosen.get("hw_tpm_version"), chosen.get("hw_viommu_model")
    if tpm and "hw_tpm_model" not in chosen:
        requests.append(_request(tpm, "tpm.model", "tpm-tis"))  # nova's default
    if iommu:
        requests.append(_request(iommu, "iommu.model", iommu.value.lower()))
    return requests


def _last(properties: Iterable[Property], name: str) -> Property | None:
    """The property of that name; a flavor's where both have it."""
    found = sorted((one for one in properties if one.name == name), key=lambda one: one.owner == "flavor")
    return found[-1] if found else None


def _place(one: Property) -> str:
    return f"{one.owner} property {one.key}"


def _request(one: Property, kind: str, value: str, device: str = "") -> GuestRequest:
    return GuestRequest(kind, value, RequestedBy.PROPERTY, _place(one), device, one.name)


def _counts(one: Property, known: NovaProperty, nova: str) -> bool:
    """Whether nova does what the property says: it reads it, and takes its value."""
    return not _is_unread(known.first, nova) and known.accepts(one.value, nova)


def _is_unread(first: str, nova: str) -> bool:
    return bool(first and nova) and is_older(nova, first)


def _property(key: str, value: str, owner: str) -> Property:
    found = _FLAVOR.fullmatch(key)
    name = f"{found[1]}_{found[2]}" if found else key
    return Property(name, value, key, owner)


def _pairs(text: str) -> dict[str, str]:
    """The properties in one text, as older clients print them: ``hw_disk_bus='ide', hw_vif_model='virtio'``."""
    return {name: value.strip("'\"") for name, value in _QUOTED.findall(text)}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case list():
            return "an array"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case _:
            return "something else"
