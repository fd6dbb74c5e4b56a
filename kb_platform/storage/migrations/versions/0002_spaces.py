"""Rows and vectors in a partition per embedding space."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Copy what is there into partitions, and build their HNSW indexes: about a millisecond a row, once."""
    driver(op.get_bind()).execute(render_sql("0002_spaces", context.config.attributes["schema"]))
