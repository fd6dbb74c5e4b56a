"""Seals and pointers while others write: what is sealed is what is counted, and nobody sees two releases mixed.

Release 1 was live, release 2 is live, release 3 is sealed and failed its golden gate.
"""

import threading

import psycopg
import pytest

from kb_platform.knowledge.errors import GateRefusal
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.releases import get_release, live_release, promote
from kb_platform_tests.homes import damaged
from kb_platform_tests.storage.made_releases import MadeReleases, wait_until_blocked


class Undone(Exception):
    pass


@pytest.fixture(scope="module")
def database(releases: MadeReleases) -> Database:
    """Three releases: was live, live, failed."""
    releases.release({"a": "one a", "b": "one b", "c": "one c"})
    releases.release({"a": "two a", "b": "two b", "c": None, "d": "two d"})
    failed = releases.apply({"a": "three a"})
    releases.judge(failed, {"golden_retrieval": "regression"})
    assert (failed, live_release(releases.database)) == (3, 2)
    return releases.database


@pytest.fixture
def candidate(releases: MadeReleases, database: Database) -> int:
    """Return the failed candidate, opened again with one more document; other tests leave it as it is."""
    return releases.apply({"a": "three a", "f": "four f"})


def test_a_seal_gets_the_true_digest_and_an_undone_one_voids_the_verdicts(releases: MadeReleases, database: Database, candidate: int) -> None:
    first = releases.judge(candidate, {"golden_retrieval": "pass"})
    with pytest.raises(Undone), database.transaction("writer") as c:
        c.execute("update release set status = 'building', content_digest = %s where release_id = %s", (first, candidate))
        c.execute("delete from document_version where valid_from = %s", (candidate,))
        c.execute("delete from chunk where valid_from = %s", (candidate,))
        c.execute("update release set status = 'sealed', content_digest = %s where release_id = %s", (first, candidate))
        found = c.execute("select content_digest, promotable, verdict from release where release_id = %s", (candidate,)).fetchone()
        raise Undone
    assert found is not None
    assert (bytes(found[0]) != first, found[1], found[2]) == (True, False, None)
    releases.judge(candidate, {"golden_retrieval": "regression"})


def test_a_seal_with_fewer_gates_is_of_other_content_that_nobody_has_judged(releases: MadeReleases, database: Database, candidate: int) -> None:
    judged = releases.judge(candidate, {"golden_retrieval": "regression"})
    with pytest.raises(psycopg.errors.CheckViolation, match="gates not passed: coverage"), database.transaction("owner") as c:
        c.execute("update release set status = 'building' where release_id = %s", (candidate,))
        row = c.execute("""update release set status = 'sealed', required_gates = '{coverage,index_recall,embedding_health}', digest_version = 1
                           where release_id = %s returning content_digest, digest_version, promotable""", (candidate,)).fetchone()
        assert row is not None
        assert (bytes(row[0]) != judged, row[1:]) == (True, (3, False))
        c.execute("update active set release_id = %s", (candidate,))


def test_what_a_candidate_touched_cannot_be_forgotten_before_its_seal(database: Database, candidate: int) -> None:
    for attack in ("delete from touched", "update touched set doc_id = 'x'", "truncate touched"):
        with pytest.raises(psycopg.errors.CheckViolation), database.transaction("owner") as c:
            assert c.execute("select count(*) from touched").fetchone() != (0,)
            c.execute(attack.encode())


def test_a_verdict_that_another_one_has_replaced_cannot_be_said_again(releases: MadeReleases, database: Database, candidate: int) -> None:
    digest = releases.judge(candidate, {"golden_retrieval": "pass"})
    worse = GateResult("golden_retrieval", False, "regression", 0.5, 0.9, {})
    for _ in range(2):  # a step that is tried again says the same
        record_gate(database, candidate, digest, worse, "later")
    with database.transaction("owner") as c:
        assert c.execute("select count(*) from judgement where run_id = 'later'").fetchone() == (1,)
    columns = "release_id, gate, content_digest, verdict, metric, threshold, golden_hash, run_id, signature"
    with pytest.raises(psycopg.errors.CheckViolation, match="another one has replaced"), database.transaction("gate") as c:
        c.execute(f"insert into judgement ({columns}) select {columns} from judgement where release_id = %s and gate = 'golden_retrieval' and verdict = 'pass'".encode(),
                  (candidate,))
    assert not get_release(database, candidate).promotable


