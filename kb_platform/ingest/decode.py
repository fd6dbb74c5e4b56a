"""Bytes to text where nobody said which encoding: byte order marks, UTF-8, a declared one, then a guess that is reported.

A wrong guess is worse than a failure when it turns a micro sign into a letter, so that every guess is a warning on the document.
"""

import codecs
import re
from typing import NamedTuple

from kb_platform.ingest.code_pages import guess_page
from kb_platform.ingest.unreadable import DocumentUnreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    (b"%PDF-", "a PDF"), (b"PK\x03\x04", "a ZIP archive"), (b"\xd0\xcf\x11\xe0", "an old or encrypted Office file"),
    (b"\x89PNG", "an image"), (b"\xff\xd8\xff", "an image"), (b"GIF8", "an image"), (b"\x1f\x8b", "a gzip file"),
    (b"\x7fELF", "a program"),
)
_DECLARABLE = re.compile(r"utf-?8|cp\d+|iso8859|latin|koi8|shift|euc|gb|big5|hz|mac|tis", re.ASCII)
_JUNK = re.compile("[\x01-\x08\x0e-\x1f\x7f]")
_JUNK_SHARE = 0.02
_NUL_SHARE = 0.3  # exports of fixed width are padded with them
_GUESS_BYTES = 1 << 18


class Decoded(NamedTuple):
    """Text, and what a person should know about how it was decoded (empty when there was nothing to guess)."""

    text: str
    warning: str = ""


def sniff(content: bytes) -> str:
    """Return what a well-known signature says the bytes are, with its article; empty for text and for what is unknown."""
    return next((name for magic, name in _MAGIC if content.startswith(magic)), "")


def decode(content: bytes, declared: str = "") -> Decoded:
    """Return the text of a file; `declared` is the encoding that the file itself names, if any.

    Raises:
        DocumentUnreadable: the bytes are no text.
    """
    found = sniff(content)
    if found:
        raise DocumentUnreadable(f"holds {found}, not text")
    decoded = _decode(content, declared)
    size = len(decoded.text)
    if len(_JUNK.findall(decoded.text)) > _JUNK_SHARE * size or decoded.text.count("\0") > _NUL_SHARE * size:
        raise DocumentUnreadable("binary data, not text")
    return decoded


def _decode(content: bytes, declared: str) -> Decoded:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _marked(content, encoding)
    if content.count(b"\0") > _NUL_SHARE * len(content):
        return _unmarked_utf16(content)
    try:
        return _valid_utf8(content.decode(), content, declared)
    except UnicodeDecodeError:
        text = _declared(content, declared)
        return Decoded(text) if text is not None else _damaged_utf8(content) or _guessed(content)


def _valid_utf8(text: str, content: bytes, declared: str) -> Decoded:
    """Return UTF-8, whatever the file calls itself: no other encoding makes valid UTF-8 by chance. ASCII may stand for another."""
    if text.isascii():
        return Decoded(_declared(content, declared) or text)
    named = _declared(content, declared) is not None
    return Decoded(text, f"declared as {clean_name(declared)}, but it is UTF-8 and was read as that" if named else "")


def clean_name(declared: str) -> str:
    """Return the name that a file gives its encoding, short and on one line."""
    return re.sub(r"[^\w.:-]", "", declared)[:40]


def _marked(content: bytes, encoding: str) -> Decoded:
    try:
        return Decoded(content.decode(encoding))
    except UnicodeDecodeError:
        name = encoding.removesuffix("-sig").upper()
        raise DocumentUnreadable(f"damaged text: its first bytes say {name}, and it is not") from None


def _unmarked_utf16(content: bytes) -> Decoded:
    """Return UTF-16 that lost its mark: Western text has its NULs on one side of each pair."""
    encoding = "utf-16-be" if content[::2].count(b"\0") > content[1::2].count(b"\0") else "utf-16-le"
    try:
        return Decoded(content.decode(encoding), f"no byte order mark: read as {encoding}")
    except UnicodeDecodeError:
        raise DocumentUnreadable("binary data, not text") from None


def _declared(content: bytes, declared: str) -> str | None:
    """Return the text in the encoding that the file names; None where that is unknown, a lie, or UTF-8 anyway."""
    try:
        name = codecs.lookup(declared).name if declared else "utf-8"
    except LookupError:
        return None
    # The web means Windows-1252 by these two names: https://encoding.spec.whatwg.org/#names-and-labels
    name = "cp1252" if name in ("iso8859-1", "ascii") else name
    if name == "utf-8" or not _DECLARABLE.match(name):
        return None
    try:
        return content.decode(name)
    except UnicodeDecodeError:
        return None


def _damaged_utf8(content: bytes) -> Decoded | None:
    """Return UTF-8 with a few bytes lost in it: one bad byte must not turn every accent of a page into two letters."""
    text = content.decode(errors="replace")
    bad, good = text.count("\ufffd"), sum(c > "\x7f" for c in text)
    return Decoded(text, f"{bad} damaged UTF-8 characters were replaced") if good - bad >= 10 * bad else None


def _guessed(content: bytes) -> Decoded:
    """Return text in a code page: by the letters of its language, else (Chinese, Japanese, Korean, others) by a general detector."""
    guess = guess_page(content[:_GUESS_BYTES])
    if guess.likely:
        return Decoded(content.decode(guess.page, errors="replace"), f"not UTF-8: read as {guess.page}")
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_GUESS_BYTES]).best()
    if best is None:
        raise DocumentUnreadable("binary data, or text in an unknown encoding")
    text = content.decode(best.encoding, errors="replace")
    return Decoded(text, f"not UTF-8: read as {best.encoding}")
