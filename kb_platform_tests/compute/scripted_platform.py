"""A platform whose embedder writes down what it was asked, and may kill its process: for steps in processes of their own."""

import hashlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import dagster as dg
import numpy as np

from kb_platform.components.loading import load_knowledge_bases
from kb_platform.index.embed import Embedder, never
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.resources.platform import Platform

FOLDER, NAME = "KB_TEST_ASKED", "KB_TEST_NAME"


class ScriptedEmbedder:
    """Vectors by the hash of their text. `asked` in the folder has a line for each group: which step, process and texts.

    `dying` in the folder says which shard's process kills itself at which of its groups, and how often that happens; `killed` has their pids.
    """

    def __init__(self, space: EmbeddingSpace) -> None:
        self.space, self._lock, self._groups = space, Lock(), 0

    def embed(self, texts: Sequence[str], given_up: Callable[[], bool] = never) -> np.ndarray:
        with self._lock:  # one group at a time, as on a device
            with (Path(os.environ[FOLDER]) / "asked").open("a") as asked:
                asked.write(f"{os.environ.get('DAGSTER_RUN_STEP_KEY')} {os.getpid()} {' '.join(text.split()[1] for text in texts)}\n")
            self._groups += 1
            self._die()
        found = np.stack([np.frombuffer(hashlib.sha256(text.encode()).digest()[: self.space.dimension], np.uint8) for text in texts])
        return found.astype(np.float32) / np.linalg.norm(found, axis=1, keepdims=True)

    def _die(self) -> None:
        dying, killed = (Path(os.environ[FOLDER]) / name for name in ("dying", "killed"))
        if not dying.exists():
            return
        shard, group, times = json.loads(dying.read_text())
        before = killed.read_text().split() if killed.exists() else []
        if f"[{shard}]" in os.environ.get("DAGSTER_RUN_STEP_KEY", "") and self._groups == group and len(before) < times:
            killed.write_text(" ".join([*before, str(os.getpid())]))
            os.kill(os.getpid(), signal.SIGKILL)

    def embed_query(self, text: str) -> np.ndarray:
        return self.embed([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.embed(texts)

    def unread(self, text: str) -> tuple[list[str], float]:  # noqa: ARG002  the protocol's
        return [], 0.0


class ScriptedPlatform(Platform):
    """The platform with that embedder."""

    def embedder(self, space: EmbeddingSpace) -> Embedder:
        return ScriptedEmbedder(space)


def embed_job() -> dg.JobDefinition:
    """Return the embed job of the knowledge base under test, as a step's process finds it."""
    return _definitions().resolve_job_def(f"{os.environ[NAME]}_embed")


def embed_job_in_one_process() -> dg.JobDefinition:
    """Return a job of the same steps, one after the other in the process that executes it."""
    assets = dg.AssetSelection.assets(dg.AssetKey([os.environ[NAME], "docs", "embeddings"]))
    job = dg.define_asset_job("in_one_process", selection=assets, executor_def=dg.in_process_executor)
    return dg.Definitions.merge(_definitions(), dg.Definitions(jobs=[job])).resolve_job_def("in_one_process")


def _definitions() -> dg.Definitions:
    found = load_knowledge_bases(Path(os.environ["KB_DEFS"]) / os.environ[NAME])
    return dg.Definitions.merge(found, dg.Definitions(resources={"platform": ScriptedPlatform()}))
