"""Secrets of a home: what is missing is made, what is there stays, and what is in use is never replaced."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kb_audit.keys import read_sealing_key
from kb_platform.knowledge.errors import StateError
from kb_platform.local.credentials import password, read_secrets
from kb_platform.local.places import make_home
from kb_platform.local.review_service import KEY, SEALED_WITH, SEALING, prepare
from kb_platform.settings import Settings

pytest.importorskip("cryptography")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with all secrets made, and nothing started yet."""
    make_home(tmp_path)
    (tmp_path / "postgres").mkdir(exist_ok=True)
    password(tmp_path)
    assert prepare(Settings(home=tmp_path)) is not None
    return tmp_path


def lose(home: Path, *names: str) -> dict[str, str]:
    """Take secrets out of the file, and return what is left."""
    left = {name: value for name, value in read_secrets(home).items() if name not in names}
    (home / "secrets.json").write_text(json.dumps(left))
    return left


def test_all_are_made_once(home: Path) -> None:
    made = read_secrets(home)
    prepare(Settings(home=home))
    password(home)
    assert read_secrets(home) == made
    assert read_sealing_key(made[SEALING]).public == made[SEALED_WITH]
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("lost", [(KEY,), (SEALING, SEALED_WITH), (SEALED_WITH,), (KEY, SEALING, SEALED_WITH)])
def test_only_what_is_missing_is_made(home: Path, lost: tuple[str, ...]) -> None:
    left = lose(home, *lost)
    prepare(Settings(home=home))
    now = read_secrets(home)
    assert {name: now[name] for name in left} == left
    assert set(now) == {*left, *lost}
    assert read_sealing_key(now[SEALING]).public == now[SEALED_WITH]


@pytest.mark.parametrize(("lost", "use"), [
    (KEY, lambda home: (home / "review" / "temporal.db").touch()),
    (SEALING, lambda home: (home / "review" / "seals.jsonl").touch()),
    (SEALING, lambda home: None),  # its public half is known: seals were made with it
])
def test_a_lost_key_that_is_in_use_is_named_and_not_replaced(home: Path, lost: str, use: Callable[[Path], None]) -> None:
    (home / "review").mkdir(exist_ok=True)
    use(home)
    left = lose(home, lost)
    with pytest.raises(StateError, match=f"{lost} is not in it.*restore the file"):
        prepare(Settings(home=home))
    assert read_secrets(home) == left
