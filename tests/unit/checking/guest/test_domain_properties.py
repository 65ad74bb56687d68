"""Domains of all sorts: checking and converting end well, and what is converted needs no more changes."""

import re

from guests import check_domain, debian
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.checking.findings import Severity
from ppcdeps.checking.guest.convert import convert_domain
from ppcdeps.checking.guest.domain import domain_of
from ppcdeps.checking.guest.offers import HypervisorOffer, offer_of_build
from ppcdeps.checking.guest.xmltext import markup
from ppcdeps.model.errors import ConfigError

_WORDS = """
disk cdrom floppy lun ide fdc sata scsi usb virtio hda sdb vda fdb xvda qxl cirrus vga none spice vnc ps2
keyboard mouse tablet isa-serial spapr-vio-serial itco i6300esb pcie-root pci-root ich9-ehci1 qemu-xhci sb16
ich6 tpm-tis custom host-model host-passthrough POWER9 power8 Haswell yes no on off pflash efi sysinfo
kvmclock rtc pci drive x
"""
WORDS = st.sampled_from(_WORDS.split()) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=3
)
_NAMES = """
type bus device dev model mode name secure firmware state present machine arch heads index
"""
NAMES = st.sampled_from(_NAMES.split())
_TAGS = """
disk target controller video model graphics channel redirdev audio input interface serial console parallel
watchdog sound tpm panic iommu rng emulator address source driver acceleration boot hostdev
"""
TAGS = st.sampled_from(_TAGS.split())
ATTRIBUTES = st.dictionaries(NAMES, WORDS, max_size=3)


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> str:
    inner = "".join(draw(st.lists(elements(depth - 1), max_size=2))) if depth else ""
    return markup(draw(TAGS), draw(ATTRIBUTES).items(), inner)


@st.composite
def domains(draw: st.DrawFn) -> str:
    parts = {
        "os": markup("type", draw(ATTRIBUTES).items(), "hvm")
        + "".join(
            markup(tag, draw(ATTRIBUTES).items()) for tag in draw(st.lists(st.sampled_from(["loader", "smbios"])))
        ),
        "features": "".join(
            f"<{tag}/>" for tag in draw(st.lists(st.sampled_from(["acpi", "smm", "apic", "gic", "kvm", "pmu"])))
        ),
        "cpu": "".join(
            f"<{tag}>{draw(WORDS.filter(str.isalnum))}</{tag}>" for tag in draw(st.sampled_from([["model"], []]))
        ),
        "clock": "".join(markup("timer", draw(ATTRIBUTES).items()) for _ in range(draw(st.integers(0, 2)))),
        "devices": "\n".join(draw(st.lists(elements(), max_size=6))),
    }
    body = "\n  ".join(markup(tag, draw(ATTRIBUTES).items(), inner or " ") for tag, inner in parts.items())
    return f"<domain type='{draw(st.sampled_from(['kvm', 'qemu', 'xen']))}'>\n  {body}\n</domain>\n"


OFFERS = st.sampled_from([debian(), offer_of_build("almalinux-9"), offer_of_build("centos-stream-9")])


@given(domains(), OFFERS)
def test_what_is_fixed_is_clean_and_stays_as_it_is(text: str, offer: HypervisorOffer) -> None:
    once = convert_domain(domain_of(text.encode(), "guest.xml"), offer).content
    left = [one for one in check_domain(once.decode(), offer).findings if one.severity is not Severity.ADVICE]
    # A compatibility mode that is none cannot be guessed.
    assert {one.rule for one in left} <= {"guest-cpu-compat"}, left
    assert convert_domain(domain_of(once, "guest.xml"), offer).content == once


@given(domains(), st.data())
def test_damaged_domains_are_told_or_read(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    for damaged in (text[:cut], text[cut:], text[:cut] + data.draw(WORDS) + text[cut:]):
        try:
            document = domain_of(damaged.encode(), "guest.xml")
        except ConfigError as fault:
            assert not re.search(r"\n", str(fault))
        else:
            convert_domain(document, debian())
            check_domain(damaged)
