-- Closes what 0001 left open; kb_platform_tests/storage/test_guard.py tries each. The functions replace those of 0001.

-- A verdict passes or it does not: no row says both.
alter table gate_result add constraint passed_is_the_verdict check (passed = (verdict = 'pass'));

create or replace function release_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  passed int := gates_passed(new);
  pointer int := (select a.release_id from active a);
begin
  if tg_op = 'INSERT' then
    if new.status <> 'building' or new.gates_passed <> 0 or new.promoted_at is not null or new.content_digest is not null
       or new.verdict is not null then
      raise exception 'a release begins as building, without gates' using errcode = 'check_violation';
    end if;
    if new.release_id <> coalesce((select max(r.release_id) from release r), 0) + 1
       or new.base_release is distinct from (select max(r.release_id) from release r where r.status <> 'discarded') then
      raise exception 'release %: releases are numbered in a row, each on the newest that is kept', new.release_id
        using errcode = 'check_violation';
    end if;
    return new;
  end if;
  if new.release_id <> old.release_id or new.base_release is distinct from old.base_release or new.created_at <> old.created_at then
    raise exception 'release %: its id and base never change', old.release_id using errcode = 'check_violation';
  end if;
  if new.gates_passed not in (old.gates_passed, passed) then
    raise exception 'gates_passed is derived: release % has passed % gates', old.release_id, passed using errcode = 'check_violation';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
       ('building', 'sealed'), ('sealed', 'building'), ('sealed', 'promoted'), ('promoted', 'retired'), ('retired', 'promoted'),
       ('building', 'discarded'), ('sealed', 'discarded'), ('retired', 'discarded')) then
    raise exception 'release % is %, which cannot become %', old.release_id, old.status, new.status using errcode = 'check_violation';
  end if;
  if old.status <> 'building' and new.required_gates <> old.required_gates then
    raise exception 'release %: the required gates were frozen at the seal', old.release_id using errcode = 'check_violation';
  end if;
  if old.status <> 'building' and new.status <> 'building' and (
       (new.content_digest, new.space_id, new.pipeline, new.chunk_count, new.document_count, new.sealed_at)
       is distinct from (old.content_digest, old.space_id, old.pipeline, old.chunk_count, old.document_count, old.sealed_at)) then
    raise exception 'sealed release % is immutable', old.release_id using errcode = 'check_violation';
  end if;
  if old.status not in ('building', 'sealed') and (new.verdict, new.report) is distinct from (old.verdict, old.report) then
    raise exception 'release % is %: its verdict was given while it was sealed', old.release_id, old.status using errcode = 'check_violation';
  end if;
  if new.status = 'promoted' and pointer is distinct from new.release_id
     or new.status = 'retired' and pointer = new.release_id
     or new.promoted_at is distinct from old.promoted_at and (old.promoted_at is not null or pointer is distinct from new.release_id) then
    raise exception 'release %: only the pointer decides what is promoted', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'discarded' and old.status <> 'discarded'
     and exists (select 1 from release r where r.release_id > old.release_id and r.status <> 'discarded') then
    raise exception 'release %: a newer release builds on it', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'building' then
    new.content_digest := null;
    new.verdict := null;
  elsif old.status = 'building' and new.status = 'sealed' then
    perform must_see_everything();
    if not new.required_gates @> '{coverage,index_recall,embedding_health}' then
      raise exception 'release %: a seal needs the integrity gates', old.release_id using errcode = 'check_violation';
    end if;
    new.content_digest := content_digest(new.release_id);  -- derived, never a client's word
  end if;
  new.gates_passed := gates_passed(new);
  return new;
end $$;

-- A snapshot from before a row's lock was taken would overlook what others wrote meanwhile.
create function must_see_everything() returns void
language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'sealing needs the isolation level read committed, not %', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state';
  end if;
end $$;

create or replace function gate_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare r release;
begin
  select * into r from release x where x.release_id = coalesce(old.release_id, new.release_id) for update;
  if r.status is distinct from 'sealed' then
    raise exception 'release % is %: verdicts are written while it is sealed and undecided', r.release_id, r.status
      using errcode = 'check_violation';
  end if;
  if tg_op = 'UPDATE' and (new.release_id, new.gate, new.content_digest) is distinct from (old.release_id, old.gate, old.content_digest) then
    raise exception 'release %: a verdict stays with its gate and its content', r.release_id using errcode = 'check_violation';
  end if;
  if tg_op <> 'DELETE' and new.content_digest is distinct from r.content_digest then
    raise exception 'release %: the verdict is about other content than what is sealed', r.release_id using errcode = 'check_violation';
  end if;
  return coalesce(new, old);
end $$;

-- The release row is share-locked by whoever writes rows into it, so that a seal waits for them, and they for a seal.
create or replace function row_insert_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare written int;
begin
  for written in select distinct n.valid_from from new_rows n loop
    perform 1 from release r where r.release_id = written and r.status = 'building' for share;
    if not found then
      raise exception 'rows of % may be written into a building release only', tg_table_name using errcode = 'check_violation';
    end if;
  end loop;
  return null;
end $$;

