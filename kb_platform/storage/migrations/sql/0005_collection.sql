-- Garbage collection: who may collect, what waits to be reindexed, and a horizon that nobody moves past the pointer by a race.

-- When a vector was computed: one that no row uses yet belongs to a delivery that is on its way.
alter table vector add column added_at timestamptz not null default now();

-- Chunks that were deleted since the space's HNSW index was last built anew: its dead entries. Exact, and there after a crash, which
-- Postgres' own counters are not.
alter table embedding_space add column garbage bigint not null default 0;

create function count_garbage() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  update embedding_space s set garbage = s.garbage + o.rows
  from (select space_id, count(*) as rows from old_rows group by space_id) o where s.space_id = o.space_id;
  return null;
end $$;
create trigger count_garbage after delete on chunk referencing old table as old_rows
  for each statement execute function count_garbage();
alter table chunk enable always trigger count_garbage;
select guard_partition(i.inhrelid::regclass) from pg_inherits i where i.inhparent = 'chunk'::regclass;  -- as 0002 asks

-- The pointer's guard share-locks this row (promote_guard), so the pointer that is read here stands until the horizon has moved, or is
-- refused below it. An old snapshot would show a pointer that has moved since.
create or replace function horizon_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'moving the horizon needs the isolation level read committed, not %', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state';
  end if;
  if tg_op <> 'UPDATE' or new.release_id < old.release_id or new.release_id > coalesce((select a.release_id from active a), 0) then
    raise exception 'the horizon moves forward only, and never past the live release' using errcode = 'check_violation';
  end if;
  return new;
end $$;

-- For the gate's reads, which may go to a candidate but not below the horizon either: some rows of such a release are gone.
create function not_collected(p_release int) returns int
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
begin
  if p_release < (select h.release_id from gc_horizon h) then
    raise exception 'release %: its rows were collected', p_release using errcode = 'no_data_found';
  end if;
  return p_release;
end $$;

-- VACUUM repairs the neighbours of every dead entry of an HNSW index, which costs five times what building the index anew and then
-- vacuuming costs. Autovacuum is left as the last resort of a knowledge base without maintenance.
create or replace function open_space(p_space text) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp as $$
declare
  dims int := (select s.dimension from embedding_space s where s.space_id = p_space);
  chunks text := 'chunk_' || p_space;
  vectors text := 'vector_' || p_space;
  own text := format('check (space_id = %L), check (vector_dims(embedding) = %s)', p_space, dims);
begin
  if dims is null then
    raise exception 'embedding space % is not registered', p_space using errcode = 'no_data_found';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('{schema}/spaces', 0));
  if to_regclass(format('{schema}.%I', vectors)) is null then
    execute format('create table %I (like vector including defaults, %s, primary key (text_hash))', vectors, own);
    execute format('alter table %I enable row level security', vectors);
    execute format('alter table vector attach partition %I for values in (%L)', vectors, p_space);
  end if;
  if to_regclass(format('{schema}.%I', chunks)) is null then
    -- No index mentions valid_to: closing a row stays a heap-only update. build_index() adds the HNSW index after the first load.
    execute format('create table %I (like chunk including defaults including constraints, %s, primary key (id),
                                     unique (source, doc_id, content_hash, dup_no, valid_from))
                    with (fillfactor = 80, toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.6,
                          autovacuum_vacuum_insert_scale_factor = 0.6)', chunks, own);
    execute format('create index %I on %I using gin (terms) with (fastupdate = on)', chunks || '_terms', chunks);
    execute format('alter table %I enable row level security', chunks);
    perform guard_partition(chunks::regclass);
    execute format('alter table chunk attach partition %I for values in (%L)', chunks, p_space);
    update embedding_space set garbage = 0 where space_id = p_space and garbage <> 0;
  end if;
end $$;

do $$
declare t regclass;
begin
  for t in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'chunk'::regclass loop
    execute format('alter table %s set (autovacuum_vacuum_scale_factor = 0.6, autovacuum_vacuum_insert_scale_factor = 0.6)', t);
  end loop;
  for t in select c.oid::regclass from pg_class c where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'p')
           and c.relname in ('chunk', 'document_version', 'release') loop
    execute format('create policy collector on %s to {prefix}_collector using (true) with check (true)', t);
  end loop;
  if (select r.rolsuper from pg_roles r where r.rolname = current_user) then
    alter function open_space(text) set kb.own_change = '{schema}';  -- replacing it has unset what 0004 set
  end if;
end $$;

-- The collector deletes what the guards let go, and moves the horizon; it writes no row and promotes nothing.
revoke execute on function count_garbage(), not_collected(int) from public;
grant execute on function not_collected(int) to {prefix}_gate;
grant usage on schema {schema} to {prefix}_collector;
grant select on chunk, document_version, term_df, vector, embedding_space, capture, release, active, gc_horizon, promotion_log
  to {prefix}_collector;
grant select (key, at) on judge_answer, judge_vote to {prefix}_collector;
grant delete on chunk, document_version, term_df, vector, judge_answer, judge_vote to {prefix}_collector;
grant update (release_id) on gc_horizon to {prefix}_collector;
revoke execute on function drop_space(text) from {prefix}_writer;
grant execute on function drop_space(text) to {prefix}_collector;
