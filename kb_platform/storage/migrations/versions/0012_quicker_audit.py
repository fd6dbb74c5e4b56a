"""The audit of changed guards costs other bases of the database less still: nothing is planned for what is not theirs."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Replace the function behind both event triggers."""
    driver(op.get_bind()).execute(render_sql("0012_quicker_audit", context.config.attributes["schema"]))
