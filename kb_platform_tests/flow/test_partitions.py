"""The database's side of embedding spaces: partitions that guard, serve and go as the tables of one space did."""

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.errors import GateRefusal, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.retention import Retention
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.release.maintenance import maintain
from kb_platform.storage.collect import Limits, horizon_of, unused_spaces
from kb_platform.storage.database import LOGIN_ROLES, Database
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.inspect_release import neighbour_distances
from kb_platform.storage.migrate import drop, migrate
from kb_platform.storage.objects import ObjectStore
from kb_platform.storage.releases import discard, open_candidate, promote, seal
from kb_platform.storage.search import Question, search
from kb_platform.storage.stores import Store
from kb_platform.storage.vectors import drop_space, register_space, space_of_release, store_vectors

NOW = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
LATER = NOW + dt.timedelta(days=40)
NUMBERS = itertools.count(1)  # of schemas
GATES = ("coverage", "index_recall", "embedding_health")
OLD_DOCUMENTS = """
insert into capture (source, day, seq, file, digest, upserts, deletes) values ('docs', '2026-01-0{r}', 1, 'f', '\\x00', 1, 0);
insert into document_version (source, doc_id, version_hash, day, seq, capture_id, valid_from, title, media_type, source_object)
select 'docs', 'd' || i, sha256(('{r}v' || i)::bytea), '2026-01-0{r}', 1, {r}, {r}, 'title', 'text/plain', '' from {rows} i;
insert into passage select v.id, 0, 0, 10, sha256(('{r}c' || substr(v.doc_id, 2))::bytea), 0 from document_version v where valid_from = {r};
"""
CHUNKS = """
insert into chunk ({more}source, doc_id, content_hash, valid_from, content, text_hash, terms, term_weights, embedding)
select {values}'docs', 'd' || i, sha256(('{r}c' || i)::bytea), {r}, 'content ' || repeat('x', 300), sha256(i::text::bytea),
       array[i % 400 + 1], format('{{%s:1}}/1000000000', i % 400 + 1)::sparsevec,
       (select array_agg(sin(i * j * 1.7) + 0.01)::halfvec from generate_series(1, {n}) j)
from {rows} i order by i
"""


def space(dimension: int) -> EmbeddingSpace:
    return EmbeddingSpace("made", "0" * 64, dimension, 256, "mean", "", "", "none")


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    """Yield a schema at the newest revision."""
    url = session.settings().database_url
    from kb_platform.local.environment import environment

    made = Database(url.get_secret_value() if url else environment(session.settings())["KB_DATABASE_URL"], f"p{next(NUMBERS)}",
                    gate_keys={"test": b"\1" * 32})
    yield made
    drop(made)
    made.dispose()


def run(database: Database, statement: str, role: str = "owner") -> list[tuple]:
    with database.transaction(role) as c:  # type: ignore[arg-type]
        cursor = c.execute(statement)
        return cursor.fetchall() if cursor.description else []


def unused(database: Database) -> list[str]:
    """Return the spaces that nobody needs, once their vectors are old enough."""
    return unused_spaces(database, Limits(horizon_of(database), LATER, LATER))


def fill(database: Database, dimension: int, rows: str) -> int:
    """Open a candidate in a space of its own, close what is open, and write rows 'generate_series(a, b)'; return its id."""
    made = space(dimension)
    register_space(database, made)
    with database.transaction("writer") as c:
        release = open_candidate(c, made.space_id, "test", "test")
        c.execute(f"update chunk set valid_to = {release} where valid_to = 2147483647")
        c.execute(f"update document_version set valid_to = {release} where valid_to = 2147483647")
        c.execute(OLD_DOCUMENTS.format(r=release, rows=rows))
        c.execute(CHUNKS.format(r=release, rows=rows, n=dimension, more="space_id, ", values=f"'{made.space_id}', "))
    return release


def pass_gates(database: Database, release: int, digest: bytes) -> None:
    """Let all gates say pass, and promote."""
    for gate in GATES:
        record_gate(database, release, digest, GateResult(gate, True, "pass", 1.0, 1.0, {}), "test")
    promote(database, release)


def pass_old_gates(database: Database, release: int, digest: bytes) -> None:
    """The same as the gates and the promoter of the first revision do: today's know tables that an old one lacks."""
    with database.transaction("gate") as c:
        for gate in GATES:
            c.execute("insert into gate_result (release_id, gate, content_digest, passed, verdict) values (%s, %s, %s, true, 'pass')",
                      (release, gate, digest))
    with database.transaction("promoter") as c:
        c.execute("insert into active (release_id) values (%s) on conflict (one) do update set release_id = excluded.release_id", (release,))


