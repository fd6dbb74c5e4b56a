"""From a delivered file to a document: the reader of its format, then one cleaning for all."""

import importlib
from pathlib import PurePosixPath

from kb_platform.ingest.clean import DocumentUnreadable, clean_text
from kb_platform.knowledge.documents import Document, RawDocument

FORMATS = {
    "text/markdown": "markdown", "text/plain": "plain", "text/html": "html", "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
}


def parse_document(raw: RawDocument) -> Document:
    """Return the document.

    A page without a body but with a description (front matter, or a delivered field) is its title and description.

    Raises:
        DocumentUnreadable: with one line that says why.
    """
    if not raw.content.strip() and not raw.metadata.get("description"):
        raise DocumentUnreadable("empty file")
    reader = importlib.import_module(f"kb_platform.ingest.formats.{FORMATS[raw.media_type]}")
    title, text, found = reader.read(raw.content)
    metadata = {**found, **raw.metadata}
    title = " ".join(clean_text(raw.title or title or _stem(raw.doc_id)).split())
    text = clean_text(text)
    if not any(c.isalnum() for c in text):
        text = clean_text(str(metadata.get("description") or ""))
        if not text:
            raise DocumentUnreadable("no text in it")
        text = f"{title}\n\n{text}"
    return Document(raw.doc_id, title, text, metadata, raw.media_type)


def _stem(doc_id: str) -> str:
    return PurePosixPath(doc_id).stem.replace("-", " ").replace("_", " ").strip() or doc_id
