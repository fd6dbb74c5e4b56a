"""Garbage collection on a real Postgres: what is kept is untouched, whoever searches or promotes meanwhile, and wherever it is killed."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.errors import GateRefusal, StateError, TransientError
from kb_platform.release.maintenance import Collected, Maintained, maintain, plan_maintenance
from kb_platform.storage.collect import horizon_of
from kb_platform.storage.database import Database
from kb_platform.storage.index_upkeep import rebuild_index, space_indexes
from kb_platform.storage.releases import discard, list_releases, live_release, promote
from kb_platform.storage.search import readable_release, search, term_statistics
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import alone, taking_turns
from kb_platform_tests.storage.made_releases import (
    LATER,
    SPACE,
    MadeReleases,
    keeping,
    question,
    random_history,
    shown,
    wait_until_blocked,
)

TABLES = ("chunk", "document_version", "passage", "term_df", "vector", "gc_horizon", "embedding_space", "release", "active", "capture")
HNSW = f"select name, whole from hnsw_indexes('{SPACE.space_id}')"


def collected(store: Store, keep: int, **retention: Any) -> Maintained:
    done = maintain(store, keeping(store.database.name, keep, **retention), now=LATER)
    assert done is not None
    return done


def contents(database: Database) -> dict[str, str]:
    with database.transaction("owner") as c:
        return {t: c.execute(f"select coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from {t} x".encode()).fetchall()[0][0] for t in TABLES}


def run(database: Database, statement: str) -> list[tuple]:
    with database.transaction("owner") as c:
        cursor = c.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run a call beside this; what it returns or raises is in the list."""
    said: list[Any] = []

    def noted() -> None:
        try:
            said.append(call())
        except Exception as error:  # noqa: BLE001
            said.append(error)

    thread = threading.Thread(target=noted)
    thread.start()
    return thread, said


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.endurance) for seed in (1, 2, 3))])
def test_every_kept_release_shows_what_it_showed_and_what_is_below_is_refused(seed: int) -> None:
    store = session.store(f"kept{seed}")
    random_history(MadeReleases(store.database), seed, 14)
    keep = 2 + seed
    everything = {r.release_id: shown(store.database, r.release_id) for r in list_releases(store.database) if r.status in ("promoted", "retired")}
    garbage = run(store.database, "select count(*) from chunk where valid_to <> 2147483647")[0][0]
    done = collected(store, keep)
    horizon = horizon_of(store.database)
    assert done.collected.horizon == horizon > 1
    kept = [r for r in everything if r >= horizon]
    assert len(kept) >= keep
    assert all(shown(store.database, r) == everything[r] for r in kept)
    assert 0 < done.collected.rows["chunks"] <= garbage
    assert run(store.database, f"""select count(*) from chunk where valid_to <= {horizon} union all
                                   select count(*) from document_version where valid_to <= {horizon} union all
                                   select count(*) from passage where version_id not in (select id from document_version)""") == [(0,)] * 3
    for gone in (r for r in everything if r < horizon):
        with pytest.raises(GateRefusal, match=f"release {gone} cannot be promoted: its rows were collected"):
            promote(store.database, gone)
        for role in ("reader", "gate"):
            for read in (readable_release, lambda d, r, role: search(d, r, question("one"), k=1, depth=9, where=None, role=role),
                         lambda d, r, role: term_statistics(d, r, [1], role)):
                with pytest.raises(StateError, match=f"release {gone}: its rows were collected"):
                    read(store.database, gone, role)
    again = collected(store, keep)
    assert (sum(again.collected.rows.values()), again.rebuilt) == (0, ())


def test_a_dry_run_changes_nothing_and_says_what_a_run_then_does() -> None:
    store = session.store("dry")
    random_history(MadeReleases(store.database), 7, 8)
    store.objects.write("chunks/docs/old.parquet", _schema(), [{"x": 1}])
    before = contents(store.database)
    planned = plan_maintenance(store, keeping("dry", 3), LATER)
    assert contents(store.database) == before
    assert (planned.rows["chunks"] > 0, planned.rows["vectors"] > 0, planned.rows["term_frequencies"] > 0, planned.files) == (True, True, True, 1)
    assert planned.indexes == (SPACE.space_id,)
    assert asdict(collected(store, 3).collected) == asdict(planned)
    assert list(store.objects.files()) == []


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([("x", pa.int32())])


