"""The catalog says what is there: every asset has columns, a version, owners; every report becomes numbers, tables and links."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from kb_platform.components.knowledge_base.assets import release_assets, source_assets, upkeep_assets
from kb_platform.components.knowledge_base.catalog import CODE_VERSIONS, COLUMNS
from kb_platform.components.knowledge_base.metadata import metadata_of
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, SourceModel, to_knowledge_base
from kb_platform.index.chunk_files import SCHEMA as CHUNKS
from kb_platform.ingest.raw_files import SCHEMA as RAW
from kb_platform.ingest.sources import settings_model, source_kinds
from kb_platform.knowledge.documents import DocumentFailure

MODEL = KnowledgeBaseModel(
    name="made", start_date="2026-01-01", description="What is made.", owners=["team:knowledge"],
    sources=[SourceModel(name="docs", kind="files", path="documents", owners=["team:pharmacy"])],
)


@dataclass(frozen=True)
class Report:
    rows: int
    file: str | None
    note: str | None = None
    digest: bytes | None = None
    failures: tuple[DocumentFailure, ...] = ()


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    kb = to_knowledge_base(MODEL, Path("/nowhere"))
    assets = [*source_assets(kb, MODEL.sources[0], MODEL), *release_assets(kb, MODEL), *upkeep_assets(kb, MODEL)]
    return {spec.key.path[-1]: spec for asset in assets for spec in asset.specs}


def test_every_asset_has_a_description_columns_and_a_code_version(specs: dict[str, dg.AssetSpec]) -> None:
    assert specs.keys() == COLUMNS.keys() == CODE_VERSIONS.keys()
    for name, spec in specs.items():
        assert spec.description.endswith("."), name
        assert spec.code_version == CODE_VERSIONS[name]
        columns = spec.metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns), name


def test_the_files_columns_are_those_of_the_catalog(specs: dict[str, dg.AssetSpec]) -> None:
    for name, schema in (("raw_documents", RAW), ("chunks", CHUNKS)):
        shown = [(c.name, c.type) for c in specs[name].metadata["dagster/column_schema"].columns]
        assert shown == [(field.name, str(field.type).split("<")[0]) for field in schema]


def test_a_sources_owners_win_over_those_of_the_knowledge_base(specs: dict[str, dg.AssetSpec]) -> None:
    assert list(specs["chunks"].owners) == ["team:pharmacy"]
    assert list(specs["release_candidate"].owners) == ["team:knowledge"]


def test_the_releases_carry_the_knowledge_bases_own_sentence(specs: dict[str, dg.AssetSpec]) -> None:
    assert specs["promoted_release"].metadata["knowledge_base"] == "What is made."


def test_reports_become_row_counts_links_and_hex_and_what_is_empty_is_left_out() -> None:
    assert metadata_of(Report(3, "s3://kb/a.parquet", digest=b"\x01\xff")) == {
        "dagster/row_count": 3, "dagster/uri": "s3://kb/a.parquet", "digest": "01ff",
    }
    assert metadata_of(Report(0, None)) == {"dagster/row_count": 0}


def test_documents_that_failed_are_a_table() -> None:
    table = metadata_of(Report(1, None, failures=(DocumentFailure("a", "a.pdf", "is encrypted"),)))["failures"]
    assert [record.data for record in table.records] == [{"doc_id": "a", "source_object": "a.pdf", "reason": "is encrypted"}]


def test_what_a_source_may_be_told_has_the_defaults_of_its_kind() -> None:
    for kind in source_kinds():
        options = to_knowledge_base(MODEL.model_copy(update={"sources": [SourceModel(name="s", kind=kind, path="x")]}), Path("/")).sources[0].options
        known = settings_model(kind).model_fields
        assert options.keys() == known.keys() - {"kind"}
        assert all(list(field.default) == options[n] if isinstance(field.default, tuple) else field.default == options[n]
                   for n, field in known.items() if n not in ("kind", "path"))


def test_what_only_files_know_is_refused_for_other_kinds() -> None:
    with pytest.raises(ValidationError, match="include: only for sources of kind files"):
        SourceModel(name="s", kind="jsonl", path="x", include=["*.md"])
