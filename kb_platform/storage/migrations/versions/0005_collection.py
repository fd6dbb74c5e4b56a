"""A role that collects garbage, and what it has to know."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add two columns, a trigger and the collector's rights."""
    driver(op.get_bind()).execute(render_sql("0005_collection", context.config.attributes["schema"]))
