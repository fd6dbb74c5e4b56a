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


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Pacient užívá léky dvakrát denně, při bolesti hlavy přidejte jednu tabletu.", "cp1250"),
        ("Dávka 5 mg, ne více než třikrát denně.", "iso8859-2"),
        ("Działania niepożądane: nudności, zawroty głowy", "iso8859-2"),
        ("A gyógyszert naponta kétszer kell bevenni, étkezés után. Fejfájás előfordulhat.", "cp1250"),
        ("Se administrează de două ori pe zi, după masă. Nu depăşiţi doza.", "cp1250"),
        ("Uzima se dva puta dnevno, ne više od četiri tablete. Moguća je mučnina.", "cp1250"),
        ("Ilacı günde iki kez alınız. Baş ağrısı görülebilir.", "cp1254"),
        ("Şiddetli ağrı için doktorunuza başvurunuz.", "iso8859-9"),
        ("Принимать по одной таблетке два раза в день после еды.", "cp1251"),
        ("Принимать по одной таблетке два раза в день после еды.", "koi8-r"),
        ("Принимать по одной таблетке два раза в день после еды.", "cp866"),
        ("Принимать по одной таблетке", "iso8859-5"),
        ("Приймати по одній таблетці двічі на день після їжі.", "cp1251"),
        ("ВНИМАНИЕ: НЕ ПРЕВЫШАТЬ ДОЗУ", "cp1251"),
        ("Dose (доза): 5 mg per day for adults, then stop.", "cp1251"),
        ("Λαμβάνετε ένα δισκίο δύο φορές την ημέρα.", "cp1253"),
        ("Vartoti po vieną tabletę du kartus per dieną. Gali skaudėti galvą.", "cp1257"),
        ("Nehmen Sie zweimal täglich eine Tablette. Übelkeit möglich, größere Dosen meiden.", "cp1252"),
        ("Give 5 µg at 38 °C – “now”", "cp1252"),
        ("Dvořák described it. Dose 5 mg.", "cp1250"),
        ("患者每天服药一次，饭后服用。", "gb18030"),
        ("환자는 하루에 한 번 약을 복용합니다", "euc_kr"),
    ],
)
def test_the_code_pages_of_europe_are_told_apart_in_a_sentence(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("declared", ["us-ascii", "iso-8859-1", "windows-1252", "windows-1250", "koi8-r"])
def test_valid_utf8_wins_over_what_a_file_calls_itself(declared: str) -> None:
    decoded = decode(TEXT.encode(), declared)
    assert decoded.text == TEXT
    assert decoded.warning == f"declared as {declared}, but it is UTF-8 and was read as that"
