"""Opening a schema that is current loads no migration tool; one that is not, or whose roles have other passwords, is brought up to date."""

import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from kb_platform.cli import session
from kb_platform.resources import close_stores, database_url, open_store
from kb_platform.settings import inherited_environment
from kb_platform.storage import migrations
from kb_platform.storage.database import Database
from kb_platform.storage.deployment import DeploymentDatabase
from kb_platform.storage.revisions import is_current, newest_revision

OPENING = """
import sys
from kb_platform.resources import open_store
open_store(sys.argv[1])
print("alembic" in sys.modules)
"""


def loads_alembic(name: str) -> bool:
    done = subprocess.run([sys.executable, "-c", OPENING, name], env=inherited_environment({}), capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


@pytest.mark.parametrize("kind", [lambda url: Database(url, "any"), DeploymentDatabase])
def test_the_newest_revision_is_what_alembic_calls_the_head(kind: type) -> None:
    database = kind("postgresql://nowhere/")
    config = Config()
    config.set_main_option("script_location", next(iter(migrations.__path__)))
    config.set_main_option("version_locations", f"{next(iter(migrations.__path__))}/{database.versions}")
    config.set_main_option("path_separator", "os")
    assert newest_revision(database) == ScriptDirectory.from_config(config).get_current_head()


def test_a_current_schema_is_opened_without_alembic(server: None) -> None:
    assert loads_alembic("opened_often")
    assert not loads_alembic("opened_often")


def test_an_older_revision_and_another_password_are_brought_up_to_date(server: None) -> None:
    name = "brought_up"
    open_store(name)
    database = Database(database_url(), name)
    for change in (f"update kb_{name}.alembic_version set version_num = '0001'", f"alter role kb_{name}_reader password 'another'"):
        with database.session("owner") as connection:
            connection.execute("begin")
            connection.execute(change)  # pyright: ignore[reportArgumentType]
            connection.execute("commit")
        assert not is_current(database)
        if "version_num" in change:  # the migrations themselves are tested elsewhere: here it is as if they had run
            with database.session("owner") as connection:
                connection.execute(f"update kb_{name}.alembic_version set version_num = '{newest_revision(database)}'")  # pyright: ignore[reportArgumentType]
    close_stores()
    with session.store(name).database.transaction("reader") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert is_current(database)
    database.dispose()
    close_stores()
