"""A ledger of reviews, how they ended, and verdicts that a reviewer accepted."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables, and let an accepted verdict count as passed."""
    driver(op.get_bind()).execute(render_sql("0006_reviews", context.config.attributes["schema"]))
