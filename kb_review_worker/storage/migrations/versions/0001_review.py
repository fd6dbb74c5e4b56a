"""The inbox's tasks, and the decisions."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '%.%: rows are written once, and never % afterwards', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end $$;

create table task (
  task_id          bigint generated always as identity primary key,
  review_id        text not null unique,
  run_id           text not null,
  knowledge_base   text not null,
  case_id          bigint not null,
  kind             text not null,
  subject          text not null,
  digest           bytea not null,
  opened_at        timestamptz not null,
  facts            jsonb not null,
  brief            jsonb,
  authors          text[] not null,
  roles            text[] not null,
  due_at           timestamptz,
  escalation_level int not null default 0,
  assignee_issuer  text,
  assignee_id      text,
  assignee_name    text,
  status           text not null default 'waiting',
  created_at       timestamptz not null default now(),
  closed_at        timestamptz,
  check ((status = 'waiting') = (closed_at is null)),
  check ((assignee_id is null) = (assignee_issuer is null))
);
comment on table task is 'what the inbox shows: a copy for people; the review itself is the workflow of that id';
comment on column task.status is 'waiting, or how the review ended';
create index task_waiting on task (due_at) where closed_at is null;

create table decision (
  decision_id     bigint generated always as identity primary key,
  review_id       text not null unique,
  run_id          text not null,
  knowledge_base  text not null,
  case_id         bigint not null,
  kind            text not null,
  digest          bytea not null,
  status          text not null check (status in
    ('approved', 'rejected', 'changes_requested', 'expired_unreviewed', 'withdrawn', 'cancelled')),
  event_id        text,
  reviewer_issuer text,
  reviewer_id     text,
  reviewer_name   text,
  token_id        text,
  reason          text not null default '',
  decided_at      timestamptz,
  ended_at        timestamptz not null,
  recorded_at     timestamptz not null default now(),
  check ((status in ('approved', 'rejected', 'changes_requested')) = (reviewer_id is not null and event_id is not null)),
  check (status not in ('rejected', 'changes_requested') or reason <> '')
);
comment on table decision is 'how each review ended; the platform applies what is here, and what is here never changes';
comment on column decision.decided_at is 'by the clock of the system that the reviewer works in; ended_at is the worker''s';
create index decision_of_case on decision (knowledge_base, case_id);
create trigger no_change before update or delete on decision for each row execute function refuse();
create trigger no_truncate before truncate on decision for each statement execute function refuse();
alter table decision enable always trigger no_change;
alter table decision enable always trigger no_truncate;
"""


def upgrade() -> None:
    """Create them."""
    op.execute(STATEMENTS)
