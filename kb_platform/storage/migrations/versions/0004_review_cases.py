"""Closes holes in the guards, notes changes of them, and keeps cases for a person."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Replace the guards' functions, add the tables."""
    schema = context.config.attributes["schema"]
    for name in ("0004_guards", "0004_review_cases", "0004_audit"):
        driver(op.get_bind()).execute(render_sql(name, schema))
