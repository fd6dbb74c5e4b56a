"""What a data team writes in defs.yaml, and its way to the domain's frozen values.

Descriptions go through `Resolver.default`: Dagster drops those of plain pydantic fields from the schema that editors show.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import ConfigDict, Field, field_validator

from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source

NAME = r"^[a-z][a-z0-9_]{0,47}$"
Slice = Mapping[str, float]


def described(text: str, **more: Any) -> Any:
    """Return a resolver that keeps the description in the component's schema."""
    return dg.Resolver.default(description=text, **more)


class Strict(dg.Model):
    """Unknown keys are typos: refuse them."""

    model_config = ConfigDict(extra="forbid")


class SourceModel(Strict, dg.Resolvable):
    """One source of documents."""

    name: Annotated[str, Field(pattern=NAME), described("Part of the asset keys: <kb>/<source>/raw_documents.")]
    kind: Annotated[Literal["files", "jsonl"], described("files: a folder of .md .txt .html .pdf .docx; jsonl: documents.jsonl.")]
    path: Annotated[str, described("Folder or file; relative to this YAML file. ~ is the home folder.")]
    searchable: Annotated[list[str], described("Metadata fields that join the text index, e.g. synonyms.")] = []
    context: Annotated[list[str], described("Metadata fields that the embedder reads in front of each chunk.")] = []
    include: Annotated[list[str], described("files: glob patterns of what to read; empty reads every known format.")] = []
    exclude: Annotated[list[str], described("files: glob patterns of what to leave out.")] = []
    owners: Annotated[list[str], described("E-mail addresses or team:name.")] = []


class GateModel(Strict, dg.Resolvable):
    """The golden gate: floors, and the paired comparison with the live release."""

    floors: Annotated[
        Mapping[str, float], described("Success@5 floor by slice; `all` is every query, `critical` every critical one.")
    ] = {}
    min_effect: Annotated[float, Field(ge=0, le=1), described("Smallest loss against the live release that counts.")] = 0.02
    alpha: Annotated[float, Field(gt=0, lt=1), described("Error level of the paired tests, over all slices.")] = 0.05
    max_failed_share: Annotated[float, Field(ge=0, le=1), described("Share of documents that may fail to parse.")] = 0.1
    index_recall: Annotated[float, Field(gt=0, le=1), described("Recall@10 of the index against exact search.")] = 0.95


class ScheduleModel(Strict, dg.Resolvable):
    """When the daily refresh runs. Embedding is heavy: choose an off-peak hour."""

    cron: Annotated[str, described("Five fields, in the knowledge base's time zone.")] = "0 2 * * *"
    enabled: Annotated[bool, described("Start the schedule with the deployment; otherwise switch it on in the UI.")] = False


class KnowledgeBaseModel(Strict, dg.Resolvable):
    """Every key of defs.yaml under `attributes`."""

    name: Annotated[str, Field(pattern=NAME), described("Names the asset group and the schema kb_<name>.")]
    sources: Annotated[list[SourceModel], Field(min_length=1), described("Where documents come from; one asset chain each.")]
    start_date: Annotated[str, described("First day that can be delivered, YYYY-MM-DD.")]
    timezone: Annotated[str, described("IANA time zone in which days begin.")] = "UTC"
    description: Annotated[str, described("One sentence for the lineage graph.")] = ""
    owners: Annotated[list[str], described("E-mail addresses or team:name.")] = []
    gate: Annotated[GateModel, described("What must hold before a release is promoted.")] = GateModel()
    search: Annotated[Mapping[str, float], described("Retrieval weights; docs/configure-a-knowledge-base.md lists them.")] = {}
    schedule: Annotated[ScheduleModel, described("When the daily refresh runs.")] = ScheduleModel()

    @field_validator("start_date")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        dt.date.fromisoformat(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"{value!r} is no IANA time zone, for example Europe/Berlin") from error
        return value


def to_knowledge_base(model: KnowledgeBaseModel, folder: Path) -> KnowledgeBase:
    """Return the domain's value; relative paths become absolute against the folder of the YAML."""
    return KnowledgeBase(
        name=model.name,
        folder=folder,
        sources=tuple(_to_source(s, folder) for s in model.sources),
        start_date=dt.date.fromisoformat(model.start_date),
        timezone=model.timezone,
        gate={"floors": dict(model.gate.floors), "min_effect": model.gate.min_effect, "alpha": model.gate.alpha},
        search=dict(model.search),
        max_failed_share=model.gate.max_failed_share,
        index_recall=model.gate.index_recall,
    )


def _to_source(model: SourceModel, folder: Path) -> Source:
    options: dict[str, Any] = {"path": str((folder / Path(model.path).expanduser()).resolve())}
    if model.kind == "files":
        options |= {"include": list(model.include), "exclude": list(model.exclude)}
    return Source(name=model.name, kind=model.kind, options=options, searchable=tuple(model.searchable), context=tuple(model.context))
