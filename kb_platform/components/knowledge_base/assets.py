"""The way of the data, top to bottom. Read this file first.

    per source and day   raw_documents -> chunks -> embeddings -> vector_index
    then, once           release_candidate -> (gates: checks.py) -> promoted_release

Each body calls one domain function and reports what it did. Every step may be run again with the same result; every step
writes before it points; only promoted_release moves the pointer. A step brings along what earlier days have left pending.

Each body imports its function itself: loading the code location must cost no more than Dagster does (bench/import_time.py).
"""

from collections.abc import Sequence
from typing import Any, cast

import dagster as dg

from kb_platform.components.knowledge_base.metadata import describe
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, SourceModel
from kb_platform.components.knowledge_base.steps import days_of, gate_refusals_are_permanent, run_days
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources import Platform

GPU_POOL = "gpu"


def source_assets(kb: KnowledgeBase, source: SourceModel, model: KnowledgeBaseModel) -> Sequence[dg.AssetsDefinition]:
    """Return the chain of one source, partitioned by day."""
    shared: dict[str, Any] = {
        "group_name": kb.name,
        "owners": source.owners or model.owners,
        "partitions_def": days_of(kb),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "key_prefix": [kb.name, source.name],
    }

    @dg.asset(kinds={source.kind}, description="What the source delivered that day: bytes and metadata, kept for ever.", **shared)
    def raw_documents(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        from kb_platform.ingest.capture import capture_source

        return describe(capture_source(platform.store(kb), kb.source(source.name), run_days(context), context.run.run_id))

    @dg.asset(deps=[raw_documents], kinds={"llamaindex"}, description="Parsed, cleaned and split; counted in the model's tokens.", **shared)
    def chunks(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        from kb_platform.index.chunk_deliveries import chunk_deliveries

        return describe(chunk_deliveries(platform.store(kb), kb, source.name, run_days(context)))

    @dg.asset(deps=[chunks], pool=GPU_POOL, kinds={"openvino"}, description="Vectors of the texts never seen in this space.", **shared)
    def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        from kb_platform.index.embed_deliveries import embed_deliveries

        return describe(embed_deliveries(platform.store(kb), kb, source.name, run_days(context), platform.embedder))

    @dg.asset(deps=[embeddings], kinds={"postgres"}, description="The difference, written into the open candidate.", **shared)
    def vector_index(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        from kb_platform.release.candidate import apply_deliveries

        return describe(apply_deliveries(platform.store(kb), kb, source.name, run_days(context), context.run.run_id))

    return _assets(raw_documents, chunks, embeddings, vector_index)


def release_assets(kb: KnowledgeBase, model: KnowledgeBaseModel) -> Sequence[dg.AssetsDefinition]:
    """Return the release chain: the sealed candidate, and the pointer behind its gates."""
    shared: dict[str, Any] = {"group_name": kb.name, "owners": model.owners, "key_prefix": [kb.name], "kinds": {"postgres"}}
    indexes = [dg.AssetKey([kb.name, source.name, "vector_index"]) for source in kb.sources]

    @dg.asset(deps=indexes, description="The candidate, sealed: its content has a digest, and verdicts are about that digest.", **shared)
    def release_candidate(platform: Platform) -> dg.MaterializeResult:
        from kb_platform.release.candidate import seal_candidate

        return describe(seal_candidate(platform.store(kb), kb))

    @dg.asset(deps=[release_candidate], description="What readers see: one row that points to a release that passed its gates.", **shared)
    def promoted_release(platform: Platform) -> dg.MaterializeResult:
        from kb_platform.release.promote import promote_candidate

        with gate_refusals_are_permanent():
            return describe(promote_candidate(platform.store(kb)))

    return _assets(release_candidate, promoted_release)


def _assets(*decorated: object) -> Sequence[dg.AssetsDefinition]:
    """Type checkers see the functions; Dagster's decorator has made them assets."""
    return cast(Sequence[dg.AssetsDefinition], decorated)
