"""Alembic's entry: schema `review` on an open connection, handed over by `storage.migrate`."""

from alembic import context

from kb_review_worker.storage.database import SCHEMA

context.configure(connection=context.config.attributes["connection"], version_table_schema=SCHEMA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