def scans(database: Database, *indexes: str) -> list[int]:
    found = dict(run(database, "select indexrelname, idx_scan from pg_stat_user_indexes where schemaname = current_schema()"))
    return [found[index] for index in indexes]


def question(dimension: int, i: int) -> Question:
    vector = np.sin(i * np.arange(1, dimension + 1) * 1.7) + 0.01
    return Question(space(dimension).space_id, vector, {i % 400 + 1: 1.0}, [i % 400 + 1], 0.5)


def test_a_database_of_the_first_revision_moves_into_partitions_with_all_that_it_holds(database: Database, tmp_path: Path) -> None:
    migrate(database, "0001")
    made = space(384)
    run(database, f"insert into embedding_space (space_id, spec) values ('{made.space_id}', '{{\"model\": \"made\", \"model_sha256\": "
                  f"\"{made.model_sha256}\", \"dimension\": 384, \"max_tokens\": 256, \"pooling\": \"mean\", \"query_prefix\": \"\", "
                  f"\"passage_prefix\": \"\", \"chunker\": \"none\"}}')")
    for r, rows in ((1, "generate_series(1, 40)"), (2, "generate_series(41, 50)")):
        run(database, f"insert into release (release_id, space_id, pipeline) values ({r}, '{made.space_id}', 'p')")
        run(database, OLD_DOCUMENTS.format(r=r, rows=rows) + CHUNKS.format(r=r, rows=rows, n=384, more="", values=""))
        run(database, f"insert into applied_capture values ({r}, 'p', {r}); select build_index(), count_terms({r}); update release "
                      f"set status = 'sealed', required_gates = '{{coverage,index_recall,embedding_health}}', chunk_count = 50, "
                      f"content_digest = content_digest({r}) where release_id = {r}")
        pass_old_gates(database, r, run(database, f"select content_digest({r})")[0][0])
        if r == 1:
            run(database, "insert into vector select space_id, text_hash, embedding from chunk, embedding_space")
    before = run(database, "select id, doc_id, valid_from, valid_to, embedding::text from chunk order by id")
    digests = run(database, "select release_id, content_digest from release order by 1")
    migrate(database)
    assert run(database, "select id, doc_id, valid_from, valid_to, embedding::text from chunk order by id") == before
    assert run(database, "select release_id, text_digest(release_id) from release order by 1") == digests
    assert space_of_release(database, 2) == made
    assert search(database, 1, question(384, 7), k=1, depth=10, where=None, role="reader")[0].doc_id == "d7"
    assert run(database, "select count(*) from chunk", "reader") == [(50,)]
    assert run(database, "select count(*) from vector", "writer") == [(40,)]
    with pytest.raises(psycopg.errors.CheckViolation, match="kept release"):
        run(database, "delete from chunk where valid_from = 1")
    promote(database, 1)
    assert search(database, 1, question(384, 7), k=1, depth=10, where=None, role="reader")[0].doc_id == "d7"
    promote(database, 2)
    third = fill(database, 8, "generate_series(1, 3)")
    assert run(database, f"select min(id) from chunk where valid_from = {third}")[0][0] > max(row[0] for row in before)
    migrate(database)
    pass_gates(database, third, seal(database, third, GATES))
    store = Store(database, ObjectStore(str(tmp_path)))
    done = maintain(store, KnowledgeBase(database.name, tmp_path, (), dt.date(2026, 1, 1), retention=Retention(keep_releases=1)), now=LATER)
    assert done is not None
    assert (done.collected.horizon, done.collected.spaces, done.collected.rows["document_versions"]) == (third, (made.space_id,), 50)
    assert run(database, "select count(*) from chunk") == [(3,)]
    with pytest.raises(GateRefusal, match="its rows were collected"):
        promote(database, 2)


def test_a_search_reads_the_indexes_of_its_space_and_of_no_other(database: Database) -> None:
    migrate(database)
    for dimension in (24, 16):
        release = fill(database, dimension, "generate_series(1, 3000)")
        pass_gates(database, release, seal(database, release, GATES))
    run(database, "analyze")
    mine = [f"chunk_{space(16).space_id}_{index}" for index in ("hnsw", "terms")]
    others = [f"chunk_{space(24).space_id}_{index}" for index in ("hnsw", "terms", "pkey")]
    before, untouched = scans(database, *mine), scans(database, *others)
    with database.transaction("reader") as c:
        for i in range(3):
            asked = question(16, 100 + i)
            statement = "select doc_id from search(%s, %s, %s, %s, %s, 1, 20, 0.5, null)"
            values = (release, asked.space_id, str(asked.vector.tolist()), asked.lookup, f"{{{asked.lookup[0]}:1}}/1000000000")
            assert c.execute(statement, values).fetchone() == (f"d{100 + i}",)
        c.execute("select pg_stat_force_next_flush()")
    assert [after - b for after, b in zip(scans(database, *mine), before, strict=True)] == [3, 3]
    assert scans(database, *others) == untouched
    assert neighbour_distances(database, release, np.array([question(16, 5).vector]), 3)[0][0] == pytest.approx([0, 0, 0], abs=1e-2)
    run(database, "select pg_stat_force_next_flush()", "gate")
    assert scans(database, mine[0]) == [before[0] + 4], "once by the index, once exactly"


