"""Plain text."""

from kb_platform.ingest.clean import decode
from kb_platform.ingest.formats import Parsed


def read(content: bytes) -> Parsed:
    """Return the text as it is."""
    return Parsed("", decode(content))
