"""Plain text."""

from kb_platform.ingest.decode import decode
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.limits import ParseLimits


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the text as it is."""
    text, warning = decode(content)
    return Parsed("", text, warnings=(warning,) if warning else ())
