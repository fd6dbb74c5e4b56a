"""The seal's price follows how many rows have changed, however few were expected when its statements were planned."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Replace what makes the digests of documents."""
    driver(op.get_bind()).execute(render_sql("0014_linear_digests", context.config.attributes["schema"]))
