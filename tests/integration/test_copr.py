"""Builds by COPR: the real client library against a small server of our own, which builds with the real rpmbuild."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from coprserver import CHROOT, TOKEN, CoprServer, copr_at

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.farms.copr import STATE, Pace, build_on_copr
from ppcdeps.building.run.build_run import FinishedBuilds, PlannedBuilds
from ppcdeps.building.run.events import BuildEvent, BuildOutcome
from ppcdeps.building.run.options import BuildBasis, BuildOptions, LockedFiles
from ppcdeps.building.run.run_folder import RunFolder
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.job import Limits
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError, PpcdepsError, RepositoryError, UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import OwnPackages, Plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Silence
from ppcdeps.model.target import CoprChroot
from ppcdeps.recipebook.book import load_book, rebuild_recipe

pytest.importorskip("copr", reason="needs the client library copr")
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("rpmbuild", "createrepo_c", "bwrap")),
    reason="needs rpmbuild, createrepo_c and bubblewrap",
)

SPEC = """\
Name: {name}
Version: 1.0
Release: 1
Summary: A test
License: MIT
Source0: {name}.txt
%description
A test.
%build
{build}
%install
install -D -m 644 %{{SOURCE0}} %{{buildroot}}/usr/share/{name}/{name}.txt
%files
/usr/share/{name}
"""
NAMED = "[copr-cli]\nlogin = someone\nusername = me\ntoken = geheimes-token\n"
FAILS = "echo '{name}.c:1:10: fatal error: widget.h: No such file or directory'; exit 1"


@dataclass
class Setting:
    """A server, a home with its token, and a folder in which plans are built."""

    server: CoprServer
    folder: Path
    events: list[BuildEvent] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def task(self, name: str, *needs: str, build: str = "true", minutes: float | None = None) -> Task:
        spec = self.folder / "specs" / f"{name}.spec"
        spec.parent.mkdir(exist_ok=True)
        spec.write_text(SPEC.format(name=name, build=build.format(name=name)))
        (spec.parent / f"{name}.txt").write_text(f"{name}\n")
        own = OwnPackages(
            name, str(spec), sha256_of(spec), (Nevra.parse(f"{name}-1.0-1.ppc64le"),), (), (f"{name}.txt",)
        )
        recipe = rebuild_recipe(name, [name])
        known = {"native": minutes} if minutes else None
        return Task(name, name, recipe, "1.0", needs=needs, own=own, minutes=known)

    def build(
        self, *tasks: Task, work: str = "run", wait: Callable[[float], None] | None = None, **changes: Any
    ) -> FinishedBuilds:
        """Build these tasks by the library, with no time lost between two looks."""
        target = replace(load_target("almalinux-9"), copr=CoprChroot(CHROOT, **changes.pop("chroot", {})))
        options = BuildOptions(self.folder / "repository", on="copr", project="me/power")
        session = RunFolder(self.folder / work)
        session.folder.mkdir(exist_ok=True)
        cache = Cache.open(self.folder / "cache")
        locked = changes.pop("locked", None)
        basis = BuildBasis(
            target,
            (),
            load_book(),
            cache,
            lambda name, version: (),
            lambda repositories: repositories,
            locked=locked,
        )
        plan = Plan("work", target.name, "ppc64le", (), (), (), ())
        path = self.folder / "plan.json"
        path.write_text("{}")
        builds = PlannedBuilds(plan, path, tuple(tasks), basis, replace(options, **changes), session, Silence())

        def short(seconds: float) -> None:
            self.waited.append(seconds)
            threading.Event().wait(0.02)

        return build_on_copr(builds, self.events.append, wait=wait or short, pace=Pace(0.02, 0.1))

    def fault(self, *tasks: Task, kind: type[PpcdepsError], **changes: Any) -> str:
        """The one line that it ends with. The token is never in it."""
        with pytest.raises(kind) as caught:
            self.build(*(tasks or (self.task("a"),)), **changes)
        assert "\n" not in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert "expired-token" not in str(caught.value)
        return str(caught.value)

    def asked(self, method: str, start: str) -> list[str]:
        return [path for one, path in self.server.requests if one == method and path.startswith(start)]


@pytest.fixture
def copr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "server").mkdir()
    with copr_at(tmp_path / "server") as server:
        server.configuration(tmp_path / "home")
        yield Setting(server, tmp_path)


def outcomes(done: FinishedBuilds) -> dict[str, str]:
    return {result.task.name: str(result.outcome) for result in done.results}


def test_what_is_built_is_downloaded_verified_and_recorded(copr: Setting) -> None:
    done = copr.build(copr.task("a"), copr.task("b", "a"), copr.task("c"))
    assert outcomes(done) == {"a": "built", "b": "built", "c": "built"}
    assert (done.mode, done.buildroot, done.engine) == ("native", CHROOT, "copr me/power")
    for result in done.results:
        assert result.stored is not None
        (package,) = result.stored.packages
        assert package.name == f"{result.task.name}-1.0-1.ppc64le.rpm"
        record = result.stored.record
        assert record.buildroot == f"copr {CHROOT}"
        assert record.digests == {sha256_of(package)}
        assert (result.stored.repository / "repodata" / "repomd.xml").is_file()
        assert result.log is not None
        assert "Executing(%install)" in result.log.read_text()
    assert [type(event).__name__ for event in copr.events].count("BuildFinished") == 3


def test_waves_are_batches_that_follow_each_other(copr: Setting) -> None:
    copr.server.slow = 0.3
    copr.build(copr.task("a"), copr.task("b"), copr.task("c", "a"), copr.task("d", "c"), copr.task("e", "b"))
    a, b, c, e, d = (copr.server.builds[1000 + number] for number in range(5))
    assert a["batch"] == b["batch"]
    assert c["batch"] == e["batch"]
    assert [one["after"] for one in (a, c, d)] == [None, a["batch"], c["batch"]]
    a = a["options"]
    assert a["chroots"] == [CHROOT]
    assert a["enable_net"] is False


def test_what_is_unchanged_is_not_built_again(copr: Setting) -> None:
    copr.build(copr.task("a"), copr.task("b", "a"))
    again = copr.build(copr.task("a"), copr.task("b", "a"), copr.task("c", "b"), work="other")
    assert outcomes(again) == {"a": "unchanged", "b": "unchanged", "c": "built"}
    assert len(copr.server.builds) == 3
    changed = copr.build(copr.task("a", build="true # other"), copr.task("b", "a"), work="third")
    assert outcomes(changed) == {"a": "built", "b": "built"}, "what needs a changed build is built again"


def test_what_is_needed_and_was_removed_from_copr_is_named(copr: Setting) -> None:
    copr.build(copr.task("a"))
    del copr.server.builds[1000]
    fault = copr.fault(copr.task("a"), copr.task("b", "a"), kind=RepositoryError)
    assert "me/power has no longer the build of a, which others need; remove " in fault


def test_a_failure_is_read_by_our_rules_and_what_needs_it_is_canceled(copr: Setting) -> None:
    copr.server.slow = 0.3
    done = copr.build(copr.task("a", build=FAILS), copr.task("b", "a"), copr.task("c", "b"), copr.task("d"))
    assert outcomes(done) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "built"}
    failed, skipped = done.results[0], done.results[1]
    assert failed.cause is not None
    assert "widget.h" in failed.cause.cause
    assert any("widget.h" in line for line in failed.tail)
    assert skipped.cause is not None
    assert skipped.cause.cause == "it needs a, which was not built"
    assert sorted(copr.asked("PUT", "/build/cancel/")) == ["/build/cancel/1002", "/build/cancel/1003"]


def test_fail_fast_cancels_all(copr: Setting) -> None:
    copr.server.slow = 0.3
    done = copr.build(copr.task("a", build=FAILS), copr.task("b"), copr.task("c"), fail_fast=True)
    assert outcomes(done) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert len(copr.asked("PUT", "/build/cancel/")) == 2


def test_what_somebody_cancels_on_the_server_is_a_failure(copr: Setting) -> None:
    copr.server.slow = 60.0

    def cancel(_seconds: float) -> None:
        build = copr.server.builds[1000]
        if build["state"] == "running":
            build["state"], build["ended_on"] = "canceled", build["started_on"] + 1
        threading.Event().wait(0.02)

    (result,) = copr.build(copr.task("a"), wait=cancel).results
    assert result.outcome is BuildOutcome.FAILED
    assert result.cause is not None
    assert result.cause.cause == "it was canceled on COPR"


def test_an_interrupted_run_goes_on_with_what_it_submitted(copr: Setting) -> None:
    copr.server.slow = 0.5

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copr.build(copr.task("a"), copr.task("b", "a"), wait=interrupt)
    assert len(json.loads((copr.folder / "run" / STATE).read_text())) == 2
    done = copr.build(copr.task("a"), copr.task("b", "a"), copr.task("c", "b"))
    assert outcomes(done) == {"a": "built", "b": "built", "c": "built"}
    assert len(copr.server.builds) == 3
    assert copr.server.builds[1002]["options"]["after_build_id"] == 1001


def test_a_busy_server_is_asked_again_when_it_says(copr: Setting) -> None:
    throttled = ("GET /build/1000", 429, {"Retry-After": "17"}, '{"error": "slow down"}', False)
    copr.server.faults += [
        throttled,
        throttled,
        ("GET /project", 503, {}, "<html>Service Unavailable</html>", False),
        ("GET /build-chroot", 502, {}, "<html>Bad Gateway</html>", False),
        ("GET /build/1000", 0, {}, "", False),
    ]
    assert outcomes(copr.build(copr.task("a"))) == {"a": "built"}
    assert copr.waited.count(17.0) == 2
    assert 5.0 in copr.waited


@pytest.mark.parametrize("status", [0, 502, 504])
def test_a_lost_answer_to_a_submission_is_not_submitted_twice(copr: Setting, status: int) -> None:
    copr.server.faults.append(("POST /build/create/upload", status, {}, "<html>", True))
    assert outcomes(copr.build(copr.task("a"), copr.task("b", "a"))) == {"a": "built", "b": "built"}
    assert len(copr.server.builds) == 2


def test_an_older_build_is_not_taken_for_a_lost_one(copr: Setting) -> None:
    copr.build(copr.task("a", build=FAILS))
    copr.server.faults.append(("POST /build/create/upload", 502, {}, "<html>", False))
    assert outcomes(copr.build(copr.task("a"), work="other")) == {"a": "built"}


def test_a_server_that_is_gone_is_one_line_and_the_next_run_goes_on(copr: Setting) -> None:
    copr.server.faults += [("GET /build/1000", 503, {}, "", False)] * 6
    fault = copr.fault(kind=RepositoryError)
    assert "COPR: build 1000 is read, and the server does not answer" in fault
    assert "run the same command again later" in fault
    assert outcomes(copr.build(copr.task("a"))) == {"a": "built"}
    assert len(copr.server.builds) == 1


def test_packages_that_come_late_to_the_repository_are_waited_for(copr: Setting) -> None:
    def pause(_seconds: float) -> None:
        threading.Event().wait(1.0)

    copr.server.late = 0.5
    assert outcomes(copr.build(copr.task("a"), wait=pause)) == {"a": "built"}


def test_a_package_that_differs_from_the_repository_s_metadata_is_refused(copr: Setting) -> None:
    copr.server.damaged = True
    done = copr.build(copr.task("a"))
    assert outcomes(done) == {"a": "failed"}
    assert not list((copr.folder / "cache").rglob("builds/*/result.json"))


def test_time_outs_are_set_by_recorded_times(copr: Setting) -> None:
    copr.build(
        *(copr.task("a", minutes=1.0), copr.task("b", minutes=120.0), copr.task("c", minutes=9000.0), copr.task("d"))
    )
    assert [build["options"]["timeout"] for build in copr.server.builds.values()] == [3600, 43_200, 180_000, 18_000]


def test_a_work_folder_may_have_a_name_with_quotes_and_patterns(copr: Setting) -> None:
    assert outcomes(copr.build(copr.task("a"), work="it's [a]* {b}")) == {"a": "built"}


def test_what_the_server_refuses_is_one_line(copr: Setting) -> None:
    copr.server.faults.append(("POST /build/create/upload", 400, {}, '{"error": "Invalid\\nchroot"}', False))
    assert "COPR: a-1.0-1.src.rpm is submitted, and it says: - Invalid - chroot" in copr.fault(kind=RepositoryError)


def test_the_chroot_gets_what_the_target_names(copr: Setting) -> None:
    target = load_target("almalinux-9")
    chosen = next(one for one in target.repositories if one.enabled and one.baseurl)
    settings = {"repositories": (chosen.id,), "bootstrap": "image"}
    copr.server.chroot["additional_repos"] = ["https://example.org/theirs/"]
    copr.build(copr.task("a"), chroot=settings)
    assert copr.server.chroot["additional_repos"] == ["https://example.org/theirs/", chosen.baseurl[0]]
    assert copr.server.chroot["bootstrap"] == "image"
    copr.build(copr.task("b"), chroot=settings)
    assert len(copr.asked("PUT", "/project-chroot/edit/")) == 1


def test_an_expired_token_is_one_line_without_the_token(copr: Setting) -> None:
    copr.server.configuration(copr.folder / "home", "expired-token")
    copr.server.faults.append(
        ("GET /auth-check", 401, {}, '{"error": "Login invalid/expired: someone:expired-token"}', False)
    )
    fault = copr.fault(kind=ConfigError)
    assert fault.startswith("COPR does not take the token in ~/.config/copr: Login invalid/expired: someone:***")
    long = f'{{"error": "{"x" * 293} expired-token"}}'
    copr.server.faults.append(("GET /auth-check", 401, {}, long, False))
    assert "expire" not in copr.fault(kind=ConfigError)
    assert "COPR does not take the token" in copr.fault(kind=ConfigError)


def test_a_project_without_rights_is_one_line(copr: Setting) -> None:
    copr.server.may_build = False
    fault = copr.fault(kind=ConfigError)
    assert "it refuses: You don't have permissions to build in this copr; request" in fault
    assert "request the permission to build in me/power" in fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no ~/.config/copr, which has the token for COPR; get a new one from"),
        ("nonsense", "~/.config/copr cannot be read: "),
        ("token = geheimes-token\n", "~/.config/copr cannot be read: it is not as COPR gives it; get a new one"),
        ("[copr-cli]\ntoken geheimes-token\n", "~/.config/copr cannot be read: it is not as COPR gives it"),
        ("[other]\n", "~/.config/copr has no whole section [copr-cli]"),
        ("[copr-cli]\ncopr_url = https://example.org\n", "~/.config/copr has no token"),
        ("[copr-cli]\ncopr_url = http://example.org\ntoken = geheimes-token\n", "~/.config/copr cannot be read: The"),
        *(
            (
                f"{NAMED}copr_url = {url}\n",
                f"~/.config/copr has a copr_url that is not an address: Invalid URL '{url}'",
            )
            for url in (
                "nonsense",
                "https://",
                "https://x..y/",
                f"https://{'x' * 70}.org",
                "https://x:0",
                "https://[x",
            )
        ),
        (
            f"{NAMED}copr_url = ftp://example.org\n",
            "~/.config/copr has a copr_url that is not an address: No connection",
        ),
        (f"{NAMED}copr_url = //example.org\n", "~/.config/copr has a copr_url that is not an address: Invalid URL"),
        (f"{NAMED}copr_url = https://a b\n", "~/.config/copr has a copr_url that is not an address: "),
    ],
)
def test_no_configuration_is_one_line(copr: Setting, text: str | None, said: str) -> None:
    path = copr.folder / "home" / ".config" / "copr"
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert copr.fault(kind=ConfigError).startswith(said)
    assert copr.waited == []


@pytest.mark.parametrize("proxy", ["http://x..y:3128", "http://"])
def test_a_proxy_that_is_no_address_is_one_line(proxy: str, copr: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    (copr.folder / "home" / ".config" / "copr").write_text(f"{NAMED}copr_url = https://example.org\n")
    monkeypatch.setenv("https_proxy", proxy)
    said = "COPR: the token is checked, and the address of a proxy or a redirection is none: "
    assert copr.fault(kind=RepositoryError).startswith(said)
    assert copr.waited == []


def test_what_does_not_fit_is_one_line(copr: Setting) -> None:
    assert "takes a project; name it with --project OWNER/NAME" in copr.fault(kind=UsageError, project=None)
    assert "--project: " in copr.fault(kind=UsageError, project="-x/../y")
    assert "--no-check says nothing to COPR" in copr.fault(kind=UsageError, check=False)
    assert "--engine says nothing to COPR" in copr.fault(kind=UsageError, engine="podman")
    assert "--memory says nothing to COPR" in copr.fault(kind=UsageError, limits=Limits(memory=4 << 30))
    assert "--disk says nothing to COPR" in copr.fault(kind=UsageError, limits=Limits(disk=4 << 30))
    assert "--cpus says nothing to COPR" in copr.fault(kind=UsageError, limits=Limits(cpus=2))
    assert "--jobs says nothing to COPR" in copr.fault(kind=UsageError, jobs=3)
    assert "--mirror says nothing to COPR" in copr.fault(kind=UsageError, mirror="http://example.org")
    locked = LockedFiles("ab" * 32, {})
    assert "and not with those of a lock; leave --locked out" in copr.fault(kind=UsageError, locked=locked)
    assert "COPR has no project me/other: " in copr.fault(kind=ConfigError, project="me/other")
    copr.server.chroots = ("fedora-41-x86_64",)
    fault = copr.fault(kind=ConfigError)
    assert f"the project me/power has no chroot {CHROOT}; add it with `copr-cli modify --chroot" in fault
    assert copr.server.builds == {}


def test_a_spec_that_makes_no_source_rpm_fails_and_the_rest_goes_on(copr: Setting) -> None:
    broken = copr.task("broken")
    spec = copr.folder / "specs" / "broken.spec"
    spec.write_text("Name: broken\nVersion: 1.0\n%nonsense\n")
    assert broken.own is not None
    broken = replace(broken, own=replace(broken.own, sha256=sha256_of(spec)))
    done = copr.build(broken, copr.task("b", "broken"), copr.task("c"))
    assert outcomes(done) == {"broken": "failed", "b": "skipped", "c": "built"}
    assert done.results[0].cause is not None
    assert "rpmbuild makes no source RPM of broken" in done.results[0].cause.cause


def test_conditions_and_macros_of_a_recipe_are_in_the_source_rpm(copr: Setting) -> None:
    build = "%{?_with_bootstrap:echo with bootstrap}%{!?_without_tests:echo tested}\necho flavour is %{?flavour}"
    task = copr.task("a", build=build.replace("{", "{{").replace("}", "}}"))
    assert isinstance(task.recipe, Recipe)
    recipe = replace(task.recipe, enabled=("bootstrap",), disabled=("tests",), macros=(("flavour", "p9 le"),))
    (result,) = copr.build(replace(task, recipe=recipe)).results
    assert result.log is not None
    text = result.log.read_text()
    assert "\nwith bootstrap\n" in text
    assert "\nflavour is p9 le\n" in text
    assert "\ntested\n" not in text
