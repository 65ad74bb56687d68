"""The command `ppcdeps`, and `python -m ppcdeps`: Ctrl-C is one line also while modules are loaded."""

import sys


def run() -> None:
    """Run the command line of this process, and end the process with its exit code."""
    try:
        from ppcdeps.cli.main import run as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("ppcdeps: interrupted\n")
        # That of `ppcdeps.model.exitcodes`, which may not have been loaded.
        sys.exit(130)


if __name__ == "__main__":
    run()
