-- The digest of a release covers all that a reader sees and all that ranks it, its price follows what changed, and it is compared
-- again before the pointer moves. Verdicts are only ever added, and each is signed. Locks are tables that the right roles reach.

------------------------------------------------------------------------------------------------------------------ turns

-- Advisory locks are open to every role that may log in: a reader could hold back a refresh for ever. A lock on a table needs a right on it,
-- takes no transaction id (an old one would keep dead rows from being vacuumed), and holds behind a pooler.
create table turn_of_candidate ();
create table turn_of_capture ();
create table turn_of_maintenance ();
create table turn_of_spaces ();
comment on table turn_of_candidate is 'has no rows: locked by whoever writes the candidate, one at a time';
comment on table turn_of_capture is 'has no rows: locked while a delivery is entered';
comment on table turn_of_maintenance is 'has no rows: shared by the steps of refreshes, or maintenance''s alone';
comment on table turn_of_spaces is 'has no rows: locked while a space''s partitions are made';

------------------------------------------------------------------------------------------------------------------ digest

alter function content_digest(int) rename to text_digest;  -- what a release says, alike in every database; vectors may differ in a last digit
alter table release add column digest_version int not null default 1 check (digest_version in (1, 2));
comment on column release.digest_version is '1: text_digest(), as before revision 0008; 2: sealed_digest()';

-- The documents whose rows the candidate has changed. Empty between candidates.
create table touched (
  source text not null,
  doc_id text not null,
  primary key (source, doc_id)
);
create table document_digest (
  source     text not null,
  doc_id     text not null,
  valid_from int not null,
  digest     bytea,
  chunks     int not null,
  primary key (source, doc_id, valid_from)
);
comment on table document_digest is 'a row where a release changed a document: what of it counts from there on; no digest: it is gone';

create function touch() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare candidate int := (select r.release_id from release r where r.status = 'building');
begin
  if candidate is null then
    return null;
  end if;
  case tg_op
    when 'INSERT' then
      insert into touched select distinct n.source, n.doc_id from new_rows n where n.valid_from = candidate on conflict do nothing;
    when 'DELETE' then
      insert into touched select distinct o.source, o.doc_id from old_rows o where o.valid_from = candidate on conflict do nothing;
    else
      insert into touched
      select n.source, n.doc_id from new_rows n where n.valid_to = candidate
      union select o.source, o.doc_id from old_rows o where o.valid_to = candidate
      on conflict do nothing;
  end case;
  return null;
end $$;

create function touch_passages() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  insert into touched
  select distinct d.source, d.doc_id from (select distinct version_id from touched_rows) t
  join document_version d on d.id = t.version_id join release r on r.release_id = d.valid_from where r.status = 'building'
  on conflict do nothing;
  return null;
end $$;

