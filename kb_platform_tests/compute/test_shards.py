"""A large delivery is embedded in shards side by side; a shard whose process is killed is redone alone, and repeats little."""

import datetime as dt
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import dagster as dg
import numpy as np
import pytest
import yaml
from dagster._core.definitions.reconstruct import ReconstructableJob
from hypothesis import given
from hypothesis import strategies as st

from kb_platform.cli import session
from kb_platform.index.chunk_files import SCHEMA, chunk_file
from kb_platform.index.embed_deliveries import GROUP, ON_THEIR_WAY, embed_deliveries
from kb_platform.index.pipeline import pipeline_of
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.shards import WHOLE, shard_of, shards_of
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.local.dagster_home import open_instance
from kb_platform.settings import Settings
from kb_platform.storage.captures import KnownDocument, pending_captures, record_capture
from kb_platform.storage.stores import Store
from kb_platform.storage.vectors import register_space, store_vectors
from kb_platform_tests.compute.scripted_platform import FOLDER, NAME, ScriptedEmbedder, embed_job, embed_job_in_one_process

A_DOCUMENT, WORKERS, KILLS, KILLED_AT = 200, 2, 2, 3  # the third group of texts of a process
DAY = dt.date(2026, 1, 1)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=200), st.integers(1, 50))
def test_every_text_is_in_exactly_one_shard(hashes: list[bytes], shard_texts: int) -> None:
    shards = shards_of(len(hashes), shard_texts)
    assert len(shards) == -(-len(hashes) // shard_texts)
    assert all([shard.holds(h) for shard in shards].count(True) == 1 for h in hashes)
    assert all(WHOLE.holds(h) for h in hashes)
    assert [shard_of(shard.key) for shard in shards] == list(shards)


def test_a_name_of_no_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="'8' names no shard; expected 3_of_8"):
        shard_of("8")


def made_kb(home: Path, name: str, shard_texts: int, **schedule: float) -> tuple[KnowledgeBase, Store]:
    folder = home / "defs" / name
    folder.mkdir(parents=True)
    body = {"name": name, "start_date": str(DAY), "sources": [{"name": "docs", "kind": "files", "path": "documents"}],
            "embedding": {"dimension": 8}, "compute": {"shard_texts": shard_texts, "max_parallel": WORKERS, "redo": KILLS}, "schedule": schedule}
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    return session.knowledge_base(name), session.store(name)


def rows(space: EmbeddingSpace, count: int) -> Iterator[dict[str, object]]:
    for document in range(count // A_DOCUMENT):
        texts = [f"text {number}" for number in range(document * A_DOCUMENT, (document + 1) * A_DOCUMENT)]
        chunks = [{"ordinal": i, "content": text, "context": "", "text_hash": space.text_hash(text)} for i, text in enumerate(texts)]
        yield {"doc_id": str(document), "deleted": False, "chunks": chunks}


def deliver(kb: KnowledgeBase, store: Store, texts: int) -> None:
    """Enter a day's delivery whose chunks are there, without parsing anything."""
    record_capture(store.database, source="docs", day=DAY, file="raw", digest=bytes(32), upserted=[KnownDocument("0", bytes(32), "")],
                   deleted=[], restamped=[], run_id="made")
    pipeline = pipeline_of(kb, "docs")
    (capture,) = pending_captures(store.database, "docs", pipeline.fingerprint, DAY)
    store.objects.write(chunk_file(capture, pipeline.fingerprint), SCHEMA, rows(pipeline.space, texts))


def digest(store: Store) -> tuple[int, str]:
    with store.database.transaction("writer") as c:
        found = c.execute("select count(*), md5(string_agg(encode(text_hash, 'hex') || embedding::text, ' ' order by text_hash)) from vector")
        (row,) = found.fetchall()
        return row[0], row[1]


def asked(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "asked").read_text().splitlines()]


