"""The text of a document that its reader saw and did not take, for a person who asks.

It is stored nowhere: hidden text is where instructions to a language model stand. The delivered bytes are read once more.
"""

from kb_platform.ingest.formats import FORMATS
from kb_platform.ingest.formats.left_out import LeftOut
from kb_platform.ingest.raw_files import read_capture
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import RawDocument
from kb_platform.storage.objects import ObjectStore


def left_out_texts(objects: ObjectStore, file: str, doc_id: str) -> tuple[LeftOut, ...]:
    """Return what was left out of a document of a capture, by kind, with the first pieces of each; nothing where the file has no such document.

    Raises:
        DocumentUnreadable: it cannot be read, which it could.
        DamagedFile: the capture's file cannot.
    """
    for raw in read_capture(objects, file):
        if isinstance(raw, RawDocument) and raw.doc_id == doc_id and raw.media_type in FORMATS:
            with Sandbox() as reader:
                return reader.read(FORMATS[raw.media_type], raw.content).left_out
    return ()
