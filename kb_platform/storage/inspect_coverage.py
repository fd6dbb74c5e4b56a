"""How completely a release holds what was delivered: documents against deliveries, chunks against the layout of their documents."""

from dataclasses import dataclass

from kb_platform.storage.captures import SOURCE_PIPELINE
from kb_platform.storage.database import Database

LIVE = "{0}.valid_from <= %(r)s and {0}.valid_to > %(r)s"


@dataclass(frozen=True)
class Coverage:
    """What is there and what is not; documents are named `source/doc_id`.

    Attributes:
        documents: of the release.
        without_chunks: documents of the release that no search can find.
        missing: delivered and applied, could be parsed, but are not in the release.
        left_over: deleted by their source, but still in the release.
        failed: number of delivered documents that could not be parsed.
        passages: places of chunks in documents.
        without_chunk: passages whose chunk is not in the release.
        cut: passages whose chunk has another length than its place in the document.
        stray: chunks that no document of the release has.
        covered_share: share of the documents' characters, up to the end of their last chunk, that stand in chunks.
    """

    documents: int
    without_chunks: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    failed: int
    passages: int
    without_chunk: int
    cut: int
    stray: int
    covered_share: float


def coverage(database: Database, release_id: int) -> Coverage:
    """Return how completely a release represents what was delivered. Reads every row of the release once."""
    r = {"r": release_id}
    with database.transaction("gate") as c:
        total, bare = c.execute(_DOCUMENTS, r).fetchone() or (0, [])
        missing, left_over = c.execute(_DELIVERED, r).fetchone() or ([], [])
        (failed,) = c.execute(_FAILED, r).fetchone() or (0,)
        passages, without_chunk, cut = c.execute(_PASSAGES, r).fetchone() or (0, 0, 0)
        (stray,) = c.execute(_STRAY, r).fetchone() or (0,)
        (share,) = c.execute(_CHARACTERS, r).fetchone() or (1.0,)
    return Coverage(total, tuple(bare), tuple(missing), tuple(left_over), failed, passages, without_chunk, cut, stray, float(share))


_SAME = "k.source = d.source and k.doc_id = d.doc_id and k.content_hash = p.content_hash and k.dup_no = p.dup_no"

_DOCUMENTS = f"""
select count(*), coalesce(array_agg(d.source || '/' || d.doc_id order by d.source, d.doc_id) filter (where not exists (
         select 1 from chunk k where k.source = d.source and k.doc_id = d.doc_id and {LIVE.format('k')})), '{{}}')
from document_version d where {LIVE.format('d')}
"""
# What a capture brought counts once it was applied in its source's pipeline of that release; later captures wait for the next refresh.
_DELIVERED = f"""
with now as materialized (
  select source, {SOURCE_PIPELINE.format(source='s.source', release='%(r)s')} as pipeline from (select distinct source from capture) s
), told as (
  select n.source || '/' || n.doc_id as name, n.deleted, d.id is not null as held
  from known_document n join now using (source)
  left join document_version d on d.source = n.source and d.doc_id = n.doc_id and {LIVE.format('d')}
  where now.pipeline <> ''
    and exists (select 1 from applied_capture a
                where a.capture_id = n.capture_id and a.pipeline = now.pipeline and a.release_id <= %(r)s)
    and not exists (select 1 from capture_failure f where f.capture_id = n.capture_id and f.doc_id = n.doc_id))
select coalesce(array_agg(name order by name) filter (where not deleted and not held), '{{}}'),
       coalesce(array_agg(name order by name) filter (where deleted and held), '{{}}') from told
"""
_FAILED = """
select count(distinct (k.source, f.doc_id)) from capture_failure f join capture k using (capture_id)
join known_document n on n.source = k.source and n.doc_id = f.doc_id and n.capture_id = f.capture_id
where not n.deleted
"""
_PASSAGES = f"""
select count(*), count(*) filter (where k.id is null), count(*) filter (where length(k.content) <> p.end_char - p.start_char)
from document_version d join passage p on p.version_id = d.id
left join chunk k on {_SAME} and {LIVE.format('k')}
where {LIVE.format('d')}
"""
_STRAY = f"""
select count(*) from chunk k where {LIVE.format('k')} and not exists (
  select 1 from document_version d join passage p on p.version_id = d.id where {_SAME} and {LIVE.format('d')})
"""
_CHARACTERS = f"""
select coalesce(sum(greatest(0, end_char - greatest(start_char, seen)))::float8 / nullif(sum(span), 0), 1) from (
  select p.start_char, p.end_char, coalesce(max(p.end_char) over before, 0) as seen,
         case when row_number() over (partition by d.id order by p.ordinal desc) = 1 then max(p.end_char) over (partition by d.id)
              else 0 end as span
  from document_version d join passage p on p.version_id = d.id where {LIVE.format('d')}
  window before as (partition by d.id order by p.ordinal rows between unbounded preceding and 1 preceding)) x
"""
