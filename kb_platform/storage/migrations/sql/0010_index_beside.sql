-- Many new rows go into an index of their own, built beside the one that readers use; and what attacks have shown since 0008.

------------------------------------------------------------------------------------------------------------------ index

-- Putting a row into an HNSW index costs several times what it costs when the index is built. Indexes are numbered: one holds the rows
-- of its number and of those below. Many rows at once are written with the next number, past the index that readers use; the seal then
-- builds the index of that number, which holds all rows, and maintenance drops the one before it.
alter table chunk add column index_no int not null default 0;
alter table release add column index_no int not null default 0;
comment on column chunk.index_no is 'an HNSW index of this number, or of a higher one, holds the row';
comment on column release.index_no is 'the highest number of its rows';
create trigger immutable_index_no before update of index_no on chunk for each statement execute function refuse();
alter table chunk enable always trigger immutable_index_no;
select guard_partition(i.inhrelid::regclass) from pg_inherits i where i.inhparent = 'chunk'::regclass;  -- as 0002 asks

-- The HNSW indexes of a space by number; one of before this revision has none, and holds every row.
create function hnsw_indexes(p_space text) returns table (name text, number int, whole bool)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select c.relname::text, case when i.indpred is not null then coalesce(nullif(substring(c.relname from '_hnsw_?([0-9]*)$'), '')::int, 0) end,
         i.indisvalid
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
  where i.indrelid = to_regclass('{schema}.chunk_' || p_space) and m.amname = 'hnsw'
$$;

create or replace function build_index(p_release int) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp
set maintenance_work_mem = '1GB' as $$
declare
  space text;
  dims int;
  needed int;
begin
  select s.space_id, s.dimension, r.index_no into strict space, dims, needed
  from release r join embedding_space s using (space_id) where r.release_id = p_release;
  if not exists (select 1 from hnsw_indexes(space) h where h.whole and coalesce(h.number >= needed, true)) then
    execute format('create index %I on %I using hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops) where index_no <= %s',
                   'chunk_' || space || '_hnsw' || case when needed > 0 then '_' || needed else '' end, 'chunk_' || space, dims, needed);
    update embedding_space set garbage = 0 where space_id = space;  -- it holds no dead entry
  end if;
  perform gin_clean_pending_list(format('{schema}.%I', 'chunk_' || space || '_terms')::regclass),
          gin_clean_pending_list('{schema}.document_version_metadata');
end $$;

create or replace function row_space_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from (select distinct valid_from, space_id, index_no from new_rows) n join release r on r.release_id = n.valid_from
             where r.space_id <> n.space_id or n.index_no > r.index_no) then
    raise exception 'rows of % belong to another embedding space, or to a later index, than their release', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

create or replace function search_rows(p_release int, p_space text, p_vector halfvec, p_terms int[], p_weights sparsevec, p_k int, p_depth int,
                            p_dense_weight float8, p_filter jsonpath)
returns table (chunk_id bigint, source text, doc_id text, title text, start_char int, end_char int, content text,
               dense float8, lexical float8, score float8)
language plpgsql stable security definer set search_path = {schema}, public, pg_temp
set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 200 as $$
declare
  space text;
  dims int;
  needed int;
begin
  select s.space_id, s.dimension, r.index_no into space, dims, needed from release r join embedding_space s using (space_id) where r.release_id = p_release;
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
    where c.valid_from <= $1 and c.valid_to > $1 and c.index_no <= %3$s
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
  $search$, 'chunk_' || space, dims, needed) using p_release, p_vector, p_terms, p_weights, p_k, p_depth, p_dense_weight, p_filter;
end $$;

------------------------------------------------------------------------------------------------------------------ digest

-- The digest covers the required gates, too: a candidate that is sealed again with fewer of them is another one, which nobody has judged.
alter table release drop constraint release_digest_version_check, add constraint release_digest_version_check check (digest_version in (1, 2, 3));
comment on column release.digest_version is '1: text_digest(), as before revision 0008; 2: sealed_digest() without the gates; 3: with them';
drop function sealed_digest(int);
create function sealed_digest(p release) returns table (digest bytea, documents int, chunks int)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  with newest as (
    select distinct on (d.source, d.doc_id) d.digest, d.chunks from document_digest d where d.valid_from <= p.release_id
    order by d.source, d.doc_id, d.valid_from desc
  ), kept as (
    select sha256(coalesce(string_agg(n.digest, ''::bytea order by n.digest), ''::bytea)) as digest, count(*)::int as documents,
           coalesce(sum(n.chunks), 0)::int as chunks
    from newest n where n.digest is not null
  ), frequency as (
    select distinct on (t.term) t.term, t.df from term_df t where t.valid_from <= p.release_id order by t.term, t.valid_from desc
  ), words as (
    select sha256(coalesce(string_agg(int4send(f.term) || int4send(f.df), ''::bytea order by f.term), ''::bytea)) as digest
    from frequency f where f.df <> 0
  ), bar as (
    select sha256(coalesce(string_agg(sha256(convert_to(q, 'UTF8')), ''::bytea order by q collate "C"), ''::bytea)) as digest from unnest(p.required_gates) q
  )
  select sha256(sha256(convert_to(p.space_id, 'UTF8')) || k.digest || w.digest || case when p.digest_version < 3 then ''::bytea else b.digest end),
         k.documents, k.chunks
  from kept k, words w, bar b
