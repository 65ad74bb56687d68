"""A rendered build as a source RPM, made by rpmbuild in bubblewrap: no network, and nothing of this machine."""

import shutil
from pathlib import Path

from ppcdeps.building.run.sources import RenderedBuild
from ppcdeps.engines.confined_shell import INSTALL, run_confined_with_shell
from ppcdeps.engines.confinement import UnconfinableError
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import BuildError, EnvironmentLacksError
from ppcdeps.model.recipe import Recipe

_LIBRARY = Path("/usr/lib/rpm")
_SECONDS = 600.0


def source_rpm_of(rendered: RenderedBuild, recipe: object, arch: str) -> Path:
    """The source RPM of a rendered build, in its folder.

    What its build script gives to rpmbuild as options, the recipe's macros and build conditions, is written into the
    spec: a builder elsewhere is given the source RPM alone. Raises BuildError where rpmbuild makes none,
    EnvironmentLacksError where it or bubblewrap is missing.
    """
    folder = rendered.folder.absolute()
    spec = folder / "SPECS" / rendered.spec
    if isinstance(recipe, Recipe) and (lines := _given(recipe)):
        spec.write_text(f"{lines}\n{spec.read_text('utf-8')}", "utf-8")
    (folder / "SRPMS").mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    # Named from where rpmbuild runs: in a path rpm expands macros.
    defined = {"_topdir": ".", "_tmppath": "./tmp", "_dbpath": "./tmp/db"}
    options = [word for name, value in defined.items() for word in ("--define", f"{name} {value}")]
    try:
        done = run_confined_with_shell(
            ["rpmbuild", "-bs", "--nodeps", "--target", arch, *options, f"SPECS/{rendered.spec}"],
            folder=folder,
            arch=arch,
            readable=[_LIBRARY],
            writable=True,
            seconds=_SECONDS,
            memory=1 << 30,
            output=CEILINGS.package_size,
        )
    except FileNotFoundError:
        raise EnvironmentLacksError(
            "rpmbuild is not installed, and source RPMs are made by it", hint="install rpm (Debian), or rpm-build"
        ) from None
    except UnconfinableError as fault:
        raise EnvironmentLacksError(f"source RPMs are made in bubblewrap: {fault}", hint=INSTALL) from fault
    made = sorted((folder / "SRPMS").glob("*.src.rpm"))
    if done.code or len(made) != 1 or made[0].is_symlink():
        said = done.errors.decode(errors="replace") if isinstance(done.errors, bytes) else done.errors
        last = [line for line in said.splitlines() if line.strip()][-1:] or ["it made none"]
        raise BuildError(f"rpmbuild makes no source RPM of {rendered.name}: {last[0].strip()}")
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    return made[0]


def _given(recipe: Recipe) -> str:
    """The lines at the top of a spec that say what rpmbuild's --define, --with and --without say."""
    lines = [f"%define {name} {value}" for name, value in recipe.macros]
    lines += [f"%global _with_{name} --with-{name}" for name in recipe.enabled]
    lines += [f"%global _without_{name} --without-{name}" for name in recipe.disabled]
    return "\n".join(lines)
