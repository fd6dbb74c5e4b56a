"""The embeddings asset where steps run apart: one asset for whoever looks, behind it plan -> a step for each shard -> report.

Values do not go from step to step, which would need storage that their pods share: a shard's name says which texts are its own, and what the
plan counted is in the event log. Beside what the steps do themselves it is as the asset of one step: key, metadata, pool.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_platform.components.executors.choice import pod_tags
from kb_platform.components.knowledge_base.metadata import metadata_of
from kb_platform.components.knowledge_base.perseverance import persevere, persevering
from kb_platform.components.knowledge_base.steps import run_days
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.shards import shard_of
from kb_platform.resources.platform import Platform

if TYPE_CHECKING:
    import datetime as dt

MISSING = "vectors_missing"


def sharded_embeddings(kb: KnowledgeBase, source: str, shown: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the asset; `shown` is what the catalog shows of it."""
    plan, shard, report = _plan(kb, source), _shard(kb, source), _report(kb, source)

    @dg.graph_asset(
        ins={"chunks": dg.AssetIn([kb.name, source, "chunks"], dagster_type=dg.Nothing)},
        description="Vectors of the texts that were never seen in this space.",
        **{name: value for name, value in shown.items() if name != "op_tags"},
    )
    def embeddings(chunks: Any) -> Any:
        shards, counted = plan.alias("plan")(chunks=chunks)
        embedded = shards.map(lambda start: shard.alias("shard")(start=start)).collect()
        return report.alias("report")(counted=counted, embedded=embedded)

    return embeddings


def _plan(kb: KnowledgeBase, source: str) -> dg.OpDefinition:
    @dg.op(name=_name(kb, source, "plan"), pool=kb.gpu_pool, tags=pod_tags(kb, kb.compute.run_pods), ins={"chunks": dg.In(dg.Nothing)},
           out={"shards": dg.DynamicOut(dg.Nothing), "counted": dg.Out(dg.Nothing)})
    def plan(context: dg.OpExecutionContext, platform: Platform) -> Iterator[Any]:
        """Decide how many shards there are."""
        from kb_platform.index.embed_shards import plan_shards

        planned = persevere(lambda: plan_shards(platform.store(kb), kb, source, run_days(context)))
        yield from (dg.DynamicOutput(None, mapping_key=shard.key, output_name="shards") for shard in planned.shards)
        yield dg.Output(None, output_name="counted", metadata={MISSING: planned.missing})

    return plan


def _shard(kb: KnowledgeBase, source: str) -> dg.OpDefinition:
    @dg.op(name=_name(kb, source, "shard"), pool=kb.gpu_pool, tags=pod_tags(kb, kb.compute.embed), ins={"start": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
    @persevering
    def shard(context: dg.OpExecutionContext, platform: Platform) -> dg.Output[None]:
        """Embed the texts of one shard."""
        from kb_platform.index.embed_deliveries import embed_deliveries

        mine = shard_of(context.get_mapping_key() or "")
        may_go_on = platform.allowance(kb, _first_shard_began(context) if kb.embed_budget else None)
        done = embed_deliveries(platform.store(kb), kb, source, run_days(context), platform.embedder, platform.progress, may_go_on, mine)
        return dg.Output(None, metadata=metadata_of(done) | ({"left_because": may_go_on.refusal} if done.vectors_left else {}))

    return shard


def _report(kb: KnowledgeBase, source: str) -> dg.OpDefinition:
    @dg.op(name=_name(kb, source, "report"), pool=kb.gpu_pool, tags=pod_tags(kb, kb.compute.run_pods), out=dg.Out(dg.Nothing),
           ins={"counted": dg.In(dg.Nothing), "embedded": dg.In(dg.Nothing)})
    @persevering
    def report(context: dg.OpExecutionContext, platform: Platform) -> dg.Output[None]:
        """Say what the shards have done together."""
        from kb_platform.index.embed_shards import report_shards

        missing, left_because = _planned(context), _left_because(context)
        done = report_shards(platform.store(kb), kb, source, run_days(context), missing)
        return dg.Output(None, metadata=metadata_of(done) | (left_because if done.vectors_left else {}))

    return report


def _name(kb: KnowledgeBase, source: str, step: str) -> str:
    """Return the name of an op's definition, of which a code location has one each; in its graph it is called by the step's."""
    return f"{kb.name}__{source}__embed_{step}"


def _first_shard_began(context: dg.OpExecutionContext) -> "dt.datetime":
    """Return when the run began to embed the source: its shards have one time together, however many go on at once."""
    import datetime as dt

    began = [entry.timestamp for entry in _entries(context, context.run_id, dg.DagsterEventType.STEP_START) if ".shard[" in (entry.step_key or "")]
    return dt.datetime.fromtimestamp(min(began), dt.UTC)  # the own start is among them


def _planned(context: dg.OpExecutionContext) -> int:
    """Return what the plan counted. A run that repeats what failed in another one has no plan of its own: that run's holds."""
    run: dg.DagsterRun | None = context.run
    while run is not None:
        for said in _outputs(context, run.run_id):
            if MISSING in said:
                return said[MISSING]
        run = context.instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    raise StateError("no plan of the shards in the event log", where=f"run {context.run_id}", expected="the log of the run that planned them",
                     action="start the job anew: texts that were embedded stay so")


def _left_because(context: dg.OpExecutionContext) -> dict[str, Any]:
    """Return why a shard had to stop, if one had to."""
    return next(({name: said[name]} for said in _outputs(context, context.run_id) if (name := "left_because") in said), {})


def _outputs(context: dg.OpExecutionContext, run_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield the metadata of what the source's steps have given out in a run."""
    for entry in _entries(context, run_id, dg.DagsterEventType.STEP_OUTPUT):
        if entry.dagster_event is not None:
            yield {name: value.value for name, value in entry.dagster_event.step_output_data.metadata.items()}


def _entries(context: dg.OpExecutionContext, run_id: str, kind: dg.DagsterEventType) -> list[dg.EventLogEntry]:
    """Return the entries of a kind that a run's log has about the source's steps."""
    return [entry for entry in context.instance.all_logs(run_id, of_type=kind) if (entry.step_key or "").startswith(f"{context.op_handle.parent}.")]
