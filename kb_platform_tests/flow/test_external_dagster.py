"""Dagster's database may have an owner of its own, as the values for its chart name one: commands in a pod need that role granted."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr

from kb_platform.cli import session
from kb_platform.cli.releasing import record_event
from kb_platform.knowledge.errors import StateError
from kb_platform.local.dagster_home import open_instance
from kb_platform.local.databases import in_database
from kb_platform.local.environment import database_url
from kb_platform.settings import Settings, environment_kept

DAGSTERS, OURS = "owns_dagster", "runs_commands"  # roles, each with a database of its name


@pytest.fixture
def in_a_pod(home: Path, tmp_path: Path) -> Iterator[Settings]:
    """Yield the settings of commands in a pod; Dagster has made its tables before."""
    server = database_url(session.settings())
    (tmp_path / "dagster").mkdir()

    def settings_of(role: str) -> Settings:
        url = in_database(server, role).replace(server.split("//")[1].split("@")[0], f"{role}:word")
        return Settings(home=tmp_path, database_url=SecretStr(url), dagster_database=DAGSTERS)

    with psycopg.connect(server, autocommit=True) as c:
        for role in (DAGSTERS, OURS):
            c.execute(f"create role {role} login password 'word'")
            c.execute(f"create database {role} owner {role}")
        try:
            with environment_kept(), open_instance(settings_of(DAGSTERS)) as instance:
                assert not instance.get_runs()
            yield settings_of(OURS)
        finally:
            for role in (DAGSTERS, OURS):
                c.execute(f"drop database {role} with (force)")
            c.execute(f"drop role {OURS}, {DAGSTERS}")


def test_a_command_records_what_it_did_where_dagsters_role_is_granted_and_else_says_what_it_lacks(in_a_pod: Settings) -> None:
    server = database_url(session.settings())
    with environment_kept(), session.use(in_a_pod):
        with pytest.raises(StateError, match=f"database {DAGSTERS} .*permission denied for table event_logs.*grant that role the one that owns them"):
            record_event("made", "promoted_release", {"promoted": 1})
        with psycopg.connect(server, autocommit=True) as c:
            c.execute(f"grant {DAGSTERS} to {OURS}")
        record_event("made", "promoted_release", {"promoted": 2})
        with open_instance(in_a_pod) as instance:
            (found,) = instance.fetch_materializations(dg.AssetKey(["made", "promoted_release"]), limit=2).records
    assert found.asset_materialization is not None
    assert found.asset_materialization.metadata["promoted"].value == 2
