"""The command `ppcdeps`: its subcommands, and the one line and exit code that every error becomes."""

import atexit
import errno
import gc
import os
import sys
import threading
import warnings
from collections.abc import Sequence

import click

from ppcdeps import __version__
from ppcdeps.cli.lazy_group import ARGUMENTS, LazyGroup
from ppcdeps.cli.output import STANDARD_OUTPUT, lossy, mute, prepare_standard_streams, say, standard_output_fails
from ppcdeps.model.errors import DISK_FULL, PpcdepsError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.visible import visible

PROGRAM = "ppcdeps"

COMMANDS = {
    "plan": ("ppcdeps.cli.plan:plan", "What is missing, and how each gap is closed; writes the plan."),
    "why": ("ppcdeps.cli.why:why", "Why NAME is needed, why it is a gap, and what was tried."),
    "audit": ("ppcdeps.cli.audit:audit", "Every package of a distribution, and which builds open most."),
    "constraints": (
        "ppcdeps.cli.constraints:constraints",
        "The files for pip: constraints, requirements, pylock.toml.",
    ),
    "recipes": ("ppcdeps.cli.recipes:recipes", "How sources are made to build: list, show, render, check."),
    "build": ("ppcdeps.cli.build:build", "Build what a plan takes, and publish it as a local repository."),
    "export": (
        "ppcdeps.cli.export:export",
        "A plan in other tools' formats: pipelines, locks, files for machines.",
    ),
    "buildroot": ("ppcdeps.cli.buildroot:buildroot", "Where packages are built, and what runs the builds here."),
    "verify": ("ppcdeps.cli.verify:verify", "Is the gap closed? Plan again, install, and run what was built."),
    "lock": ("ppcdeps.cli.lock:lock", "Pin everything that a plan takes by digest, in one file."),
    "fetch": ("ppcdeps.cli.fetch:fetch", "Bring all files of a lock into one folder, for builds without network."),
    "report": ("ppcdeps.cli.report:report", "A plan, or two compared, as one HTML page for people."),
    "demo": ("ppcdeps.cli.demo:demo", "Plan, build and verify a small real workload, without POWER hardware."),
    "targets": ("ppcdeps.cli.shipped:targets", "List the targets, or print one as a template for your own."),
    "workloads": ("ppcdeps.cli.shipped:workloads", "List the workloads, or print one as a template for your own."),
    "check": (
        "ppcdeps.cli.check:check",
        "Find what breaks at run time, before it does: env, lock, guest, host, node.",
    ),
    "sync": ("ppcdeps.cli.sync:sync", "Fetch the repositories' metadata, and use it from now on."),
    "snapshot": ("ppcdeps.cli.snapshot:snapshot", "Save metadata for offline use, or use what was saved."),
    "diff": ("ppcdeps.cli.diff:diff", "Compare two plans, or two audits."),
}
"""Where each command is, and its line in the help: a command's module is imported only to run it."""


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, nothing missing; 1 gaps or findings remain; 2 usage; 3 configuration or input file; "
    "10 a build failed; 20 the environment lacks a tool; 30 a repository or an index could not be read; "
    "40 a cloud does not answer, or has no room.",
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback behind an error (also PPCDEPS_DEBUG=1).")
def cli(debug: bool) -> None:
    """What does it take to run an RPM workload on ppc64le?

    ppcdeps compares what a workload needs with what the repositories of a ppc64le distribution have, and plans
    how each gap is closed. Begin with: ppcdeps plan nova-compute
    """
    if debug:
        os.environ["PPCDEPS_DEBUG"] = "1"