$$;

create or replace function is_what_was_sealed(r release) returns bool
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
begin
  if r.digest_version = 1 then
    return text_digest(r.release_id) = r.content_digest;
  end if;
  return (select s.digest from sealed_digest(r) s) is not distinct from r.content_digest and (
    r.status <> 'sealed' or not exists (
      select 1 from touched t left join digests_of_rows(r.release_id, true) f using (source, doc_id)
      where f.digest is distinct from (select d.digest from document_digest d where d.source = t.source and d.doc_id = t.doc_id
                                       and d.valid_from <= r.release_id order by d.valid_from desc limit 1)));
end $$;

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
    delete from touched;
    new.digest_version := 3;
    new.index_no := coalesce((select max(r.index_no) from release r where r.space_id = new.space_id), 0);
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
       (new.content_digest, new.digest_version, new.index_no, new.space_id, new.pipeline, new.chunk_count, new.document_count, new.sealed_at)
       is distinct from
       (old.content_digest, old.digest_version, old.index_no, old.space_id, old.pipeline, old.chunk_count, old.document_count, old.sealed_at)) then
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
  if new.index_no < old.index_no then
    raise exception 'release %: its rows need index % still', old.release_id, old.index_no using errcode = 'check_violation';
  end if;
  if new.status = 'building' then
    new.content_digest := null;
    new.verdict := null;
    new.digest_version := 3;
  elsif old.status = 'building' and new.status = 'sealed' then
    perform must_see_everything();
    if not new.required_gates @> '{coverage,index_recall,embedding_health}' then
      raise exception 'release %: a seal needs the integrity gates', old.release_id using errcode = 'check_violation';
    end if;
    -- Digest and counts are derived, never a client's word.
    new.digest_version := 3;
    perform count_terms(new.release_id), digest_documents(new.release_id);
    select s.digest, s.documents, s.chunks into new.content_digest, new.document_count, new.chunk_count from sealed_digest(new) s;
    new.sealed_at := clock_timestamp();
  end if;
  new.gates_passed := gates_passed(new);
  return new;
end $$;

-- What a candidate has touched is noted until the next one begins: without the note its seal would not hash it.
create function touched_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from release r where r.status in ('building', 'sealed')) then
    raise exception 'what a candidate has touched stays noted' using errcode = 'check_violation';
  end if;
  return null;
end $$;
create trigger touched_guard before delete on touched for each statement execute function touched_guard();
create trigger immutable before update on touched for each statement execute function refuse();
alter table touched enable always trigger touched_guard;
alter table touched enable always trigger immutable;

------------------------------------------------------------------------------------------------------------------ verdicts, promotions

-- Whoever may add verdicts could add one again that was signed before another one replaced it.
create or replace function gate_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare r release;
begin
  if tg_op <> 'INSERT' then
    raise exception 'release %: what a gate has said stays said', old.release_id using errcode = 'check_violation';
  end if;
  select * into r from release x where x.release_id = new.release_id for update;
  if r.status is distinct from 'sealed' then
    raise exception 'release % is %: verdicts are written while it is sealed and undecided', new.release_id, coalesce(r.status, 'unknown')
      using errcode = 'check_violation', constraint = 'a_verdict_is_of_what_is_sealed';
  end if;
  if new.content_digest is distinct from r.content_digest then
    raise exception 'release %: the verdict is about other content than what is sealed', r.release_id
      using errcode = 'check_violation', constraint = 'a_verdict_is_of_what_is_sealed';
  end if;
  if exists (select 1 from judgement j where j.release_id = new.release_id and j.signature = new.signature) then
    if (select g.signature from gate_result g where g.release_id = new.release_id and g.gate = new.gate and g.content_digest = new.content_digest)
       is distinct from new.signature then
      raise exception 'release %: a verdict that another one has replaced is not said again', r.release_id using errcode = 'check_violation';
    end if;
    return null;  -- said once more by a step that was tried again
  end if;
  new.at := clock_timestamp();
  return new;
end $$;

-- The log says where the pointer went and who moved it; depth alone lets a trigger of somebody's own say anything.
create or replace function log_guard() returns trigger
language plpgsql set search_path = {schema}, pg_temp as $$
begin
  if pg_trigger_depth() < 2 or new.to_release is distinct from (select a.release_id from active a)
     or new.from_release is distinct from (select l.to_release from promotion_log l order by l.id desc limit 1) then
    raise exception 'promotions are logged by the pointer itself' using errcode = 'check_violation';
  end if;
  new.by_user := session_user;
  new.at := clock_timestamp();
  return new;
end $$;

------------------------------------------------------------------------------------------------------------------ what is there

update release set status = 'building' where status = 'sealed';  -- judged anew
do $$
begin
  if (select r.rolsuper from pg_roles r where r.rolname = current_user) then  -- replacing functions has unset what 0004 set
    alter function build_index(int) set kb.own_change = '{schema}';
  end if;
end $$;

revoke execute on function hnsw_indexes(text), sealed_digest(release), touched_guard() from public;
grant execute on function hnsw_indexes(text) to {prefix}_writer, {prefix}_collector;
grant execute on function sealed_digest(release) to {prefix}_gate;
