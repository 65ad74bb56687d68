"""Names from outside: what fits is neither an option, nor a path, nor a URL."""

import pytest

from ppcdeps.model import names

ROOTS = (
    "qemu-kvm", "gcc-c++", "libfoo.so.1()(64bit)", "libc.so.6(GLIBC_2.34)(64bit)", "perl(A::B)", "foo >= 1:2.0-3.el9",
    "python3dist(oslo.config[extra]) = 1.0", "golang(github.com/a/b)", "font(:lang=en)", "npm(@a/b)", "/usr/bin/x",
    "pypi:oslo.config", "pypi:oslo.db[mysql]>=1,<2", "(a or (b >= 1 with c))", "foo-1:2.0-3.el9.ppc64le",
    "foo.noarch",
    "foo*", "foo-[a-c]?", "virt(*)",
)  # fmt: skip
NO_ROOTS = (
    "--installroot=/x", "-y", "--", "@core", "http://h/x.rpm", "file:///x", "/x.rpm", "x.rpm", "./x", "../x", "a/b",
    "/a/../b", "%(id)", "a\nb", "\u202ea", "$(id)", "-*", "a;*", "*/..", "/usr/*", "a.src", "a >= -x",
    "pypi:-x", "pypi:",
    "pypi:a -x", "pypi:a @ file:///x", "pypi:a; x", "(a or --x)", "(" * 20_000,
    "", " ",
)  # fmt: skip


@pytest.mark.parametrize("text", ROOTS)
def test_what_dnf_installs_is_a_root(text: str) -> None:
    assert names.root(text) == text


@pytest.mark.parametrize("text", NO_ROOTS)
def test_what_dnf_would_take_for_something_else_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        names.root(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "/a", "-x", ".x", "a\n", "a\0", "\u202ea", "a b", "a" * 300])
@pytest.mark.parametrize(
    "grammar",
    [names.workload_name, names.target_name, names.recipe_name, names.buildroot_name, names.package_name,
     names.repository_id, names.file_name, names.step_name, names.distribution_name, names.version_text],
)  # fmt: skip
def test_no_name_leads_out_of_a_folder(grammar: object, text: str) -> None:
    with pytest.raises(ValueError):
        grammar(text)  # type: ignore[operator]


def test_an_option_of_sbatch_says_where_and_with_what_and_not_what_is_run() -> None:
    for text in ("partition=power", "constraint=power9|power10", "time=1-12:00:00", "mem=8G", "gres=tmp:4"):
        assert names.slurm_option(text) == text
    for text in ("partition", "wrap=rm -rf /", "dependency=afterok:1", "output=/etc/x", "-p=x", "qos=a b", "mem="):
        with pytest.raises(ValueError, match="not"):
            names.slurm_option(text)