def run() -> None:
    """Run the command line of this process, and end the process with its exit code."""
    prepare_standard_streams()
    # A command makes many objects that live as long as it does: searches for garbage among them find none.
    gc.set_threshold(300_000)
    if not sys.warnoptions:
        # Python warns of what it parses, in words of the file: of `"\\d"` in a setup.py that is read, not run.
        warnings.simplefilter("ignore")
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        # A second Ctrl-C, while the first was being reported.
        code = ExitCode.INTERRUPTED
    # What the interpreter would flush on its way out is flushed by now, or cannot be.
    with lossy(sys.stderr):
        sys.stderr.flush()
    # The interpreter would look through all objects for garbage on its way out, and free each of them: a tenth of a
    # second after a plan. Where a thread still runs, it would wait for that.
    gc.freeze()
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    os._exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run a command line. Returns the exit code; every error is one line on standard error."""
    try:
        if f"_{PROGRAM.upper()}_COMPLETE" in os.environ:
            cli.main(list(arguments), prog_name=PROGRAM)
        code = _invoke(arguments)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return _flushed(done.exit_code)
    except SystemExit as done:
        return _flushed(done.code if isinstance(done.code, int) else 0)
    except click.ClickException as fault:
        return _usage(fault)
    except (KeyboardInterrupt, click.Abort):
        return _reported("interrupted", ExitCode.INTERRUPTED, label="")
    except BrokenPipeError:
        # The reader has enough, as `head` has.
        mute(sys.stdout)
        return ExitCode.BROKEN_PIPE
    except PpcdepsError as fault:
        return _reported(str(fault), fault.exit_code, trace=True)
    except MemoryError:
        return _reported("the machine has not enough memory", ExitCode.ENVIRONMENT_LACKS)
    except OSError as fault:
        return _reported(_of_the_machine(fault), ExitCode.ENVIRONMENT_LACKS, trace=True)
    except Exception as fault:
        return _reported(_defect(fault), ExitCode.DEFECT, trace=True)
    return code


def _invoke(arguments: Sequence[str]) -> int:
    with cli.make_context(PROGRAM, list(arguments)) as context:
        context.meta[ARGUMENTS] = tuple(arguments)
        code = cli.invoke(context)
    return code if isinstance(code, int) else 0


def _flushed(code: int) -> int:
    """The code, once the help or the version has been written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        mute(sys.stdout)
        return ExitCode.BROKEN_PIPE
    except OSError as fault:
        return _reported(_of_the_machine(fault), ExitCode.ENVIRONMENT_LACKS)
    return code


def _usage(fault: click.ClickException) -> int:
    context = getattr(fault, "ctx", None)
    if isinstance(context, click.Context) and type(fault).__name__ == "NoArgsIsHelpError":
        say(context.get_help())
        return fault.exit_code
    command = context.command_path if isinstance(context, click.Context) else PROGRAM
    message = visible(" ".join(fault.format_message().split()).rstrip("."))
    return _reported(f"{message}; see `{command} --help`", ExitCode.USAGE)


def _of_the_machine(fault: OSError) -> str:
    """What the operating system refused, where no adapter has said it better."""
    place = fault.filename
    if fault.errno in DISK_FULL:
        # Of a copy the second name is the one that is written.
        place = visible(str(fault.filename2 or place or "the disk"))
        return f"no space left while writing to {place}; free some space, and run the command again"
    if fault.errno == errno.EBADF and place == STANDARD_OUTPUT:
        return "standard output is closed; send it to a file, or to /dev/null"
    reason = fault.strerror or str(fault) or type(fault).__name__
    return visible(f"{place}: {reason}" if place else reason)


def _defect(fault: Exception) -> str:
    import traceback
    from pathlib import Path

    package = Path(__file__).parents[1]
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(fault.__traceback__)]
    ours = [f"{path.name}:{line}" for path, line in frames if path.is_relative_to(package)]
    where = f" at {ours[-1]}" if ours else ""
    what = visible(" ".join(str(fault).split())[:200])
    return (
        f"this is a defect of ppcdeps: {type(fault).__name__}{where}{': ' if what else ''}{what}; "
        "run it again with PPCDEPS_DEBUG=1 for the traceback, and report it"
    )


def _reported(message: str, code: int, *, label: str = "error: ", trace: bool = False) -> int:
    """Write the message to standard error. Returns the exit code."""
    if trace and os.environ.get("PPCDEPS_DEBUG"):
        import traceback

        say(traceback.format_exc().rstrip("\n"))
    say(f"{PROGRAM}: {label}{message}")
    if standard_output_fails():
        mute(sys.stdout)
    return code
