"""What a candidate lost and changed against another release, source by source, and how much of its text is repeated."""

from dataclasses import dataclass
from typing import LiteralString

from kb_platform.storage.captures import SOURCE_PIPELINE
from kb_platform.storage.database import Database

REPEAT_SAMPLE = 5000
REPEAT_CHARACTERS = 40
EXAMPLES = 3  # documents that a sentence names


@dataclass(frozen=True)
class Churn:
    """What a source has in the live release and not as it was in another one: `removed` and `changed` of `held`; `what` is a plural noun.

    `examples` are documents that are gone.
    """

    source: str
    what: str
    held: int
    removed: int
    changed: int
    examples: tuple[str, ...] = ()

    @property
    def gone(self) -> int:
        """Return how many are not there as they were."""
        return self.removed + self.changed

    @property
    def share(self) -> float:
        """Return their share."""
        return self.gone / self.held if self.held else 0.0


def churn(database: Database, release_id: int, live: int) -> list[Churn]:
    """Return, by source, what the live release has and another one has not: documents, chunks, and values of metadata fields.

    A document is changed when its chunks are: text, title, or metadata that is searched; the order of its parts is not looked at.
    What changed is compared only where the source's pipeline is the same: another chunker changes every chunk. Documents and chunks
    that were added count as nothing. The price follows what changed, but for the count of what is held.
    """
    with database.transaction("gate") as c:
        names = {"r": release_id, "live": live, "examples": EXAMPLES}
        documents = [Churn(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for row in c.execute(_DOCUMENTS, names)]
        others = [Churn(*row) for statement in (_CHUNKS, _FIELDS) for row in c.execute(statement, names)]
    return [*documents, *others]


@dataclass(frozen=True)
class Repetition:
    """The share of text, by characters, that stands in two documents or more, and how many documents have such text."""

    share: float
    documents: int


def repetition(database: Database, release_id: int) -> Repetition:
    """Return how much text is repeated across documents, looking at sentences of 40 characters and more.

    Of a large release 5,000 documents are looked at, the same ones in each release.
    """
    names = {"r": release_id, "sample": REPEAT_SAMPLE, "least": REPEAT_CHARACTERS}
    with database.transaction("gate") as c:
        row = c.execute(_REPEATED, names).fetchone()
    return Repetition(*row) if row else Repetition(0.0, 0)


_PAIRS: LiteralString = """
with old as (select * from document_version where valid_from <= %(live)s and valid_to > %(live)s),
     new as (select * from document_version where valid_from <= %(r)s and valid_to > %(r)s),
     pair as (select o.source, o.doc_id, o.id as old_id, n.id as new_id, o.metadata as had, n.metadata as has
              from old o left join new n using (source, doc_id))
"""
_SAME_PIPELINE: LiteralString = f"""source in (
  select source from (select distinct source from capture) s
  where {SOURCE_PIPELINE.format(source='s.source', release='%(r)s')} = {SOURCE_PIPELINE.format(source='s.source', release='%(live)s')})"""
# Versions that are gone or other, with the chunks of each. Most versions are the same row in both releases.
_TOUCHED: LiteralString = _PAIRS + f""",
     touched as (select * from pair where new_id is null or new_id <> old_id and {_SAME_PIPELINE}),
     layout as (select version_id, array_agg(content_hash order by content_hash) as chunks from passage
                where version_id in (select old_id from touched union select new_id from touched) group by version_id)
"""
_DOCUMENTS: LiteralString = _TOUCHED + """
select p.source, 'documents', count(*), count(*) filter (where p.new_id is null),
       count(*) filter (where t.new_id is not null and o.chunks is distinct from n.chunks),
       coalesce((array_agg(p.doc_id order by p.doc_id) filter (where p.new_id is null))[1:%(examples)s], '{}')
from pair p left join touched t using (old_id) left join layout o on o.version_id = p.old_id left join layout n on n.version_id = t.new_id
group by p.source order by p.source
"""
_CHUNKS: LiteralString = _TOUCHED + """,
     held as (select source, count(*) as held from pair join passage on version_id = old_id group by source)
select t.source, 'chunks', h.held, count(*) filter (where t.new_id is null),
       count(*) filter (where t.new_id is not null and n.version_id is null)
from touched t join held h using (source) join passage o on o.version_id = t.old_id
     left join passage n on n.version_id = t.new_id and n.content_hash = o.content_hash and n.dup_no = o.dup_no
group by t.source, h.held order by t.source
"""
# What reading a document has noted (ingest/parse.py) is nothing that a source delivers, and may go with what it was about.
_FIELDS: LiteralString = _PAIRS + """
select source, format('values of %%s', field), count(*), count(*) filter (where gone), 0
from pair, jsonb_object_keys(had) field, lateral (select coalesce(has -> field, 'null') in ('null', '""', '[]') as gone) g
where new_id is not null and had -> field not in ('null', '""', '[]') and field not in ('parse_warnings', 'parse_left_out') group by source, field order by source, field
"""
_REPEATED: LiteralString = """
with looked_at as (
  select source, doc_id from document_version where valid_from <= %(r)s and valid_to > %(r)s
  order by md5(source || '/' || doc_id) limit %(sample)s),
sentence as (
  select k.source, k.doc_id, s.text from chunk k join looked_at using (source, doc_id),
         regexp_split_to_table(k.content, '[.!?]\\s+|\\s*\\n\\s*') s(text)
  where k.valid_from <= %(r)s and k.valid_to > %(r)s and length(s.text) >= %(least)s),
counted as (
  select md5(text) as key, length(min(text)) * count(*) as characters, count(distinct (source, doc_id)) as documents
  from sentence group by md5(text))
select coalesce(sum(characters) filter (where documents > 1) / nullif(sum(characters), 0), 0)::float8,
       (select count(distinct (source, doc_id)) from sentence where md5(text) in (select key from counted where documents > 1))
from counted
"""
