"""`kb migrate`: what a deployment runs before it starts anything of a new version."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kb_platform.cli import main, session
from kb_platform.knowledge.errors import StateError
from kb_platform.local.environment import database_url
from kb_platform.settings import Settings
from kb_platform.storage import migrations
from kb_platform.storage.database import Database
from kb_platform.storage.migrate import migrate as migrate_schema
from kb_platform.storage.revisions import revision
from kb_platform_tests.flow.conftest import MakeKb
from kb_platform_tests.homes import at_home

NEWEST = max(path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))


@pytest.fixture(autouse=True)
def home(served: Settings, tmp_path: Path) -> Iterator[Path]:
    """Yield a folder of knowledge bases for each test: a wrong definition that another module left would migrate nothing."""
    with at_home(served.model_copy(update={"defs": tmp_path / "defs"})):
        yield tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command in this process, whose database it shares; return exit code and standard output."""
    with pytest.raises(SystemExit) as ended:
        main(["migrate", *arguments])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_every_schema_is_brought_up_once_and_left_alone_then(make_kb: MakeKb, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = make_kb({"a.md": "# A\n\ntext"}, "a"), make_kb({"b.md": "# B\n\ntext"}, "b")
    url = database_url(session.settings())
    database = Database(url, old.name)
    migrate_schema(database, "0003")
    code, said = run(capsys, "--json")
    found = json.loads(said)
    assert code == 0, found
    assert found["knowledge_bases"][new.name] == {"schema": f"kb_{new.name}", "before": None, "revision": NEWEST}
    assert found["knowledge_bases"][old.name]["before"] == "0003"
    assert found["review"]["schema"] == "review"
    assert found["deployment"]["schema"] == "deployment"
    assert found["deployment"]["revision"]
    with psycopg.connect(url) as connection:
        assert connection.execute("select version_num from review.alembic_version").fetchall() == [(found["review"]["revision"],)]
    again = json.loads(run(capsys, "--json")[1])
    assert again["review"]["before"] == again["review"]["revision"] == found["review"]["revision"]
    assert all(row["before"] == row["revision"] == NEWEST for row in again["knowledge_bases"].values())
    database.dispose()


def test_where_one_definition_is_wrong_nothing_is_migrated(make_kb: MakeKb, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, wrong = make_kb({"a.md": "# A"}, "a"), make_kb({"b.md": "# B"}, "b")
    path = home / "defs" / wrong.name / "defs.yaml"
    path.write_text(path.read_text().replace("sources:", "sauces:"))
    assert run(capsys, "--no-reviews")[0] == 1
    database = Database(database_url(session.settings()), good.name)
    assert revision(database) is None
    database.dispose()


def test_a_schema_of_a_newer_version_is_named_and_left_alone(make_kb: MakeKb) -> None:
    database = Database(database_url(session.settings()), make_kb({"a.md": "# A"}).name)
    migrate_schema(database)
    with database.session("owner") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(StateError, match="at revision 9999, which this version does not know.*restore a backup"):
        migrate_schema(database)
    assert revision(database) == "9999"
    database.dispose()
