"""Who can hold back whom: locks are where the right roles alone reach them, and one that is held too long is one sentence."""

from contextlib import ExitStack

import psycopg
import pytest

from kb_platform.knowledge.errors import TransientError
from kb_platform.storage import locks
from kb_platform.storage.apply import lock
from kb_platform.storage.database import LOGIN_ROLES, Role
from kb_platform.storage.migrate import migrate
from kb_platform_tests.storage.made_releases import MadeReleases

TURNS = ("turn_of_candidate", "turn_of_capture", "turn_of_maintenance", "turn_of_spaces")
THEIRS = {"writer": {"turn_of_candidate", "turn_of_capture", "turn_of_maintenance"}, "collector": {"turn_of_maintenance"}}
KEYS = ("{schema}", "{schema}/spaces", "kb_migrate")  # of the advisory locks that there were, and of the one that there is


def lockable(releases: MadeReleases, role: Role) -> set[str]:
    found = set()
    for table in TURNS:
        for mode in ("access share", "row exclusive", "exclusive", "access exclusive"):
            try:
                with releases.database.transaction(role) as c:
                    c.execute(f"lock table {table} in {mode} mode nowait".encode())
                    found.add(table)
            except psycopg.errors.InsufficientPrivilege:
                pass
    return found


@pytest.mark.parametrize("role", LOGIN_ROLES)
def test_a_turn_is_taken_by_those_alone_whose_turn_it_may_be(releases: MadeReleases, role: Role) -> None:
    assert lockable(releases, role) == THEIRS.get(role, set())


@pytest.mark.parametrize("role", LOGIN_ROLES)
def test_what_any_role_can_lock_keeps_no_refresh_back(releases: MadeReleases, role: Role) -> None:
    with releases.database.session(role) as c:
        for key in KEYS:
            c.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key.format(schema=releases.database.schema),))
        live = releases.release({"a": f"said while {role} holds what it can"})
        assert live > 0


def test_a_migration_waits_for_its_lock_as_long_as_for_any_other_and_says_so(releases: MadeReleases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", "200ms")
    with releases.database.session("reader") as c:
        c.execute("select pg_advisory_lock(hashtextextended('kb_migrate', 0))")
        with pytest.raises(TransientError, match=f"{releases.database.schema}: something else holds the lock of migrations, and has for 200ms; see who that is in pg_locks"):
            migrate(releases.database)
    migrate(releases.database)


def test_a_refresh_that_waits_too_long_for_another_says_so_in_a_sentence(releases: MadeReleases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", "200ms")
    with ExitStack() as held:
        lock(held.enter_context(releases.database.transaction("writer")), releases.database)
        with pytest.raises(TransientError, match="another refresh writes, and has for 200ms"):
            releases.release({"a": "another"})
