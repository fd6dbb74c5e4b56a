-- Embedding spaces beside each other: `chunk` and `vector` become partitioned by space, each partition with the dimension, the
-- indexes and the guards of its own. A release's rows all lie in the partition of its space. `chunk` stays the name to query.
-- Why partitions, and why search names the partition itself: docs/adr/0003.

alter table embedding_space
  add column location text not null default '',
  add column dimension int not null generated always as ((spec ->> 'dimension')::int) stored,
  add check (space_id ~ '^[0-9a-f]{16}$'),
  add check (dimension between 1 and 4000);

alter table vector rename to vector_0001;
create table vector (
  space_id  text not null,
  text_hash bytea not null,
  embedding halfvec not null
) partition by list (space_id);

alter table chunk rename to chunk_0001;
create table chunk (
  id           bigint generated always as identity,
  source       text not null,
  doc_id       text not null,
  content_hash bytea not null,
  dup_no       int not null default 0,
  valid_from   int not null,
  valid_to     int not null default 2147483647,
  content      text not null,
  context      text not null default '',
  text_hash    bytea not null,
  terms        int[] not null,
  term_weights sparsevec(1000000000) not null,
  embedding    halfvec not null,
  space_id     text not null,
  check (valid_to > valid_from)
) partition by list (space_id);

-- The same delivery may be applied under one pipeline, under another, and under the first again.
alter table applied_capture drop constraint applied_capture_pkey, add primary key (capture_id, pipeline, release_id);

------------------------------------------------------------------------------------------------------------------ spaces

-- A statement on `chunk` fires the triggers of `chunk`, one on a partition those of the partition: give it the same. To be called
-- for every partition again when `chunk` gets another statement trigger; row triggers come down by themselves.
create function guard_partition(p_partition regclass) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp as $$
declare t record;
begin
  for t in select g.tgname, pg_get_triggerdef(g.oid) as definition from pg_trigger g
           where g.tgrelid = 'chunk'::regclass and not g.tgisinternal and g.tgtype & 1 = 0 loop
    execute replace(replace(t.definition, ' ON {schema}.chunk ', format(' ON %s ', p_partition)),
                    'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
    execute format('alter table %s enable always trigger %I', p_partition, t.tgname);
  end loop;
end $$;

-- Makes the partitions of a registered space; doing it again changes nothing. They are made apart and then attached, which lets
-- readers and writers of the other spaces go on. Nobody is granted anything on a partition, and its row-level security, without a
-- policy, shows nothing even to a role that is granted something by mistake.
create function open_space(p_space text) returns void
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
    execute format('create table %I (like vector, %s, primary key (text_hash))', vectors, own);
    execute format('alter table %I enable row level security', vectors);
    execute format('alter table vector attach partition %I for values in (%L)', vectors, p_space);
  end if;
  if to_regclass(format('{schema}.%I', chunks)) is null then
    -- No index mentions valid_to: closing a row stays a heap-only update. build_index() adds the HNSW index after the first load.
    execute format('create table %I (like chunk including defaults including constraints, %s, primary key (id),
                                     unique (source, doc_id, content_hash, dup_no, valid_from))
                    with (fillfactor = 80, toast_tuple_target = 8160)', chunks, own);
    execute format('create index %I on %I using gin (terms) with (fastupdate = on)', chunks || '_terms', chunks);
    execute format('alter table %I enable row level security', chunks);
    perform guard_partition(chunks::regclass);
    execute format('alter table chunk attach partition %I for values in (%L)', chunks, p_space);
  end if;
end $$;

-- Removes the rows and vectors of a space that no kept release shows. The registry keeps its entry: releases refer to it.
create function drop_space(p_space text) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp set lock_timeout = '5s' as $$
declare kept int;
begin
  perform pg_advisory_xact_lock(hashtextextended('{schema}', 0));  -- that of the writers: no candidate opens meanwhile
  select max(r.release_id) into kept from release r
  where r.space_id = p_space and r.status <> 'discarded' and r.release_id >= (select h.release_id from gc_horizon h for share);
  if kept is not null then
    raise exception 'embedding space % is not dropped: release % shows it', p_space, kept using errcode = 'check_violation';
  end if;
  execute format('drop table if exists %I, %I', 'chunk_' || p_space, 'vector_' || p_space);
end $$;

-- The database knows which space a release is in, once and for all, and shows no row of another one in it.
create function space_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare left_over text;
begin
  if new.space_id <> old.space_id then
    raise exception 'release %: its embedding space never changes', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'sealed' and old.status = 'building' then
    select string_agg(distinct c.source, ', ') into left_over from chunk c
    where c.space_id <> new.space_id and c.valid_from <= new.release_id and c.valid_to > new.release_id;
    if left_over is not null then
      raise exception 'release %: rows of % are in another embedding space still', new.release_id, left_over
        using errcode = 'check_violation';
    end if;
  end if;
  return new;
end $$;
create trigger space_guard before update on release for each row execute function space_guard();
alter table release enable always trigger space_guard;

create function row_space_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from (select distinct valid_from, space_id from new_rows) n join release r on r.release_id = n.valid_from
             where r.space_id <> n.space_id) then
    raise exception 'rows of % belong to another embedding space than their release', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

