"""The way of the data, top to bottom. Read this file first.

    per source and day   raw_documents -> chunks -> embeddings -> vector_index
    then, once           release_candidate -> (gates: checks.py) -> promoted_release
    off-peak             maintenance

Each body calls one domain function and reports what it did. Every step may be run again with the same result; every step
writes before it points; only promoted_release moves the pointer. A step brings along what earlier days have left pending.

Each body imports its function itself: loading the code location must cost no more than Dagster does (bench/import_time.py).
"""

from collections.abc import Sequence
from typing import Any, cast

import dagster as dg

from kb_platform.components.executors.choice import steps_apart
from kb_platform.components.knowledge_base.catalog import details
from kb_platform.components.knowledge_base.day_metadata import describe_days
from kb_platform.components.knowledge_base.metadata import describe
from kb_platform.components.knowledge_base.perseverance import persevering
from kb_platform.components.knowledge_base.report_metadata import release_history
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, SourceModel
from kb_platform.components.knowledge_base.shard_assets import sharded_embeddings
from kb_platform.components.knowledge_base.steps import days_of, run_days
from kb_platform.components.knowledge_base.upkeep_metadata import upkeep_metadata
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources.platform import Platform


def source_assets(kb: KnowledgeBase, source: SourceModel, model: KnowledgeBaseModel) -> Sequence[dg.AssetsDefinition]:
    """Return the chain of one source, partitioned by day."""
    by_day = {"partitions_def": days_of(kb), "backfill_policy": dg.BackfillPolicy.single_run()}

    def shown(asset: str, *kinds: str) -> dict[str, Any]:
        return by_day | details(kb, asset, kinds, folder=source.name, owners=source.owners or model.owners)

    @dg.asset(**shown("raw_documents", source.kind, "parquet"))
    @persevering
    def raw_documents(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What the source delivered that day: bytes, metadata and deletions, kept for ever."""
        from kb_platform.ingest.capture import capture_source

        store = platform.store(kb)
        report = capture_source(store, kb.source(source.name), run_days(context), context.run.run_id, platform.progress)
        return describe_days(context, store.database, source.name, report)

    @dg.asset(deps=[raw_documents], **shown("chunks", "llamaindex", "parquet"))
    @persevering
    def chunks(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Parsed, cleaned and split; counted in the model's tokens."""
        from kb_platform.index.chunk_deliveries import chunk_deliveries

        return describe(chunk_deliveries(platform.store(kb), kb, source.name, run_days(context), platform.progress))

    @dg.asset(deps=[chunks], pool=kb.gpu_pool, **shown("embeddings", "openvino", "postgres"))
    @persevering
    def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Vectors of the texts that were never seen in this space."""
        from kb_platform.index.embed_deliveries import embed_deliveries

        may_go_on = platform.allowance(kb)
        report = embed_deliveries(platform.store(kb), kb, source.name, run_days(context), platform.embedder, platform.progress, may_go_on)
        return describe(report, {"left_because": may_go_on.refusal} if report.vectors_left else None)

    @dg.asset(deps=[embeddings], **shown("vector_index", "postgres", "pgvector"))
    @persevering
    def vector_index(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What changed, written into the open candidate: rows inserted, rows closed, the others untouched."""
        from kb_platform.release.candidate import apply_deliveries

        return describe(apply_deliveries(platform.store(kb), kb, source.name, run_days(context), context.run.run_id, platform.progress))

    in_shards = sharded_embeddings(kb, source.name, shown("embeddings", "postgres")) if steps_apart() else None
    return _assets(raw_documents, chunks, in_shards or embeddings, vector_index)


def release_assets(kb: KnowledgeBase, model: KnowledgeBaseModel) -> Sequence[dg.AssetsDefinition]:
    """Return the release chain: the sealed candidate, and the pointer behind its gates."""
    indexes = [dg.AssetKey([kb.name, source.name, "vector_index"]) for source in kb.sources]

    @dg.asset(deps=indexes, **details(kb, "release_candidate", ["postgres"], owners=model.owners, about=model.description))
    @persevering
    def release_candidate(platform: Platform) -> dg.MaterializeResult:
        """The candidate, sealed: its content has a digest, and verdicts are about that digest."""
        from kb_platform.release.candidate import seal_candidate

        return describe(seal_candidate(platform.store(kb), kb, platform.progress))

    @dg.asset(deps=[release_candidate], **details(kb, "promoted_release", ["postgres"], owners=model.owners, about=model.description))
    @persevering
    def promoted_release(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """What readers see: one row that points to a release which passed its gates."""
        from kb_platform.release.promote import promote_candidate

        store = platform.store(kb)
        return describe(promote_candidate(store, f"run {context.run.run_id[:8]}"), release_history(store.database))

    return _assets(release_candidate, promoted_release)


def upkeep_assets(kb: KnowledgeBase, model: KnowledgeBaseModel) -> Sequence[dg.AssetsDefinition]:
    """Return what keeps the index small and quick."""
    promoted = dg.AssetKey([kb.name, "promoted_release"])

    @dg.asset(deps=[promoted], **details(kb, "maintenance", ["postgres", "pgvector"], owners=model.owners, about=model.description))
    @persevering
    def maintenance(platform: Platform) -> dg.MaterializeResult:
        """What no kept release shows, deleted; worn indexes, built anew; what the disk holds. Left alone while a refresh writes."""
        from kb_platform.release.maintenance import maintain

        return dg.MaterializeResult(metadata=upkeep_metadata(maintain(platform.store(kb), kb, platform.progress)))

    return _assets(maintenance)


def _assets(*decorated: object) -> Sequence[dg.AssetsDefinition]:
    """Type checkers see the functions; Dagster's decorator has made them assets."""
    return cast(Sequence[dg.AssetsDefinition], decorated)
