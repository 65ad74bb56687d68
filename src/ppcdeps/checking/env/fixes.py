"""Commands that fix an environment, to be run inside of it: which version to pin, and how to put it there."""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.installed import Installed

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet


def pip_install(environment: Environment, requirement: str, *options: str) -> str:
    """The command that installs this one distribution, and leaves what it requires as it is."""
    words = [environment.python.command, "-m pip install --no-deps", *options, *insisting(environment)]
    return " ".join([*words, shlex.quote(requirement)])


def pip_uninstall(environment: Environment, name: str) -> str:
    """The command that removes the copy that comes first on the path."""
    return " ".join([environment.python.command, "-m pip uninstall", *insisting(environment), name])


def insisting(environment: Environment) -> list[str]:
    """The option without which pip refuses to touch what a distribution manages (PEP 668)."""
    python = environment.python
    marked = python.stdlib is not None and environment.root.has(f"{python.stdlib}/EXTERNALLY-MANAGED")
    return ["--break-system-packages"] if marked and not python.is_virtual else []


def reinstall(environment: Environment, copy: Installed) -> str:
    """The command that restores the files of a copy: rpm's, dpkg's or pip's, as it was installed."""
    owner = environment.owner(copy)
    if owner and owner.startswith("RPM "):
        return f"dnf reinstall {owner.removeprefix('RPM ')}"
    if owner:
        return f"apt-get install --reinstall {owner.removeprefix('Debian package ')}"
    if not copy.version:
        return pip_install(environment, copy.name, "--force-reinstall")
    return pip_install(environment, f"{copy.name}=={copy.version}", "--force-reinstall")


def pin_for(name: str, specifiers: Iterable["SpecifierSet"], pinned: str = "") -> str:
    """A requirement to give to pip that satisfies all specifiers: one version where one is known without an index.

    That is ``pinned`` (the constraints' version) where it satisfies them, else the lowest that they name: it is known
    to work, and asks least of the rest. Else the specifiers themselves, joined; empty where no version at all can
    satisfy them.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    joined = SpecifierSet(",".join(sorted({str(each) for one in specifiers for each in one})))
    if pinned and joined.contains(pinned.partition("+")[0], prereleases=True):
        return f"{name}=={pinned}"
    named, bounds = [], [Version("0")]
    for each in joined:
        try:
            bounds.append(Version(each.version.removesuffix(".*")))
        except ValueError:
            continue
        if each.operator in (">=", "==", "~=", "==="):
            named.append(bounds[-1])
    fitting = sorted(one for one in named if joined.contains(one, prereleases=True))
    if fitting:
        return f"{name}=={fitting[0]}"
    # What satisfies bounds begins at one of them, or right after it.
    after = [Version(".".join(map(str, (*one.release, 0, 0, 0, 0, 1)))) for one in bounds]
    possible = any(joined.contains(one, prereleases=True) for one in (*bounds, *after))
    return f"{name}{joined}" if possible or any(each.operator == "===" for each in joined) else ""