def test_an_index_is_built_anew_at_the_dead_share_and_not_before() -> None:
    store = session.store("worn")
    made = MadeReleases(store.database)
    made.release({f"d{n}": f"text {n}" for n in range(40)})
    made.release({"d0": "changed", "d1": None})
    first = collected(store, 1)
    assert (first.collected.rows["chunks"], first.collected.indexes, first.rebuilt) == (2, (), ())
    assert space_indexes(store.database)[0].dead == 2
    discard(store.database, made.apply({f"d{n}": f"in vain {n}" for n in range(20)}))
    assert space_indexes(store.database)[0].dead == 22, "rows of a discarded release wear the index as well"
    (before,) = run(store.database, HNSW)
    second = collected(store, 1)
    (rebuilt,) = second.rebuilt
    assert (second.collected.dead_share, rebuilt.dead, rebuilt.note) == (round(22 / 61, 4), 0, None)
    (after,) = run(store.database, HNSW)
    assert after != before
    assert (space_indexes(store.database)[0].rows, space_indexes(store.database)[0].dead) == (39, 0)
    assert run(store.database, "select command, object from guard_change where not by_platform") == []


def test_a_rebuild_gives_way_to_a_long_transaction_and_the_next_one_removes_what_it_left() -> None:
    store = session.store("wait")
    made = MadeReleases(store.database)
    made.release({f"d{n}": f"text {n}" for n in range(10)})
    made.release({f"d{n}": f"other {n}" for n in range(5)})
    expected = shown(store.database, 2)
    assert collected(store, 1, dead_share=0.9).collected.dead_share == round(5 / 15, 4)
    with psycopg.connect(store.database.url("owner"), options=f"-csearch_path={store.database.schema},public") as old:
        old.execute("select count(*) from chunk")  # sits in its transaction
        given_up = rebuild_index(store.database, SPACE.space_id, patience="200ms")
        assert given_up.note is not None
        assert given_up.dead == space_indexes(store.database)[0].dead == 5, "not taken for done"
        assert shown(store.database, 2) == expected
    invalid = "select count(*) from pg_index where not indisvalid and indrelid::regclass::text like 'chunk%'"
    assert run(store.database, invalid) == [(1,)]
    done = rebuild_index(store.database, SPACE.space_id)
    assert (done.left_overs, done.note, done.dead, run(store.database, invalid)) == (1, None, 0, [(0,)])
    assert shown(store.database, 2) == expected


def test_a_rollback_on_its_way_keeps_the_horizon_below_it() -> None:
    store = session.store("back")
    made = MadeReleases(store.database)
    for n in range(4):
        made.release({"a": f"text {n}", "b": f"more {n}"})
    with store.database.transaction("promoter") as c:
        c.execute("update active set release_id = 2")
        thread, said = in_thread(lambda: collected(store, 1))
        wait_until_blocked(store.database)
    thread.join()
    assert (live_release(store.database), said[0].collected.horizon) == (2, 2)
    assert [row[1] for row in shown(store.database, 2)[1]] == ["a", "b"]


def test_a_rollback_waits_for_the_horizon_and_is_refused_below_it() -> None:
    store = session.store("late")
    made = MadeReleases(store.database)
    for n in range(4):
        made.release({"a": f"text {n}"})
    with store.database.transaction("collector") as c:
        c.execute("select move_horizon(3)")
        thread, said = in_thread(lambda: promote(store.database, 2))
        wait_until_blocked(store.database)
    thread.join()
    assert isinstance(said[0], GateRefusal)
    assert "its rows were collected" in str(said[0])
    assert live_release(store.database) == 4
    promote(store.database, 3)


def test_searches_beside_collection_find_all_that_they_found_or_are_refused() -> None:
    store = session.store("beside")
    random_history(MadeReleases(store.database), 11, 14)
    live = live_release(store.database)
    assert live is not None
    past = next(r.release_id for r in list_releases(store.database)[::-1] if r.promoted_at)
    expected = {r: shown(store.database, r)[4] for r in (live, past)}
    stop, wrong, counts = threading.Event(), list[Any](), {live: 0, past: 0, "refused": 0}

    def searching() -> None:
        while not stop.is_set():
            for release in (live, past):
                try:
                    found = [[(h.doc_id, h.content, h.score) for h in search(store.database, release, question(name), k=5, depth=50, where=None, role="reader")]
                             for name in ("one", "two", "three")]
                except StateError:
                    counts["refused"] += 1
                    wrong.extend([release] if release == live else [])
                    continue
                counts[release] += 1
                wrong.extend([] if found == expected[release] else [(release, found)])

    thread, _ = in_thread(searching)
    try:
        while not counts[past]:
            stop.wait(0.01)
        for keep in (8, 4, 2, 1):
            collected(store, keep, dead_share=0.01)
            rebuild_index(store.database, SPACE.space_id)
        reached = counts[live]
        while counts[live] < reached + 3:
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert counts["refused"] > 0


