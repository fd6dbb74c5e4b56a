"""First release of the schema: releases, rows, guards, search, roles."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything. The statements are Postgres' own language, so they live in .sql files."""
    schema = context.config.attributes["schema"]
    for name in ("0001_first", "0001_search", "0001_roles"):
        # The driver directly: the files hold per-cent signs and colons that SQLAlchemy would read as parameters.
        driver(op.get_bind()).execute(render_sql(name, schema))
