"""Locks between processes: closed to other users, with a wait that ends in a sentence."""

import stat
from pathlib import Path

import pytest

from kb_platform.cli import session
from kb_platform.knowledge.errors import TransientError
from kb_platform.local.lock import exclusive, is_held, shared
from kb_platform.local.places import make_home
from kb_platform.settings import Settings


def test_a_lock_that_is_held_too_long_is_an_error_that_says_which(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with exclusive(path):
        assert is_held(path)
        for take in (exclusive, shared):
            with pytest.raises(TransientError, match=f"{path}: another process has held this lock for 0 s; wait for"), take(path, patience=0):
                pass
    assert not is_held(path)
    assert not is_held(tmp_path / "none")


def test_the_last_of_those_who_share_knows_that_it_is_the_last(tmp_path: Path) -> None:
    with shared(tmp_path / "lock") as first:
        with shared(tmp_path / "lock") as second:
            assert not second()
            assert first()
        with pytest.raises(TransientError), shared(tmp_path / "lock", patience=0):
            pass


def test_no_other_user_reaches_a_lock_of_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    with session.use(Settings(home=home)), session.staying_up():
        found = [path for path in home.rglob("*lock") if path.is_file()]
        assert [path.name for path in found] == ["commands.lock"]
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
