"""From a delivered file to a document: the reader of its format in the sandbox, then one cleaning for all."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

from kb_platform.ingest.clean import clean_line, clean_text, looks_like_mojibake
from kb_platform.ingest.formats import FORMATS, Parsed, media_type_of
from kb_platform.ingest.formats.raised import written_fractions
from kb_platform.ingest.formats.symbols import without_private_use
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.documents import Document, Metadata, RawDocument

__all__ = ["LEFT_OUT", "WARNINGS", "DocumentUnreadable", "ParseLimits", "parse_document"]

WARNINGS = "parse_warnings"
"""The metadata key under which a document carries what a person should know about how it was read."""

LEFT_OUT = "parse_left_out"
"""The key under which a document says how much was seen and left out, by kind. The text itself stays away from readers: hidden
text is where instructions to a language model stand."""

_FOLDER_PAGES = {"index", "readme"}


def parse_document(raw: RawDocument, limits: ParseLimits = ParseLimits(), sandbox: Sandbox | None = None) -> Document:
    """Return the document.

    A page without a body is its title and description, where the source or its front matter gave one. `sandbox` is a running
    reader process to use; without one, a process is started for this document, and `limits` are its limits.

    Raises:
        DocumentUnreadable: with one line that says why.
        PermanentError: the reader process cannot run.
    """
    if sandbox is None:
        with Sandbox(limits) as own:
            return parse_document(raw, limits, own)
    parsed = _read(raw, sandbox)
    metadata = _cleaned({**parsed.metadata, **raw.metadata})
    title = clean_line(raw.title) or clean_line(parsed.title)
    shown, unclear = without_private_use(parsed.text)
    text, warnings = written_fractions(clean_text(shown)), [*parsed.warnings, *unclear]
    if len(text) > sandbox.limits.characters:
        raise DocumentUnreadable(f"{len(text):,} characters: more than {sandbox.limits.characters:,}")
    if not any(c.isalnum() for c in text):
        text = _without_body(title if raw.title or raw.media_type == "text/markdown" else "", metadata)
        warnings.append("no body: title and description only")
    if looks_like_mojibake(text):
        warnings.append("UTF-8 seems to have been read as a Western code page and written again")
    if warnings:
        metadata = {**metadata, WARNINGS: warnings}
    if parsed.left_out:
        metadata = {**metadata, LEFT_OUT: [f"{entry.kind}: {entry.number}" for entry in parsed.left_out]}
    return Document(raw.doc_id, title or _named(raw.doc_id), text, metadata, raw.media_type)


def _read(raw: RawDocument, sandbox: Sandbox) -> Parsed:
    form = FORMATS.get(raw.media_type)
    if form is None:
        raise DocumentUnreadable(f"unknown type: no reader for {clean_line(raw.media_type, 80)}")
    return sandbox.read(form, raw.content) if raw.content.strip() else Parsed("", "")


def _without_body(title: str, metadata: Metadata) -> str:
    description = metadata.get("description", "")
    text = "\n\n".join(part for part in (title, description) if part and isinstance(part, str))
    if not text:
        raise DocumentUnreadable("empty: no text in it")
    return text


def _cleaned(metadata: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Return metadata as the database takes it: no control characters, no empty values, strings and lists of them."""
    cleaned = {clean_line(key): _value(value) for key, value in metadata.items()}
    return {key: value for key, value in cleaned.items() if key and value}


def _value(value: object) -> str | list[str]:
    if isinstance(value, list | tuple):
        return [text for text in (_value(item) for item in value) if isinstance(text, str) and text]
    return clean_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _named(doc_id: str) -> str:
    """Return a title made of a file name; pages named `index` take the name of their folder."""
    path = PurePosixPath(doc_id)
    stem = path.stem if media_type_of(path.name) in FORMATS else path.name
    if stem.lower() in _FOLDER_PAGES and path.parent.name:
        stem = path.parent.name
    words = clean_line(stem.replace("-", " ").replace("_", " "))
    return words[:1].upper() + words[1:] or doc_id
