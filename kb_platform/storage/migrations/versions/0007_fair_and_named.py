"""A fair order of hand-overs, and refusals that say which rule they are of."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add when a case was tried, and name the rules."""
    driver(op.get_bind()).execute(render_sql("0007_fair_and_named", context.config.attributes["schema"]))
