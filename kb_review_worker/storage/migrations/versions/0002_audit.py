"""The audit trail: a chain of hashes, its seals, and the histories of ended reviews."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
create table audit_event (
  seq            bigint primary key,
  previous       bytea not null,
  hash           bytea not null,
  recorded_at    timestamptz not null,
  body           text not null,
  entry_id       text not null unique generated always as (body::jsonb ->> 'id') stored,
  event          text not null generated always as (body::jsonb ->> 'event') stored,
  review_id      text not null generated always as (body::jsonb ->> 'review') stored,
  run_id         text not null generated always as (body::jsonb ->> 'run') stored,
  knowledge_base text not null generated always as (body::jsonb ->> 'knowledge_base') stored,
  case_id        bigint not null generated always as ((body::jsonb ->> 'case')::bigint) stored
);
comment on table audit_event is 'who did or tried what, when; each row is bound to the one before it: docs/review.md, kb audit verify';
comment on column audit_event.body is 'the entry as it was hashed; the columns after it are drawn from it';
create index audit_event_of_case on audit_event (knowledge_base, case_id);
create index audit_event_of_review on audit_event (review_id, event);

create table audit_seal (
  seal_id   bigint generated always as identity primary key,
  kind      text not null check (kind in ('seal', 'checkpoint')),
  seq       bigint not null check (seq > 0),
  hash      bytea not null,
  sealed_at timestamptz not null,
  key_id    text not null,
  signature bytea not null
);
comment on table audit_seal is 'signed by a key outside the database; a checkpoint: the rows up to seq were removed, their time was over';
create index audit_checkpoint on audit_seal (seq) where kind = 'checkpoint';

create table history (
  review_id   text not null,
  run_id      text not null,
  content     bytea not null,
  exported_at timestamptz not null default now(),
  primary key (review_id, run_id)
);
comment on table history is 'the workflow''s history of an ended review, as JSON, gzipped; its SHA-256 is in the trail; payloads stay encrypted';
alter table history alter column content set storage external;

create function audit_link() returns trigger language plpgsql security definer set search_path = pg_catalog, review, pg_temp as $$
declare
  last audit_event%rowtype;
begin
  perform pg_advisory_xact_lock(hashtextextended('review.audit_event', 0));
  select * into last from audit_event order by seq desc limit 1;
  new.seq := coalesce(last.seq, 0) + 1;
  new.previous := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
  new.recorded_at := greatest(clock_timestamp(), last.recorded_at);
  new.hash := sha256(convert_to(format(E'kb-audit-1\\n%s\\n%s\\n%s\\n%s', new.seq, encode(new.previous, 'hex'),
    to_char(new.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), new.body), 'UTF8'));
  return new;
end $$;

create function audit_append(entry text) returns bigint language plpgsql security definer set search_path = pg_catalog, review, pg_temp as $$
declare
  found bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('review.audit_event', 0));
  select seq into found from audit_event where entry_id = entry::jsonb ->> 'id';
  if found is null then
    insert into audit_event (body) values (entry) returning seq into found;
  end if;
  return found;
end $$;
comment on function audit_append is 'records an entry, once; the only way to write the trail';

create function audit_expire(through bigint) returns bigint language plpgsql security definer set search_path = pg_catalog, review, pg_temp as $$
declare
  removed bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('review.audit_event', 0));
  delete from audit_event where seq <= through;
  get diagnostics removed = row_count;
  delete from history h where not exists
    (select from audit_event e where e.review_id = h.review_id and e.run_id = h.run_id and e.event = 'history_exported');
  return removed;
end $$;
comment on function audit_expire is 'removes rows that a checkpoint covers, with their histories';

create function audit_refuse_delete() returns trigger language plpgsql security definer set search_path = pg_catalog, review, pg_temp as $$
begin
  if not exists (select from audit_seal where kind = 'checkpoint' and seq >= old.seq)
     or old.recorded_at > now() - interval '1 year' or old.seq = (select max(seq) from audit_event) then
    raise exception 'review.audit_event: rows leave only by retention: a year old at least, covered by a checkpoint, never the last one'
      using errcode = 'restrict_violation';
  end if;
  return old;
end $$;

create function history_refuse_delete() returns trigger language plpgsql security definer set search_path = pg_catalog, review, pg_temp as $$
begin
  if exists (select from audit_event where review_id = old.review_id and run_id = old.run_id and event = 'history_exported') then
    raise exception 'review.history: a history leaves only with its row of the trail' using errcode = 'restrict_violation';
  end if;
  return old;
end $$;

-- not "always": a replica takes rows as they are
create trigger link before insert on audit_event for each row execute function audit_link();
create trigger no_update before update on audit_event for each row execute function refuse();
create trigger no_delete before delete on audit_event for each row execute function audit_refuse_delete();
create trigger no_truncate before truncate on audit_event for each statement execute function refuse();
create trigger no_change before update or delete on audit_seal for each row execute function refuse();
create trigger no_truncate before truncate on audit_seal for each statement execute function refuse();
create trigger no_update before update on history for each row execute function refuse();
create trigger no_delete before delete on history for each row execute function history_refuse_delete();
create trigger no_truncate before truncate on history for each statement execute function refuse();
alter table audit_event enable always trigger no_update;
alter table audit_event enable always trigger no_delete;
alter table audit_event enable always trigger no_truncate;
alter table audit_seal enable always trigger no_change;
alter table audit_seal enable always trigger no_truncate;
alter table history enable always trigger no_update;
alter table history enable always trigger no_delete;
alter table history enable always trigger no_truncate;

revoke execute on function audit_append(text), audit_expire(bigint) from public;
revoke execute on function audit_link(), audit_refuse_delete(), history_refuse_delete() from public;

do $$
declare
  role text;
begin
  foreach role in array array['kb_review_worker', 'kb_review_auditor'] loop
    if not exists (select from pg_roles where rolname = role) then
      begin
        execute format('create role %I nologin', role);
      exception
        when duplicate_object or unique_violation then null;  -- by the migration of another database of this cluster, just now
        when insufficient_privilege then
          raise exception 'the role % is missing, and % may not create it: let an administrator run `create role %`', role, current_user, role
            using errcode = 'insufficient_privilege';
      end;
    end if;
    execute format('grant usage on schema review to %I', role);
  end loop;
end $$;
grant select, insert, update on task to kb_review_worker;
grant select, insert on decision, history, audit_seal to kb_review_worker;
grant select on audit_event, alembic_version to kb_review_worker;
grant execute on function audit_append(text), audit_expire(bigint) to kb_review_worker;
grant select on task, decision, history, audit_seal, audit_event to kb_review_auditor;
"""


def upgrade() -> None:
    """Create them."""
    op.execute(STATEMENTS)
