"""The tests in a root where the packages are installed: pip's part of the plan, imports, smoke tests.

One run of an engine does all of it, so that what pip installs is there for the other steps and removed after them.
"""

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ppcdeps.base.untrusted import read_beneath
from ppcdeps.engines.engine import WORKSPACE, Engine
from ppcdeps.engines.job import Buildroot, Ending, Job, Limits
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.verification import Check, CheckOutcome
from ppcdeps.model.wording import counted, first_of
from ppcdeps.python.wheelhouse import Wheelhouse
from ppcdeps.verifying import importing

_STEP_SECONDS = 900
_TAIL = 20
_DRIVER = f"""\
#!/bin/sh
# Each step by itself: one that fails or hangs does not keep the others from being tried.
limit=
command -v timeout >/dev/null 2>&1 && limit="timeout -k 10 {_STEP_SECONDS}"
for step in {WORKSPACE}/steps/*.sh; do
  name=${{step##*/}}; name=${{name%.sh}}
  begun=$(date +%s)
  $limit /bin/sh "$step" >"{WORKSPACE}/results/$name.log" 2>&1 </dev/null
  echo "$? $(($(date +%s) - begun))" >"{WORKSPACE}/results/$name.code"
done
"""


@dataclass(frozen=True, slots=True)
class TrialContents:
    """What to try. ``modules`` are to be imported (whether each is compiled is its value), and those of the
    ``distributions``; ``smoke_tests`` are scripts by the name of their recipe. ``others`` are modules of the
    platform's interpreter, where ``python`` is one beside it.
    """

    python: str = "python3"
    wheelhouse: Wheelhouse = field(default_factory=Wheelhouse)
    modules: Mapping[str, bool] = field(default_factory=dict)
    others: Mapping[str, bool] = field(default_factory=dict)
    distributions: Sequence[str] = ()
    smoke_tests: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_imports(self) -> bool:
        """Whether anything is to be imported, by a Python that the importing program is written for."""
        return bool(self.modules or self.others or self.distributions) and self.python != "python2"


@dataclass(frozen=True, slots=True)
class TrialResults:
    """How it went."""

    python: Check
    imports: Check
    smoke_tests: tuple[Check, ...]


def try_packages(root: Buildroot, wanted: TrialContents, engine: Engine, folder: Path) -> TrialResults:
    """Try all of it in the root, without network. ``folder`` is a new folder of this machine for what it takes.

    Raises EngineFailedError where the engine cannot run anything in the root.
    """
    for name in ("steps", "results", "files"):
        (folder / name).mkdir(parents=True)
    steps = {"10-python": _python_step(wanted, folder)} if wanted.wheelhouse.pinned else {}
    if wanted.has_imports:
        steps["20-imports"] = _imports_step(wanted, folder)
    for number, (name, script) in enumerate(sorted(wanted.smoke_tests.items())):
        steps[f"{30 + number}-{_file_name(name)}"] = script
    if not steps:
        return TrialResults(_nothing("no distribution comes by pip"), _nothing("there is nothing to import"), ())
    for name, script in steps.items():
        (folder / "steps" / f"{name}.sh").write_text(script, "utf-8")
    (folder / "try.sh").write_text(_DRIVER, "utf-8")
    log: list[bytes] = []
    job = Job(
        name=folder.name if folder.name.startswith("ppcdeps") else f"ppcdeps-{folder.parent.name}",
        command=("/bin/sh", f"{WORKSPACE}/try.sh"),
        workspace=folder,
        limits=Limits(seconds=_STEP_SECONDS * (len(steps) + 1)),
    )
    ended = engine.run(root, job, log.append)
    lost = "" if ended.ending is Ending.EXITED else f"the run was ended: {ended.ending}"
    results = _Results(folder, lost, b"".join(log).decode(errors="replace"))
    return TrialResults(
        _python_check(wanted, results),
        _imports_check(wanted, results),
        tuple(
            results.check(f"{30 + number}-{_file_name(name)}", "ran to its end", subject=name)
            for number, name in enumerate(sorted(wanted.smoke_tests))
        ),
    )


def _python_step(wanted: TrialContents, folder: Path) -> str:
    """pip, without network, index and configuration, with every file checked against the plan's digest."""
    house = wanted.wheelhouse
    for each in (*house.pinned, *house.backends):
        place = folder / "files" / each.file
        if not place.exists():
            shutil.copyfile(each.path, place)
    texts = {"wheels.txt": house.wheels, "sdists.txt": house.sdists, "backends.txt": house.backends}
    for name, pins in texts.items():
        (folder / name).write_text("".join(f"{each.requirement}\n" for each in pins), "utf-8")
    pip = (
        f"{wanted.python} -m pip install --no-index --find-links {WORKSPACE}/files --no-deps"
        " --require-hashes --no-cache-dir --disable-pip-version-check --no-warn-script-location --no-compile --quiet"
    )
    # Debian's pip refuses to touch the system's Python; this system is removed after the trial.
    lines = ["set -eu", "export PIP_CONFIG_FILE=/dev/null PIP_ROOT_USER_ACTION=ignore PIP_BREAK_SYSTEM_PACKAGES=1"]
    if house.wheels:
        lines.append(f"{pip} --ignore-installed -r {WORKSPACE}/wheels.txt")
    if house.sdists:
        if house.backends:
            lines.append(f"{pip} --ignore-installed --target /tmp/backends -r {WORKSPACE}/backends.txt")
            lines.append("export PYTHONPATH=/tmp/backends")
        lines.append(f"{pip} --no-build-isolation --ignore-installed -r {WORKSPACE}/sdists.txt")
    return "\n".join(lines) + "\n"