@pytest.mark.parametrize(("count", "shards"), [(5_000, 2), pytest.param(200_000, 8, marks=pytest.mark.endurance)])
def test_a_worker_killed_twice_changes_no_vector_and_repeats_what_was_on_its_way(
    home: Path, served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, shards: int
) -> None:
    monkeypatch.setenv("KB_STEPS", "processes")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    name = f"disturbed{count}"
    monkeypatch.setenv(NAME, name)
    kb, store = made_kb(home, name, count // shards)
    deliver(kb, store, count)
    (tmp_path / "dying").write_text(json.dumps([f"2_of_{shards}", KILLED_AT, KILLS]))
    with open_instance(served) as instance, dg.execute_job(
        dg.reconstructable(embed_job), instance=instance, tags={"dagster/partition": str(DAY)}
    ) as result:
        assert result.success
    killed = [int(pid) for pid in (tmp_path / "killed").read_text().split()]
    assert len(set(killed)) == KILLS
    retried = [event.step_key for event in result.all_events if event.is_step_up_for_retry]
    assert retried == [f"{name}__docs__embeddings.shard[2_of_{shards}]"] * KILLS  # the dead one, and no other
    (made,) = [e.step_materialization_data.materialization for e in result.all_events if e.is_step_materialization]
    assert made.asset_key == dg.AssetKey([name, "docs", "embeddings"])
    assert (made.partition, made.metadata["vectors_computed"].value, made.metadata["vectors_left"].value) == (str(DAY), count, 0)

    groups = asked(tmp_path)
    assert {step.partition("[")[2] for step, *_ in groups} == {f"{n}_of_{shards}]" for n in range(1, shards + 1)}
    times = Counter(text for _step, _pid, *texts in groups for text in texts)
    repeated = sum(times.values()) - count
    print(f"{len(times)} texts, {repeated} embedded again after {KILLS} kills, at most {ON_THEIR_WAY * GROUP} of each")
    assert len(times) == count
    assert 0 <= repeated <= KILLS * ON_THEIR_WAY * GROUP
    lost = Counter(text for step, pid, *texts in groups if int(pid) in killed for text in texts)
    assert all(number == 1 or text in lost for text, number in times.items())

    whole, undisturbed = made_kb(home, f"un{name}", count // shards)
    deliver(whole, undisturbed, count)
    embed_deliveries(undisturbed, whole, "docs", [DAY], ScriptedEmbedder)
    assert digest(store) == digest(undisturbed)
    assert digest(store)[0] == count


FEW = 2000  # texts, in two shards


@pytest.fixture
def in_two_shards(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Store]:
    """Return what makes a knowledge base of two shards, which this process embeds one after the other."""
    monkeypatch.setenv("KB_STEPS", "processes")
    monkeypatch.setenv(FOLDER, str(tmp_path))

    def made(name: str, **schedule: float) -> Store:
        monkeypatch.setenv(NAME, name)
        kb, store = made_kb(home, name, FEW // 2, **schedule)
        deliver(kb, store, FEW)
        return store

    return made


def run_in_one_process(instance: dg.DagsterInstance, *failed: str) -> dg.JobExecutionResult:
    """Execute the job, or what failed in an earlier run of it."""
    ReconstructableJob.get_repository_definition.cache_clear()
    ReconstructableJob.get_definition.cache_clear()  # the two would return the job of the knowledge base before
    again = dg.ReexecutionOptions.from_failure(failed[0], instance) if failed else None
    tags = {"dagster/partition": str(DAY)}
    with dg.execute_job(dg.reconstructable(embed_job_in_one_process), instance=instance, tags=tags, reexecution_options=again) as result:
        return result


def test_only_the_shard_that_failed_is_executed_again_and_the_report_counts_both_runs(
    in_two_shards: Callable[..., Store], served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, embed = in_two_shards("failing"), ScriptedEmbedder.embed

    def fail_in_the_second(self: ScriptedEmbedder, texts: Sequence[str], *given_up: Callable[[], bool]) -> np.ndarray:
        if shard_of("2_of_2").holds(self.space.text_hash(texts[0])):
            raise RuntimeError("the driver is gone")
        return embed(self, texts, *given_up)

    with open_instance(served) as instance:
        with monkeypatch.context() as broken:
            broken.setattr(ScriptedEmbedder, "embed", fail_in_the_second)
            first = run_in_one_process(instance)
        assert not first.success
        done = digest(store)[0]
        assert 0 < done < FEW
        second = run_in_one_process(instance, first.run_id)
    assert second.success
    assert {event.step_key for event in second.all_events if event.is_step_start} == {
        "failing__docs__embeddings.shard[2_of_2]", "failing__docs__embeddings.report"}
    (made,) = [e.step_materialization_data.materialization for e in second.all_events if e.is_step_materialization]
    assert (made.metadata["vectors_computed"].value, made.metadata["vectors_left"].value) == (FEW, 0)
    assert sum(len(texts) for _step, _pid, *texts in asked(tmp_path)) == FEW


def test_the_shards_of_a_run_have_one_time_together(
    in_two_shards: Callable[..., Store], served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget, embed = 3, ScriptedEmbedder.embed  # seconds

    def embed_slowly(self: ScriptedEmbedder, texts: Sequence[str], *given_up: Callable[[], bool]) -> np.ndarray:
        time.sleep(budget)
        return embed(self, texts, *given_up)

    monkeypatch.setattr(ScriptedEmbedder, "embed", embed_slowly)
    store = in_two_shards("limited", embed_budget_minutes=budget / 60)
    with open_instance(served) as instance:
        result = run_in_one_process(instance)
    assert result.success
    (made,) = [e.step_materialization_data.materialization for e in result.all_events if e.is_step_materialization]
    assert "embed_budget_minutes" in str(made.metadata["left_because"].value)
    shards = {event.step_key: event.step_output_data.metadata for event in result.all_events if event.is_successful_output and "shard[" in str(event.step_key)}
    assert len(shards) == 2
    computed = [metadata["vectors_computed"].value for metadata in shards.values()]
    assert 0 in computed, "the one that came second had nothing left of it"
    assert made.metadata["vectors_left"].value == FEW - digest(store)[0]


def test_writers_of_the_same_vectors_in_another_order_do_not_end_each_other(in_two_shards: Callable[..., Store]) -> None:
    database = in_two_shards("crossing").database
    spec = pipeline_of(session.knowledge_base("crossing"), "docs").space
    register_space(database, spec)
    vectors = np.ones((20_000, spec.dimension), np.float32)
    for number in range(3):
        hashes = [hashlib.sha256(f"{number} {n}".encode()).digest() for n in range(len(vectors))]
        together = Barrier(2)

        def write(hashes: list[bytes], together: Barrier = together) -> None:
            together.wait()
            store_vectors(database, spec.space_id, hashes, vectors)

        with ThreadPoolExecutor(2) as writers:
            for done in [writers.submit(write, order) for order in (hashes, hashes[::-1])]:
                done.result()
