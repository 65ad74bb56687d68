"""Each rule of api.toml with a case that it finds and one that it lets be; and what the findings say."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from apitrees import EL9, Files, checked
from rulecases import Cases, assert_complete, assert_fires, assert_silent

from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.explain import findings_of
from ppcdeps.checking.api.releases import History
from ppcdeps.checking.findings import Finding, Severity

LIBRARY: Files = {"lib/__init__.py": "", "lib/core.py": "class Thing:\n    there = 1\nname = 1\n"}
SETUPTOOLS: Files = {"setuptools/__init__.py": ""}


def findings(folder: Path, source: str, platform: PythonPlatform = EL9) -> Iterable[Finding]:
    app = {"app/__init__.py": "import app.main", "app/main.py": source}
    return findings_of(checked(folder, platform, lib=LIBRARY, app=app, setuptools=SETUPTOOLS), "3.9.25")


BAD: Cases = {
    "api-missing-name": lambda folder: findings(folder, "from lib.core import gone"),
    "api-missing-module": lambda folder: findings(folder, "import lib.gone"),
    "api-missing-member": lambda folder: findings(folder, "import lib.core\nlib.core.Thing.gone"),
    "api-removed-module": lambda folder: findings(folder, "import pkg_resources"),
    "api-standard-library": lambda folder: findings(folder, "import asyncore", PythonPlatform((3, 12, 9))),
}
GOOD: Cases = {
    "api-missing-name": lambda folder: findings(folder, "from lib.core import name"),
    "api-missing-module": lambda folder: findings(folder, "import lib.core"),
    "api-missing-member": lambda folder: findings(folder, "import lib.core\nlib.core.Thing.there"),
    "api-removed-module": lambda folder: findings(folder, "import setuptools"),
    "api-standard-library": lambda folder: findings(folder, "import asyncore", PythonPlatform((3, 11, 9))),
}


def test_every_rule_has_its_cases() -> None:
    assert_complete("api", BAD, GOOD)


@pytest.mark.parametrize("rule", BAD)
def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
    assert_fires(rule, BAD, tmp_path)


@pytest.mark.parametrize("rule", GOOD)
def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
    assert_silent(rule, GOOD, tmp_path)


def test_one_name_is_one_finding_that_lists_all_places_and_begins_with_what_is_imported(tmp_path: Path) -> None:
    source = "import lib.core as c\n\nc.gone()\n"
    app = {"app/__init__.py": "import app.z", "app/a.py": source, "app/z.py": source}
    (found,) = findings_of(checked(tmp_path, lib=LIBRARY, app=app), "3.9.25", None, {"app": Path("/site")})
    assert found.where == "/site/app/z.py:3"
    assert found.severity is Severity.ERROR
    assert "also at /site/app/a.py:3" in found.detail


def test_a_file_that_nothing_imports_is_a_warning(tmp_path: Path) -> None:
    app = {"app/__init__.py": "", "app/alone.py": "import lib.gone"}
    (found,) = findings_of(checked(tmp_path, lib=LIBRARY, app=app), "3.9.25")
    assert found.severity is Severity.WARNING
    assert any("nothing in the set imports" in line for line in found.detail)


@pytest.mark.parametrize(
    ("history", "fix", "fixed_in"),
    [
        (History(introduced="3.5.0"), ("lib>=3.5.0",), "3.5.0"),
        (History(until="1.9", removed="2.0"), ("lib<2.0",), None),
        (History(introduced="3.0", until="1.9", removed="2.0"), ("lib>=3.0", "lib<2.0"), "3.0"),
        (History(looked_at=4), (), None),
    ],
)
def test_the_releases_that_have_the_name_make_the_pin(
    tmp_path: Path, history: History, fix: tuple[str, ...], fixed_in: str | None
) -> None:
    result = checked(tmp_path, lib=LIBRARY, app={"app.py": "from lib import gone"})
    (found,) = findings_of(result, "3.9.25", {"lib.gone": history})
    assert (found.fix, found.fixed_in) == (fix, fixed_in)
    (command,) = {one.partition(" ")[0] for one in fix} if len(fix) == 1 else {""}
    (found,) = findings_of(result, "3.9.25", {"lib.gone": history}, fix=lambda pin: f"pip install {pin}")
    assert not command or found.fix == (f"pip install {command}",)
