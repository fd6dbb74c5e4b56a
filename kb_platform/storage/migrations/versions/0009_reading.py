"""What applications read beside searches, and the feedback that they give."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the functions, and the log of feedback."""
    driver(op.get_bind()).execute(render_sql("0009_reading", context.config.attributes["schema"]))
