"""Packages of the user's own: specs and source RPMs named on the command line, evaluated with no code run."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ppcdeps.base.digests import sha256_of
from ppcdeps.engines.confined_shell import INSTALL
from ppcdeps.model import names
from ppcdeps.model.capability import capabilities_in, depth_of, requirement_of
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.model.wording import first_of
from ppcdeps.planning.own_files import SRPM, OwnFile
from ppcdeps.recipebook.srpm import unpack_srpm
from ppcdeps.rpm.evaluated_spec import SpecEvaluation, SpecPackage, differences
from ppcdeps.rpm.generated import generated_provides
from ppcdeps.rpm.header import read_source_header
from ppcdeps.rpm.own import OwnSource
from ppcdeps.rpm.platforms import PlatformMacros, platform_of
from ppcdeps.rpm.specs import SpecRefusedError, evaluate_spec
from ppcdeps.rpm.specscan import RUNS_SHELL

_ISA = {"ppc64le": "ppc-64", "x86_64": "x86-64"}
_SHOWN = 6

GENERATED = (
    "what rpmbuild finds in the files that are built (libraries, Python distributions, interpreters) is required, "
    "too, and known after the build: verify looks then"
)


def read_own(files: Sequence[OwnFile], target: Target, reporter: Reporter) -> tuple[OwnSource, ...]:
    """What the files give and need on the target, by the names of their sources.

    A source RPM whose spec cannot be evaluated here is taken by its header, with a warning. Raises ConfigError for a
    spec that does not parse or would run code, for one that gives no package, and for two files of one source.
    """
    if len(files) > CEILINGS.spec_files:
        raise ConfigError(
            f"more than {CEILINGS.spec_files} specs and source RPMs are named", hint=how_to_raise("spec_files")
        )
    platform = platform_of(target)
    found: dict[str, OwnSource] = {}
    faults: list[ConfigError] = []
    for file in files:
        try:
            own = _read(file, platform, target, reporter)
        except ConfigError as fault:
            faults.append(fault)
            continue
        other = found.setdefault(own.name, own)
        if other is not own:
            raise ConfigError(
                f"{other.file} and {own.file} are both the source of {own.name}", hint="name one of the two"
            )
    if faults:
        raise (
            faults[0]
            if len(files) == 1
            else ConfigError(
                f"{len(faults)} of {len(files)} specs and source RPMs cannot be planned",
                faults=tuple(line.strip() for fault in faults for line in str(fault).splitlines()),
            )
        )
    return tuple(_with_generated(found, target))


def _read(file: OwnFile, platform: PlatformMacros, target: Target, reporter: Reporter) -> OwnSource:
    try:
        digest = sha256_of(file.path)
    except OSError as error:
        raise ConfigError(f"cannot read {file.shown}: {error.strerror}") from error
    if file.path.name.endswith(SRPM):
        try:
            with tempfile.TemporaryDirectory(prefix="ppcdeps-srpm-") as scratch:
                unpacked = unpack_srpm(file.path, Path(scratch) / "srpm")
                own = _evaluated(file, unpacked.spec, unpacked.folder, digest, platform, target)
        except ConfigError as fault:
            own = _by_header(file, digest, platform, target, str(fault))
            reporter.warn(
                f"{file.shown}: its header has to do, with BuildRequires as they were on the machine that made it, "
                f"and nothing of its packages but their source's name: {fault}"
            )
    else:
        try:
            own = _evaluated(file, file.path, file.path.parent, digest, platform, target)
        except SpecRefusedError as fault:
            raise SpecRefusedError(
                fault.message,
                hint=f"{INSTALL}, or plan the source RPM (rpmbuild -bs {file.path.name}): it names its BuildRequires",
                faults=fault.faults,
            ) from fault
    _check(own)
    return own


def _evaluated(
    file: OwnFile, spec: Path, sources: Path, digest: str, platform: PlatformMacros, target: Target
) -> OwnSource:
    here = evaluate_spec(spec, platform, target.arch, sources=sources, shells_unknown=True)
    notes = [GENERATED]
    notes += [f"its spec, {text}" for text in here.warnings if text.endswith(RUNS_SHELL)]
    if unknown := [name for name in here.files if "%" in name]:
        notes.append(f"a macro of its build tools says which source it needs: {first_of(unknown, _SHOWN)}")
    if here.generates_build_requires:
        notes.append(
            "%generate_buildrequires prints further BuildRequires from the unpacked sources: the build installs them"
        )
    try:
        there = evaluate_spec(spec, platform, target.reference_arch, sources=sources, shells_unknown=True)
    except ConfigError:
        there = None  # what the other architecture has is worth a note, and no more
    if there is not None and not here.excluded:
        notes += _notes_on_differences(here, there, target)
    return OwnSource(file.shown, digest, here, notes=tuple(notes))


def _notes_on_differences(here: SpecEvaluation, there: SpecEvaluation, target: Target) -> Iterator[str]:
    only = differences(here, there)
    arch, other = target.arch, target.reference_arch
    if only.packages:
        yield f"not built for {arch}, and built for {other}: {first_of(only.packages, _SHOWN)}"
    if only.build_requires:
        yield f"not needed to build for {arch}, and needed for {other}: {first_of(only.build_requires, _SHOWN)}"
    if only.source_requires:
        yield f"not required on {arch}, and required on {other}: {first_of(only.source_requires, _SHOWN)}"


def _by_header(file: OwnFile, digest: str, platform: PlatformMacros, target: Target, fault: str) -> OwnSource:
    header = read_source_header(file.path)
    source = header.nevra
    evr = source.evr
    main = SpecPackage(
        Nevra(source.name, source.epoch, source.version, source.release, target.arch),
        provides=(f"{source.name} = {evr}", f"{source.name}({_ISA.get(target.arch, target.arch)}) = {evr}"),
    )
    evaluation = SpecEvaluation(
        target.arch,
        platform.name,
        source,
        packages=(main,),
        declared=(source.name,),
        build_requires=header.build_requires,
        exclusive_arch=header.exclusive_arch,
        exclude_arch=header.exclude_arch,
        if_not_excluded=(main,),
    )
    notes = (
        "read from the header alone: which packages it gives, and what the spec says for "
        f"{target.arch}, is known after the build",
        GENERATED,
    )
    return OwnSource(file.shown, digest, evaluation, header_only=fault, notes=notes)


def _check(own: OwnSource) -> None:
    """Raises ConfigError where a spec gives nothing, or a name or a dependency is none."""
    evaluation = own.evaluation
    if not own.packages:
        raise ConfigError(
            f"{own.file} gives no package for {evaluation.arch}",
            hint="a package has a %files section: it may stand under an %if that does not hold there",
        )
    try:
        names.nevra(str(evaluation.source))
        for package in own.packages:
            names.nevra(str(package.nevra))
            for text in (*package.provides, *package.requires, *package.conflicts, *package.obsoletes):
                _check_dependency(text)
        for text in (*evaluation.build_requires, *evaluation.build_conflicts):
            _check_dependency(text)
        for name in evaluation.files:
            names.source_file(name)
    except ValueError as fault:
        raise ConfigError(f"{own.file}: {fault}") from fault


def _check_dependency(text: str) -> None:
    names.requirement_text(text)
    if depth_of(text) > CEILINGS.dependency_depth:
        raise ValueError(f"a boolean dependency is nested too deep: {text[:60]}...")
    for capability in capabilities_in(requirement_of(text)):
        names.requirement_text(capability.name)


def _with_generated(found: Mapping[str, OwnSource], target: Target) -> Iterator[OwnSource]:
    """The sources with what rpmbuild will find that their packages provide, so that they can satisfy each other."""
    evaluations = [own.evaluation for own in found.values()]
    stated = [text for each in evaluations for text in each.build_requires]
    stated += [text for own in found.values() for package in own.packages for text in package.requires]
    needed = {capability.name for text in stated for capability in capabilities_in(requirement_of(text))}
    python = ".".join(target.python.version.split(".")[:2])
    for _, own in sorted(found.items()):
        packages, taken = [], []
        for package in own.packages:
            given = generated_provides(package, needed, source=own.name, python=python)
            taken += [text for text in given if text.partition(" = ")[0] in needed]
            packages.append(replace(package, provides=tuple(sorted({*package.provides, *given}))))
        notes = own.notes
        if taken:
            notes = (*notes, f"taken to provide, as %files and names say: {first_of(sorted(set(taken)), _SHOWN)}")
        evaluation = replace(own.evaluation, if_not_excluded=tuple(packages))
        if own.evaluation.packages:
            evaluation = replace(evaluation, packages=tuple(packages))
        yield replace(own, evaluation=evaluation, notes=notes)