create or replace function row_update_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  perform 1 from release r where r.status = 'building' for share;
  if exists (
       select 1 from old_rows o join new_rows n using (id)
       left join release c on c.release_id = n.valid_to and c.status = 'building'
       left join release u on u.release_id = o.valid_to and u.status in ('building', 'discarded')
       where n.valid_from <> o.valid_from or n.valid_to <> o.valid_to
         and not (o.valid_to = 2147483647 and c.release_id is not null or n.valid_to = 2147483647 and u.release_id is not null))
     or (select count(*) from old_rows) <> (select count(*) from old_rows join new_rows using (id)) then
    raise exception 'rows of % are closed and reopened by the building release only', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

create or replace function row_delete_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  perform 1 from release r where r.status = 'building' for share;
  if exists (select 1 from (select distinct valid_from, valid_to from old_rows) o left join release r on r.release_id = o.valid_from
             where r.status is distinct from 'building' and r.status is distinct from 'discarded'
               and o.valid_to > coalesce((select h.release_id from gc_horizon h), 0)) then
    raise exception 'rows of % that a kept release shows cannot be deleted', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

-- Passages belong to their document version: written with it, gone with it.
create function passage_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  perform 1 from release r where r.status = 'building' for share;
  if exists (select 1 from (select distinct version_id from touched_rows) t join document_version d on d.id = t.version_id
             join release r on r.release_id = d.valid_from where r.status not in ('building', 'discarded')) then
    raise exception 'passages of a document that a kept release shows never change' using errcode = 'check_violation';
  end if;
  return null;
end $$;
create trigger passage_insert_guard after insert on passage referencing new table as touched_rows
  for each statement execute function passage_guard();
create trigger passage_delete_guard after delete on passage referencing old table as touched_rows
  for each statement execute function passage_guard();

-- A frequency may go with its release, or when a newer one stands at or below the horizon.
create function term_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from old_rows o join release r on r.release_id = o.valid_from
             where r.status not in ('building', 'discarded') and not exists (
               select 1 from term_df t where t.term = o.term and t.valid_from > o.valid_from
                 and t.valid_from <= (select h.release_id from gc_horizon h))) then
    raise exception 'term frequencies that a kept release uses cannot be deleted' using errcode = 'check_violation';
  end if;
  return null;
end $$;
create trigger term_delete_guard after delete on term_df referencing old table as old_rows
  for each statement execute function term_guard();

create function horizon_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_op <> 'UPDATE' or new.release_id < old.release_id or new.release_id > coalesce((select a.release_id from active a), 0) then
    raise exception 'the horizon moves forward only, and never past the live release' using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger horizon_guard before insert or update or delete on gc_horizon for each row execute function horizon_guard();

create function log_guard() returns trigger
language plpgsql set search_path = {schema}, pg_temp as $$
begin
  if pg_trigger_depth() < 2 then
    raise exception 'promotions are logged by the pointer itself' using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger log_guard before insert on promotion_log for each row execute function log_guard();

-- What is written stays as it was written: only valid_to of a row, and only the guards above say when.
create trigger immutable before update on passage for each statement execute function refuse();
create trigger immutable before update on term_df for each statement execute function refuse();
create trigger immutable before update or delete on capture for each statement execute function refuse();
create trigger immutable before update of space_id, spec on embedding_space for each statement execute function refuse();

do $$
declare t text;
begin
  foreach t in array array['chunk', 'document_version'] loop
    execute format('create trigger immutable before update of %s on %I for each statement execute function refuse()',
      (select string_agg(quote_ident(a.attname), ', ') from pg_attribute a where a.attrelid = t::regclass and a.attnum > 0
         and not a.attisdropped and a.attname not in ('valid_from', 'valid_to')), t);
  end loop;
  foreach t in array array['passage', 'term_df', 'gc_horizon', 'embedding_space', 'vector', 'applied_capture', 'known_document',
                           'capture_failure'] loop
    execute format('create trigger no_truncate before truncate on %I for each statement execute function refuse()', t);
  end loop;
  for t in select format('alter table %I enable always trigger %I', c.relname, g.tgname)
           from pg_trigger g join pg_class c on c.oid = g.tgrelid
           where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled = 'O' loop
    execute t;
  end loop;
  perform guard_partition(i.inhrelid::regclass) from pg_inherits i where i.inhparent = 'chunk'::regclass;  -- as 0002 asks
end $$;

-- Frequencies tell which words a release holds: a reader asks about releases that it may read.
create function term_statistics_rows(p_release int, p_terms int[])
returns table (term int, df int, chunks bigint)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select t.term, coalesce((select x.df from term_df x where x.term = t.term and x.valid_from <= p_release
                           order by x.valid_from desc limit 1), 0),
         (select r.chunk_count from release r where r.release_id = p_release)::bigint
  from unnest(p_terms) t(term)
$$;
create or replace function term_statistics(p_release int, p_terms int[])
returns table (term int, df int, chunks bigint)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select * from term_statistics_rows(readable_release(p_release), p_terms)
$$;
grant execute on function term_statistics_rows(int, int[]) to {prefix}_gate;
revoke execute on function term_statistics_rows(int, int[]), must_see_everything(), passage_guard(), term_guard(), horizon_guard(),
  log_guard() from public;
-- A reader that sits in a transaction would keep the space of deleted rows from being used again.
do $$ begin
  alter role {prefix}_reader set idle_in_transaction_session_timeout = '60s';
exception when insufficient_privilege then null;  -- the role is an administrator's, whose script has set it (role_script.py)
end $$;
