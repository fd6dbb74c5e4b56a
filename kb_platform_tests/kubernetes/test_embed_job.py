"""The embed job on a real cluster: run launcher, run pods, and a pod with a GPU for each embedding step."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kb_platform.knowledge.shards import Shard
from kb_platform_tests.kubernetes.cluster import GPU, Namespace, eventually, image, namespace
from kb_platform_tests.kubernetes.conftest import Platform
from kb_platform_tests.kubernetes.deployment import STORE
from kb_platform_tests.kubernetes.knowledge_bases import DAY, MANY, NEVER, SHARDS
from kb_platform_tests.kubernetes.search_api import search_api

STEP, RUN = ("app.kubernetes.io/component=step_worker", "app.kubernetes.io/component=run_worker")


def pods_of(platform: Platform, run: str, kind: str = STEP) -> list[Any]:
    """Return the pods of a run's steps, or its own."""
    return platform.space.pods(f"{kind},dagster/run-id={run}")


def succeeded(platform: Platform, run: str) -> str:
    """Return what a run told, when it has succeeded."""
    assert platform.dagster.ended(run) == "SUCCESS", platform.dagster.story(run)
    return platform.dagster.story(run)


@contextmanager
def gpus_taken(platform: Platform) -> Iterator[Namespace]:
    """Hold all of the node's GPUs, each by a pod."""
    with namespace("kb-hog") as hog:
        for n in range(platform.gpus):
            container = {"name": "hog", "image": ":".join(image()), "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
                         "resources": {"limits": {GPU: "1"}}}
            spec = {"containers": [container], "tolerations": [{"key": GPU, "operator": "Exists"}], "terminationGracePeriodSeconds": 0,
                    "nodeSelector": {"kubernetes.io/hostname": platform.servers.node}}
            hog.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"hog-{n}"}, "spec": spec})
        for n in range(platform.gpus):
            hog.ready(f"hog-{n}")
        yield hog


def shard_pods(platform: Platform, run: str) -> list[Any]:
    """Return the pods of a run that embed."""
    return [pod for pod in pods_of(platform, run) if ".shard[" in step_of(pod)]


def step_of(pod: Any) -> str:
    """Return the key of a pod's step."""
    return next(variable.value for variable in pod.spec.containers[0].env if variable.name == "DAGSTER_RUN_STEP_KEY")


def waiting_pod(platform: Platform, run: str) -> Any:
    """Return the pod of a run's step, when the scheduler has found no GPU for it."""

    def waits() -> Any:
        return next((p for p in pods_of(platform, run) for c in p.status.conditions or () if c.reason == "Unschedulable"), None)

    return eventually("a step waits for a GPU", waits)


def test_a_day_goes_through_pods_of_its_own_and_what_embeds_has_the_gpu(platform: Platform) -> None:
    ingest = platform.dagster.launch("daily_ingest", DAY)
    succeeded(platform, ingest)
    embed, release = (eventually(f"{job} was started", lambda job=job: platform.dagster.newest_run_of(job)) for job in ("daily_embed", "daily_release"))
    for run in (embed, release):
        succeeded(platform, run)
    (pod,) = shard_pods(platform, embed)
    (container,) = pod.spec.containers
    assert (container.resources.requests[GPU], container.resources.limits[GPU]) == ("1", "1")
    assert (pod.spec.node_name, pod.status.phase) == (platform.servers.node, "Succeeded")
    for run in (ingest, embed, release):
        (own,) = pods_of(platform, run, RUN)
        assert GPU not in (own.spec.containers[0].resources.limits or {})
    assert [GPU in (step.spec.containers[0].resources.limits or {}) for step in pods_of(platform, embed)].count(True) == 1
    assert [pods_of(platform, run) for run in (ingest, release)] == [[], []]
    job = platform.space.batch.read_namespaced_job(pod.metadata.labels["job-name"], platform.space.name)
    assert [owner.name for owner in job.metadata.owner_references] == [p.metadata.name for p in pods_of(platform, embed, RUN)]
    with platform.database() as found:
        assert found.execute("SELECT count(*) FROM kb_daily.active").fetchone() == (1,)
    with search_api(platform.servers, "daily:read") as (_, client):  # whose vectors are of the same model as those of the pods
        assert client.knowledge_base("daily").search("At what temperature are vaccines kept?", k=1).hits[0].doc_id == "fridge"
    logs = platform.space.run("servers", ["find", f"{STORE}/objects/step-logs", "-type", "f"], container="janitor")
    assert embed in logs  # kept when the pods are gone


