"""A job whose steps do what a test writes beside them: run, raise, or die."""

import datetime as dt
import os
import signal
import time
from pathlib import Path

import dagster as dg

from kb_platform.components.executors.choice import pod_tags, step_executor
from kb_platform.knowledge.compute import Compute, PodCompute
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform_tests.waiting import PATIENCE

FOLDER = "KB_TEST_STEPS"
KB = KnowledgeBase("made", Path(), (), start_date=dt.date(2026, 1, 1))
POD = PodCompute(active_deadline_seconds=600)


def step(name: str) -> dg.OpDefinition:
    @dg.op(name=name, tags=dict(pod_tags(KB, POD)), out=dg.Out(dg.Nothing))
    def body() -> None:
        folder = Path(os.environ[FOLDER])
        behaviour = (folder / f"{name}.does").read_text() if (folder / f"{name}.does").exists() else "run"
        with (folder / f"{name}.starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        so_often = len((folder / f"{name}.starts").read_text().split())
        if behaviour == "raise":
            raise RuntimeError("what the step itself says")
        if behaviour == "sleep":
            time.sleep(PATIENCE)
        if behaviour == "told once" and so_often == 1:  # as a node that is drained tells the pod's first process
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(PATIENCE)
        if behaviour.startswith("die") and so_often <= int(behaviour.split()[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    return body


def made_job(*names: str, redo: int) -> dg.JobDefinition:
    @dg.job(name="_".join(names), executor_def=step_executor(Compute(redo=redo)))
    def job() -> None:
        for name in names:
            step(name)()

    return job


def steady_dies_evicted_raises() -> dg.JobDefinition:
    return made_job("steady", "dies", "evicted", "raises", redo=2)


def mortal_homeless_replaced() -> dg.JobDefinition:
    return made_job("mortal", "homeless", "replaced", redo=1)


def asleep() -> dg.JobDefinition:
    return made_job("asleep", redo=2)
