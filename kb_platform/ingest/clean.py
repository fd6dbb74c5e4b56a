"""Text as the rest of the platform wants it: NFC, line feeds, no control or zero-width characters."""

import re
import unicodedata

from kb_platform.knowledge.errors import PermanentError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
_JUNK_SHARE = 0.02


class DocumentUnreadable(PermanentError):  # noqa: N818  a fact about a document, named like one
    """One document cannot be used; the others can."""


def clean_text(text: str) -> str:
    """Return normalised text; doing it twice changes nothing."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _BLANK_LINES.sub("\n\n", _CONTROL.sub("", text)).strip()


def decode(content: bytes) -> str:
    """Return the text of a file whose encoding nobody told us: BOMs, UTF-8, else a Western code page.

    Raises:
        DocumentUnreadable: the bytes are no text.
    """
    for bom, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(bom):
            return _strict(content, encoding)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = _guess(content)
    if sum(c < " " and c not in "\t\n\r\f" for c in text) > _JUNK_SHARE * len(text):
        raise DocumentUnreadable("binary data, not text")
    return text


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DocumentUnreadable(f"damaged {encoding.upper()} text") from None


def _guess(content: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    if best is None:
        raise DocumentUnreadable("unknown text encoding")
    return str(best)