def test_a_verdict_that_is_forged_while_the_pointer_waits_for_it_moves_nothing(releases: MadeReleases, database: Database, candidate: int) -> None:
    digest = releases.judge(candidate, {"golden_retrieval": "regression"})
    said: list[object] = []

    def promoting() -> None:
        try:
            promote(database, candidate)
        except GateRefusal as error:
            said.append(str(error))

    damaged(database, f"release {candidate}: the verdict pass of golden_retrieval carries no signature")
    with database.transaction("gate") as c:
        c.execute("insert into judgement (release_id, gate, content_digest, verdict, signature) values (%s, 'golden_retrieval', %s, 'pass', 'home:00')", (candidate, digest))
        thread = threading.Thread(target=promoting)
        thread.start()
        wait_until_blocked(database)
    thread.join()
    assert live_release(database) == 2
    assert "the verdict of golden_retrieval carries no signature" in str(said)


def test_a_promotion_is_logged_by_the_pointer_alone_whatever_trigger_says_it(database: Database) -> None:
    forge = """create temp table mine (a int) on commit drop;
               create function pg_temp.forge() returns trigger language plpgsql as
                 $$ begin insert into promotion_log (from_release, to_release, by_user) values (%s, %s, 'somebody'); return null; end $$;
               create trigger forge after insert on mine for each row execute function pg_temp.forge(); insert into mine values (1)"""
    for before, after in ((2, 1), (1, 2), (2, 3), (3, 3)):
        with pytest.raises(psycopg.errors.CheckViolation, match="by the pointer itself"), database.transaction("owner") as c:
            c.execute((forge % (before, after)).encode())
    with pytest.raises(Undone), database.transaction("owner") as c:
        c.execute((forge % (2, 2)).encode())
        assert c.execute("select by_user from promotion_log order by id desc limit 1").fetchone() == ("kb",), "in nobody else's name"
        raise Undone


def test_a_seal_waits_for_rows_that_are_being_written_and_counts_them(releases: MadeReleases, database: Database, candidate: int) -> None:
    with database.transaction("writer") as c:
        c.execute("""insert into document_version (source, doc_id, version_hash, day, seq, capture_id, valid_from, title, media_type, source_object)
                     select 'docs', 'late', '\\x01', day, seq, capture_id, %s, '', '', '' from document_version limit 1""", (candidate,))
        sealing = threading.Thread(target=releases.judge, args=(candidate, {"golden_retrieval": "regression"}))
        sealing.start()
        wait_until_blocked(database)
    sealing.join()
    with database.transaction("owner") as c:
        row = c.execute("select s.digest, r.document_count from release r, sealed_digest(r) s where r.release_id = %s", (candidate,)).fetchone()
    assert row == (get_release(database, candidate).content_digest, 5)


def test_an_old_snapshot_neither_seals_nor_writes_into_what_was_sealed(releases: MadeReleases, database: Database, candidate: int) -> None:
    with database.engine("writer").connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.exec_driver_sql(f"set local search_path to {database.schema}, public")
        with pytest.raises(Exception, match="read committed"):
            connection.exec_driver_sql(f"update release set status = 'sealed', required_gates = '{{coverage,index_recall,embedding_health}}' where release_id = {candidate}")
    with database.engine("writer").connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.exec_driver_sql(f"set local search_path to {database.schema}, public")
        connection.exec_driver_sql("select count(*) from release")
        releases.judge(candidate, {"golden_retrieval": "regression"})
        with pytest.raises(Exception, match="serialize|building release only"):
            connection.exec_driver_sql(f"""insert into document_version (source, doc_id, version_hash, day, seq, capture_id, valid_from, title, media_type, source_object)
                                           select 'docs', 'later', '\\x02', day, seq, capture_id, {candidate}, '', '', '' from document_version limit 1""")


def test_a_reader_never_sees_two_releases_mixed_while_the_pointer_flips(database: Database) -> None:
    stop = threading.Event()

    def flip() -> None:
        for n in range(1_000_000):
            if stop.is_set():
                return
            promote(database, 1 + n % 2)

    flipping = threading.Thread(target=flip)
    flipping.start()
    seen: dict[tuple[str, ...], int] = {}
    try:
        with psycopg.connect(database.url("reader"), autocommit=True, options=f"-csearch_path={database.schema},public") as c:
            for _ in range(2000):
                rows = c.execute("select content from chunk order by content").fetchall()
                texts = tuple(row[0] for row in rows)
                seen[texts] = seen.get(texts, 0) + 1
    finally:
        stop.set()
        flipping.join()
        promote(database, 2)
    assert set(seen) == {("one a", "one b", "one c"), ("two a", "two b", "two d")}, seen
