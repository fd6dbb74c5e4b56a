"""Whether a knowledge base is what it says it is: content, verdicts, promotions, releases and guards, each recomputed or compared.

Guards in the database hold against roles; what an owner or a superuser does with the guards switched off is found here. Whoever can do that
and has the key of the signatures as well leaves no trace in either.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kb_platform.knowledge.spaces import id_of
from kb_platform.storage.database import Database
from kb_platform.storage.guards import changed_guards
from kb_platform.storage.review_decisions import read_ends
from kb_platform.storage.signatures import COLUMNS, Statement, is_signed


@dataclass(frozen=True)
class Verified:
    """What was checked, how much of it, and all that does not hold, in sentences; the first one is the first thing that is wrong."""

    releases: tuple[int, ...]
    documents: int
    verdicts: int
    unsigned: int
    promotions: int
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.wrong


def verify(database: Database, release: int | None = None, reviews: str | None = None) -> Verified:
    """Check one release, or all that are kept, and what is about the whole: promotions and guards.

    `reviews` is the URL of the review worker's database: what it decided is what was accepted here.

    Digests are recomputed from every row of a release, so that it takes some seconds for 100,000 chunks. `unsigned` counts verdicts from
    before verdicts were signed (digest version 1).

    Raises:
        TransientError: the database does not answer.
    """
    releases = _kept(database, release)
    wrong: list[str] = []
    documents = sum(_check(wrong, lambda r=r: _content(database, r)) for r in releases)
    verdicts, unsigned = _verdicts(database, wrong)
    promotions = _promotions(database, wrong)
    wrong.extend(_releases(database))
    wrong.extend(_spaces(database))
    wrong.extend(_acceptances(database, reviews) if reviews else ())
    wrong.extend(changed_guards(database))
    return Verified(releases, documents, verdicts, unsigned, promotions, tuple(wrong))


def _kept(database: Database, release: int | None) -> tuple[int, ...]:
    with database.transaction("owner") as c:
        rows = c.execute("""select release_id from release where status not in ('building', 'discarded') and release_id >= coalesce(
                              least((select release_id from gc_horizon), (select release_id from active)), 0) order by 1""").fetchall()
    kept = tuple(row[0] for row in rows)
    return kept if release is None else tuple(r for r in kept if r == release)


def _check(wrong: list[str], content: Callable[[], Iterator[str | int]]) -> int:
    count = 0
    for said in content():
        if isinstance(said, int):
            count += said
        else:
            wrong.append(said)
    return count


def _content(database: Database, release: int) -> Iterator[str | int]:
    """Yield what does not hold of a release's content, and how many documents were looked at."""
    with database.transaction("owner") as c:
        version, digest, documents, chunks = c.execute(
            "select digest_version, content_digest, document_count, chunk_count from release where release_id = %s", (release,)).fetchall()[0]
        if version == 1:
            if c.execute("select text_digest(%s)", (release,)).fetchall()[0][0] != digest:
                yield f"release {release}: its documents and chunks are not what was sealed"
            return
        rows = c.execute(
            """with newest as (
                 select distinct on (source, doc_id) source, doc_id, digest from document_digest where valid_from <= %(r)s
                 order by source, doc_id, valid_from desc)
               select coalesce(n.source, f.source) || '/' || coalesce(n.doc_id, f.doc_id), n.digest is not distinct from f.digest, f.chunks
               from (select * from newest where digest is not null) n full join digests_of_rows(%(r)s, false) f using (source, doc_id) order by 1""",
            {"r": release}).fetchall()
        yield from (f"release {release}: {name} is not what was sealed" for name, same, _ in rows if not same)
        yield len(rows)
        if c.execute("""select exists (select 1 from chunk c join release r on r.release_id = %s
                        where c.valid_from <= r.release_id and c.valid_to > r.release_id and c.index_no > r.index_no)""", (release,)).fetchone() == (True,):
            yield f"release {release}: it holds chunks past its index, which searches do not find"
        if sum(row[2] or 0 for row in rows) != chunks:
            yield f"release {release}: it holds another number of chunks than the {chunks} that were sealed"
        if len(rows) != documents:
            yield f"release {release}: it holds another number of documents than the {documents} that were sealed"
        terms = c.execute(
            """with counted as (
                 select t.term, count(*) as df from chunk c, unnest(c.terms) t(term) where c.valid_from <= %(r)s and c.valid_to > %(r)s group by 1),
               said as (
                 select distinct on (term) term, df from term_df where valid_from <= %(r)s order by term, valid_from desc)
               select count(*) from counted c full join (select * from said where df <> 0) s using (term) where c.df is distinct from s.df""",
            {"r": release}).fetchall()[0][0]
        if terms:
            yield f"release {release}: the document frequencies of {terms} words are not those of its chunks"
        if c.execute("select s.digest from release r, sealed_digest(r) s where r.release_id = %s", (release,)).fetchall()[0][0] != digest:
            yield f"release {release}: its digest is not that of its documents and words"


