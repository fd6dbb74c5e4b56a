"""Changes of the GPU window by hand."""

from alembic import context, op

from kb_platform.storage.database import driver
from kb_platform.storage.sql_files import render_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the log, and who may read and write it."""
    driver(op.get_bind()).execute(render_sql("deployment_0001_gpu_window", context.config.attributes["schema"]))
