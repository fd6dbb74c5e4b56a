"""What the gateway keeps: what came in and its answer, who is signed in, and the text that the inbox shows."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = """
alter table task
  add column material text not null default '',
  add column previous text not null default '',
  add column reasons text[] not null default '{}',
  add column sources text[] not null default '{}';
create index task_of_subject on task (knowledge_base, kind, md5(subject), task_id);
create index task_ended on task (closed_at desc) where closed_at is not null;

create table inbound_event (
  event_id     text primary key,
  source       text not null check (source in ('webhook', 'fhir', 'api', 'page')),
  fingerprint  bytea not null,
  review_id    text,
  operation    text,
  request      jsonb,
  state        text not null default 'waiting' check (state in ('waiting', 'accepted', 'refused', 'ignored')),
  answer       jsonb,
  attempts     int not null default 0,
  received_at  timestamptz not null default now(),
  next_attempt timestamptz not null default now(),
  answered_at  timestamptz,
  check ((state = 'waiting') = (answered_at is null)),
  check ((request is null) = (operation is null) and (request is not null or source = 'fhir'))
);
comment on table inbound_event is 'requests to reviews, kept before they are acknowledged and delivered until they have an answer';
comment on column inbound_event.fingerprint is 'SHA-256 of what came: the same id with another content is no second delivery';
comment on column inbound_event.request is 'with the person as a verified token said; null: the Task is read from the EHR at each attempt';
create index inbound_waiting on inbound_event (next_attempt) where state = 'waiting';

create table session (
  session_hash     bytea primary key,
  csrf             text not null,
  person           jsonb not null,
  authenticated_at timestamptz not null,
  created_at       timestamptz not null default now(),
  seen_at          timestamptz not null default now()
);
comment on table session is 'who is signed in to the pages; the cookie''s own value is nowhere';

create table signature_draft (
  draft_id     text primary key,
  session_hash bytea not null references session on delete cascade,
  task_id      bigint not null references task,
  verdict      text not null,
  reason       text not null,
  created_at   timestamptz not null default now()
);
comment on table signature_draft is 'a decision that waits for its reviewer to sign in again';

create table sign_in (
  state_hash   bytea primary key,
  browser_hash bytea not null,
  nonce        text not null,
  verifier     text not null,
  return_to    text not null,
  draft_id     text references signature_draft on delete cascade,
  created_at   timestamptz not null default now()
);
comment on table sign_in is 'a sign-in on its way to the identity provider and back';

grant select, insert, update, delete on inbound_event, session, signature_draft, sign_in to kb_review_worker;
"""


def upgrade() -> None:
    """Create them."""
    op.execute(STATEMENTS)
