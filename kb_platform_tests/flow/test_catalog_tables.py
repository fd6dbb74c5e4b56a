"""The catalog's columns of tables are those that the database has, in its words for their types."""

from collections.abc import Callable

from kb_platform.cli import session
from kb_platform.components.knowledge_base.catalog import COLUMNS, TABLES
from kb_platform.knowledge.knowledge_base import KnowledgeBase

REAL = """select attname, format_type(atttypid, atttypmod) from pg_attribute
          where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum"""


def test_the_catalog_shows_the_columns_of_the_real_tables(make_kb: Callable[..., KnowledgeBase]) -> None:
    database = session.store(make_kb({"a.md": "A page.\n"}).name).database
    with database.transaction("owner") as c:
        for asset, table in TABLES.items():
            real = c.execute(REAL, (f"{database.schema}.{table}",)).fetchall()
            assert [(name, kind) for name, kind, _ in COLUMNS[asset]] == real, asset
