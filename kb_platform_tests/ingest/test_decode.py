"""From bytes to text."""

import codecs

import pytest

from kb_platform.ingest.decode import decode
from kb_platform.ingest.unreadable import DocumentUnreadable

TEXT = "Dosis: 5 µg/kg, máx. 40 °C; Übelkeit"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (TEXT.encode(), TEXT),
        (codecs.BOM_UTF8 + TEXT.encode(), TEXT),
        (TEXT.encode("utf-16"), TEXT),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), TEXT),
        (TEXT.encode("utf-32"), TEXT),
        (b"", ""),
    ],
)
def test_unicode_is_read_without_a_warning(content: bytes, text: str) -> None:
    assert decode(content) == (text, "")


@pytest.mark.parametrize(
    ("text", "encoding", "warning"),
    [
        (TEXT, "cp1252", "cp1252"),
        ("L'élève a été traité à l'hôpital — “consult”", "cp1252", "cp1252"),
        (
            "Przyjmować tabletkę dwa razy dziennie, popijając wodą. Działania niepożądane obejmują ból głowy. " * 3,
            "cp1250",
            "cp1250",
        ),
        ("Привет мир, как дела сегодня у вас в больнице", "cp1251", "cp1251"),
        ("患者は毎日一回薬を服用する", "cp932", "cp932"),
        (TEXT, "utf-16-le", "utf-16-le"),
        (TEXT, "utf-16-be", "utf-16-be"),
    ],
)
def test_other_encodings_are_guessed_and_the_guess_is_reported(text: str, encoding: str, warning: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert warning in decoded.warning


def test_one_damaged_byte_does_not_turn_every_accent_into_two_letters() -> None:
    content = (TEXT * 50).encode() + b"\xff end"
    decoded = decode(content)
    assert decoded.text == TEXT * 50 + "\ufffd end"
    assert decoded.warning == "1 damaged UTF-8 characters were replaced"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("windows-1251", "cp1251"), ("Shift_JIS", "shift_jis"), ("ISO-8859-1", "cp1252"), ("koi8-r", "koi8-r")],
)
def test_a_declared_encoding_is_believed(declared: str, encoding: str) -> None:
    text = {"cp1251": "Привет", "koi8-r": "Привет", "shift_jis": "患者", "cp1252": "“é”"}[encoding]
    assert decode(text.encode(encoding), declared) == (text, "")


@pytest.mark.parametrize("declared", ["utf-8", "no-such-thing", "unicode_escape", "punycode", "undefined", "utf-7", "rot13", ""])
def test_a_declared_encoding_that_is_wrong_or_dangerous_is_not_used(declared: str) -> None:
    assert decode(TEXT.encode(), declared) == (TEXT, "")
    assert "cp1252" in decode(TEXT.encode("cp1252"), declared).warning


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes(range(256)) * 8, "binary data"),
        (b"\x00" * 500, "binary data"),
        (b"text " * 10 + b"\x01\x02\x03\x04\x05", "binary data"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "holds an image"),
        (b"%PDF-1.4\n", "holds a PDF"),
        (b"PK\x03\x04....", "holds a ZIP archive"),
        (codecs.BOM_UTF16_LE + b"a", "damaged text: its first bytes say UTF-16"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=reason):
        decode(content)
