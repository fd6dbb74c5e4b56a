"""The trail is written in turns that only its own functions can take: anybody who can log in could hold the advisory lock, and all decisions."""

import re

from alembic import op

revision = "0004"
down_revision = "0003"

FUNCTIONS = ("audit_link()", "audit_append(text)", "audit_expire(bigint)")
HELD = r"perform pg_advisory_xact_lock\(hashtextextended\('review.audit_event', 0\)\)"


def upgrade() -> None:
    """Make what is locked, and let the functions lock it."""
    connection = op.get_bind()
    # Whoever writes in the old way is waited for: of two rows that do not know of each other, the second one would be refused.
    connection.exec_driver_sql("select pg_advisory_xact_lock(hashtextextended('review.audit_event', 0))")
    connection.exec_driver_sql("""
      create table audit_turn ();
      comment on table audit_turn is 'has no rows: locked while the trail is written';
      create trigger no_truncate before truncate on audit_turn for each statement execute function refuse();
      alter table audit_turn enable always trigger no_truncate""")
    for function in FUNCTIONS:
        definition = connection.exec_driver_sql(f"select pg_get_functiondef('{function}'::regprocedure)").scalar_one()
        turned, found = re.subn(HELD, "lock table audit_turn in exclusive mode", definition)
        assert found == 1, function
        connection.exec_driver_sql(turned.replace("%", "%%"))
