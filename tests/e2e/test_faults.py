"""What a user can get wrong or meet: one line that says what, where and what to do, the exit code, no traceback."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import el9
import pytest
from mirror import PATIENCE, Mirror, send
from program import Program

QUICK = ("--setopt", "retries=1", "--setopt", "timeout=2")


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sync", "-t", "centos-steam-9"], 'unknown target "centos-steam-9"; did you mean "centos-stream-9"?'),
        (["sync", "-t", "none.toml"], "no such target file: none.toml; "),
        (["sync", "-t", "rocky-9", "--release", "zedd"], 'did you mean "zed"?'),
        (["plan", "nova-computer"], 'did you mean "nova-compute"?'),
        (["plan", "none.toml"], "none.toml"),
        (["snapshot", "use", "none.tar"], "there is no snapshot 'none.tar'; give a path to one; shipped: "),
        (["sync", "--repofrompath", "one"], "--repofrompath is to be ID,URL, not 'one'"),
        (["sync", "--repofrompath", "one,ftp://host/"], "which is not an http, https or file URL"),
        (["sync", "--enablerepo", "eple"], 'no repository matches "eple"; did you mean "epel"?'),
        (["sync", "--setopt", "baseos.retriez=1"], 'unknown option "retriez"; did you mean "retries"?'),
        (["syncc"], 'there is no command "syncc"; did you mean "sync"?'),
    ],
)
def test_what_does_not_exist_is_told_with_the_closest_name(arguments: list[str], told: str, ppcdeps: Program) -> None:
    done = ppcdeps(*arguments, code=2)
    assert told in done.fault
    assert done.out == ""


def test_an_unknown_option_of_a_repo_file_is_a_warning(ppcdeps: Program, repository: Path) -> None:
    (ppcdeps.folder / "own.repo").write_text(f"[own]\nbaseurl=file://{repository}/\nenabeld=1\n")
    done = ppcdeps("sync", "--repo-file", "own.repo")
    assert 'warning: own.repo [own]: unknown option "enabeld" is ignored; did you mean "enabled"?' in done.err


def test_all_faults_of_a_repo_file_are_told_at_once(ppcdeps: Program) -> None:
    (ppcdeps.folder / "own.repo").write_text("[one]\nenabled=1\n[two]\nbaseurl=http://h/\ncost=dear\n")
    done = ppcdeps("sync", "--repo-file", "own.repo", code=3)
    assert done.fault == "ppcdeps: error: own.repo has 2 faults"
    assert "  [one]: has no baseurl, mirrorlist or metalink" in done.err
    assert "  [two]: cost is to be a whole number" in done.err


def test_a_repo_file_that_is_not_there_is_told(ppcdeps: Program) -> None:
    done = ppcdeps("sync", "--repo-file", "none.repo", code=3)
    assert done.fault == "ppcdeps: error: none.repo cannot be read: No such file or directory"


def test_a_faulty_target_file_is_told(ppcdeps: Program) -> None:
    (ppcdeps.folder / "own.toml").write_text('name = "own"\nreleasever = 9\n')
    done = ppcdeps("sync", "-t", "own.toml", code=3)
    assert "own.toml" in done.fault
    assert "releasever" in done.err


def test_an_unreachable_mirror_ends_with_30(ppcdeps: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        done = ppcdeps("sync", "--repofrompath", f"one,{url}", *QUICK, code=30)
    assert "repository one: repomd.xml could not be fetched: " in done.fault
    assert url in done.fault


def test_all_repositories_that_fail_are_told_at_once(ppcdeps: Program, mirror: Mirror) -> None:
    named = [f"--repofrompath={name},{mirror.url}{name}/" for name in ("one", "two")]
    done = ppcdeps("sync", *named, *QUICK, code=30)
    assert done.fault == "ppcdeps: error: 2 repositories could not be read:"
    assert "  repository one: " in done.err
    assert "  repository two: " in done.err


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("repomd.xml", b"<repomd>", "repomd.xml"),
        ("repomd.xml", b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n", "repomd.xml"),
        ("repomd.xml", b'<!DOCTYPE r [<!ENTITY a "aaaa">]><r>&a;</r>', "repomd.xml"),
        ("primary.xml.gz", b"damaged", "primary"),
    ],
)
def test_damaged_metadata_ends_with_30(
    path: str, content: bytes, told: str, ppcdeps: Program, mirror: Mirror
) -> None:
    mirror.answers[path] = send(content)
    done = ppcdeps("sync", "--repofrompath", f"one,{mirror.url}", *QUICK, code=30)
    assert done.fault.startswith("ppcdeps: error: repository one: ")
    assert told in done.fault


def test_what_was_good_survives_a_sync_that_fails(ppcdeps: Program, mirror: Mirror) -> None:
    named = ("--repofrompath", f"one,{mirror.url}", *QUICK)
    ppcdeps("sync", *named)
    mirror.answers["repomd.xml"] = send(b"<repomd>")
    before = files_in(ppcdeps.cache)
    ppcdeps("sync", *named, code=30)
    assert files_in(ppcdeps.cache) == before
    assert "app" in ppcdeps("plan", "app", "--no-output", "--offline", *named).out


def test_offline_without_a_copy_says_what_to_do(ppcdeps: Program, mirror: Mirror) -> None:
    done = ppcdeps("plan", "app", "--offline", "--repofrompath", f"one,{mirror.url}", code=30)
    told = (
        f"no network may be used (offline); run `ppcdeps sync --repofrompath one,{mirror.url}` where there is network"
    )
    assert told in done.fault


def test_a_full_disk_ends_with_20_and_leaves_nothing_unfinished(ppcdeps: Program) -> None:
    # A limit on the size of files, which the kernel enforces as it does a quota.
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, *ppcdeps.command("sync", "-t", el9.TARGET_FILE)],
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 20, done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"ppcdeps: error: no space left while writing to {ppcdeps.cache}; ")
    assert "Traceback" not in done.stderr
    assert files_in(ppcdeps.cache / "v1" / "tmp") == []
    ppcdeps("sync", "-t", el9.TARGET_FILE)


def test_ctrl_c_ends_with_130_and_leaves_nothing_unfinished(ppcdeps: Program, mirror: Mirror) -> None:
    mirror.answers["primary.xml.gz"] = mirror.hang
    named = ("--repofrompath", f"one,{mirror.url}")
    running = subprocess.Popen(
        ppcdeps.command("sync", *named),
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert mirror.asked.wait(PATIENCE)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, err
    assert err.splitlines()[-1] == "ppcdeps: interrupted"
    assert "Traceback" not in err
    assert out == ""
    assert files_in(ppcdeps.cache / "v1" / "tmp") == []
    assert files_in(ppcdeps.cache / "v1" / "repositories") == []
    mirror.released.set()
    del mirror.answers["primary.xml.gz"]
    ppcdeps("sync", *named)


def test_a_cache_of_an_older_version_is_left_aside(ppcdeps: Program, repository: Path) -> None:
    (ppcdeps.cache / "v0").mkdir(parents=True)
    (ppcdeps.cache / "v0" / "kept").write_text("of the older version")
    (ppcdeps.cache / "format").write_text("0\n")
    done = ppcdeps("sync", "--repofrompath", f"one,{repository}")
    assert "was written by another version of ppcdeps" in done.err
    assert (ppcdeps.cache / "v0" / "kept").read_text() == "of the older version"
    assert "another version" not in ppcdeps("sync", "--repofrompath", f"one,{repository}").err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_replaced_for_the_run(ppcdeps: Program, repository: Path) -> None:
    ppcdeps.cache.mkdir(mode=0o500)
    done = ppcdeps("sync", "--repofrompath", f"one,{repository}")
    assert "cannot be written" in done.err


def test_a_damaged_snapshot_is_told(ppcdeps: Program) -> None:
    (ppcdeps.folder / "bad.tar").write_bytes(b"no tar file")
    assert "bad.tar is not a snapshot: not a tar file" in ppcdeps("snapshot", "info", "bad.tar", code=3).fault
    (ppcdeps.folder / "bad").mkdir()
    (ppcdeps.folder / "bad" / "snapshot.json").write_text('{"format": 99}')
    done = ppcdeps("snapshot", "use", "bad", code=3)
    assert "has format 99, this ppcdeps reads 1; make the snapshot again" in done.fault


def test_a_folder_that_is_no_snapshot_is_never_replaced(ppcdeps: Program, repository: Path) -> None:
    (ppcdeps.folder / "mine").mkdir()
    (ppcdeps.folder / "mine" / "thesis").write_text("years of work")
    done = ppcdeps("snapshot", "save", "mine", "--repofrompath", f"one,{repository}", code=2)
    assert "mine is there and is not a snapshot" in done.fault
    assert (ppcdeps.folder / "mine" / "thesis").read_text() == "years of work"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 3}', "\x00"])
def test_what_is_no_plan_is_told(content: str, ppcdeps: Program) -> None:
    (ppcdeps.folder / "a.json").write_text(content)
    done = ppcdeps("diff", "a.json", "a.json", code=3)
    assert re.search(r"a\.json is not a (whole )?plan", done.fault)


def test_a_plan_that_is_not_there_is_told(ppcdeps: Program) -> None:
    assert "none.json" in ppcdeps("diff", "none.json", "none.json", code=3).fault


def test_a_location_that_climbs_out_of_the_repository_is_refused(ppcdeps: Program, mirror: Mirror) -> None:
    repomd = (mirror.folder / "repodata" / "repomd.xml").read_text()
    climbing = repomd.replace("repodata/primary", "../../etc/primary").encode()
    mirror.answers["repomd.xml"] = send(climbing)
    done = ppcdeps("sync", "--repofrompath", f"one,{mirror.url}", *QUICK, code=30)
    assert "../../etc/primary" in done.fault


def test_a_plan_of_an_older_schema_says_to_make_it_again(ppcdeps: Program) -> None:
    (ppcdeps.folder / "a.json").write_text('{"schema": 0, "workload": "nova-compute", "target": "centos-stream-9"}')
    for command in (("diff", "a.json", "a.json"), ("build", "a.json"), ("verify", "a.json")):
        fault = ppcdeps(*command, code=3).fault
        assert "a.json is a plan of schema 0, and schema 3 is read here" in fault
        assert "`ppcdeps plan WORKLOAD`" in fault


def test_a_snapshot_of_an_older_format_that_was_chosen_says_to_choose_another(ppcdeps: Program) -> None:
    (ppcdeps.folder / "centos-stream-9-yoga").mkdir()
    index = ppcdeps.folder / "centos-stream-9-yoga" / "snapshot.json"
    index.write_text('{"format": 0}')
    options = ("plan", "bash", "--no-output", "--snapshot", "./centos-stream-9-yoga")
    assert "has format 0, this ppcdeps reads 1; make the snapshot again" in ppcdeps(*options, code=3).fault


def test_a_remembered_plan_of_another_version_is_made_anew(ppcdeps: Program) -> None:
    first = ppcdeps("plan", "bash", "--json", "--no-output").out
    (remembered,) = ppcdeps.cache.rglob("*.plan.json")
    remembered.write_text('{"schema": 0}')
    assert ppcdeps("plan", "bash", "--json", "--no-output").out == first
