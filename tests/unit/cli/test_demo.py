"""The commands of the demo, without the minutes that they take."""

import json
from pathlib import Path

import pytest

from ppcdeps.cli.demo import DemoCommand, _commands, _run
from ppcdeps.demo.world import DemoWorld


def test_the_page_has_the_results_that_the_commands_before_wrote() -> None:
    here = Path("play")
    world = DemoWorld(*[here] * len(DemoWorld.__dataclass_fields__))  # type: ignore[arg-type]
    *before, report = _commands(world, "cross", None, None)
    written = {step.words[0]: step.output for step in before if step.output}
    assert written == {"build": "build.json", "verify": "verify.json"}
    assert report.words[2:] == ("--build", "build.json", "--verify", "verify.json")
    assert all("--json" in step.words for step in before if step.output)


@pytest.mark.parametrize("quiet", [False, True])
def test_what_a_command_prints_for_programs_goes_to_its_file(
    quiet: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = DemoCommand("what there is", ("workloads", "--json"), output="answer.json")
    assert _run(step, tmp_path, quiet_stdout=quiet).exit_code == 0
    assert step.typed == "ppcdeps workloads --json > answer.json"
    assert json.loads((tmp_path / "answer.json").read_text("utf-8"))
    assert capsys.readouterr().out == ""
