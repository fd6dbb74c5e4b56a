-- One knowledge base. Runs with search_path = <schema>, public; {schema} is the quoted schema name, {prefix} the role prefix.
-- Releases are validity ranges over rows: a row is in release n when valid_from <= n < valid_to (2147483647 = open).
-- Nothing but these functions and triggers decides what may change; they hold for the owner too (ENABLE ALWAYS).

create table embedding_space (
  space_id   text primary key,
  spec       jsonb not null,
  created_at timestamptz not null default now()
);

-- Every vector ever computed in a space, by content: a text is embedded once.
create table vector (
  space_id  text not null references embedding_space,
  text_hash bytea not null,
  embedding halfvec(384) not null,
  primary key (space_id, text_hash)
);

-- The log of deliveries: one row a capture, its documents in a Parquet file of the object store.
create table capture (
  capture_id bigint generated always as identity primary key,
  source     text not null,
  day        date not null,
  seq        int  not null,
  file       text not null,
  digest     bytea not null,
  upserts    int not null,
  deletes    int not null,
  run_id     text,
  at         timestamptz not null default now(),
  unique (source, day, seq)
);

-- The last state of each document that a source has told us of.
create table known_document (
  source     text not null,
  doc_id     text not null,
  raw_digest bytea not null,
  stamp      text not null default '',
  deleted    bool not null default false,
  capture_id bigint not null references capture,
  primary key (source, doc_id)
);

create table release (
  release_id     int primary key,
  base_release   int references release,
  status         text not null default 'building'
                   check (status in ('building', 'sealed', 'promoted', 'retired', 'discarded')),
  space_id       text not null references embedding_space,
  pipeline       text not null,
  content_digest bytea,
  required_gates text[] not null default '{}',
  gates_passed   int not null default 0,
  promotable     bool generated always as (
                   status in ('sealed', 'promoted', 'retired')
                   and content_digest is not null
                   and cardinality(required_gates) > 0
                   and gates_passed >= cardinality(required_gates)) stored,
  verdict        text check (verdict in ('pass', 'regression', 'inconclusive')),
  report         jsonb,
  chunk_count    int,
  document_count int,
  run_id         text,
  created_at     timestamptz not null default now(),
  sealed_at      timestamptz,
  promoted_at    timestamptz,
  unique (release_id, promotable)
);
-- One candidate at a time, sealed or not: release ids are linear.
create unique index one_candidate on release ((true)) where status in ('building', 'sealed');

create table applied_capture (
  capture_id bigint not null references capture,
  pipeline   text not null,
  release_id int not null references release,
  primary key (capture_id, pipeline)
);

create table capture_failure (
  capture_id    bigint not null references capture,
  doc_id        text not null,
  source_object text not null,
  reason        text not null,
  primary key (capture_id, doc_id)
);

create table gate_result (
  release_id     int not null references release,
  gate           text not null,
  content_digest bytea not null,
  passed         bool not null,
  verdict        text not null check (verdict in ('pass', 'regression', 'inconclusive')),
  metric         double precision,
  threshold      double precision,
  evidence       jsonb,
  golden_hash    text,
  run_id         text,
  at             timestamptz not null default now(),
  primary key (release_id, gate, content_digest)
);

-- The pointer: a composite foreign key that only a promotable release satisfies.
create table active (
  one         bool primary key default true check (one),
  release_id  int  not null,
  promotable  bool not null default true check (promotable),
  promoted_at timestamptz not null default now(),
  promoted_by text not null default session_user,
  foreign key (release_id, promotable) references release (release_id, promotable)
);

create table promotion_log (
  id           bigint generated always as identity primary key,
  from_release int,
  to_release   int not null,
  by_user      text not null default session_user,
  at           timestamptz not null default clock_timestamp()
);

-- Below the horizon rows are gone, so no pointer and no time-travel read may go there.
create table gc_horizon (
  one        bool primary key default true check (one),
  release_id int not null default 0
);
insert into gc_horizon default values;

create table document_version (
  id            bigint generated always as identity primary key,
  source        text not null,
  doc_id        text not null,
  version_hash  bytea not null,
  day           date not null,
  seq           int not null,
  capture_id    bigint not null references capture,
  valid_from    int not null,
  valid_to      int not null default 2147483647,
  title         text not null,
  metadata      jsonb not null default '{}',
  media_type    text not null,
  source_object text not null,
  check (valid_to > valid_from),
  unique (source, doc_id, version_hash, valid_from)
) with (fillfactor = 80);
create index document_version_metadata on document_version using gin (metadata jsonb_path_ops);

-- Where a version's chunks stand in it. Ordinals and offsets live here, so that moving a paragraph rewrites no chunk.
create table passage (
  version_id   bigint not null references document_version on delete cascade,
  ordinal      int not null,
  start_char   int not null,
  end_char     int not null,
  content_hash bytea not null,
  dup_no       int not null,
  primary key (version_id, ordinal)
);

