"""What a data team writes in defs.yaml, and its way to the domain's frozen values; gate_schema.py has `gate`, compute_schema.py `compute`."""

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from kb_platform.components.knowledge_base.alerts_schema import AlertsModel, to_rules
from kb_platform.components.knowledge_base.compute_schema import ComputeModel, deployment_compute, to_compute
from kb_platform.components.knowledge_base.gate_schema import GateModel, to_gate, to_limits
from kb_platform.components.knowledge_base.yaml_model import Strict, described
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.gpu_window import GpuHours
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source
from kb_platform.knowledge.retention import Retention
from kb_platform.knowledge.review_cases import ReviewRules
from kb_platform.knowledge.spaces import ENDPOINT, EmbeddingChoice
from kb_platform.settings import current_settings

NAME = r"^[a-z][a-z0-9_]{0,47}$"
OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]*[A-Za-z0-9_]@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
CRON = re.compile(r"[a-vx-z0-9*/,# -]+")  # no w for the nearest working day, which Dagster does not know
FILES_ONLY = ("include", "exclude", "extra_formats")


def check_owners(owners: list[str]) -> list[str]:
    """Refuse what Dagster would refuse when it loads the code, all knowledge bases with it.

    Raises:
        ValueError: an owner is neither an e-mail address nor a team.
    """
    for owner in owners:
        if not OWNER.fullmatch(owner):
            raise ValueError(f"found {owner!r}; expected an e-mail address or team:name")
    return owners


class SourceModel(Strict):
    """One source of documents."""

    name: Annotated[str, Field(pattern=NAME), described("Part of the asset keys: <kb>/<source>/raw_documents.")]
    kind: Annotated[Literal["files", "jsonl"], described("files: a folder of .md .txt .html .pdf .docx; jsonl: documents.jsonl.")]
    path: Annotated[str, described("Folder or file; relative to this YAML file. ~ is the home folder.")]
    searchable: Annotated[list[str], described("Metadata fields that join the text index, e.g. synonyms.")] = []
    context: Annotated[list[str], described("Metadata fields that the embedder reads in front of each chunk.")] = []
    analyzer: Annotated[
        Literal["auto", "english", "french", "german", "spanish", "italian", "portuguese", "dutch", "swedish", "danish", "norwegian", "plain"],
        described("Whose endings, small words, compounds and decimals the text index knows. auto: each document's own language; plain: none."),
    ] = "auto"
    include: Annotated[list[str], described("files: patterns of what to read, as in .gitignore; empty reads every known format.")] = []
    exclude: Annotated[list[str], described("files: patterns of what to leave out.")] = []
    extra_formats: Annotated[
        list[Literal["csv", "tsv", "xml", "xlsx", "pptx", "eml"]],
        described("files: formats that are read on request: csv, tsv and xlsx tables, xml articles (JATS), pptx slides, eml messages."),
    ] = []
    text_format: Annotated[
        Literal["plain", "markdown"], described("jsonl: what `text` is written in, where a line's own field `format` does not say it.")
    ] = "plain"
    max_bytes: Annotated[int, Field(gt=0), described("A larger file, or a longer line, is reported instead of read.")] = 50 << 20
    allow_empty: Annotated[bool, described("Let a source that lost all its documents delete them all; otherwise that is an error.")] = False
    owners: Annotated[list[str], described("E-mail addresses or team:name; those of the knowledge base if left out.")] = []

    _owners = field_validator("owners")(check_owners)

    @field_validator("path")
    @classmethod
    def _is_of_this_machine(cls, value: str) -> str:
        if "://" in value:
            raise ValueError(f"found the address {value!r}; expected a folder or file of this machine: mount or copy it")
        return value

    @model_validator(mode="after")
    def _has_what_its_kind_knows(self) -> "SourceModel":
        strange = [name for name in FILES_ONLY if self.kind != "files" and getattr(self, name)]
        if strange:
            raise ValueError(f"{', '.join(strange)}: only for sources of kind files")
        if self.kind == "files" and self.text_format != "plain":
            raise ValueError("text_format: only for sources of kind jsonl; files are read as their names say")
        return self