------------------------------------------------------------------------------------------------------------------ what is there

do $$
declare s text;
begin
  for s in select space_id from embedding_space loop
    perform open_space(s);
  end loop;
end $$;
insert into vector select space_id, text_hash, embedding from vector_0001;
insert into chunk (id, source, doc_id, content_hash, dup_no, valid_from, valid_to, content, context, text_hash, terms, term_weights,
                   embedding, space_id) overriding system value
select c.id, c.source, c.doc_id, c.content_hash, c.dup_no, c.valid_from, c.valid_to, c.content, c.context, c.text_hash, c.terms,
       c.term_weights, c.embedding, r.space_id
from chunk_0001 c join release r on r.release_id = c.valid_from order by c.id;
select setval(pg_get_serial_sequence('{schema}.chunk', 'id'), greatest((select max(id) from chunk_0001), 1),
              exists (select 1 from chunk_0001));
drop table vector_0001, chunk_0001;

create trigger row_insert_guard after insert on chunk referencing new table as new_rows
  for each statement execute function row_insert_guard();
create trigger row_space_guard after insert on chunk referencing new table as new_rows
  for each statement execute function row_space_guard();
create trigger row_update_guard after update on chunk referencing old table as old_rows new table as new_rows
  for each statement execute function row_update_guard();
create trigger row_delete_guard after delete on chunk referencing old table as old_rows
  for each statement execute function row_delete_guard();
create trigger no_truncate before truncate on chunk for each statement execute function refuse();
alter table chunk enable always trigger row_insert_guard;
alter table chunk enable always trigger row_space_guard;
alter table chunk enable always trigger row_update_guard;
alter table chunk enable always trigger row_delete_guard;
alter table chunk enable always trigger no_truncate;
select guard_partition(i.inhrelid::regclass) from pg_inherits i where i.inhparent = 'chunk'::regclass;

------------------------------------------------------------------------------------------------------------------ index, search

drop function build_index();
create function build_index(p_release int) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp
set maintenance_work_mem = '1GB' as $$
declare
  chunks text;
  dims int;
begin
  select 'chunk_' || s.space_id, s.dimension into strict chunks, dims
  from release r join embedding_space s using (space_id) where r.release_id = p_release;
  if to_regclass(format('{schema}.%I', chunks || '_hnsw')) is null then
    execute format('create index %I on %I using hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops)', chunks || '_hnsw', chunks, dims);
  end if;
  perform gin_clean_pending_list(format('{schema}.%I', chunks || '_terms')::regclass),
          gin_clean_pending_list('{schema}.document_version_metadata');
end $$;
select build_index(max(release_id)) from release group by space_id having max(chunk_count) > 0;

-- The statement of 0001 over the partition of the release's space, put together by name: a cast to the space's dimension is what its
-- HNSW index is on, and planning it with the values at hand costs less than a millisecond.
drop function search(int, halfvec, int[], sparsevec, int, int, float8, jsonpath);
drop function search_rows(int, halfvec, int[], sparsevec, int, int, float8, jsonpath);
create function search_rows(p_release int, p_space text, p_vector halfvec, p_terms int[], p_weights sparsevec, p_k int, p_depth int,
                            p_dense_weight float8, p_filter jsonpath)
returns table (chunk_id bigint, source text, doc_id text, title text, start_char int, end_char int, content text,
               dense float8, lexical float8, score float8)
