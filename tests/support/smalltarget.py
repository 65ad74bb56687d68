"""A target file for repositories that a test makes."""

HEAD = """\
name = "small"
title = "Small"
arch = "ppc64le"
reference_arch = "x86_64"
releasever = "9"
cpu_baseline = "POWER9"
platform_id = "platform:el9"
{more}
[python]
version = "3.9.25"
glibc = "2.34"
"""
REPOSITORY = """
[[repositories]]
id = "{id}"
side = "{side}"
baseurl = "{place}{id}"
"""
SIDES = {"reference": "reference", "source": "source"}


def small_target(*repositories: str, place: str = "", more: str = "") -> str:
    """A target of EL9's kind. Repositories lie at their names in ``place``; "reference" and "source" are those sides.

    ``more`` are further lines of the file's head.
    """
    sections = (REPOSITORY.format(id=each, side=SIDES.get(each, "target"), place=place) for each in repositories)
    return HEAD.format(more=f"{more}\n" if more else "") + "".join(sections)
