"""The audit of changed guards costs other bases of the database next to nothing."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Replace the function behind both event triggers."""
    driver(op.get_bind()).execute(render_sql("0011_quick_audit", context.config.attributes["schema"]))