def _imports_step(wanted: TrialContents, folder: Path) -> str:
    requests = {"imports": {"modules": dict(wanted.modules), "distributions": list(wanted.distributions)}}
    if wanted.others:
        requests["others"] = {"modules": dict(wanted.others), "distributions": []}
    for name, request in requests.items():
        (folder / f"{name}.json").write_text(json.dumps(request), "utf-8")
    (folder / "importing.py").write_text(Path(importing.__file__).read_text("utf-8"), "utf-8")
    # Safe: what is imported is in the system's folders, never in the current one.
    commands = (
        (
            wanted.python if name == "imports" else "python3",
            "-E",
            f"{WORKSPACE}/importing.py",
            f"{WORKSPACE}/{name}.json",
            f"{WORKSPACE}/results/{name}.json",
        )
        for name in requests
    )
    return "\n".join(("set -eu", "cd /", *map(shlex.join, commands), ""))


class _Results:
    """What the steps left in the workspace ``folder``. ``lost`` says why the run did not come to its end, or nothing.

    What was tried may have put links, FIFOs or endless files in the place of each: then it is as if it had left none.
    """

    def __init__(self, folder: Path, lost: str, said: str) -> None:
        self.folder = folder
        self._lost = lost
        self._said = said

    def check(self, step: str, detail: str, subject: str = "") -> Check:
        log = self._log(step)
        try:
            code, seconds = map(int, self.text(f"{step}.code").split())
        except (OSError, ValueError):
            why = self._lost or "the run ended before it"
            return Check(CheckOutcome.FAILED, why, subject, log=log or _tail(self._said))
        if code == 0:
            return Check(CheckOutcome.OK, detail, subject, log=log, seconds=seconds)
        reason = f"no end in {_STEP_SECONDS} s" if code in {124, 137} else f"ended with {code}"
        return Check(CheckOutcome.FAILED, reason, subject, log=log, seconds=seconds)

    def _log(self, step: str) -> tuple[str, ...]:
        try:
            return _tail(self.text(f"{step}.log"))
        except OSError:
            return ()

    def text(self, name: str) -> str:
        """The content of a result. Raises OSError where there is none that may be read."""
        return read_beneath(self.folder, f"results/{name}", CEILINGS.contained_text).decode("utf-8", "replace")


def _python_check(wanted: TrialContents, results: _Results) -> Check:
    house = wanted.wheelhouse
    if not house.pinned:
        return _nothing("no distribution comes by pip")
    sdists = f", {len(house.sdists)} of them built from pure sdists" if house.sdists else ""
    return results.check("10-python", f"{counted(len(house.pinned), 'distribution')} by pip, hashes checked{sdists}")


def _imports_check(wanted: TrialContents, results: _Results) -> Check:
    if not wanted.has_imports:
        has_modules = wanted.modules or wanted.distributions
        return _nothing("modules are tried with Python 3 alone" if has_modules else "there is nothing to import")
    check = results.check("20-imports", "")
    if check.outcome is not CheckOutcome.OK:
        return check
    try:
        said = [
            (str(one["module"]), bool(one["native"]), str(one["fault"]), bool(one["left_out"]))
            for name in ("imports.json", *(["others.json"] if wanted.others else []))
            for one in json.loads(results.text(name))
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return replace(check, outcome=CheckOutcome.FAILED, detail="the list of what was imported cannot be read")
    native = sum(is_native for _, is_native, _, _ in said)
    faults = tuple(f"{module}: {fault}" for module, _, fault, left_out in said if fault and not left_out)
    if faults:
        detail = f"{len(faults)} of {counted(len(said), 'module')} cannot be imported"
        return Check(CheckOutcome.FAILED, detail, log=faults[:_TAIL], seconds=check.seconds)
    names = tuple(module for module, _, _, _ in said)
    detail = f"{counted(len(said), 'module')}, {native} of them compiled"
    if without := [module for module, _, _, left_out in said if left_out]:
        detail += f"; built without {first_of(without, 3)}"
    return Check(CheckOutcome.OK, detail, log=names, seconds=check.seconds)


def _nothing(detail: str) -> Check:
    return Check(CheckOutcome.SKIPPED, detail)


def _tail(text: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in text.rstrip().splitlines()[-_TAIL:])


def _file_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in name)
