"""The log of promotions says for whom the pointer was moved."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column, and let the log's guard fill it in."""
    driver(op.get_bind()).execute(render_sql("0013_on_behalf_of", context.config.attributes["schema"]))
