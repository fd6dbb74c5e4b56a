"""What the sources of a knowledge base would deliver now: looked at without capturing it, for whoever checks what is written about them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from kb_platform.knowledge.documents import Document, DocumentFailure, RawDocument
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source
from kb_platform.knowledge.progress import Progress
from kb_platform.quality.passages import DocumentKey

LOOKED_AT = 20  # documents that a source begins with


@dataclass
class Deliverable:
    """The sources, read as often as is asked; `ids` and `failed` hold what the last whole look has found.

    `unusable` are the sources that cannot be read at all: a refresh would fail on them. `beginnings` are those of the first documents
    of the others, for whoever wants to know what they are like.
    """

    kb: KnowledgeBase
    progress: Progress
    ids: set[DocumentKey] = field(default_factory=set)
    failed: dict[DocumentKey, DocumentFailure] = field(default_factory=dict)
    unusable: dict[str, KbError] = field(default_factory=dict)
    beginnings: dict[str, list[str]] = field(default_factory=dict)

    def begin(self, source: Source) -> str:
        """Return "" where the source has a document, else why a refresh would find none; notes how it begins, or that it is unusable."""
        from kb_platform.index.readability import SAMPLE
        from kb_platform.ingest.parse_many import parse_documents

        try:
            found = list(parse_documents(islice(self._documents(source), LOOKED_AT)))
        except KbError as error:
            self.unusable[source.name] = error
            return str(error)
        self.beginnings[source.name] = [document.text[:SAMPLE] for document in found if isinstance(document, Document)]
        if found:
            return ""
        first = next((failure for key, failure in self.failed.items() if key.source == source.name), None)
        return f"no document in it can be used{f', the first is {first.source_object}: {first.reason}' if first else ''}"

    def texts(self, ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, str]]:
        """Return the texts of some documents, or of all, as quality/passages.py reads them."""
        return ((key, document.text) for key, document in self.documents(ids))

    def documents(self, ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, Document]]:
        """Yield some documents, or all; those that cannot be used are in `failed`."""
        from kb_platform.ingest.parse_many import parse_documents
        from kb_platform.ingest.sandbox import Sandbox

        self.ids.clear()
        with Sandbox() as sandbox:
            for source in self.kb.sources:
                wanted = (raw for raw in self._documents(source) if ids is None or raw.doc_id in ids)
                for document in parse_documents(wanted, sandbox=sandbox):
                    key = DocumentKey(source.name, document.doc_id)
                    if isinstance(document, DocumentFailure):
                        self.failed[key] = document
                    else:
                        yield key, document

    def _documents(self, source: Source) -> Iterator[RawDocument]:
        from kb_platform.ingest.sources import Failed, Upsert, open_source

        for number, item in enumerate(open_source(source.kind, source.options).scan({}), 1):
            self.progress(f"reading {source.name}", number, None)
            if isinstance(item, Upsert):
                self.ids.add(DocumentKey(source.name, item.document.doc_id))
                yield item.document
            elif isinstance(item, Failed):
                self.failed[DocumentKey(source.name, item.failure.doc_id)] = item.failure
