"""The target that a choice means, with its repositories and where their metadata comes from. Fetches nothing.

Which metadata answers for a target, in this order: the snapshot that ``--snapshot`` names; what ``ppcdeps
sync`` (live repositories) or ``ppcdeps snapshot use`` last chose for it; the snapshot of it that came with
ppcdeps; its live repositories.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.base.datafiles import PACKAGE
from ppcdeps.metadata.repofile import (
    apply_overrides,
    read_repo_file,
    repo_from_path,
    select_repositories,
)
from ppcdeps.metadata.snapshot import Snapshot, shipped_snapshots, use
from ppcdeps.metadata.targets import is_module_stream, list_targets, load_target
from ppcdeps.metadata.variables import builtin_variables, distribution_variables, environment_variables
from ppcdeps.model.errors import PpcdepsError, UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.model.visible import visible
from ppcdeps.workflows.basis import MetadataBasis, MetadataOrigin
from ppcdeps.workflows.choice import DEFAULT_TARGET, RepositoryChoice
from ppcdeps.workflows.remembered import remembered, title_of

AD_HOC = "ad-hoc"
"""The name of a target made of repositories that the command line names."""


_MODELS = {"7": "centos-7-altarch", "8": "almalinux-8", "9": "centos-stream-9", "10": "centos-stream-10"}
"""The target that says what is not a matter of repositories, by the release's first number."""


def target_and_basis(
    choice: RepositoryChoice, cache: Cache, reporter: Reporter, *, live: bool = False
) -> tuple[Target, MetadataBasis]:
    """The target with the repositories that are to be read, and where they are. Fetches nothing."""
    if choice.is_ad_hoc:
        target = _ad_hoc_target(choice, reporter)
        basis = MetadataBasis(MetadataOrigin.AD_HOC, target.name)
    elif choice.snapshot is not None:
        snapshot = use(choice.snapshot, cache)
        target = _target_of_snapshot(choice, snapshot, reporter)
        basis = _basis_of(snapshot, target)
        target = replace(target, repositories=snapshot.configs)
    else:
        target = load_chosen(choice, reporter)
        chosen = None if live else snapshot_for(target, choice, cache)
        if chosen is None:
            basis = MetadataBasis(MetadataOrigin.LIVE, title_of(target))
        else:
            if choice.refresh:
                reporter.warn(
                    f"--refresh changes nothing in a snapshot ({chosen.name}); `ppcdeps sync` turns to the "
                    "live repositories"
                )
            basis = _basis_of(chosen, target)
            target = replace(target, repositories=chosen.configs)
    target = _with_modules(with_python(target, choice.python_version), choice.modules)
    try:
        return _with_selection(target, choice, reporter), basis
    except UsageError as fault:
        if basis.origin is MetadataOrigin.SNAPSHOT and fault.hint:
            raise UsageError(
                fault.message,
                hint=f"{fault.hint}; the snapshot {basis.name} has no other repositories, `ppcdeps sync` "
                "turns to the live ones",
            ) from fault
        raise


def _variables(choice: RepositoryChoice) -> dict[str, str]:
    given = environment_variables()
    return given | {"releasever": choice.releasever} if choice.releasever else given


def load_chosen(choice: RepositoryChoice, reporter: Reporter, *, name: str | None = None) -> Target:
    """The target that the choice names, the default one otherwise, with all its live repositories."""
    return load_target(
        name or choice.target or DEFAULT_TARGET,
        release=choice.release,
        variables=_variables(choice),
        reporter=reporter,
    )


def snapshot_for(target: Target, choice: RepositoryChoice, cache: Cache) -> Snapshot | None:
    """The snapshot that answers for the target by choice or by default, None where live repositories do."""
    chosen = remembered(target, cache)
    if chosen:
        try:
            return use(chosen, cache)
        except PpcdepsError as fault:
            raise type(fault)(
                f"the snapshot that was chosen for {title_of(target)} cannot be used: {fault.message}",
                hint="choose another with `ppcdeps snapshot use NAME`, or the live repositories with `ppcdeps sync`",
            ) from fault
    shipped = title_of(target) if (choice.target or DEFAULT_TARGET) in list_targets() else ""
    if chosen is None and shipped in shipped_snapshots() and "releasever" not in _variables(choice):
        return use(shipped, cache)
    return None


def target_of_snapshot(choice: RepositoryChoice, snapshot: Snapshot, reporter: Reporter) -> Target:
    """The target that a snapshot was made of, with its repositories: known by its name where the choice names none.

    Raises UsageError where it cannot be known, or is of another OpenStack release than the choice says.
    """
    return replace(_target_of_snapshot(choice, snapshot, reporter), repositories=snapshot.configs)