create table chunk (
  id           bigint generated always as identity primary key,
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
  embedding    halfvec(384) not null,
  check (valid_to > valid_from),
  unique (source, doc_id, content_hash, dup_no, valid_from)
) with (fillfactor = 80, toast_tuple_target = 8160);
-- No index mentions valid_to: closing a row stays a heap-only update. The HNSW index is built by build_index() after the first
-- load, which is about 4.5 times cheaper than inserting into it. New terms wait in the GIN index's pending list, which
-- build_index() merges: 20 times cheaper than one by one, and no search of a sealed release meets a long list.
create index chunk_terms on chunk using gin (terms) with (fastupdate = on);

-- How many chunks of a release hold a term: a row where it changed, so that a refresh writes what changed.
create table term_df (
  term       int not null,
  valid_from int not null,
  df         int not null,
  primary key (term, valid_from)
);

------------------------------------------------------------------------------------------------------------------ guards

create function gates_passed(r release) returns int
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select count(*)::int from gate_result g
  where g.release_id = r.release_id and g.passed
    and g.gate = any (r.required_gates) and g.content_digest = r.content_digest
$$;

create function release_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  passed int := gates_passed(new);
  pointer int := (select a.release_id from active a);
begin
  if tg_op = 'INSERT' then
    if new.status <> 'building' or new.gates_passed <> 0 or new.promoted_at is not null then
      raise exception 'a release begins as building, without gates' using errcode = 'check_violation';
    end if;
    return new;
  end if;
  if new.release_id <> old.release_id or new.base_release is distinct from old.base_release then
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
  if new.content_digest is distinct from old.content_digest and old.status = new.status then
    raise exception 'sealed release % is immutable', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'sealed' and (new.content_digest is null or not new.required_gates @> '{coverage,index_recall,embedding_health}') then
    raise exception 'release %: a seal needs a digest and the integrity gates', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'promoted' and pointer is distinct from new.release_id
     or new.status = 'retired' and pointer = new.release_id
     or new.promoted_at is distinct from old.promoted_at and pointer is distinct from new.release_id then
    raise exception 'release %: only the pointer decides what is promoted', old.release_id using errcode = 'check_violation';
  end if;
  if new.status = 'discarded' and old.status <> 'discarded'
     and exists (select 1 from release r where r.release_id > old.release_id and r.status <> 'discarded') then
    raise exception 'release %: a newer release builds on it', old.release_id using errcode = 'check_violation';
  end if;
  new.gates_passed := passed;
  return new;
end $$;
create trigger release_guard before insert or update on release for each row execute function release_guard();
alter table release enable always trigger release_guard;

create function gate_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare r release;
begin
  select * into r from release x where x.release_id = coalesce(new.release_id, old.release_id) for update;
  if r.status is distinct from 'sealed' then
    raise exception 'release % is %: verdicts are written while it is sealed and undecided', r.release_id, r.status
      using errcode = 'check_violation';
  end if;
  if tg_op <> 'DELETE' and new.content_digest is distinct from r.content_digest then
    raise exception 'release %: the verdict is about other content than what is sealed', r.release_id using errcode = 'check_violation';
  end if;
  return coalesce(new, old);
end $$;
create trigger gate_guard before insert or update or delete on gate_result for each row execute function gate_guard();
alter table gate_result enable always trigger gate_guard;

create function gate_count() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  update release r set gates_passed = gates_passed(r) where r.release_id = coalesce(new.release_id, old.release_id);
  return null;
end $$;
create trigger gate_count after insert or update or delete on gate_result for each row execute function gate_count();
alter table gate_result enable always trigger gate_count;

create function promote_guard() returns trigger
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
  select array_agg(q) into missing from unnest(r.required_gates) q
  where not exists (select 1 from gate_result g where g.release_id = r.release_id and g.gate = q
                    and g.passed and g.content_digest = r.content_digest);
  if missing is not null or cardinality(r.required_gates) = 0 then
    raise exception 'release % cannot be promoted: gates not passed: %', r.release_id,
      coalesce(array_to_string(missing, ', '), 'none is required') using errcode = 'check_violation';
  end if;
  new.promotable := true;
  new.promoted_at := clock_timestamp();
  new.promoted_by := session_user;
  return new;
end $$;
create trigger promote_guard before insert or update or delete on active for each row execute function promote_guard();
alter table active enable always trigger promote_guard;

create function promoted() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_op = 'UPDATE' and old.release_id <> new.release_id then
    update release set status = 'retired' where release_id = old.release_id and status = 'promoted';
  end if;
  update release set status = 'promoted', promoted_at = coalesce(promoted_at, new.promoted_at) where release_id = new.release_id;
  insert into promotion_log (from_release, to_release)
  values (case when tg_op = 'UPDATE' then old.release_id end, new.release_id);
  return null;
