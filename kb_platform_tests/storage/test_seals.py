"""Seals and pointers while others write: what is sealed is what is counted, and nobody sees two releases mixed.

Release 1 was live, release 2 is live, release 3 is sealed and failed its golden gate.
"""

import threading

import psycopg
import pytest

from kb_platform.storage.database import Database
from kb_platform.storage.releases import get_release, live_release, promote
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


def test_a_seal_waits_for_rows_that_are_being_written_and_counts_them(releases: MadeReleases, database: Database, candidate: int) -> None:
    with database.transaction("writer") as c:
        c.execute("""insert into document_version (source, doc_id, version_hash, day, seq, capture_id, valid_from, title, media_type, source_object)
                     select 'docs', 'late', '\\x01', day, seq, capture_id, %s, '', '', '' from document_version limit 1""", (candidate,))
        sealing = threading.Thread(target=releases.judge, args=(candidate, {"golden_retrieval": "regression"}))
        sealing.start()
        wait_until_blocked(database)
    sealing.join()
    with database.transaction("owner") as c:
        row = c.execute("select s.digest, r.document_count from release r, sealed_digest(%s) s where r.release_id = %s", (candidate, candidate)).fetchone()
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
