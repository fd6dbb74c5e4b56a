"""Small pieces that every asset body shares: its days."""

import datetime as dt

import dagster as dg

from kb_platform.knowledge.knowledge_base import KnowledgeBase


def days_of(kb: KnowledgeBase) -> dg.DailyPartitionsDefinition:
    """Return the days of a knowledge base; today is one of them, so that a team can refresh now."""
    return dg.DailyPartitionsDefinition(kb.start_date.isoformat(), timezone=kb.timezone, end_offset=1)


def run_days(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[dt.date]:
    """Return the days that this run is about: one, or a whole range in a backfill."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]
