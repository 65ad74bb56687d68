"""`python -m ppcdeps`: the same as the command `ppcdeps`."""

from ppcdeps.cli.main import run

if __name__ == "__main__":
    run()