-- What of each document counts in a release, from its rows: all documents, or those that the candidate has touched. Every part is
-- hashed by itself before parts are joined, so that no two contents give the same bytes.
create function digests_of_rows(p_release int, p_touched bool)
returns table (source text, doc_id text, digest bytea, chunks int, is_document bool)
language plpgsql stable security definer set search_path = {schema}, public, pg_temp as $$
begin
  return query execute format($digests$
  with version as (
    select d.id, d.source, d.doc_id,
           sha256(sha256(d.version_hash) || sha256(convert_to(d.title, 'UTF8')) || sha256(convert_to(d.metadata::text, 'UTF8'))
                  || sha256(convert_to(d.media_type, 'UTF8')) || sha256(convert_to(d.source_object, 'UTF8'))) as item
    from document_version d %1$s where d.valid_from <= $1 and d.valid_to > $1
  ), described as (
    select v.source, v.doc_id, sha256(string_agg(v.item, ''::bytea order by v.item)) as item from version v group by 1, 2
  ), laid_out as (
    select v.source, v.doc_id,
           sha256(string_agg(int4send(p.ordinal) || int4send(p.start_char) || int4send(p.end_char) || int4send(p.dup_no)
                             || sha256(p.content_hash), ''::bytea order by v.item, p.ordinal)) as item
    from version v join passage p on p.version_id = v.id group by 1, 2
  ), chunked as (
    select c.source, c.doc_id,
           sha256(int4send(c.dup_no) || sha256(c.content_hash) || sha256(convert_to(c.content, 'UTF8'))
                  || sha256(convert_to(c.context, 'UTF8')) || sha256(c.text_hash) || sha256(array_send(c.terms))
                  || sha256(sparsevec_send(c.term_weights)) || sha256(halfvec_send(c.embedding))
                  || sha256(convert_to(c.space_id, 'UTF8'))) as item
    from chunk c %2$s where c.valid_from <= $1 and c.valid_to > $1
  ), held as (
    select c.source, c.doc_id, count(*)::int as chunks, sha256(string_agg(c.item, ''::bytea order by c.item)) as item
    from chunked c group by 1, 2
  )
  select source, doc_id,
         sha256(sha256(convert_to(source, 'UTF8')) || sha256(convert_to(doc_id, 'UTF8')) || coalesce(d.item, $2) || coalesce(l.item, $2)
                || coalesce(h.item, $2)),
         coalesce(h.chunks, 0), d.item is not null
  from described d full join held h using (source, doc_id) left join laid_out l using (source, doc_id)
  $digests$, case when p_touched then 'join touched t on t.source = d.source and t.doc_id = d.doc_id' else '' end,
             case when p_touched then 'join touched t on t.source = c.source and t.doc_id = c.doc_id' else '' end)
  using p_release, sha256(''::bytea);
end $$;

-- Writes down what of the touched documents counts from the candidate on.
create function digest_documents(p_release int) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare homeless text;
begin
  delete from document_digest d where d.valid_from = p_release;
  with found as materialized (
    select * from digests_of_rows(p_release, true)
  ), written as (
    insert into document_digest (source, doc_id, valid_from, digest, chunks)
    select t.source, t.doc_id, p_release, f.digest, coalesce(f.chunks, 0)
    from touched t left join found f using (source, doc_id)
    where f.digest is distinct from (select b.digest from document_digest b where b.source = t.source and b.doc_id = t.doc_id
                                     and b.valid_from < p_release order by b.valid_from desc limit 1)
  )
  select min(f.source || '/' || f.doc_id) into homeless from found f where not f.is_document;
  if homeless is not null then
    raise exception 'release %: chunks of % belong to no document', p_release, homeless using errcode = 'check_violation';
  end if;
end $$;

-- The digest of a release, from those of its documents and its words' frequencies; and how much there is.
create function sealed_digest(p_release int) returns table (digest bytea, documents int, chunks int)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  with newest as (
    select distinct on (d.source, d.doc_id) d.digest, d.chunks from document_digest d where d.valid_from <= p_release
    order by d.source, d.doc_id, d.valid_from desc
  ), kept as (
    select sha256(coalesce(string_agg(n.digest, ''::bytea order by n.digest), ''::bytea)) as digest, count(*)::int as documents,
           coalesce(sum(n.chunks), 0)::int as chunks
    from newest n where n.digest is not null
  ), frequency as (
    select distinct on (t.term) t.term, t.df from term_df t where t.valid_from <= p_release order by t.term, t.valid_from desc
  ), words as (
    select sha256(coalesce(string_agg(int4send(f.term) || int4send(f.df), ''::bytea order by f.term), ''::bytea)) as digest
    from frequency f where f.df <> 0
  )
  select sha256(sha256(convert_to(r.space_id, 'UTF8')) || k.digest || w.digest), k.documents, k.chunks
  from release r, kept k, words w where r.release_id = p_release
$$;

-- Whether a release is what was sealed. Of a candidate, which is promoted for the first time, the rows that it changed are hashed again;
-- `kb verify` does so with all rows of a release.
create function is_what_was_sealed(r release) returns bool
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
begin
  if r.digest_version = 1 then
    return text_digest(r.release_id) = r.content_digest;
  end if;
  return (select s.digest from sealed_digest(r.release_id) s) is not distinct from r.content_digest and (
    r.status <> 'sealed' or not exists (
      select 1 from touched t left join digests_of_rows(r.release_id, true) f using (source, doc_id)
      where f.digest is distinct from (select d.digest from document_digest d where d.source = t.source and d.doc_id = t.doc_id
                                       and d.valid_from <= r.release_id order by d.valid_from desc limit 1)));
