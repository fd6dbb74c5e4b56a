"""The two ways between the knowledge base and its reviewers: cases go out to Temporal, decisions come back from the database.

Each way has a sensor of its own, so that a Temporal that is down keeps back no decision. What is due follows from the database, not
from a cursor: a tick that is killed, late or doubled costs nothing. A promotion that decisions make possible is a run like any other.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_platform.components.executors.choice import pod_tags
from kb_platform.components.knowledge_base.promotion_requests import TAG, Promotion, promotion_request
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:  # the class that define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

UNCONFIGURED = "no review service: KB_REVIEW_TEMPORAL_ADDRESS is unset, and cases wait in the database (kb review list)"


def review_sensors(kb: KnowledgeBase, promote: "AssetJob") -> Sequence[dg.SensorDefinition]:
    """Return both."""
    return [_hand_off(kb), _decisions(kb, promote)]


def promote_job(kb: KnowledgeBase) -> "AssetJob":
    """Return the job that moves the pointer and does nothing else: a whole release job would reopen what was reviewed."""
    return dg.define_asset_job(
        f"{kb.name}_promote", selection=dg.AssetSelection.assets(dg.AssetKey([kb.name, "promoted_release"])), tags=pod_tags(kb, kb.compute.run_pods),
        executor_def=dg.in_process_executor, description="Promotes the candidate as it is; the database refuses it if a gate has not passed.")


def _hand_off(kb: KnowledgeBase) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{kb.name}_review_hand_off", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a review in Temporal for every case that needs a person, and withdraws those that no longer do.")
    def hand_off(_context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from kb_platform.knowledge.errors import TransientError
        from kb_platform.resources import open_store
        from kb_platform.resources.reviews import review_address

        address = review_address()
        if address is None:
            return dg.SkipReason(UNCONFIGURED)
        from kb_platform.review.hand_off import hand_off as hand_over
        from kb_platform.storage.review_ledger import backlog

        try:
            store = open_store(kb.name)
            done, left = hand_over(store, kb, address), backlog(store.database)
        except TransientError as error:
            return dg.SkipReason(str(error))
        told = f"{done.started} started, {done.withdrawn} withdrawn; {left.said()}"  # not logged as well: a log is a file a tick, for ever
        return dg.SensorResult(skip_reason=f"{told}: {done.trouble}" if done.trouble else told,
                               asset_events=[_observed(kb, left.numbers())] if done.started or done.withdrawn else [])

    return hand_off


def _decisions(kb: KnowledgeBase, promote: "AssetJob") -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{kb.name}_review_decisions", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING, job=promote,
        description="Applies what reviewers decided, each decision once, and promotes the candidate where that makes it possible.")
    def decisions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from kb_platform.knowledge.errors import TransientError
        from kb_platform.resources import open_store
        from kb_platform.resources.reviews import decisions_url

        url = decisions_url()
        if url is None:
            return dg.SkipReason(UNCONFIGURED)
        from kb_platform.review.decisions import accepted_candidate, apply_decisions

        try:
            database = open_store(kb.name).database
            done, name = apply_decisions(database, url), accepted_candidate(database)
        except TransientError as error:
            return dg.SkipReason(str(error))
        if done.trouble:
            context.log.error(done.trouble)
        for end in done.applied:
            context.log.info(f"review {end.review_id}: {end.effect} {end.note}".rstrip())
        promotion = promotion_request(context.instance, promote.name, name) if name else None
        told = "; ".join(filter(None, (f"{len(done.applied)} decisions applied", done.trouble, promotion and promotion.note)))
        due = promotion if promotion and promotion.due else None
        return dg.SensorResult(
            run_requests=[_request(kb, due)] if due else [], skip_reason=None if due else told,
            asset_events=[_observed(kb, {"review": end.review_id, "case": end.case_id, "kind": end.kind, "effect": end.effect,
                                         "note": end.note}) for end in done.applied])

    return decisions


def _request(kb: KnowledgeBase, promotion: Promotion) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{kb.name}/{promotion.name}/{promotion.attempt}", tags={TAG: promotion.name})


def _observed(kb: KnowledgeBase, metadata: dict[str, Any]) -> dg.AssetObservation:
    return dg.AssetObservation(dg.AssetKey([kb.name, "release_candidate"]), metadata=metadata)
