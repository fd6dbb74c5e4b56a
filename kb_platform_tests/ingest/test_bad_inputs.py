"""The set of good, broken and oddly encoded files: each ends as its manifest says."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from kb_platform.ingest.parse import WARNINGS
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.ingest.sources import Failed, Skipped, Upsert, open_source
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.documents import Document, DocumentFailure
from kb_platform_tests.ingest.made_files import Parse, raw

OUTCOMES = {
    "encrypted_both_passwords.pdf": "encrypted",
    "encrypted_writer_password.pdf": "encrypted",
    "image_only_imagemagick.pdf": r"no text on \d+ page.* \(scanned\?\)",
    "truncated_half.pdf": "truncated",
    "truncated_header_only.pdf": "truncated",
    "pdf_renamed_as.docx": "holds a PDF",
    "empty.pdf": "empty",
    "empty.docx": "empty",
    "empty.html": "empty",
    "empty.txt": "empty",
    "whitespace_only.txt": "no text",
    "random.bin": "unknown type",
    "no_coreprops.docx": "no text",
    "no_styles_part.docx": "no text",
    "tables_only.docx": "no text",
    "truncated.docx": "not a complete ZIP",
    "docx_without_document_xml.docx": "part .* is missing",
    "docx_malformed_xml.docx": "malformed XML",
    "decompression_40MiB.docx": "expands past 30 MiB",
    "docling_Strict.docx": "Strict Open XML",
    "lone_surrogate.json": "unknown type",
}
"""Files that must be refused, and why. Every other one must be read."""

HELD = {
    "good_crazyones.pdf": "The misfits. The rebels.",
    "good_multilang.pdf": "مرحبا بالعالم",
    "good_with_comment.docx": "AutoGen",
    "good_paras_and_tables.docx": "| Text before Table",
    "docling_docx_rich_cells.docx": "x² and H₂O",
    "docling_equations.docx": "A=πr²",
    "docling_docx_lists.docx": "  - List item 1.1",
    "docling_table_04.html": "After table",
    "docling_example_03.html": "Row 3, Col 3",
    "docling_html_rich_table_cells.html": "| Mallard | Ponds, lakes, rivers | Quack |",
    "cp1252.txt": "5 µg/kg, máx. 40 °C",
    "docling_csv-semicolon.csv": "| Sheryl | Baxter |",
    "mskanji_cp932.csv": "| 佐藤太郎 | 30 | 東京 |",
    "utf16le_bom.txt": "β-blocker ≤ 3",
    "latin1_declared_utf8.html": "5 µg/kg, máx. 40 °C",
    "utf8_bom.txt": "Dosis",
    "nul_bytes.txt": "Aspirin 75 mg daily",
    "bidi_and_zero_width.txt": "aspirin 75 mg daily\nnext",
    "unclosed_tags_script.html": "| dose | 75 mg |",
    "jats_pone.0234687.xml": "## Introduction",
    "jats_elife-56337.xml": "## Introduction",
}
"""What some of those that are read must hold."""

NOT_HELD = {
    "unclosed_tags_script.html": r"alert|p\{\}|hidden",
    "prompt_injection.html": "Ignore|previous|safe",
    "good_with_comment.docx": "SECRET|comment is",
    "jats_pone.0234687.xml": r"\\documentclass|\\usepackage",
}
FLAGGED = {
    "cp1252.txt": "cp1252",
    "latin1_declared_utf8.html": "cp1252",
    "mskanji_cp932.csv": "cp932",
    "mojibake_double_utf8.txt": "read as a Western",
}


@pytest.fixture(scope="module")
def manifest(shared_data: Path) -> dict[str, dict[str, str]]:
    """Return the manifest by file name."""
    return {entry["file"]: entry for entry in json.loads((shared_data / "bad_inputs" / "manifest.json").read_text())}


def names() -> list[str]:
    """Return the file names of the set; read here so that each is a test of its own."""
    import os

    folder = Path(os.environ.get("KB_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "bad_inputs" / "files"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ["absent"]


@pytest.mark.parametrize("name", names())
def test_every_file_ends_as_the_manifest_expects(
    name: str, shared_data: Path, manifest: dict[str, dict[str, str]], parse: Parse
) -> None:
    content = (shared_data / "bad_inputs" / "files" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == manifest[name]["sha256"]
    expected = manifest[name]["expect"]
    if name in OUTCOMES:
        assert "reject" in expected or "flag: no text" in expected
        with pytest.raises(DocumentUnreadable, match=OUTCOMES[name]) as caught:
            parse(name, content)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 100
        return
    assert "parse" in expected or "sniff" in expected
    document = parse(name, content)
    assert HELD.get(name, "") in document.text
    assert not re.search(NOT_HELD.get(name, r"\x00"), document.text)
    assert FLAGGED.get(name, "") in " ".join(document.metadata.get(WARNINGS, []))
    assert document.title.strip()


def test_a_folder_with_all_of_them_gives_documents_reports_and_counts(
    shared_data: Path, manifest: dict[str, dict[str, str]]
) -> None:
    source = open_source("files", {"path": shared_data / "bad_inputs" / "files", "extra_formats": ["csv", "xml"]})
    items = list(source.scan({}))
    delivered = [item.document for item in items if isinstance(item, Upsert)]
    parsed = list(parse_documents(delivered))
    assert [p.doc_id for p in parsed] == [d.doc_id for d in delivered]
    assert {p.doc_id for p in parsed if isinstance(p, DocumentFailure)} == set(OUTCOMES) - {"random.bin", "lone_surrogate.json"}
    assert sum(isinstance(p, Document) for p in parsed) == len(manifest) - len(OUTCOMES)
    assert [i for i in items if isinstance(i, Skipped)] == [
        Skipped("no reader for .bin", 1, "random.bin"),
        Skipped("no reader for .json", 1, "lone_surrogate.json"),
    ]


def test_half_a_surrogate_pair_on_a_line_is_reported_with_its_id(shared_data: Path) -> None:
    [item] = open_source("jsonl", {"path": shared_data / "bad_inputs" / "files" / "lone_surrogate.json"}).scan({})
    assert isinstance(item, Failed)
    assert item.failure == DocumentFailure(
        "x", "lone_surrogate.json:1", "it holds half of a surrogate pair, which is no character"
    )


def test_the_pages_of_va_gov_are_read_without_markup_and_without_losing_probes(shared_data: Path) -> None:
    folder = shared_data / "va_docs_history_dev"
    state = {i.document.doc_id: i.document for i in open_source("jsonl", {"path": folder}).scan({}) if isinstance(i, Upsert)}
    probes = [json.loads(line) for line in (folder / "freshness_probes.jsonl").read_text().splitlines()]
    assert len(state) == json.loads((folder / "manifest.json").read_text())[0]["docs"]
    for day in sorted(path.name for path in (folder / "days").iterdir()):
        upserts = open_source("jsonl", {"path": folder / "days" / day / "upserts.jsonl"}).scan({})
        state |= {i.document.doc_id: i.document for i in upserts if isinstance(i, Upsert)}
        for doc_id in (folder / "days" / day / "deletes.txt").read_text().split("\n"):
            state.pop(doc_id, None)
        todays = [probe for probe in probes if probe["day"] == day]
        texts = {
            d.doc_id: words(d.text)
            for d in parse_documents(state[p["doc_id"]] for p in todays if p["doc_id"] in state)
            if isinstance(d, Document)
        }
        for probe in todays:
            assert all(words(sentence) in texts[probe["doc_id"]] for sentence in listed(probe["present"]))
    documents = list(parse_documents(state.values()))
    assert all(isinstance(d, Document) for d in documents)
    texts = [d.text for d in documents if isinstance(d, Document)]
    assert not any(re.search(r"</?[a-z]+[ >]|\{%|&nbsp;", text) for text in texts)
    assert sum("no body" in str(d.metadata.get(WARNINGS)) for d in documents if isinstance(d, Document)) == 17


def listed(value: str | list[str] | None) -> list[str]:
    """Return a probe's sentences."""
    return [value] if isinstance(value, str) else value or []


def words(text: str) -> str:
    """Return text as the probes compare it: without tags and with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_raw_documents_of_an_unknown_type_are_reported_not_fatal() -> None:
    [failure] = parse_documents([raw("x.bin", b"abc")])
    assert failure == DocumentFailure("x.bin", "x.bin", "unknown type: no reader for application/octet-stream")
