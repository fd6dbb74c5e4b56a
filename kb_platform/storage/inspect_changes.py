"""What a candidate lost and changed against another release, source by source, and how much of its text is repeated."""

from dataclasses import dataclass
from typing import LiteralString

from kb_platform.storage.captures import SOURCE_PIPELINE
from kb_platform.storage.database import Database

REPEAT_SAMPLE = 5000
REPEAT_CHARACTERS = 40


@dataclass(frozen=True)
class Loss:
    """Something of a source that is gone or other: `lost` of `held`, in `documents` documents; `what` is a plural noun."""

    source: str
    what: str
    held: int
    lost: int
    documents: int

    @property
    def share(self) -> float:
        """Return the share that was lost."""
        return self.lost / self.held if self.held else 0.0


def losses(database: Database, release_id: int, live: int) -> list[Loss]:
    """Return what the live release has and the candidate has not: documents; characters and metadata fields of kept documents.

    Characters are compared only where the source's pipeline is the same: another chunker counts them differently.
    """
    with database.transaction("gate") as c:
        names = {"r": release_id, "live": live}
        gone = c.execute(_DELETED, names).fetchall()
        fields = c.execute(_FIELDS, names).fetchall()
        text = c.execute(_TEXT, names).fetchall()
    return [Loss(*row) for row in (*gone, *fields, *text)]


def changes(database: Database, release_id: int, live: int) -> list[Loss]:
    """Return, by source, how many documents are other than in the live release; without those under another pipeline, where all are."""
    with database.transaction("gate") as c:
        return [Loss(*row) for row in c.execute(_CHANGED, {"r": release_id, "live": live})]


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
     pair as (select o.source, o.id as old_id, n.id as new_id, o.metadata as had, n.metadata as has
              from old o left join new n using (source, doc_id))
"""
_SAME_PIPELINE: LiteralString = f"""source in (
  select source from (select distinct source from capture) s
  where {SOURCE_PIPELINE.format(source='s.source', release='%(r)s')} = {SOURCE_PIPELINE.format(source='s.source', release='%(live)s')})"""
_DELETED: LiteralString = _PAIRS + """
select source, 'documents', count(*), count(*) filter (where new_id is null), count(*) filter (where new_id is null)
from pair group by source order by source
"""
_CHANGED: LiteralString = _PAIRS + f"""
select source, 'documents', count(*), count(*) filter (where new_id <> old_id), count(*) filter (where new_id <> old_id)
from pair where {_SAME_PIPELINE} group by source order by source
"""
# What reading a document has noted (ingest/parse.py) is nothing that a source delivers, and may go with what it was about.
_FIELDS: LiteralString = _PAIRS + """
select source, format('values of %%s', field), count(*), count(*) filter (where gone), count(*) filter (where gone)
from pair, jsonb_object_keys(had) field, lateral (select coalesce(has -> field, 'null') in ('null', '""', '[]') as gone) g
where new_id is not null and had -> field not in ('null', '""', '[]') and field not in ('parse_warnings', 'parse_left_out') group by source, field order by source, field
"""
_TEXT: LiteralString = _PAIRS + f""",
     size as (select version_id, sum(end_char - start_char)::bigint as characters from passage
              where version_id in (select old_id from pair union select new_id from pair) group by version_id)
select source, 'characters', sum(o.characters)::bigint, greatest(0, sum(o.characters) - sum(coalesce(n.characters, 0)))::bigint,
       count(*) filter (where n.characters < o.characters)
from pair join size o on o.version_id = old_id left join size n on n.version_id = new_id
where new_id is not null and {_SAME_PIPELINE} group by source order by source
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