end $$;

-- The counts of 0001, of the touched documents alone: of all others nothing has changed.
create or replace function count_terms(r int) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  delete from term_df where valid_from = r;
  insert into term_df (term, valid_from, df)
  select d.term, r, d.delta + coalesce(
           (select t.df from term_df t where t.term = d.term and t.valid_from < r order by t.valid_from desc limit 1), 0)
  from (select t.term, sum(case when c.valid_to > r then 1 else -1 end)::int as delta
        from touched o join chunk c on c.source = o.source and c.doc_id = o.doc_id, unnest(c.terms) t(term)
        where c.valid_from = r and c.valid_to > r or c.valid_to = r and c.valid_from < r
        group by t.term) d
  where d.delta <> 0;
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
    new.digest_version := 2;
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
       (new.content_digest, new.digest_version, new.space_id, new.pipeline, new.chunk_count, new.document_count, new.sealed_at)
       is distinct from
       (old.content_digest, old.digest_version, old.space_id, old.pipeline, old.chunk_count, old.document_count, old.sealed_at)) then
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
    new.digest_version := 2;
  elsif old.status = 'building' and new.status = 'sealed' then
    perform must_see_everything();
    if not new.required_gates @> '{coverage,index_recall,embedding_health}' then
      raise exception 'release %: a seal needs the integrity gates', old.release_id using errcode = 'check_violation';
    end if;
    -- Digest and counts are derived, never a client's word.
    perform count_terms(new.release_id), digest_documents(new.release_id);
    select s.digest, s.documents, s.chunks into new.content_digest, new.document_count, new.chunk_count from sealed_digest(new.release_id) s;
    new.sealed_at := clock_timestamp();
  end if;
  new.gates_passed := gates_passed(new);
  return new;
end $$;

create function forget_digests() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  delete from document_digest d where d.valid_from = new.release_id;
  return null;
end $$;
create trigger forget_digests after update on release for each row
  when (new.status = 'discarded' and old.status <> 'discarded') execute function forget_digests();

-- Like a frequency (term_guard), a digest goes with its release, or when nothing kept counts it.
create function digest_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare horizon int := (select h.release_id from gc_horizon h);
begin
  if exists (select 1 from old_rows o join release r on r.release_id = o.valid_from
             where r.status not in ('building', 'discarded') and not exists (
               select 1 from document_digest d where d.source = o.source and d.doc_id = o.doc_id and d.valid_from > o.valid_from
                 and d.valid_from <= horizon)
               and not (o.digest is null and o.valid_from <= horizon and not exists (
                 select 1 from document_digest d where d.source = o.source and d.doc_id = o.doc_id and d.valid_from < o.valid_from))) then
    raise exception 'digests that a kept release counts cannot be deleted' using errcode = 'check_violation';
  end if;
  return null;
end $$;
create trigger row_insert_guard after insert on document_digest referencing new table as new_rows
  for each statement execute function row_insert_guard();
create trigger digest_delete_guard after delete on document_digest referencing old table as old_rows
  for each statement execute function digest_guard();
create trigger immutable before update on document_digest for each statement execute function refuse();

create trigger touch_inserted after insert on chunk referencing new table as new_rows for each statement execute function touch();
create trigger touch_updated after update on chunk referencing old table as old_rows new table as new_rows
  for each statement execute function touch();
create trigger touch_deleted after delete on chunk referencing old table as old_rows for each statement execute function touch();
create trigger touch_inserted after insert on document_version referencing new table as new_rows
  for each statement execute function touch();
create trigger touch_updated after update on document_version referencing old table as old_rows new table as new_rows
  for each statement execute function touch();
create trigger touch_deleted after delete on document_version referencing old table as old_rows
  for each statement execute function touch();
create trigger touch_inserted after insert on passage referencing new table as touched_rows
  for each statement execute function touch_passages();
