"""What rpm's generators will provide, as far as a spec's paths and names say it."""

import pytest

from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.evaluated_spec import SpecPackage
from ppcdeps.rpm.generated import generated_provides


def provided(
    name: str, files: tuple[str, ...] = (), patterns: tuple[str, ...] = (), needed: tuple[str, ...] = ()
) -> tuple[str, ...]:
    package = SpecPackage(Nevra.parse(f"{name}-1.2-3.ppc64le"), files=files, patterns=patterns)
    return generated_provides(package, needed, source="libnftnl", python="3.9")


@pytest.mark.parametrize(
    ("path", "capability"),
    [
        ("/usr/lib64/pkgconfig/libnftnl.pc", "pkgconfig(libnftnl) = 1.2"),
        ("/usr/share/pkgconfig/x.pc", "pkgconfig(x) = 1.2"),
        ("/usr/lib64/libnftnl.so.11", "libnftnl.so.11()(64bit)"),
        ("/usr/lib64/cmake/Nft/NftConfig.cmake", "cmake(Nft) = 1.2"),
    ],
)
def test_a_path_says_what_will_be_found(path: str, capability: str) -> None:
    assert provided("libnftnl-devel", (path,)) == (capability,)


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("python3-foo.bar", ("python3.9dist(foo-bar) = 1.2", "python3dist(foo-bar) = 1.2")),
        ("perl-Sys-Guest", ("perl(Sys::Guest) = 1.2",)),
        ("rubygem-x", ("rubygem(x) = 1.2",)),
        ("plain", ()),
    ],
)
def test_a_name_says_what_will_be_found(name: str, capabilities: tuple[str, ...]) -> None:
    assert provided(name) == capabilities


@pytest.mark.parametrize(
    ("pattern", "needed", "is_provided"),
    [
        ("/usr/lib64/libnftnl.so.*", "libnftnl.so.11()(64bit)", True),
        ("/usr/lib64/lib*.so.*", "libother.so.1()(64bit)", True),
        ("/usr/lib64/libnftnl.so.*", "libother.so.1()(64bit)", False),
        ("/usr/lib64/pkgconfig/libnft*.pc", "pkgconfig(libnftnl)", True),
        ("/usr/lib64/pkgconfig/*.pc", "pkgconfig(libnftnl)", True),
        ("/usr/lib64/pkgconfig/*.pc", "pkgconfig(zlib)", False),
        ("/usr/lib64/cmake/Nft*", "cmake(Nftables)", True),
        ("/usr/share/doc/*", "pkgconfig(libnftnl)", False),
    ],
)
def test_a_pattern_provides_what_is_needed_and_fits(pattern: str, needed: str, is_provided: bool) -> None:
    """A bare wildcard fits everything: then the name must be akin to the source's."""
    found = {text.partition(" = ")[0] for text in provided("x", patterns=(pattern,), needed=(needed,))}
    assert found == ({needed} if is_provided else set())
