"""Answers and votes of models, kept by the hash of what was asked."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create both tables."""
    driver(op.get_bind()).execute(render_sql("0003_judge_votes", context.config.attributes["schema"]))
