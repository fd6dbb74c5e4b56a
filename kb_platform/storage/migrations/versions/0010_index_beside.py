"""Many new rows go into an index of their own; a digest that covers the required gates; verdicts that are said once."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Number indexes, and replace digest and guards; existing releases keep the digest that they were sealed with."""
    driver(op.get_bind()).execute(render_sql("0010_index_beside", context.config.attributes["schema"]))
