"""What has to be installed for one build: the spec's BuildRequires, static and generated, resolved to packages."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.resolver import RequiredPackage
from ppcdeps.building.run.sources import RenderedBuild
from ppcdeps.building.run.steps import FailedError, StepRunner, install_script, left_text
from ppcdeps.engines.job import Ending

_MORE_REQUIRED = 11
"""The exit code of ``rpmbuild -br`` where %generate_buildrequires wrote what is not installed (rpm's build.c)."""
_ROUNDS = 10
"""More rounds of %generate_buildrequires than any spec takes."""


@dataclass(frozen=True, slots=True)
class BuildRequirements:
    """Finds out what a build requires. ``options`` are those that its rpmbuild gets; ``built`` the repositories of
    the packages that were built before it.
    """

    steps: StepRunner
    options: str
    built: Sequence[Path]

    def packages_for(self, rendered: RenderedBuild) -> tuple[RequiredPackage, ...]:
        """The packages to install before the build.

        Where the spec has %generate_buildrequires, that is re-run with its requests installed until it requests
        nothing new, as mock does: its first request may be the program that computes the others.
        """
        # Read before anything runs that could change it.
        is_dynamic = _is_dynamic(rendered)
        packages = self._resolved(rendered, self._static(rendered))
        return self._with_generated(rendered, packages) if is_dynamic else packages

    def _static(self, rendered: RenderedBuild) -> tuple[str, ...]:
        """The BuildRequires of the spec as the buildroot's own rpm and macros evaluate it."""
        setup = self.steps.setup
        root = setup.build_root.root
        key = f"buildrequires 1 {rendered.digest} {root.key} {root.mode}"
        with suppress(OSError, ValueError):
            return tuple(json.loads(setup.cache.derived_path(key, ".json").read_text("utf-8")))
        script = f"cd /build && rpmspec -q --srpm --requires {self.options} SPECS/{rendered.spec} >.requires"
        ended = self.steps.run(root, "requires", script, rendered.folder)
        if not ended.is_well:
            raise self.steps.failure(ended, "its spec cannot be evaluated in the buildroot")
        found = _listed(rendered)
        self.steps.remember(key, found)
        return found

    def _with_generated(
        self, rendered: RenderedBuild, packages: tuple[RequiredPackage, ...]
    ) -> tuple[RequiredPackage, ...]:
        root = self.steps.setup.build_root.root
        # rpmbuild writes all BuildRequires, the static ones included, into a source package of its own.
        query = "rpm -qp --nomanifest --nosignature --requires"
        # The package's own code ran before: what it left under this name may be a FIFO.
        listing = f"rm -rf .requires; for p in SRPMS/*.buildreqs.nosrc.rpm; do {query} $p; done >.requires"
        script = (
            f"{install_script(root)}rm -rf SRPMS; rpmbuild -br {self.options} SPECS/{rendered.spec} && code=0 || "
            f"code=$?; [ $code != {_MORE_REQUIRED} ] || {{ {listing}; }}; exit $code"
        )
        for _ in range(_ROUNDS):
            ended = self.steps.run(root, "dynamic", script, rendered.folder, packages)
            if ended.is_well:
                return packages
            if ended.ending is not Ending.EXITED or ended.code != _MORE_REQUIRED:
                raise self.steps.failure(ended, "its %generate_buildrequires failed")
            packages = self._resolved(rendered, _listed(rendered))
        raise FailedError(FailureCause("its %generate_buildrequires requests more each time", "see its spec"))

    def _resolved(self, rendered: RenderedBuild, requirements: Sequence[str]) -> tuple[RequiredPackage, ...]:
        if not requirements:
            return ()
        place = self.steps.setup.build_root
        title = f"{rendered.name}-{rendered.version} (build)"
        resolved = place.resolver.resolve(title, requirements, self.built, self.steps.installed_in(place.root))
        if resolved.missing:
            for line in resolved.missing:
                self.steps.note(line)
            first = resolved.missing[0]
            more = len(resolved.missing) > 1
            raise FailedError(
                FailureCause(
                    f"{len(resolved.missing)} BuildRequires are missing: {first}" if more else first,
                    "name a repository that has it, or add it to the packages of the buildroot",
                )
            )
        return resolved.packages


def _listed(rendered: RenderedBuild) -> tuple[str, ...]:
    """The requirements that rpm wrote to a file, which is removed; without those that rpm itself satisfies."""
    lines = left_text(rendered.folder, ".requires").splitlines()
    (rendered.folder / ".requires").unlink(missing_ok=True)
    return tuple(sorted({line.strip() for line in lines if line.strip() and not line.startswith("rpmlib(")}))


def _is_dynamic(rendered: RenderedBuild) -> bool:
    text = (rendered.folder / "SPECS" / rendered.spec).read_text("utf-8", errors="replace")
    return any(line.strip() == "%generate_buildrequires" for line in text.splitlines())
