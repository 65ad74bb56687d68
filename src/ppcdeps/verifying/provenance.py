"""Whether the provenance of a local repository is that of its packages, and signed by the repository's key."""

from pathlib import Path

from ppcdeps.base.untrusted import read_beneath
from ppcdeps.building.publishing.envelope import statement_in
from ppcdeps.building.publishing.provenance import PREDICATE, STATEMENT
from ppcdeps.building.publishing.repository import CURRENT, Manifest, read_manifest
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.verification import Check, CheckOutcome
from ppcdeps.model.wording import counted


def check_provenance(repository: Path) -> Check | None:
    """The check of the repository in this folder, None where it was not published by ppcdeps, or has no statement.

    Each published package must be named by a statement, and all that a statement names, and that is published, must
    have the statement's digest. In a signed repository each statement must be in an envelope that the repository's
    key signed, and be the one that lies beside it.
    """
    manifest = read_manifest(repository)
    place = repository / CURRENT
    sources = sorted(path.name.removesuffix(".json") for path in (place / "records").glob("*.json"))
    if manifest is None or not sources:
        return None
    faults = []
    named: set[str] = set()
    for source in sources:
        try:
            named |= _subjects(place.resolve(), source, manifest, repository)
        except (RepositoryError, DocumentError, WrongValueError, OSError) as fault:
            faults.append(f"{source}: {fault.message if isinstance(fault, RepositoryError) else fault}")
    if not faults:
        unnamed = [file for one in manifest.packages if (file := Path(one.path).name) not in named]
        faults = [f"{file} is published, and no statement names it" for file in unnamed]
    if faults:
        again = "publish again with `ppcdeps build PLAN --sign-with KEY`" if manifest.key else "build again"
        return Check(CheckOutcome.FAILED, f"{faults[0]}; {again}", log=tuple(faults))
    signed = f", signed by {manifest.key[-16:]}" if manifest.key else ", not signed"
    files, builds = counted(len(named), "file"), counted(len(sources), "build")
    wheels = len({Path(one.path).name for one in manifest.wheels} - named)
    unstated = f"; of {counted(wheels, 'wheel')} there is no statement" if wheels else ""
    return Check(CheckOutcome.OK, f"{files} of {builds} as stated{signed}{unstated}")


def _subjects(place: Path, source: str, manifest: Manifest, repository: Path) -> set[str]:
    """The published files that the statement of a source names."""
    text = read_beneath(place, f"provenance/{source}.intoto.json", CEILINGS.document_size)
    if manifest.key:
        name = f"provenance/{source}.intoto.jsonl"
        if not (place / name).is_file():
            raise RepositoryError(f"{name} is missing: the statement is not signed")
        public = (repository / f"RPM-GPG-KEY-{manifest.key[-16:]}").read_bytes()
        envelope = read_beneath(place, name, CEILINGS.document_size)
        if statement_in(envelope, manifest.key, public, name) != text:
            raise RepositoryError(f"{name} is signed for another statement than {source}.intoto.json")
    statement = JsonObject(parse_json(text))
    if (statement.text("_type"), statement.text("predicateType")) != (STATEMENT, PREDICATE):
        statement.refuse("_type", "and predicateType are not those of a provenance statement")
    published = {Path(one.path).name: one.sha256 for one in manifest.packages}
    published |= {Path(one.path).name: one.sha256 for one in manifest.wheels}
    named = set()
    for subject in statement.objects("subject"):
        file, sha256 = subject.text("name"), subject.inner("digest").text("sha256")
        if file in published:
            if published[file] != sha256:
                subject.refuse("digest", f"is not that of {file}, as it is published")
            named.add(file)
    if not named:
        statement.refuse("subject", "names nothing that is published")
    return named
