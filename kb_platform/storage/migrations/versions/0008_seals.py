"""A digest of all that a release shows, whose price follows the change; signed verdicts; locks that the right roles reach."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Replace the digest and the guards of verdicts; existing releases keep the digest that they were sealed with."""
    driver(op.get_bind()).execute(render_sql("0008_seals", context.config.attributes["schema"]))
