"""Which executor jobs have, and which tags: as KB_STEPS says. What starts pods is loaded only where pods are started."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from kb_platform.components.executors.pod_config import TAG, pod_config
from kb_platform.knowledge.compute import Compute, PodCompute
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import current_settings

if TYPE_CHECKING:
    from kb_platform.components.executors.watching import WatchingStepHandler


def in_pods() -> bool:
    """Tell whether steps run in pods of their own."""
    return current_settings().steps == "kubernetes"


def steps_apart() -> bool:
    """Tell whether steps run outside the process of their run, so that many may run side by side."""
    return current_settings().steps != "in_process"


def step_executor(compute: Compute) -> dg.ExecutorDefinition:
    """Return the executor of jobs whose steps may be long: one process for all of them, a process for each, or a pod for each."""
    steps = current_settings().steps
    if steps == "in_process":
        return dg.in_process_executor
    return _pods(compute) if steps == "kubernetes" else _processes(compute)


def pod_tags(kb: KnowledgeBase, pod: PodCompute) -> Mapping[str, Any]:
    """Return the tags of an op, or of a job, whose step or run has a pod; none where there are no pods."""
    return {TAG: pod_config(pod, kb.name)} if in_pods() else {}


def _pods(compute: Compute) -> dg.ExecutorDefinition:
    @dg.executor(name="step_pods", config_schema=_looking(10), requirements=dg.multiple_process_executor_requirements())
    def step_pods(context: dg.InitExecutorContext) -> dg.Executor:
        from kb_platform.components.executors.step_pods import pod_step_handler

        return _watching(pod_step_handler(context.instance), compute, context)

    return step_pods


def _processes(compute: Compute) -> dg.ExecutorDefinition:
    @dg.executor(name="step_processes", config_schema=_looking(1), requirements=dg.multiple_process_executor_requirements())
    def step_processes(context: dg.InitExecutorContext) -> dg.Executor:
        from kb_platform.components.executors.step_processes import ProcessStepHandler

        return _watching(ProcessStepHandler(), compute, context)

    return step_processes


def _watching(handler: "WatchingStepHandler", compute: Compute, context: dg.InitExecutorContext) -> dg.Executor:
    from kb_platform.components.executors.watching import StartingAgainExecutor

    look_every = cast(int, context.executor_config["look_every_seconds"])
    return StartingAgainExecutor(handler, redo=compute.redo, max_concurrent=compute.max_parallel, look_every=look_every)


def _looking(seconds: int) -> Mapping[str, dg.Field]:
    return {"look_every_seconds": dg.Field(int, default_value=seconds, description="Seconds between two looks at a step that has not ended.")}