def _verdicts(database: Database, wrong: list[str]) -> tuple[int, int]:
    with database.transaction("owner") as c:
        rows = c.execute(f"""select {COLUMNS}, g.signature, r.digest_version from judgement g join release r using (release_id)
                             order by release_id, g.id""".replace("content_digest", "g.content_digest", 1).encode()).fetchall()
    unsigned = 0
    for *said, signature, version in rows:
        if version == 1 and not signature:
            unsigned += 1
        elif not is_signed(database.gate_keys, Statement(database.name, *said), signature):
            wrong.append(f"release {said[0]}: the verdict {said[3]} of {said[2]} carries no signature of a key that is known here")
    return len(rows), unsigned


def _promotions(database: Database, wrong: list[str]) -> int:
    """Each promotion begins where the one before it ended, the last one is where the pointer stands, and each release had passed its gates."""
    with database.transaction("owner") as c:
        moves = c.execute("select id, from_release, to_release from promotion_log order by id").fetchall()
        row = c.execute("select release_id from active").fetchone()
        failed = c.execute("""select r.release_id, q from release r, unnest(r.required_gates) q
                              where (r.promoted_at is not null or r.release_id in (select a.release_id from active a union select l.to_release from promotion_log l))
                                and not gate_is_passed(r.release_id, r.content_digest, q) order by 1, 2""").fetchall()
        never = c.execute("""select release_id from release r where promoted_at is not null and not exists (
                               select 1 from promotion_log l where l.to_release = r.release_id) order by 1""").fetchall()
    here, live = None, row[0] if row else None
    for number, before, after in moves:
        if before != here:
            wrong.append(f"promotion {number} begins at release {before}, and the one before it ended at {here}")
        here = after
    if live != here:
        wrong.append(f"{f'release {live}' if live else 'nothing'} is live, and the last promotion was to {here}")
    wrong.extend(f"release {r} was promoted, and its gate {gate} has not passed" for r, gate in failed)
    wrong.extend(f"release {r} is called promoted, and no promotion is on record" for (r,) in never)
    return len(moves)


def _releases(database: Database) -> Iterator[str]:
    """Yield where what releases are called, and how far is collected, is not what promotions, verdicts and later releases say."""
    with database.transaction("owner") as c:
        collected = c.execute("select release_id from gc_horizon").fetchone()
        live = c.execute("select release_id from active").fetchone()
        rows = c.execute(
            """select r.release_id, r.status, r.promoted_at is not null, exists (select 1 from active a where a.release_id = r.release_id),
                 exists (select 1 from promotion_log l where l.to_release = r.release_id),
                 (select min(b.release_id) from release b where b.base_release = r.release_id and b.status <> 'discarded'),
                 case when r.digest_version > 1 then r.verdict end, (
                   select case when bool_or(g.verdict = 'regression') then 'regression' when bool_or(g.verdict = 'inconclusive') then 'inconclusive' else 'pass' end
                   from gate_result g where (g.release_id, g.content_digest) = (r.release_id, r.content_digest) and g.gate = any (r.required_gates))
               from release r order by 1""").fetchall()
    if collected is None:
        yield "how far was collected is on record no more"
    elif collected[0] > (live[0] if live else 0):
        yield f"all before release {collected[0]} is said to be collected, and {f'release {live[0]}' if live else 'nothing'} is live"
    for release, status, has_time, is_live, was_promoted, base_of, verdict, judged in rows:
        if (status == "promoted") != is_live or has_time and status in ("building", "sealed"):
            yield f"release {release} is called {status}, and {'it is live' if is_live else 'it was promoted' if has_time else 'it is not live'}"
        if was_promoted and not has_time:
            yield f"release {release} was promoted, and when is on record no more"
        if status == "discarded" and base_of:
            yield f"release {release} is called discarded, and release {base_of} builds on it"
        if status in ("promoted", "retired") and verdict and verdict != judged:
            yield f"release {release}: its verdict is said to be {verdict}, and its gates say {judged}"


def _spaces(database: Database) -> Iterator[str]:
    """Yield embedding spaces whose description did not give them their id (spaces.id_of), or whose kept vectors chunks do not have."""
    with database.transaction("owner") as c:
        spaces = c.execute("select space_id, spec from embedding_space order by 1").fetchall()
        others = c.execute("""select c.space_id, count(*) from chunk c join vector v using (space_id, text_hash)
                              where c.valid_to > (select release_id from gc_horizon) and c.embedding <> v.embedding group by 1 order by 1""").fetchall()
    for space, spec in spaces:
        if id_of(spec) != space:
            yield f"embedding space {space} is described as another one"
    yield from (f"embedding space {space}: the vectors that are kept for later are not those of {count} chunks" for space, count in others)


def _acceptances(database: Database, reviews: str) -> Iterator[str]:
    """Yield the verdicts that no reviewer let pass, by what the review worker has recorded."""
    with database.transaction("owner") as c:
        rows = c.execute("""select a.release_id, a.gate, a.review_id, o.run_id, o.digest, o.reviewer_id from acceptance a
                            join review_outcome o using (review_id) order by 1, 2, 3""").fetchall()
    decided = {(end.review_id, end.run_id, end.digest, end.reviewer_id) for end in read_ends(reviews, [row[2] for row in rows]) if end.status == "approved"}
    for release, gate, *said in rows:
        if tuple(said) not in decided:
            yield f"release {release}: {said[-1]} is said to have accepted the verdict of {gate}, and the review worker has no such decision"
