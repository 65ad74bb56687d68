"""`ppcdeps audit`: every package of a distribution, and which builds open most."""

from pathlib import Path

import click

from ppcdeps.base.atomic import check_apart, require_place, write_output
from ppcdeps.cli.options import OutputFile, json_option, output_options, recipes_option, repository_options
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import UsageError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.visible import visible
from ppcdeps.workflows.choice import RepositoryChoice


@click.command()
@click.option(
    "--only",
    "globs",
    multiple=True,
    metavar="GLOBS",
    help="Only packages whose name, or whose source's, one of these globs fits (a,b*). Repeatable.",
)
@click.option("--why", metavar="NAME", help="Why this package or source is what it is, and what it holds back.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write the audit here as JSON, to compare it with a later one.",
)
@click.option(
    "--html",
    "page_file",
    type=OutputFile(),
    metavar="FILE",
    help="Write the audit as a page for people here, too.",
)
@recipes_option
@json_option
@repository_options()
@output_options
def audit(
    globs: tuple[str, ...],
    why: str | None,
    output: Path | None,
    page_file: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> int:
    """Every package of a distribution, and which builds open most.

    Is it there, is it installable, and what is it waiting for? Packages are those of the target's repositories and
    of the reference's. Sources are ranked by how many packages they hold back.

    Exit code 0: all packages can be installed without a build; 1: some cannot.
    """
    from ppcdeps.auditing.audit_file import dump_audit
    from ppcdeps.auditing.explanation import subject_of
    from ppcdeps.base.toml import closest
    from ppcdeps.report.audit import dump_subject, render_audit, render_subject
    from ppcdeps.workflows.audit import audit as audit_target
    from ppcdeps.workflows.repositories import resolve_target

    only = tuple(glob for option in globs for glob in option.replace(",", " ").split())
    if why == "":
        raise UsageError("--why has no name", hint="give it that of a package or source")
    if globs and not only:
        raise UsageError("--only names no glob", hint='write it like "kde*,openstack-*"')
    if page_file is not None:
        check_apart(page_file, (output, *choice.files))
        require_place(page_file, "--html")
    if output is not None:
        check_apart(output, choice.files, "audit")
        require_place(output, "--output")
    resolved = resolve_target(choice, reporter)
    found = audit_target(resolved, reporter, only=only, recipes=folders)
    text = dump_audit(found) if as_json or output is not None else ""
    if output is not None:
        write_output(output, text)
    if page_file is not None:
        from ppcdeps.workflows.pages import audit_view_of, page_of

        write_output(page_file, page_of(audit_view_of(found, next_command)), "--html")
        reporter.note(f"the page is in {page_file}")
    reporter.note(f"answered from {resolved.basis.line()}")
    code = ExitCode.DONE if found.is_complete else ExitCode.GAPS_REMAIN
    if why is None:
        write(text if as_json else render_audit(found), as_json=as_json)
        return code
    subject = subject_of(found, why)
    if subject is None:
        names = {name for each in found.packages for name in (each.name, each.source)}
        among = f" of --only {visible(', '.join(only))}" if only else ""
        raise UsageError(f"the audit{among} has no package or source {visible(why)}", hint=closest(why, names))
    write(dump_subject(subject) if as_json else render_subject(subject), as_json=as_json)
    return code
