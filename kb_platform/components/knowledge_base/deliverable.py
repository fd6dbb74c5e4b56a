"""What the sources of a knowledge base would deliver now: looked at without capturing it, for whoever checks what is written about them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source
from kb_platform.knowledge.progress import Progress
from kb_platform.quality.passages import DocumentKey


@dataclass
class Deliverable:
    """The sources, read as often as is asked; `ids` and `failed` hold what the last whole look has found.

    `unusable` are the sources that cannot be read at all: a refresh would fail on them.
    """

    kb: KnowledgeBase
    progress: Progress
    ids: set[DocumentKey] = field(default_factory=set)
    failed: dict[DocumentKey, str] = field(default_factory=dict)
    unusable: dict[str, KbError] = field(default_factory=dict)

    def begin(self, source: Source) -> str:
        """Return "" where the source has a document, else why a refresh would find none; notes one that is unusable."""
        from kb_platform.ingest.sources import Failed, Upsert, open_source

        first = ""
        try:
            for item in open_source(source.kind, source.options).scan({}):
                if isinstance(item, Upsert):
                    return ""
                if isinstance(item, Failed):
                    first = first or f"{item.failure.source_object}: {item.failure.reason}"
        except KbError as error:
            self.unusable[source.name] = error
            return str(error)
        return f"no document in it can be used{f', the first is {first}' if first else ''}"

    def texts(self, ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, str]]:
        """Yield the texts of some documents, or of all, as quality/passages.py reads them."""
        from kb_platform.ingest.parse_many import parse_documents
        from kb_platform.ingest.sandbox import Sandbox

        self.ids.clear()
        with Sandbox() as sandbox:
            for source in self.kb.sources:
                wanted = (raw for raw in self._documents(source) if ids is None or raw.doc_id in ids)
                for document in parse_documents(wanted, sandbox=sandbox):
                    key = DocumentKey(source.name, document.doc_id)
                    if isinstance(document, DocumentFailure):
                        self.failed[key] = document.reason
                    else:
                        yield key, document.text

    def _documents(self, source: Source) -> Iterator[RawDocument]:
        from kb_platform.ingest.sources import Failed, Upsert, open_source

        for number, item in enumerate(open_source(source.kind, source.options).scan({}), 1):
            self.progress(f"reading {source.name}", number, None)
            if isinstance(item, Upsert):
                self.ids.add(DocumentKey(source.name, item.document.doc_id))
                yield item.document
            elif isinstance(item, Failed):
                self.failed[DocumentKey(source.name, item.failure.doc_id)] = item.failure.reason