class EmbeddingModel(Strict):
    """Model and chunker. A change opens a new embedding space beside the live one, filled from all that was ever delivered."""

    model: Annotated[
        str, described("`bundled`; a folder in sentence-transformers' layout, relative to this YAML file; `hf:ID@COMMIT` of the "
                       "Hugging Face Hub; or `endpoint:NAME`, as an OpenAI-compatible endpoint names it. docs/embedding.md."),
    ] = "bundled"
    tokenizer: Annotated[
        str | None, described("For `endpoint:NAME` only: `hf:ID@COMMIT` or a folder with the model's tokenizer.json, to count its tokens.")
    ] = None
    dimension: Annotated[
        int | None, Field(ge=8, le=4000), described("Keep the leading dimensions only; left out: all. `endpoint:NAME` needs it.")
    ] = None
    max_tokens: Annotated[int, Field(ge=64), described("Tokens that the model reads, special tokens included.")] = 256
    pooling: Annotated[Literal["mean", "cls", "lasttoken"] | None, described("Left out: what the model's folder says.")] = None
    normalize: Annotated[bool, described("Store vectors of length 1. Search goes by cosine either way.")] = True
    query_prefix: Annotated[str, described("Put in front of questions, e.g. `query: `.")] = ""
    passage_prefix: Annotated[str, described("Put in front of chunks, e.g. `passage: `.")] = ""
    content_tokens: Annotated[int, Field(ge=1), described("Most tokens of a chunk; the rest of max_tokens is for its context.")] = 200
    section_min: Annotated[int, Field(ge=1), described("A heading cuts if both sides have so many tokens.")] = 32
    piece_min: Annotated[int, Field(ge=1), described("Anything else cuts if both sides have so many tokens.")] = 64

    @model_validator(mode="after")
    def _sizes_hold(self) -> "EmbeddingModel":
        if not self.model_fields_set:
            return self
        from kb_platform.index.model_folder import chunk_parameters

        try:
            chunk_parameters(_to_choice(self))
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


class ReviewModel(Strict):
    """Who reviews cases, and how long they may take. The time counts from the moment at which reviewers can see the task."""

    roles: Annotated[list[str], Field(min_length=1), described("A reviewer has at least one of these roles.")] = ["kb-reviewer"]
    brief: Annotated[bool, described("Let the review worker's model draft a brief, where one is configured there.")] = False
    escalate_after_hours: Annotated[
        list[float], Field(max_length=10), described("When an undecided case becomes more urgent, step by step.")
    ] = [24, 72]
    expire_after_hours: Annotated[
        float, Field(gt=0, le=2160), described("When an undecided review ends; its case then stays on the list as expired.")
    ] = 168

    @model_validator(mode="after")
    def _spans_follow_each_other(self) -> "ReviewModel":
        spans = [0, *self.escalate_after_hours, self.expire_after_hours]
        if spans != sorted(set(spans)):
            raise ValueError("each of escalate_after_hours must come after the one before it, and expire_after_hours after all of them")
        return self


