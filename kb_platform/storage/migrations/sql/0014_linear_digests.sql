-- How many rows a candidate has is not known when these are planned, as statistics are those of the release before: where few were expected,
-- all that were there were compared with all documents that it has touched, at a quadratic price. Now each touched document looks up its own
-- rows (`offset 0` keeps the planner from turning that round), and what belongs to one document is brought together by grouping, not by joins.
create or replace function count_terms(r int) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  delete from term_df where valid_from = r;
  insert into term_df (term, valid_from, df)
  select d.term, r, d.delta + coalesce(
           (select t.df from term_df t where t.term = d.term and t.valid_from < r order by t.valid_from desc limit 1), 0)
  from (select t.term, sum(case when c.valid_to > r then 1 else -1 end)::int as delta
        from touched o cross join lateral (
          select x.terms, x.valid_to from chunk x where x.source = o.source and x.doc_id = o.doc_id
            and (x.valid_from = r and x.valid_to > r or x.valid_to = r and x.valid_from < r) offset 0) c, unnest(c.terms) t(term)
        group by t.term) d
  where d.delta <> 0;
end $$;

create or replace function digests_of_rows(p_release int, p_touched bool)
returns table (source text, doc_id text, digest bytea, chunks int, is_document bool)
language plpgsql stable security definer set search_path = {schema}, public, pg_temp as $$
declare own text := '(select x.* from touched t cross join lateral (select * from rows r where r.source = t.source and r.doc_id = t.doc_id offset 0) x)';
begin
  return query execute format($digests$
  with version as (
    select d.id, d.source, d.doc_id,
           sha256(sha256(d.version_hash) || sha256(convert_to(d.title, 'UTF8')) || sha256(convert_to(d.metadata::text, 'UTF8'))
                  || sha256(convert_to(d.media_type, 'UTF8')) || sha256(convert_to(d.source_object, 'UTF8'))) as item
    from %1$s d where d.valid_from <= $1 and d.valid_to > $1
  ), chunked as (
    select c.source, c.doc_id,
           sha256(int4send(c.dup_no) || sha256(c.content_hash) || sha256(convert_to(c.content, 'UTF8'))
                  || sha256(convert_to(c.context, 'UTF8')) || sha256(c.text_hash) || sha256(array_send(c.terms))
                  || sha256(sparsevec_send(c.term_weights)) || sha256(halfvec_send(c.embedding))
                  || sha256(convert_to(c.space_id, 'UTF8'))) as item
    from %2$s c where c.valid_from <= $1 and c.valid_to > $1
  ), part as (
    select v.source, v.doc_id, 'described' as name, sha256(string_agg(v.item, ''::bytea order by v.item)) as item, 0 as chunks from version v group by 1, 2
    union all
    select v.source, v.doc_id, 'laid out',
           sha256(string_agg(int4send(p.ordinal) || int4send(p.start_char) || int4send(p.end_char) || int4send(p.dup_no)
                             || sha256(p.content_hash), ''::bytea order by v.item, p.ordinal)), 0
    from version v join passage p on p.version_id = v.id group by 1, 2
    union all
    select c.source, c.doc_id, 'held', sha256(string_agg(c.item, ''::bytea order by c.item)), count(*)::int from chunked c group by 1, 2
  ), document as (
    select p.source, p.doc_id, (array_agg(p.item) filter (where p.name = 'described'))[1] as described,
           (array_agg(p.item) filter (where p.name = 'laid out'))[1] as laid_out, (array_agg(p.item) filter (where p.name = 'held'))[1] as held,
           sum(p.chunks)::int as chunks
    from part p group by 1, 2
  )
  select d.source, d.doc_id,
         sha256(sha256(convert_to(d.source, 'UTF8')) || sha256(convert_to(d.doc_id, 'UTF8')) || coalesce(d.described, $2)
                || coalesce(d.laid_out, $2) || coalesce(d.held, $2)),
         d.chunks, d.described is not null
  from document d
  $digests$, case when p_touched then replace(own, 'rows', 'document_version') else 'document_version' end,
             case when p_touched then replace(own, 'rows', 'chunk') else 'chunk' end)
  using p_release, sha256(''::bytea);
end $$;

-- The same of every document that the candidate has touched; of one that is gone, without a digest.
create function digests_of_touched(p_release int) returns table (source text, doc_id text, digest bytea, chunks int, is_document bool)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select f.source, f.doc_id, (array_agg(f.digest) filter (where f.digest is not null))[1], sum(f.chunks)::int, bool_or(f.is_document)
  from (select t.source, t.doc_id, null::bytea as digest, 0 as chunks, false as is_document from touched t
        union all select * from digests_of_rows(p_release, true)) f
  group by 1, 2
$$;

create or replace function digest_documents(p_release int) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare homeless text;
begin
  delete from document_digest d where d.valid_from = p_release;
  with found as materialized (
    select * from digests_of_touched(p_release)
  ), written as (
    insert into document_digest (source, doc_id, valid_from, digest, chunks)
    select f.source, f.doc_id, p_release, f.digest, f.chunks from found f
    where f.digest is distinct from (select b.digest from document_digest b where b.source = f.source and b.doc_id = f.doc_id
                                     and b.valid_from < p_release order by b.valid_from desc limit 1)
  )
  select min(f.source || '/' || f.doc_id) into homeless from found f where f.digest is not null and not f.is_document;
  if homeless is not null then
    raise exception 'release %: chunks of % belong to no document', p_release, homeless using errcode = 'check_violation';
  end if;
end $$;

create or replace function is_what_was_sealed(r release) returns bool
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
begin
  if r.digest_version = 1 then
    return text_digest(r.release_id) = r.content_digest;
  end if;
  return (select s.digest from sealed_digest(r) s) is not distinct from r.content_digest and (
    r.status <> 'sealed' or not exists (
      select 1 from digests_of_touched(r.release_id) f
      where f.digest is distinct from (select d.digest from document_digest d where d.source = f.source and d.doc_id = f.doc_id
                                       and d.valid_from <= r.release_id order by d.valid_from desc limit 1)));
end $$;

revoke execute on function digests_of_touched(int) from public;
