"""Source RPMs at hand, evaluated for the target: what their specs say counts for more than curated facts."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.recipebook.srpm import unpack_srpm
from ppcdeps.rpm.specs import Differences, SpecEvaluation, differences, evaluate_spec

_ENDING = ".src.rpm"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A source RPM's spec for the target's architecture, and how that differs from the reference's."""

    file: str
    target: SpecEvaluation
    differences: Differences


@dataclass(slots=True)
class Evaluations:
    """The source RPMs of a folder. Each is evaluated when it is first needed, with no code run."""

    target: Target
    reporter: Reporter
    files: dict[str, Path] = field(default_factory=dict)
    _known: dict[str, Evaluated | None] = field(default_factory=dict)

    @classmethod
    def in_folder(cls, folder: Path, target: Target, reporter: Reporter) -> "Evaluations":
        """Those that lie in a folder, as `name-version-release.src.rpm`.

        Raises ConfigError where there is no such folder, or two source RPMs of one name in it.
        """
        if not folder.is_dir():
            raise ConfigError(f"there is no folder of source RPMs {folder}")
        files: dict[str, Path] = {}
        for path in sorted(folder.glob(f"*{_ENDING}")):
            name = path.name.removesuffix(_ENDING).rsplit("-", 2)[0]
            if name in files:
                raise ConfigError(f"{folder} has two source RPMs of {name}: {files[name].name} and {path.name}")
            files[name] = path
        return cls(target, reporter, files)

    def of(self, source: str) -> Evaluated | None:
        """The evaluation of a source; None where its source RPM is not there, or cannot be evaluated here.

        Why it cannot is reported as a warning: the spec does not parse, or would run code.
        """
        if source not in self._known:
            self._known[source] = self._evaluated(source)
        return self._known[source]

    def _evaluated(self, source: str) -> Evaluated | None:
        path = self.files.get(source)
        if path is None:
            return None
        from ppcdeps.rpm.platforms import platform_of

        platform = platform_of(self.target)
        try:
            with tempfile.TemporaryDirectory(prefix="ppcdeps-srpm-") as scratch:
                unpacked = unpack_srpm(path, Path(scratch) / "srpm")
                here, there = (
                    evaluate_spec(unpacked.spec, platform, arch, sources=unpacked.folder)
                    for arch in (self.target.arch, self.target.reference_arch)
                )
        except ConfigError as fault:
            self.reporter.warn(f"{path.name} is not evaluated: {fault.line}")
            return None
        return Evaluated(path.name, here, differences(here, there))
