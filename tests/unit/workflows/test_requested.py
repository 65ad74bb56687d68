"""How a plan was requested: what its record keeps, and what of it counts for a command that goes on with the plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.model.commands import RequestRecord, command_line
from ppcdeps.model.errors import UsageError
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.requested import as_requested, located, located_value, record_of

HERE = RepositoryChoice(offline=True)
CHOICE = RepositoryChoice(
    target="mine.toml",
    release="yoga",
    releasever="9",
    repofrompath=("more,https://host.example/9/",),
    reference=("x86,/srv/x86",),
    source=("src,srpms",),
    repo_files=(Path("my.repo"),),
    enable=("crb,epel", "ha*"),
    disable=("debug",),
    setopt=("more.retries=1",),
    python_version="3.11",
    modules=("python39:3.9",),
)


def record(choice: RepositoryChoice, *words: str) -> RequestRecord:
    found = record_of(words or ("app",), choice)
    assert found is not None
    return found


def test_what_was_recorded_is_the_same_choice_again() -> None:
    assert as_requested(record(CHOICE), HERE) == replace(CHOICE, offline=True)
    alone = RepositoryChoice(snapshot="snap.tar", only=("base",))
    assert as_requested(record(alone), RepositoryChoice()) == alone
    assert as_requested(None, HERE) == HERE


def test_how_a_run_reads_is_not_recorded() -> None:
    choice = RepositoryChoice(offline=True, refresh=True, cache_directory=Path("cache"))
    assert record(choice) == RequestRecord(("app",))


def test_who_names_places_says_all_about_repositories() -> None:
    assert as_requested(record(CHOICE), replace(HERE, target="other.toml")) == replace(HERE, target="other.toml")
    assert as_requested(record(CHOICE), replace(HERE, snapshot="s")) == replace(HERE, snapshot="s")


def test_who_selects_repositories_selects_all_and_other_options_stand_alone() -> None:
    given = replace(HERE, only=("base",), python_version="3.12", setopt=("more.retries=3", "*.timeout=9"))
    found = as_requested(record(CHOICE), given)
    assert (found.only, found.enable, found.disable) == (("base",), (), ())
    assert (found.python_version, found.target, found.modules) == ("3.12", "mine.toml", ("python39:3.9",))
    assert found.setopt == ("more.retries=3", "*.timeout=9")


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (
            replace(HERE, repofrompath=("a,https://me:s3cret@host.example/",)),
            "--repofrompath a,https://***@host.example/",
        ),
        (replace(HERE, setopt=("a.password=s3cret",)), "--setopt a.password=***"),
    ],
)
def test_a_password_is_not_kept_and_asked_for_again(choice: RepositoryChoice, shown: str) -> None:
    kept = record(choice)
    assert "s3cret" not in repr(kept)
    with pytest.raises(UsageError, match="the plan was requested with a password, which it does not keep") as fault:
        as_requested(kept, HERE)
    assert shown in str(fault.value)
    assert as_requested(kept, choice) == choice, "the option was given again"


def test_paths_count_from_the_plans_folder_where_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "a plan"
    for name in ("mine.toml", "work.toml", "x86", "recipes", "centos-stream-9"):
        (there / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    options = {
        "target": ["mine.toml"],
        "snapshot": ["centos-stream-9"],
        "repofrompath": ["more,https://host.example/x86"],
        "reference": ["r,x86"],
        "source": ["s,/srv/src"],
        "recipes": ["recipes", "elsewhere"],
        "enablerepo": ["x86"],
    }
    found = located(RequestRecord.of(["work.toml", "recipes", "app", "foo >= 1"], options), Path("a plan"))
    assert found.words == ("a plan/work.toml", "recipes", "app", "foo >= 1")
    assert {name: list(values) for name, values in found.options} == {
        **options,
        "target": ["a plan/mine.toml"],
        "reference": ["r,a plan/x86"],
        "recipes": ["a plan/recipes", "elsewhere"],
    }
    monkeypatch.chdir(there)
    assert located(RequestRecord.of(["work.toml"], {}), Path()).words == ("work.toml",)
    assert located(RequestRecord.of([f"{'x' * 4000}.toml"], {}), tmp_path).words == (f"{'x' * 4000}.toml",)


def test_values_of_options_count_from_a_folder_where_they_are_paths(tmp_path: Path) -> None:
    for name in ("mine.toml", "x86"):
        (tmp_path / name).mkdir()
    located_values = {
        ("target", "mine.toml"): f"{tmp_path}/mine.toml",
        ("workload", "mine.toml"): f"{tmp_path}/mine.toml",
        ("reference", "r,x86"): f"r,{tmp_path}/x86",
        ("target", "x86"): "x86",
        ("target", "absent.toml"): "absent.toml",
        ("buildroot", "x86"): "x86",
    }
    assert {each: located_value(*each, tmp_path) for each in located_values} == located_values


def test_commands_are_quoted_for_a_shell() -> None:
    assert command_line("why", "foo >= 1", "--plan", "my plan.json") == "ppcdeps why 'foo >= 1' --plan 'my plan.json'"
    odd = RequestRecord.of(["-x/work.toml"], {"target": ["t.toml"]})
    assert odd.command("--enablerepo", "a b") == "ppcdeps plan --target t.toml --enablerepo 'a b' -- -x/work.toml"


def test_what_no_plan_can_keep_is_not_recorded() -> None:
    assert record_of(("app",), replace(HERE, target="two\nlines.toml")) is None
    with pytest.raises(ValueError, match="not an option of a plan: cache-dir"):
        RequestRecord.of(["app"], {"cache-dir": ["x"]})
