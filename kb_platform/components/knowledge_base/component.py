"""The component type: one defs.yaml becomes a knowledge base's assets, checks, jobs and schedule.

`assets.py` is the file to read first: the way of the data, top to bottom.
"""

from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import BaseModel

from kb_platform.components.gpu_window import own_window_sensors
from kb_platform.components.knowledge_base.alert_sensor import alert_sensors
from kb_platform.components.knowledge_base.assets import release_assets, source_assets, upkeep_assets
from kb_platform.components.knowledge_base.automation import jobs_of, schedules_of, upkeep_job_of
from kb_platform.components.knowledge_base.checks import gate_checks, verified_check
from kb_platform.components.knowledge_base.embed_again import embed_again_sensor
from kb_platform.components.knowledge_base.review_sensors import promote_job, review_sensors
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, to_knowledge_base
from kb_platform.components.knowledge_base.sensors import next_step_sensors
from kb_platform.components.knowledge_base.validate import require_name_of_folder


class KnowledgeBase(dg.Component, KnowledgeBaseModel):
    """A gated, versioned index over a set of sources, refreshed by the day."""

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Return what `attributes` is read with: as it stands, so that commands and Dagster read the same."""
        return KnowledgeBaseModel

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003  Dagster's signature
        """Return the component that has these attributes, which are valid."""
        read = attributes or KnowledgeBaseModel.model_validate({})  # which says what is missing
        return cls.model_construct(read.model_fields_set, **dict(read))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return everything that Dagster shows for this knowledge base."""
        folder = Path(context.path)
        require_name_of_folder(self.name, folder)
        kb = to_knowledge_base(self, folder)
        per_source = [asset for source in self.sources for asset in source_assets(kb, source, self)]
        jobs, upkeep, promote = jobs_of(kb), upkeep_job_of(kb), promote_job(kb)
        return dg.Definitions(
            assets=[*per_source, *release_assets(kb, self), *upkeep_assets(kb, self)],
            asset_checks=[*gate_checks(kb), verified_check(kb)],
            jobs=[*jobs.values(), upkeep, promote],
            schedules=schedules_of(self, jobs, upkeep),
            sensors=[
                *next_step_sensors(kb, jobs), *own_window_sensors(kb),
                embed_again_sensor(kb, jobs["embed"], enabled=self.schedule.enabled), *review_sensors(kb, promote),
                *alert_sensors(kb, self.schedule),
            ],
        )