def test_maintenance_leaves_a_writing_refresh_alone_and_a_refresh_waits_for_it() -> None:
    store = session.store("turns")
    random_history(MadeReleases(store.database), 3, 6)
    before = contents(store.database)

    @taking_turns
    def step(store: Store) -> Maintained | None:
        return maintain(store, keeping("turns", 1), now=LATER)

    assert step(store) is None
    assert contents(store.database) == before
    with alone(store.database) as free:
        assert free
        thread, said = in_thread(lambda: taking_turns(lambda store: "done")(store))
        wait_until_blocked(store.database)
        assert said == []
        assert maintain(store, keeping("turns", 1), now=LATER) is None, "maintenance is alone, also of itself"
    thread.join()
    assert said == ["done"]


def test_a_collector_may_delete_only_what_no_kept_release_shows() -> None:
    store = session.store("rights")
    random_history(MadeReleases(store.database), 5, 6)
    live = live_release(store.database)
    for attack in ("delete from chunk", "delete from document_version", "delete from term_df", f"select move_horizon({live} + 1)", "select move_horizon(-1)",
                   "update gc_horizon set release_id = 2", f"select drop_space('{SPACE.space_id}')", "update active set release_id = 1",
                   "update chunk set valid_to = 1", "delete from release", "delete from capture", "delete from judgement", "delete from document_digest", "delete from known_document", "delete from passage",
                   "update embedding_space set garbage = 0"):
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InsufficientPrivilege)), store.database.transaction("collector") as c:
            assert c.execute(attack.encode()).rowcount != 0
    with pytest.raises(psycopg.errors.InvalidTransactionState, match="read committed"), store.database.session("collector") as c:
        c.execute("begin isolation level repeatable read")
        c.execute("select move_horizon(hold_horizon() + 1)")


def test_a_session_whose_server_went_away_says_so_in_one_sentence() -> None:
    database = session.store("rights").database
    with pytest.raises(TransientError, match="the database went away"), database.session("collector") as c:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("select pg_terminate_backend(%s, 10000)", (c.info.backend_pid,))
        c.execute("select 1")


def without_ids(release: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a release shows without the numbers of its rows: two knowledge bases need not number alike."""
    digest, rows, documents, words, found = release
    return digest, sorted(row[1:] for row in rows), sorted(document[1:] for document in documents), words, found


def killed_at(name: str, moment: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kb_platform_tests.storage.killed_maintenance", name, str(moment), "3"], env=dict(os.environ),
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("every", [30, pytest.param(9, marks=pytest.mark.endurance)])
def test_killed_at_any_moment_it_is_continued_by_the_next_run_and_ends_the_same(every: int) -> None:
    peaceful, killed = session.store(f"peaceful{every}"), session.store(f"killed{every}")
    for store in (peaceful, killed):
        random_history(MadeReleases(store.database), 21, 10)
    live = live_release(killed.database)
    assert live is not None
    answers = shown(killed.database, live)
    through = killed_at(f"peaceful{every}", -1)
    assert through.returncode == 0, through.stderr
    hits = 0
    for moment in range(4, int(through.stdout) + 40, every):  # each run goes further than the one before: it has less left to do
        done = killed_at(f"killed{every}", moment)
        assert shown(killed.database, live) == answers
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        hits += 1
    assert hits > (3 if every < 10 else 1)
    kept = horizon_of(peaceful.database)
    assert horizon_of(killed.database) == kept
    for release in range(kept, live + 1):
        assert without_ids(shown(killed.database, release)) == without_ids(shown(peaceful.database, release))
    for table in ("chunk", "document_version", "term_df", "vector"):
        count = f"select count(*) from {table}"
        assert run(killed.database, count) == run(peaceful.database, count), table
    last = collected(killed, 3)
    assert sum(last.collected.rows.values()) == 0
    assert space_indexes(killed.database) == space_indexes(peaceful.database)
    assert isinstance(last.collected, Collected)
