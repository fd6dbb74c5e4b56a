"""Keys of applications for the search API."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the keys and their revocations, and who may read and add them."""
    driver(op.get_bind()).execute(render_sql("deployment_0002_api_keys", context.config.attributes["schema"]))