create trigger touch_deleted after delete on passage referencing old table as touched_rows
  for each statement execute function touch_passages();

------------------------------------------------------------------------------------------------------------------ verdicts

-- What a gate has said is never said again otherwise: a new judgement is a new row, and the newest one counts. The row carries a
-- signature with a key that is not in the database (kb_platform/release/signatures.py), which the step that promotes checks.
alter table gate_result rename to judgement;
alter table judgement drop constraint passed_is_the_verdict, drop constraint gate_result_pkey, drop column passed;
alter table judgement
  add column passed bool not null generated always as (verdict = 'pass') stored,
  add column id bigint generated always as identity primary key,
  add column signature text not null default '',
  add constraint judgements_are_signed check (signature <> '') not valid;  -- those of before this revision are not
create index judgement_newest on judgement (release_id, gate, content_digest, id desc);
create view gate_result as
  select distinct on (j.release_id, j.gate, j.content_digest) j.* from judgement j
  order by j.release_id, j.gate, j.content_digest, j.id desc;
comment on view gate_result is 'the newest judgement of each gate about each content';

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
  new.at := clock_timestamp();
  return new;
end $$;

create or replace function promote_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  r release;
  missing text[];
begin
  if tg_op = 'DELETE' then
    raise exception 'the active pointer cannot be deleted' using errcode = 'check_violation';
  end if;
  select * into r from release x where x.release_id = new.release_id for update;
  if not found then
    raise exception 'release % does not exist', new.release_id using errcode = 'check_violation';
  end if;
  if r.status not in ('sealed', 'promoted', 'retired') then
    raise exception 'release % cannot be promoted: it is %', r.release_id, r.status using errcode = 'check_violation';
  end if;
  if r.release_id < (select h.release_id from gc_horizon h for share) then
    raise exception 'release % cannot be promoted: its rows were collected', r.release_id using errcode = 'check_violation';
  end if;
  select array_agg(q) into missing from unnest(r.required_gates) q where not gate_is_passed(r.release_id, r.content_digest, q);
  if missing is not null or cardinality(r.required_gates) = 0 then
    raise exception 'release % cannot be promoted: gates not passed: %', r.release_id,
      coalesce(array_to_string(missing, ', '), 'none is required')
      using errcode = 'check_violation', constraint = 'all_required_gates_passed';
  end if;
  if not is_what_was_sealed(r) then
    raise exception 'release % cannot be promoted: its content is not what was sealed', r.release_id
      using errcode = 'check_violation', constraint = 'content_is_what_was_sealed';
  end if;
  new.promotable := true;
  new.promoted_at := clock_timestamp();
  new.promoted_by := session_user;
  return new;
end $$;

------------------------------------------------------------------------------------------------------------------ what stands still

-- The rows before and after are joined by hashing: their number is not known when this is planned, and a nested loop is quadratic.
alter function row_update_guard() set enable_nestloop = off;

create trigger immutable before update on vector for each row execute function refuse();

-- What a source has told us of a document is replaced by what it tells later, and by nothing else.
create function known_guard() returns trigger
language plpgsql set search_path = {schema}, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'what a source has told us is never forgotten' using errcode = 'check_violation';
  end if;
  if (new.source, new.doc_id) is distinct from (old.source, old.doc_id) or new.capture_id < old.capture_id
     or new.capture_id = old.capture_id and (new.raw_digest, new.deleted) is distinct from (old.raw_digest, old.deleted) then
    raise exception 'what a source has told us of % is replaced by a later delivery only', old.doc_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger known_guard before update or delete on known_document for each row execute function known_guard();

-- The collector moves the horizon through these functions alone: it holds it, decides, and moves it forward.
create function hold_horizon() returns int
language sql security definer set search_path = {schema}, pg_temp as $$
  select h.release_id from gc_horizon h for update
$$;
create function move_horizon(p_release int) returns void
language sql security definer set search_path = {schema}, pg_temp as $$
  update gc_horizon set release_id = p_release