def test_a_question_in_another_space_than_the_release_is_refused(database: Database) -> None:
    migrate(database)
    release = fill(database, 8, "generate_series(1, 3)")
    pass_gates(database, release, seal(database, release, GATES))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is in embedding space"):
        search(database, release, question(16, 1), k=1, depth=10, where=None, role="reader")


def test_partitions_are_guarded_like_the_table_and_closed_to_every_role(database: Database) -> None:
    migrate(database)
    first = fill(database, 8, "generate_series(1, 20)")
    pass_gates(database, first, seal(database, first, GATES))
    old, row = f"chunk_{space(8).space_id}", "source, doc_id, content_hash, text_hash, terms, term_weights, embedding, space_id, content"
    other = row.replace(" content_hash", " text_hash")
    for statement in (
        f"delete from {old}", f"update {old} set valid_to = 9", f"truncate {old}", "truncate chunk", f"update {old} set valid_from = 9",
        f"insert into {old} (id, valid_from, {row}) overriding system value "
        f"select id + 100, {first}, {other} from {old}",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            run(database, statement)
    for role in LOGIN_ROLES:
        for partition in (old, f"vector_{space(8).space_id}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                run(database, f"select * from {partition}", role)
    second = fill(database, 16, "generate_series(1, 5)")
    for wrong in (f"select id + 100, {second}, {row} from {old}", f"select id + 200, {first}, {other} from {old}"):
        with pytest.raises(psycopg.errors.CheckViolation):
            run(database, f"insert into chunk (id, valid_from, {row}) overriding system value {wrong}")
    with pytest.raises(psycopg.errors.CheckViolation, match="never changes"):
        run(database, f"update release set space_id = '{space(8).space_id}' where release_id = {second}")


def test_closing_rows_stays_heap_only(database: Database) -> None:
    migrate(database)
    first = fill(database, 8, "generate_series(1, 50)")
    pass_gates(database, first, seal(database, first, GATES))
    register_space(database, space(8))
    with database.transaction("writer") as c:
        second = open_candidate(c, space(8).space_id, "test", "test")
        c.execute(f"update chunk set valid_to = {second} where valid_to = 2147483647 and id % 5 = 0")
        partition = f"'chunk_{space(8).space_id}'::regclass"
        updated = c.execute(f"select pg_stat_get_xact_tuples_updated({partition}), pg_stat_get_xact_tuples_hot_updated({partition})")
        assert updated.fetchone() == (10, 10)


def test_a_release_that_shows_rows_of_another_space_is_not_sealed(database: Database) -> None:
    migrate(database)
    first = fill(database, 8, "generate_series(1, 5)")
    pass_gates(database, first, seal(database, first, GATES))
    register_space(database, space(16))
    with database.transaction("writer") as c:
        second = open_candidate(c, space(16).space_id, "test", "test")
    with pytest.raises(psycopg.errors.CheckViolation, match="rows of docs are in another embedding space still"):
        seal(database, second, GATES)


def test_a_space_is_dropped_when_no_kept_release_is_in_it(database: Database) -> None:
    migrate(database)
    for dimension in (8, 16):
        release = fill(database, dimension, "generate_series(1, 5)")
        store_vectors(database, space(dimension).space_id, [b"t"], np.ones((1, dimension), np.float32))
        pass_gates(database, release, seal(database, release, GATES))
    for kept in (8, 16):
        with pytest.raises(StateError, match="is not dropped: release"):
            drop_space(database, space(kept).space_id)
    run(database, "update gc_horizon set release_id = 2")
    assert unused_spaces(database, Limits(2, NOW, NOW)) == [], "its vectors may be on their way into a candidate"
    assert unused(database) == [space(8).space_id]
    drop_space(database, space(8).space_id)
    assert unused(database) == []
    assert run(database, "select distinct space_id from chunk union select space_id from vector") == [(space(16).space_id,)]
    promote_again = fill(database, 8, "generate_series(1, 5)")  # registering it once more makes its partitions anew
    discard(database, promote_again)
    assert unused(database) == [space(8).space_id]
