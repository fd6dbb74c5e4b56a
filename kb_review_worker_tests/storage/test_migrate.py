"""The schema comes up however often, and however many workers bring it up at once."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from kb_review_worker.settings import Settings
from kb_review_worker.starting import CannotStart, migrated
from kb_review_worker.storage import migrate as migrating
from kb_review_worker.storage import migrations
from kb_review_worker.storage.migrate import migrate


def test_workers_that_start_together_bring_the_schema_up_once(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("create database fresh")
    fresh = sa.make_url(database_url).set(database="fresh").render_as_string(hide_password=False)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [fresh] * 4))
    migrate(fresh)
    with psycopg.connect(fresh) as connection:
        tables = connection.execute("select table_name from information_schema.tables where table_schema = 'review'").fetchall()
        assert {("decision",), ("task",), ("audit_event",), ("inbound_event",)} <= set(tables)
        newest = max(path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
        assert connection.execute("select version_num from review.alembic_version").fetchall() == [(newest,)]


def test_a_lock_that_is_held_too_long_is_one_line(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("create database held_up")
    url = sa.make_url(database_url).set(database="held_up").render_as_string(hide_password=False)
    monkeypatch.setattr(migrating, "PATIENCE", "200ms")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('kb_review_migrate', 0))")
        with pytest.raises(CannotStart, match="something else holds a lock that the migration needs, and has for 200ms"):
            migrated(Settings.model_construct(database_url=SecretStr(url)))


def test_the_command_says_what_it_found_and_what_there_is_now(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("create database commanded")
    url = sa.make_url(database_url).set(database="commanded").render_as_string(hide_password=False)
    first, second = (json.loads(_command(KB_REVIEW_DATABASE_URL=url).stdout) for _ in range(2))
    assert first["before"] is None
    assert second == {"schema": "review", "before": first["revision"], "revision": first["revision"]}


def test_a_schema_of_a_newer_version_is_one_line_and_exit_code_1(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("create database newer")
    url = sa.make_url(database_url).set(database="newer").render_as_string(hide_password=False)
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("update review.alembic_version set version_num = '9999'")
    refused = _command(KB_REVIEW_DATABASE_URL=url)
    assert refused.returncode == 1
    assert "9999" in refused.stderr.splitlines()[-1]
    assert refused.stderr.splitlines()[-1].endswith("run that version, or restore a backup of the time before it")


def test_a_command_that_cannot_migrate_is_one_line_and_exit_code_1() -> None:
    refused = _command(KB_REVIEW_DATABASE_URL="postgresql://kb:secret@127.0.0.1:1/kb")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kb-review-migrate: schema `review` cannot be brought up (OperationalError)")
    assert "secret" not in refused.stderr
    assert _command().stderr.startswith("kb-review-migrate: KB_REVIEW_DATABASE_URL is unset")


def _command(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kb_review_worker.migrating"], env={"PATH": os.defpath, **variables}, capture_output=True,
                          text=True, check=False)