$$;

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
  lock table turn_of_spaces in exclusive mode;
  if to_regclass(format('{schema}.%I', vectors)) is null then
    execute format('create table %I (like vector including defaults, %s, primary key (text_hash))', vectors, own);
    execute format('alter table %I enable row level security', vectors);
    execute format('alter table vector attach partition %I for values in (%L)', vectors, p_space);
    execute format('alter table %I enable always trigger immutable', vectors);
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

create or replace function drop_space(p_space text) returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp set lock_timeout = '5s' as $$
declare kept int;
begin
  lock table turn_of_candidate in exclusive mode;  -- no candidate opens meanwhile
  select max(r.release_id) into kept from release r
  where r.space_id = p_space and r.status <> 'discarded' and r.release_id >= (select h.release_id from gc_horizon h for share);
  if kept is not null then
    raise exception 'embedding space % is not dropped: release % shows it', p_space, kept using errcode = 'check_violation';
  end if;
  execute format('drop table if exists %I, %I', 'chunk_' || p_space, 'vector_' || p_space);
end $$;

do $$
declare t text;
begin
  foreach t in array array['touched', 'document_digest', 'turn_of_candidate', 'turn_of_capture', 'turn_of_maintenance', 'turn_of_spaces'] loop
    execute format('create trigger no_truncate before truncate on %I for each statement execute function refuse()', t);
  end loop;
  for t in select format('alter table %I enable always trigger %I', c.relname, g.tgname)
           from pg_trigger g join pg_class c on c.oid = g.tgrelid
           where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by c.relkind desc loop
    execute t;
  end loop;
  perform guard_partition(i.inhrelid::regclass) from pg_inherits i where i.inhparent = 'chunk'::regclass;  -- as 0002 asks
  if (select r.rolsuper from pg_roles r where r.rolname = current_user) then  -- replacing functions has unset what 0004 set
    alter function open_space(text) set kb.own_change = '{schema}';
    alter function drop_space(text) set kb.own_change = '{schema}';
  end if;
end $$;

------------------------------------------------------------------------------------------------------------------ what is there

-- A candidate of before is sealed and judged anew by the next refresh; releases that were decided keep their digest and its version.
update release set status = 'building' where status = 'sealed';
insert into touched
select d.source, d.doc_id from document_version d join release r on r.release_id in (d.valid_from, d.valid_to) and r.status = 'building'
union select c.source, c.doc_id from chunk c join release r on r.release_id in (c.valid_from, c.valid_to) and r.status = 'building';
-- What the next candidate builds on: a row a document, as if that release had written them all.
alter table document_digest disable trigger row_insert_guard;
insert into document_digest (source, doc_id, valid_from, digest, chunks)
select f.source, f.doc_id, b.release_id, f.digest, f.chunks
from (select max(r.release_id) as release_id from release r where r.status in ('promoted', 'retired')) b,
     lateral digests_of_rows(b.release_id, false) f
where b.release_id is not null;
alter table document_digest enable always trigger row_insert_guard;

------------------------------------------------------------------------------------------------------------------ roles

revoke execute on function touch(), touch_passages(), digests_of_rows(int, bool), digest_documents(int), sealed_digest(int),
  is_what_was_sealed(release), forget_digests(), digest_guard(), known_guard(), hold_horizon(), move_horizon(int), count_terms(int), text_digest(int) from public;
revoke execute on function count_terms(int), text_digest(int) from {prefix}_writer;
grant execute on function text_digest(int), sealed_digest(int) to {prefix}_gate;
revoke update on gc_horizon from {prefix}_collector;
revoke update (release_id) on gc_horizon from {prefix}_collector;
grant execute on function hold_horizon(), move_horizon(int) to {prefix}_collector;
grant select, delete on document_digest to {prefix}_collector;
grant select on document_digest, judgement, gate_result to {prefix}_writer, {prefix}_gate, {prefix}_promoter;
grant select on gate_result to {prefix}_decider;
revoke update on judgement from {prefix}_gate;
grant insert on judgement to {prefix}_gate;
grant update on turn_of_candidate, turn_of_capture, turn_of_maintenance to {prefix}_writer;
grant update on turn_of_maintenance to {prefix}_collector;