def test_a_step_waits_for_a_gpu_says_so_and_ends_well_when_one_is_free(platform: Platform) -> None:
    with gpus_taken(platform) as hog:
        run = platform.dagster.launch("queued_embed", DAY)
        pod = waiting_pod(platform, run)
        assert pod.status.phase == "Pending"
        eventually("the run's page says what it waits for", lambda: "Insufficient nvidia.com/gpu" in platform.dagster.story(run))
        hog.kill("hog-0")
        succeeded(platform, run)
    assert [p.metadata.name for p in shard_pods(platform, run)] == [pod.metadata.name]


def test_a_killed_pods_shard_alone_is_redone_and_goes_on_where_it_was(platform: Platform) -> None:
    with platform.database() as found:
        run = platform.dagster.launch("many_embed", DAY)

        def kept() -> Counter[int]:
            hashes = [bytes(row[0]) for row in found.execute("SELECT text_hash FROM kb_many.vector")]
            return Counter(n for n in range(1, SHARDS + 1) for text in hashes if Shard(n, SHARDS).holds(text))

        number = eventually("a shard has kept some of its texts", lambda: next(iter(kept()), None), every=0.1)
        (pod,) = [pod for pod in shard_pods(platform, run) if step_of(pod).endswith(f"[{number}_of_{SHARDS}]")]
        platform.space.kill(pod.metadata.name)
        before = kept()[number]
        succeeded(platform, run)
        after, computed = kept(), platform.dagster.numbers(run, "vectors_computed")
    assert after.total() == MANY
    assert before < after[number]
    assert platform.dagster.started(run)[step_of(pod)] == 2
    assert [n for step, n in platform.dagster.started(run).items() if step != step_of(pod)] == [1] * (SHARDS + 1)
    assert computed == {step: after[n] - (before if n == number else 0) for n in after for step in computed if f"[{n}_of_" in step}


def test_cancelling_a_run_deletes_what_waits_for_it(platform: Platform) -> None:
    with gpus_taken(platform):
        run = platform.dagster.launch("stopped_embed", DAY)
        waiting_pod(platform, run)
        platform.dagster.terminate(run)
        assert platform.dagster.ended(run) == "CANCELED"
        eventually("its pods are gone", lambda: not pods_of(platform, run), patience=60)


def test_a_run_whose_own_pod_is_killed_fails_and_leaves_nothing(platform: Platform) -> None:
    with gpus_taken(platform):
        run = platform.dagster.launch("stopped_embed", DAY)
        waiting_pod(platform, run)
        (own,) = pods_of(platform, run, RUN)
        platform.space.kill(own.metadata.name)
        eventually("its pods are gone", lambda: not pods_of(platform, run), patience=120)
        eventually("the run has failed, or is tried again", lambda: platform.dagster.status(run) == "FAILURE")
        for again in platform.dagster.unfinished("stopped_embed"):
            platform.dagster.terminate(again)
            assert platform.dagster.ended(again) == "CANCELED"
        eventually("nothing waits any more", lambda: not [p for p in platform.space.pods(STEP) if p.status.phase == "Pending"], patience=60)


def test_deleting_a_run_that_runs_leaves_nothing(platform: Platform) -> None:
    with gpus_taken(platform):
        run = platform.dagster.launch("stopped_embed", DAY)
        waiting_pod(platform, run)
        platform.dagster.delete(run)
        assert platform.dagster.status(run) == ""
        eventually("nothing of it waits or runs", lambda: not [p for kind in (STEP, RUN) for p in alive(platform, run, kind)])


def alive(platform: Platform, run: str, kind: str = STEP) -> list[Any]:
    """Return the pods of a run that have not ended."""
    return [pod for pod in pods_of(platform, run, kind) if pod.status.phase in ("Pending", "Running")]


def test_a_step_that_no_node_takes_fails_at_its_deadline_and_says_what_it_asked_for(platform: Platform) -> None:
    run = platform.dagster.launch("never_embed", DAY)
    assert platform.dagster.ended(run) == "FAILURE"
    story = platform.dagster.story(run)
    assert "no node took its pod within 60 s" in story
    assert f"{NEVER} 1" in story
    assert f"Insufficient {NEVER}" in story
    assert set(platform.dagster.started(run).values()) == {1}
    assert not alive(platform, run)