end $$;
create trigger promoted after insert or update on active for each row execute function promoted();
alter table active enable always trigger promoted;

-- Rows go into the building candidate only, are closed by it only, and come back only when it (or a discarded one) lets go.
create function row_insert_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from (select distinct valid_from from new_rows) n left join release r on r.release_id = n.valid_from
             where r.status is distinct from 'building') then
    raise exception 'rows of % may be written into a building release only', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

create function row_update_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
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

create function row_delete_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if exists (select 1 from (select distinct valid_from, valid_to from old_rows) o join release r on r.release_id = o.valid_from
             where r.status not in ('building', 'discarded') and o.valid_to > (select h.release_id from gc_horizon h)) then
    raise exception 'rows of % that a kept release shows cannot be deleted', tg_table_name using errcode = 'check_violation';
  end if;
  return null;
end $$;

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on % is never allowed', tg_op, tg_table_name using errcode = 'check_violation';
end $$;

do $$
declare t text;
begin
  foreach t in array array['chunk', 'document_version'] loop
    execute format('create trigger row_insert_guard after insert on %I referencing new table as new_rows
                    for each statement execute function row_insert_guard()', t);
    execute format('create trigger row_update_guard after update on %I referencing old table as old_rows new table as new_rows
                    for each statement execute function row_update_guard()', t);
    execute format('create trigger row_delete_guard after delete on %I referencing old table as old_rows
                    for each statement execute function row_delete_guard()', t);
    execute format('alter table %I enable always trigger row_insert_guard', t);
    execute format('alter table %I enable always trigger row_update_guard', t);
    execute format('alter table %I enable always trigger row_delete_guard', t);
  end loop;
  execute 'create trigger row_insert_guard after insert on term_df referencing new table as new_rows
           for each statement execute function row_insert_guard()';
  execute 'alter table term_df enable always trigger row_insert_guard';
  foreach t in array array['active', 'release', 'gate_result', 'promotion_log', 'chunk', 'document_version', 'capture'] loop
    execute format('create trigger no_truncate before truncate on %I for each statement execute function refuse()', t);
    execute format('alter table %I enable always trigger no_truncate', t);
  end loop;
  execute 'create trigger no_delete before delete on release for each row execute function refuse()';
  execute 'alter table release enable always trigger no_delete';
  execute 'create trigger append_only before update or delete on promotion_log for each row execute function refuse()';
  execute 'alter table promotion_log enable always trigger append_only';
end $$;

---------------------------------------------------------------------------------------------------------------- seal, index

-- A digest of what a release shows: documents, their layout and their chunks; independent of ids, days and of the order of work.
create function content_digest(r int) returns bytea
language sql stable security definer set search_path = {schema}, pg_temp as $$
  with bucketed as (
    select get_byte(sha256(convert_to(source || chr(10) || doc_id, 'UTF8')), 0) as bucket,
           'd' || encode(convert_to(source || chr(10) || doc_id, 'UTF8'), 'hex') || encode(version_hash, 'hex') as item
    from document_version where valid_from <= r and valid_to > r
    union all
    select get_byte(content_hash, 0),
           'c' || encode(convert_to(source || chr(10) || doc_id, 'UTF8'), 'hex') || encode(content_hash, 'hex') || dup_no
    from chunk where valid_from <= r and valid_to > r)
  select sha256(convert_to(coalesce(string_agg(h, '' order by bucket), '')
                           || (select space_id from release where release_id = r), 'UTF8'))
  from (select bucket, encode(sha256(convert_to(string_agg(item, '' order by item collate "C"), 'UTF8')), 'hex') as h
        from bucketed group by bucket) b
$$;

-- Document frequencies of the candidate: a row only for the terms whose count differs from what the base release says.
create function count_terms(r int) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  delete from term_df where valid_from = r;
  insert into term_df (term, valid_from, df)
  select d.term, r, d.delta + coalesce(
           (select t.df from term_df t where t.term = d.term and t.valid_from < r order by t.valid_from desc limit 1), 0)
  from (select t.term, sum(c.sign)::int as delta
        from (select terms, 1 as sign from chunk where valid_from = r and valid_to > r
              union all select terms, -1 from chunk where valid_to = r and valid_from < r) c, unnest(c.terms) t(term)
        group by t.term) d
  where d.delta <> 0;
end $$;

create function build_index() returns void
language plpgsql security definer set search_path = {schema}, public, pg_temp
set maintenance_work_mem = '1GB' as $$
begin
  if to_regclass('{schema}.chunk_hnsw') is null then
    create index chunk_hnsw on chunk using hnsw (embedding halfvec_cosine_ops);
  end if;
  perform gin_clean_pending_list('{schema}.chunk_terms'), gin_clean_pending_list('{schema}.document_version_metadata');
end $$;