class ScheduleModel(Strict):
    """When the daily refresh and the maintenance run, and when texts may be embedded."""

    cron: Annotated[str, described("Five fields, in the knowledge base's time zone.")] = "0 2 * * *"
    maintenance: Annotated[
        str, described("The same for garbage collection and index maintenance: when a refresh is done. One that is not is left alone.")
    ] = "0 5 * * *"
    enabled: Annotated[bool, described("Start both schedules with the deployment; otherwise switch them on in the UI.")] = False
    gpu_hours: Annotated[
        str, described("When texts may be embedded, beside KB_GPU_HOURS and like it, in the knowledge base's time zone. Empty: KB_GPU_HOURS alone.")
    ] = ""
    embed_budget_minutes: Annotated[
        float | None, Field(gt=0), described("How long one run may embed a source, its shards together; what is left is for the next one. Left out: as long as it takes.")
    ] = None

    @field_validator("cron", "maintenance")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        from croniter import CroniterError, croniter  # Dagster's own parser is a copy of it

        try:
            if len(value.split()) == 5 and CRON.fullmatch(value.lower().replace("wed", "")):
                croniter(value).get_next()
                return value
        except (CroniterError, ValueError, KeyError, TypeError, OverflowError):
            pass
        raise ValueError(f"found {value!r}; expected five fields of cron, for example 0 2 * * *")

    @field_validator("gpu_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        try:
            _to_hours(value, "UTC")
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value


class RetentionModel(Strict):
    """How much of the past is kept. What is live, and what a candidate builds on, always is."""

    keep_releases: Annotated[
        int, Field(ge=1), described("The newest promoted releases that can be searched and rolled back to.")
    ] = Retention.keep_releases
    keep_days: Annotated[int, Field(ge=0), described("And those that were live within so many days; 0: none.")] = Retention.keep_days
    derived_days: Annotated[
        int, Field(ge=1), described("Days for which unused vectors, and chunk files, are kept. Both are made again when needed.")
    ] = Retention.derived_days
    judged_days: Annotated[
        int, Field(ge=1), described("Days for which answers and votes of models are kept; then they are asked again.")
    ] = Retention.judged_days
    dead_share: Annotated[
        float, Field(gt=0, lt=1), described("Share of dead entries from which on an index is built anew.")
    ] = Retention.dead_share


class KnowledgeBaseModel(Strict):
    """Every key of defs.yaml under `attributes`."""

    name: Annotated[str, Field(pattern=NAME), described("Names the asset group and the schema kb_<name>.")]
    sources: Annotated[list[SourceModel], Field(min_length=1), described("Where documents come from; one asset chain each.")]
    start_date: Annotated[str, described("First day that can be delivered, YYYY-MM-DD.")]
    timezone: Annotated[str, described("IANA time zone in which days begin.")] = "UTC"
    description: Annotated[str, described("One sentence, which the catalog shows with the release.")] = ""
    owners: Annotated[list[str], described("E-mail addresses or team:name.")] = []
    embedding: Annotated[EmbeddingModel, described("Model and chunker; a change opens a new embedding space.")] = EmbeddingModel()
    gate: Annotated[GateModel, described("What must hold before a release is promoted.")] = GateModel()
    review: Annotated[ReviewModel, described("Who reviews what needs a person.")] = ReviewModel()
    search: Annotated[Mapping[str, float], described("Retrieval weights; docs/yaml-reference.md lists them.")] = {}
    schedule: Annotated[ScheduleModel, described("When the daily refresh and the maintenance run.")] = ScheduleModel()
    alerts: Annotated[AlertsModel | None, described("Who is told when something needs a person; nothing tells nobody.")] = None
    retention: Annotated[RetentionModel, described("How much of the past is kept.")] = RetentionModel()
    compute: Annotated[ComputeModel, described("What pods ask of a cluster, where steps run in pods.")] = ComputeModel()

    _owners = field_validator("owners")(check_owners)

    @field_validator("sources")
    @classmethod
    def _have_names_of_their_own(cls, sources: list[SourceModel]) -> list[SourceModel]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)}: used twice; expected a name for each source")
        return sources

    @field_validator("search")
    @classmethod
    def _has_weights_that_are_known(cls, value: Mapping[str, float]) -> Mapping[str, float]:
        if value:  # else what it needs is not worth loading
            from kb_platform.index.fusion import FusionParameters

            try:
                FusionParameters.from_settings(value)
            except ConfigError as error:
                raise ValueError(f"{error.found}; expected {error.expected}") from error
        return value

    @field_validator("start_date")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if dt.date.fromisoformat(value).year < 1970:
            raise ValueError(f"found {value}; expected a day from 1970 on")
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
        embedding=_to_choice(model.embedding, folder),
        gate=to_gate(model.gate),
        judge=None if model.gate.judge is None else model.gate.judge.model_dump(),
        search=dict(model.search),
        limits=to_limits(model.gate),
        required_gates=tuple(model.gate.required_gates) if model.gate.required_gates is not None else None,
        review=_to_rules(model.review),
        allow_no_goldens=model.gate.allow_no_goldens,
        retention=Retention(**model.retention.model_dump()),
        compute=to_compute(model.compute, deployment_compute(current_settings().compute)),
        gpu_hours=_to_hours(model.schedule.gpu_hours, model.timezone),
        alerts=None if model.alerts is None else to_rules(model.alerts),
        embed_budget=dt.timedelta(minutes=minutes) if (minutes := model.schedule.embed_budget_minutes) else None,
    )


def _to_hours(text: str, timezone: str) -> tuple[GpuHours, ...]:
    return (GpuHours(text, timezone, current_settings().gpu_country),) if text else ()


def _to_rules(model: ReviewModel) -> ReviewRules:
    return ReviewRules(tuple(model.roles), model.brief, tuple(dt.timedelta(hours=h) for h in model.escalate_after_hours),
                       dt.timedelta(hours=model.expire_after_hours))


def _to_choice(model: EmbeddingModel, folder: Path = Path()) -> EmbeddingChoice:
    values = model.model_dump()
    encoder, tokenizer = _located(values.pop("model"), folder), values.pop("tokenizer")
    return EmbeddingChoice(**values, model=encoder, tokenizer=tokenizer and _located(tokenizer, folder))


def _located(model: str, folder: Path) -> str:
    return model if model == "bundled" or model.startswith(("hf:", ENDPOINT)) else _absolute(model, folder)


def _absolute(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


def _to_source(model: SourceModel, folder: Path) -> Source:
    options: dict[str, Any] = {"path": _absolute(model.path, folder), "max_bytes": model.max_bytes, "allow_empty": model.allow_empty}
    if model.kind == "files":
        options |= {name: list(getattr(model, name)) for name in FILES_ONLY}
    else:
        options["text_format"] = model.text_format
    return Source(name=model.name, kind=model.kind, options=options, searchable=tuple(model.searchable), context=tuple(model.context),
                  analyzer=model.analyzer)