language plpgsql stable security definer set search_path = {schema}, public, pg_temp
set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 200 as $$
declare
  space text;
  dims int;
begin
  select s.space_id, s.dimension into space, dims from release r join embedding_space s using (space_id) where r.release_id = p_release;
  if space <> p_space then
    raise exception 'release % is in embedding space %, the question in %', p_release, space, p_space
      using errcode = 'invalid_parameter_value';
  end if;
  return query execute format($search$
  with allowed as materialized (
    select d.source, d.doc_id from document_version d
    where $8 is not null and d.metadata @@ $8 and d.valid_from <= $1 and d.valid_to > $1
  ), near as materialized (
    select c.id from %1$I c
    where c.valid_from <= $1 and c.valid_to > $1
      and ($8 is null or exists (select 1 from allowed a where a.source = c.source and a.doc_id = c.doc_id))
    order by c.embedding::halfvec(%2$s) <=> $2::halfvec(%2$s) limit $6
  ), worded as materialized (
    select c.id from %1$I c
    where c.terms && $3 and c.valid_from <= $1 and c.valid_to > $1
      and ($8 is null or exists (select 1 from allowed a where a.source = c.source and a.doc_id = c.doc_id))
    order by c.term_weights <#> $4 limit $6
  ), scored as (
    select c.id, c.source, c.doc_id, c.content, c.content_hash, c.dup_no, 1 - (c.embedding <=> $2) as dense,
           -(c.term_weights <#> $4) as lexical
    from (select id from near union select id from worded) u join %1$I c using (id)
  ), fused as (
    select s.*, $7 * s.dense + (1 - $7) * s.lexical as score
    from scored s order by score desc, s.id limit $5
  )
  select f.id, f.source, f.doc_id, d.title, p.start_char, p.end_char, f.content, f.dense, f.lexical, f.score
  from fused f
  join document_version d on d.source = f.source and d.doc_id = f.doc_id and d.valid_from <= $1 and d.valid_to > $1
  join passage p on p.version_id = d.id and p.content_hash = f.content_hash and p.dup_no = f.dup_no
  order by f.score desc, f.id
  $search$, 'chunk_' || space, dims) using p_release, p_vector, p_terms, p_weights, p_k, p_depth, p_dense_weight, p_filter;
end $$;

create function search(p_release int, p_space text, p_vector halfvec, p_terms int[], p_weights sparsevec, p_k int, p_depth int,
                       p_dense_weight float8, p_filter jsonpath)
returns table (chunk_id bigint, source text, doc_id text, title text, start_char int, end_char int, content text,
               dense float8, lexical float8, score float8)
language sql stable security definer set search_path = {schema}, public, pg_temp as $$
  select * from search_rows(readable_release(p_release), p_space, p_vector, p_terms, p_weights, p_k, p_depth, p_dense_weight, p_filter)
$$;

------------------------------------------------------------------------------------------------------------------ roles

revoke execute on function guard_partition(regclass), open_space(text), drop_space(text), space_guard(), row_space_guard(),
  build_index(int), search_rows(int, text, halfvec, int[], sparsevec, int, int, float8, jsonpath),
  search(int, text, halfvec, int[], sparsevec, int, int, float8, jsonpath) from public;
grant select on chunk, embedding_space to {prefix}_reader;
grant select on chunk, vector to {prefix}_writer, {prefix}_gate, {prefix}_promoter;
grant insert on chunk, vector to {prefix}_writer;
grant delete on chunk to {prefix}_writer;
grant update (valid_to) on chunk to {prefix}_writer;
grant update (location) on embedding_space to {prefix}_writer;
grant execute on function open_space(text), drop_space(text), build_index(int) to {prefix}_writer;
grant execute on function search(int, text, halfvec, int[], sparsevec, int, int, float8, jsonpath) to {prefix}_reader, {prefix}_gate;
grant execute on function search_rows(int, text, halfvec, int[], sparsevec, int, int, float8, jsonpath) to {prefix}_gate;

alter table chunk enable row level security;
create policy reader_active on chunk for select to {prefix}_reader
  using (valid_from <= (select a.release_id from active a) and valid_to > (select a.release_id from active a));
create policy workers on chunk to {prefix}_writer, {prefix}_gate, {prefix}_promoter using (true) with check (true);
