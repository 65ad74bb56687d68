import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from rpmmd import Package, write_repository
from universes import case_of, write_case

from ppcdeps.cli.main import main
from ppcdeps.model.nevra import Nevra


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options for a small distribution, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return _options(
        tmp_path,
        target={"app-1-1.ppc64le": {"requires": ["engine"]}, "tool-1-1.ppc64le": {}},
        reference={"engine-2-1.x86_64": {"from": "motor"}},
    )


def _options(folder: Path, **packages: Any) -> list[str]:
    options = ["--cache-dir", str(folder / "cache"), "--quiet"]
    for config in write_case(case_of([], **packages), Path(tempfile.mkdtemp(dir=folder))):
        option = "--repofrompath" if config.id == "target" else f"--{config.id}"
        options += [option, f"{config.id},{config.baseurl[0]}"]
    return options


def test_the_exit_code_says_whether_all_is_usable(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *repositories]) == 1
    assert "1  there, and installable\n" in capsys.readouterr().out
    assert main(["audit", "--only", "tool", *repositories]) == 0


def test_a_written_audit_is_what_json_prints_and_can_be_compared(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--json", "--output", "audit.json", *repositories]) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(Path("audit.json").read_text())
    assert main(["diff", "--exit-code", "audit.json", "audit.json"]) == 0
    assert capsys.readouterr().out == "The audits are the same.\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "other.json is not an audit: it is not JSON: "),
        ('{"kind": "audit", "schema": 1}', "other.json is not a whole audit: target is missing; make it anew with "),
        ("{}", "audit.json is an audit, and other.json is none; compare two plans, or two audits"),
        (None, "cannot read the audit other.json: No such file or directory"),
    ],
)
def test_what_cannot_be_compared_with_an_audit_is_told(
    content: str | None, told: str, repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "--output", "audit.json", *repositories])
    if content is not None:
        Path("other.json").write_text(content)
    for files in (("audit.json", "other.json"), ("other.json", "audit.json")):
        capsys.readouterr()
        assert main(["diff", *files]) == 3
        assert told in capsys.readouterr().err


def test_why_explains_a_package_and_refuses_an_unknown_name(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--why", "app", *repositories]) == 1
    assert "waits for motor" in capsys.readouterr().out
    assert main(["audit", "--why", "tolo", *repositories]) == 2
    assert 'no package or source tolo; did you mean "tool"?' in capsys.readouterr().err


def test_globs_that_fit_nothing_are_a_usage_error(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--only", "nothing*", *repositories]) == 2
    assert "no package or source is called nothing*" in capsys.readouterr().err
    assert main(["audit", "--only", "nothing*,too*", *repositories]) == 0
    assert "warning: no package or source is called nothing*" in capsys.readouterr().err
    assert main(["audit", "--only", ",", *repositories]) == 2


def test_of_many_versions_the_newest_are_explained_and_the_rest_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = {f"app-{number}-1.ppc64le": {"requires": ["gone"]} for number in range(1, 13)}
    assert main(["audit", "--why", "app", *_options(tmp_path, target=versions)]) == 1
    said = capsys.readouterr().out
    assert re.findall(r"^app-(\d+)", said, re.MULTILINE) == ["12", "11", "10", "9", "8"]
    assert said.endswith("\nand 7 more, older ones: 7 blocked\n")


def test_a_target_without_packages_is_refused_and_an_empty_repository_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app: dict[str, dict[str, object]] = {"app-1-1.ppc64le": {}}
    assert main(["audit", *_options(tmp_path, target={"app-1-1.x86_64": {}}, reference=app)]) == 30
    refused = "no target repository has a package for ppc64le: target; is it of another architecture?"
    assert refused in capsys.readouterr().err
    # What a reference has is of the reference's architecture, or noarch.
    assert main(["audit", *_options(tmp_path, target=app, reference=app)]) == 0
    said = capsys.readouterr()
    assert "\n1 package\n" in said.out
    assert "warning: repository reference has no package that counts here: is it of another" in said.err
    assert main(["audit", *_options(tmp_path, target=app)]) == 0
    assert "warning: there is no reference repository: what the target lacks is not known" in capsys.readouterr().err


COMPS = """<!DOCTYPE comps PUBLIC "-//X//DTD Comps info//EN" "comps.dtd"><comps>
<group><id>engines</id><name>Engines</name><packagelist>
<packagereq type="mandatory">app</packagereq><packagereq type="default">engine</packagereq>
<packagereq type="default">tool</packagereq><packagereq type="default">elsewhere</packagereq>
<packagereq type="optional">lost</packagereq></packagelist></group>
<group><id>tools</id><name>Tools</name><packagelist><packagereq>tool</packagereq></packagelist></group></comps>"""


def test_package_groups_wait_for_what_their_packages_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Package(Nevra.parse("app-1-1.ppc64le"), relations={"requires": ("engine",)})
    tool = Package(Nevra.parse("tool-1-1.ppc64le"))
    engine = Package(Nevra.parse("engine-2-1.x86_64"), "motor")
    write_repository(tmp_path / "target", [app, tool])
    write_repository(tmp_path / "reference", [engine], groups=COMPS)
    options = ["--cache-dir", "cache", "--quiet", "--repofrompath", f"t,{(tmp_path / 'target').as_uri()}"]
    options += ["--reference", f"r,{(tmp_path / 'reference').as_uri()}"]
    assert main(["audit", *options, "-o", "audit.json", "--html", "audit.html"]) == 1
    text = capsys.readouterr().out
    assert "Package groups that are not whole: 1 of 2\n  engines: 2 of 3 wait for motor\n" in text
    assert json.loads(Path("audit.json").read_text())["groups"] == [
        {
            "id": "engines",
            "title": "Engines",
            "packages": 3,
            "waiting": ["app", "engine"],
            "blocked": [],
            "needs": ["motor"],
        },
        {"id": "tools", "title": "Tools", "packages": 1, "waiting": [], "blocked": [], "needs": []},
    ]
    page = Path("audit.html").read_text("utf-8")
    assert "1 of 2 are not whole" in page
    assert "Package groups that wait for it" in page
    assert main(["audit", *options, "--why", "motor"]) == 1
    assert "package groups: engines" in capsys.readouterr().out
    assert main(["audit", *options, "--only", "app"]) == 1
    assert "Package groups that are not whole: 1 of 1, by the packages that --only chose\n" in capsys.readouterr().out


def test_groups_that_cannot_be_read_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tool = Package(Nevra.parse("tool-1-1.ppc64le"))
    write_repository(tmp_path / "target", [tool], groups="<!DOCTYPE comps [<!ENTITY a 'b'>]><comps>&a;</comps>")
    options = ["--cache-dir", "cache", "--repofrompath", f"t,{(tmp_path / 'target').as_uri()}"]
    assert main(["audit", *options]) == 0
    assert "the package groups of t are not known: brings a document type declaration" in capsys.readouterr().err
