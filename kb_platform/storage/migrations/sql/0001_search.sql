-- Reads. Two legs (nearest vectors; chunks that share a term with the question, by the inner product of stored term weights and
-- the question's idf weights), then both scores for every candidate of either leg, then a convex combination.
-- Dense scores are cosines; lexical scores are shares of the question's greatest possible BM25 (index/fusion.py says why).

create function search_rows(p_release int, p_vector halfvec, p_terms int[], p_weights sparsevec, p_k int, p_depth int,
                            p_dense_weight float8, p_filter jsonpath)
returns table (chunk_id bigint, source text, doc_id text, title text, start_char int, end_char int, content text,
               dense float8, lexical float8, score float8)
language sql stable security definer set search_path = {schema}, public, pg_temp
set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 200 as $$
  with allowed as materialized (
    select d.source, d.doc_id from document_version d
    where p_filter is not null and d.metadata @@ p_filter and d.valid_from <= p_release and d.valid_to > p_release
  ), near as materialized (
    select c.id from chunk c
    where c.valid_from <= p_release and c.valid_to > p_release
      and (p_filter is null or exists (select 1 from allowed a where a.source = c.source and a.doc_id = c.doc_id))
    order by c.embedding <=> p_vector limit p_depth
  ), worded as materialized (
    select c.id from chunk c
    where c.terms && p_terms and c.valid_from <= p_release and c.valid_to > p_release
      and (p_filter is null or exists (select 1 from allowed a where a.source = c.source and a.doc_id = c.doc_id))
    order by c.term_weights <#> p_weights limit p_depth
  ), scored as (
    select c.id, c.source, c.doc_id, c.content, c.content_hash, c.dup_no, 1 - (c.embedding <=> p_vector) as dense,
           -(c.term_weights <#> p_weights) as lexical
    from (select id from near union select id from worded) u join chunk c using (id)
  ), fused as (
    select s.*, p_dense_weight * s.dense + (1 - p_dense_weight) * s.lexical as score
    from scored s order by score desc, s.id limit p_k
  )
  select f.id, f.source, f.doc_id, d.title, p.start_char, p.end_char, f.content, f.dense, f.lexical, f.score
  from fused f
  join document_version d on d.source = f.source and d.doc_id = f.doc_id and d.valid_from <= p_release and d.valid_to > p_release
  join passage p on p.version_id = d.id and p.content_hash = f.content_hash and p.dup_no = f.dup_no
  order by f.score desc, f.id
$$;

-- What readers call: the live release, or a kept one that was live once. Nothing unpromoted, nothing collected.
create function readable_release(p_release int default null) returns int
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
declare found int := coalesce(p_release, (select a.release_id from active a));
begin
  if found is null then
    raise exception 'nothing was promoted yet' using errcode = 'no_data_found';
  end if;
  if not exists (select 1 from release r where r.release_id = found and r.promoted_at is not null and r.status <> 'discarded') then
    raise exception 'release % was never promoted, or is discarded: it cannot be read', found using errcode = 'no_data_found';
  end if;
  if found < (select h.release_id from gc_horizon h) then
    raise exception 'release %: its rows were collected', found using errcode = 'no_data_found';
  end if;
  return found;
end $$;

create function search(p_release int, p_vector halfvec, p_terms int[], p_weights sparsevec, p_k int, p_depth int,
                       p_dense_weight float8, p_filter jsonpath)
returns table (chunk_id bigint, source text, doc_id text, title text, start_char int, end_char int, content text,
               dense float8, lexical float8, score float8)
language sql stable security definer set search_path = {schema}, public, pg_temp as $$
  select * from search_rows(readable_release(p_release), p_vector, p_terms, p_weights, p_k, p_depth, p_dense_weight, p_filter)
$$;

-- Document frequencies of some terms, and the number of chunks, in one release.
create function term_statistics(p_release int, p_terms int[])
returns table (term int, df int, chunks bigint)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select t.term, coalesce((select x.df from term_df x where x.term = t.term and x.valid_from <= p_release
                           order by x.valid_from desc limit 1), 0),
         (select r.chunk_count from release r where r.release_id = p_release)::bigint
  from unnest(p_terms) t(term)
$$;
