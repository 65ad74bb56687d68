"""A cache is used where it is this user's alone; what lies in it is what its name says."""

import json
import os
import stat
from pathlib import Path

import pytest
from doortrial import Bring, Scene
from repositorydoors import on_server, plan_on, repository

REFUSED = {3, 20}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_cache_is_for_its_user_only(place: Scene, bring: Bring) -> None:
    old = os.umask(0o022)
    try:
        bring(*plan_on(repository(place), "app"), code=0)
    finally:
        os.umask(old)
    assert mode(place.cache) == 0o700


def test_a_cache_that_others_can_write_is_refused(place: Scene, bring: Bring) -> None:
    place.cache.mkdir(mode=0o700)
    place.cache.chmod(0o777)
    outcome = bring(*plan_on(repository(place), "app"), code=REFUSED)
    assert str(place.cache) in outcome.err


def test_a_folder_of_the_cache_that_others_can_write_is_refused(place: Scene, bring: Bring) -> None:
    bring(*plan_on(repository(place), "app"), code=0)
    for folder in (place.cache / "v1", place.cache / "v1" / "objects"):
        if folder.is_dir():
            before = mode(folder)
            folder.chmod(0o777)
            bring(*plan_on(repository(place), "app"), code=REFUSED)
            folder.chmod(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a folder is given to another user")
@pytest.mark.parametrize("level", ["cache", "parent"])
def test_a_cache_of_another_user_is_refused(level: str, place: Scene, bring: Bring) -> None:
    cache = place.run / "theirs" / "cache"
    cache.mkdir(parents=True, mode=0o755)
    os.chown(cache if level == "cache" else cache.parent, 12345, 12345)
    outcome = bring(*plan_on(repository(place), "app"), "--cache-dir", cache, code=REFUSED)
    assert "theirs" in outcome.err
    assert not list(cache.iterdir())


@pytest.mark.parametrize("sticky", [True, False])
def test_below_a_folder_of_everybody_only_a_sticky_one_will_do(sticky: bool, place: Scene, bring: Bring) -> None:
    parent = place.run / "shared"
    parent.mkdir()
    parent.chmod(0o1777 if sticky else 0o777)
    cache = parent / "cache"
    cache.mkdir(mode=0o700)
    bring(*plan_on(repository(place), "app"), "--cache-dir", cache, code={0} if sticky else REFUSED)


def test_a_cache_that_is_a_link_into_another_users_folder_is_refused(place: Scene, bring: Bring) -> None:
    theirs = place.run / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    place.cache.symlink_to(theirs)
    bring(*plan_on(repository(place), "app"), code=REFUSED)
    assert not list(theirs.iterdir())


def test_an_object_with_other_content_than_its_digest_is_not_used(place: Scene, bring: Bring) -> None:
    url = on_server(place)
    bring(*plan_on(url, "app", "lost"))
    changed = 0
    for path in (place.cache / "v1" / "objects").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            other = content.replace(b"<name>lost", b"<name>pwnd").replace(b'name="lost"', b'name="pwnd"')
            path.chmod(0o600)
            path.write_bytes(other)
            changed += other != content
    assert changed
    for derived in (place.cache / "v1" / "derived").rglob("*"):
        if derived.is_file():
            derived.unlink()
    outcome = bring(*plan_on(url, "lost"), code={0, 1, 30})
    assert "pwnd" not in outcome.out
    if outcome.code != 30:
        assert "lost" in outcome.out


@pytest.mark.parametrize("name", ["leftovers", "cleanup", "jobs"])
def test_what_another_says_was_left_is_not_removed_or_run(name: str, place: Scene, bring: Bring) -> None:
    """What a killed run left is written down in the cache, with the command that removes it."""
    victim = place.run / "victim"
    victim.mkdir()
    things = [
        {"kind": "container", "name": "x", "command": ["touch", str(place.canary / "ran")]},
        {"kind": "folder", "name": str(victim), "command": []},
    ]
    entry = {"run": "x", "pid": 2**22 + 1, "started": "1", "boot": "another", "things": things}
    register = place.cache / "engines" / name
    register.mkdir(parents=True)
    (register / "x.json").write_text(json.dumps(entry))
    place.cache.chmod(0o777)
    bring("buildroot", "doctor", code=REFUSED)
    assert victim.is_dir()