def _target_of_snapshot(choice: RepositoryChoice, snapshot: Snapshot, reporter: Reporter) -> Target:
    """The same with the target's live repositories."""
    name = choice.target
    if name is None:
        fitting = [known for known in list_targets() if f"{snapshot.name}-".startswith(f"{known}-")]
        if not fitting:
            raise UsageError(f"the snapshot {snapshot.name} does not say which target it is of", hint="give --target")
        name = max(fitting, key=len)
    target = load_chosen(replace(choice, release=None), reporter, name=name)
    of_snapshot = snapshot.name.removeprefix(f"{target.name}-")
    release = of_snapshot if of_snapshot in target.openstack_releases else None
    if choice.release and release and choice.release != release:
        raise UsageError(
            f"the snapshot {snapshot.name} is of the OpenStack release {release}, not {choice.release}",
            hint="leave --release out, or name another snapshot",
        )
    if not f"{snapshot.name}-".startswith(f"{target.name}-"):
        reporter.warn(f"the snapshot {snapshot.name} was made of another target than {target.name}")
    requested = choice.release or release
    if requested:
        target = load_chosen(replace(choice, release=requested), reporter, name=name)
    return target


def _basis_of(snapshot: Snapshot, live: Target) -> MetadataBasis:
    """What an answer rests on. ``live`` is the target with its live repositories."""
    dates = tuple(one.date for one in snapshot.repositories if one.date is not None)
    shipped = snapshot.name in shipped_snapshots() and snapshot.path == shipped_path(snapshot.name)
    has = {each.id for each in snapshot.configs}
    left_out = tuple(each for each in live.repositories if not each.enabled and each.id not in has)
    return MetadataBasis(
        MetadataOrigin.SNAPSHOT,
        snapshot.name,
        dates,
        snapshot.absent,
        shipped,
        snapshot.note,
        left_out,
        live.repositories,
    )


def shipped_path(name: str) -> Path:
    """Where the shipped snapshot of that name lies."""
    return PACKAGE / "data" / "snapshots" / name


def _ad_hoc_target(choice: RepositoryChoice, reporter: Reporter) -> Target:
    """A target without repositories yet. Python, processor and buildroot are those of the shipped target of
    the same release: an ad hoc target says nothing of them.
    """
    if not choice.repofrompath and not choice.repo_files:
        raise UsageError(
            "--reference gives the target no repository",
            hint="add --repofrompath ID,URL, --repo-file FILE or --target NAME",
        )
    releasever = _variables(choice).get("releasever", "9")
    major = releasever.partition(".")[0]
    model = _MODELS.get(major, "fedora")
    base = load_target(model, variables={**_variables(choice), "releasever": releasever}, reporter=reporter)
    return replace(
        base,
        name=AD_HOC,
        title=f"repositories of the command line (as {base.title})",
        repositories=(),
        origin="the command line",
        openstack=choice.release,
        openstack_releases=(),
    )


def with_python(target: Target, version: str | None) -> Target:
    """The target with the interpreter of that version (3.11) as the one that pip installs for.

    The module stream that has its packages is enabled. Raises UsageError where the target has no such interpreter.
    """
    if version is None:
        return target
    known = target.pythons or (target.python,)
    found = next((each for each in known if version in (each.tag, each.version)), None)
    if found is None:
        raise UsageError(
            f"target {target.name} has no Python {version}",
            hint=f"known: {', '.join(each.tag for each in known)}; a target file names others in [[pythons]]",
        )
    return _with_modules(replace(target, python=found), [found.module] if found.module else [])


def _with_modules(target: Target, streams: Sequence[str]) -> Target:
    """The target with module streams enabled, each instead of another of its module. Raises UsageError."""
    enabled = {stream.partition(":")[0]: stream for stream in target.module_streams}
    given: dict[str, str] = {}
    for stream in streams:
        if not is_module_stream(stream):
            raise UsageError(
                f"--module is to be NAME:STREAM, not {visible(stream)}", hint="write it like python39:3.9"
            )
        name = stream.partition(":")[0]
        if given.setdefault(name, stream) != stream:
            raise UsageError(f"two streams of module {name} are to be enabled: {given[name]} and {stream}")
    return replace(target, module_streams=tuple({**enabled, **given}.values()))


def _with_selection(target: Target, choice: RepositoryChoice, reporter: Reporter) -> Target:
    """The target with repositories added, changed, and switched on and off as the command line says."""
    given = _variables(choice)
    configs: list[RepoConfig] = [*target.repositories]
    for side, option, values in (
        (Side.TARGET, "--repofrompath", choice.repofrompath),
        (Side.REFERENCE, "--reference", choice.reference),
        (Side.SOURCE, "--source", choice.source),
    ):
        configs.extend(repo_from_path(value, side, option_name=option) for value in values)
    by_side = {
        side: distribution_variables(target.releasever, arch) | builtin_variables(target.releasever, arch) | given
        for side, arch in ((Side.TARGET, target.arch), (Side.REFERENCE, target.reference_arch))
    }
    variables = by_side[Side.TARGET]
    for path in choice.repo_files:
        configs.extend(read_repo_file(path, variables, Side.TARGET, reporter, by_side=by_side))
    seen: dict[str, RepoConfig] = {}
    for config in configs:
        if config.id in seen:
            first = seen[config.id].origin or target.name
            raise UsageError(f'the repository id "{config.id}" is there twice: {first}, and {config.origin}')
        seen[config.id] = config
    changed = apply_overrides(configs, choice.setopt, variables)
    chosen = select_repositories(changed, enable=choice.enable, disable=choice.disable, only=choice.only)
    if not any(config.enabled and config.side is Side.TARGET for config in chosen):
        raise UsageError(f"no repository of the target {target.name} is enabled")
    return replace(target, repositories=chosen)
