"""What a PDF shows is what is read: pages drawn here, instruction by instruction."""

import pytest

from kb_platform.ingest.formats.pdf_words import joined_words
from kb_platform.ingest.parse import LEFT_OUT
from kb_platform_tests.ingest.made_files import Parse, pdf, pdf_of_pages


def at(x: float, y: float, text: str, size: float = 11, before: str = "") -> str:
    """Return the drawing of a piece of text at a place."""
    return f"BT /F1 {size} Tf {before} 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n"


def drawn(*parts: str) -> bytes:
    """Return a PDF of one page with these drawings."""
    return pdf(stream="".join(parts).encode("latin-1"))


def in_form(place: str, *parts: str) -> bytes:
    """Return a PDF of one page whose drawings are a form, placed by a matrix."""
    return pdf(stream=f"q {place} cm /X Do Q".encode(), form="".join(parts).encode())


def grid(xs: list[int], ys: list[int], without: tuple[str, ...] = ()) -> str:
    """Return the lines of a table, cell edge by cell edge; `without` names edges as h:row:column or v:row:column."""
    parts = [f"{xs[c]} {y} m {xs[c + 1]} {y} l S\n" for r, y in enumerate(ys) for c in range(len(xs) - 1) if f"h:{r}:{c}" not in without]
    parts += [f"{x} {ys[r]} m {x} {ys[r + 1]} l S\n" for c, x in enumerate(xs) for r in range(len(ys) - 1) if f"v:{r}:{c}" not in without]
    return "".join(parts)


CELLS = at(60, 685, "Drug") + at(160, 685, "Route") + at(260, 685, "Dose") + at(60, 665, "Ibuprofen") + at(160, 665, "oral") + at(260, 665, "400 mg")
LAST = at(160, 645, "IV") + at(260, 645, "200 mg")


@pytest.mark.parametrize(
    ("content", "has", "lacks"),
    [
        (drawn(at(72, 700, "below 10 x 10"), at(138.5, 705, "9", 7), at(143, 700, "/L of blood")), ("10 x 10⁹/L of blood",), ("109",)),
        (drawn(at(72, 700, "H"), at(80.2, 697, "2", 7), at(84.3, 700, "O")), ("H₂O",), ("H2O",)),
        (drawn(at(72, 705, "131", 7), at(84, 700, "I is given")), ("¹³¹I is given",), ("131",)),
        (drawn(at(72, 700, "Seen"), at(72, 680, "white text", before="1 1 1 rg"), at(72, 660, "end", before="0 0 0 rg")), ("Seen", "end"), ("white",)),
        (drawn("0 0 0.5 rg 60 670 200 30 re f\n", at(72, 680, "white on blue", before="1 1 1 rg"), at(72, 640, "end", before="0 0 0 rg")),
         ("white on blue", "end"), ()),
        (drawn(at(72, 700, "Seen"), at(72, 680, "never painted", before="3 Tr"), at(72, 660, "end", before="0 Tr")), ("Seen", "end"), ("painted",)),
        (drawn(at(72, 700, "Seen"), at(72, 1200, "off the page")), ("Seen",), ("off the",)),
        (drawn(at(72, 700, "Seen"), at(72, 680, "as small as dust", 0.5)), ("Seen",), ("dust",)),
        (drawn(*(at(50, 700 - 14 * n, f"left words of line {n}") + at(320, 700 - 14 * n, f"right words of line {n}") for n in range(5))),
         ("left words of line 4\nright words of line 0",), ()),
        (drawn(*(at(72 + 30 * n, 700, text) for n, text in enumerate(("give", "5", "x", "3", "a", "day")))), ("give 5 x 3 a day",), ()),
        (drawn(at(50, 730, "A heading over both of the columns of this page"),
               *(at(50, 700 - 14 * n, f"left words of line {n}") + at(320, 700 - 14 * n, f"right words of line {n}") for n in range(5))),
         ("columns of this page\nleft words of line 0\nleft words",), ()),
        (drawn(*(at(50, 700 - 14 * n, f"Drug{n}") + at(320, 700 - 14 * n, f"{n} mg") for n in range(5))), ("Drug3 3 mg",), ()),
        (drawn(at(60, 720, "Before."), grid([50, 150, 250, 350], [700, 680, 660, 640]), CELLS, at(60, 645, "Aspirin"), LAST, at(60, 600, "After.")),
         ("Before.", "| Drug | Route | Dose |\n|---|---|---|\n| Ibuprofen | oral | 400 mg |\n| Aspirin | IV | 200 mg |", "After."), ()),
        (drawn(grid([50, 150, 250, 350], [700, 680, 660, 640], ("h:2:0",)), CELLS, LAST), ("| Ibuprofen | IV | 200 mg |",), ()),
        (drawn("".join(f"{x} {y} 100 20 re S\n" for x in (50, 150, 250) for y in (640, 660, 680)), CELLS, at(60, 645, "Aspirin"), LAST),
         ("| Aspirin | IV | 200 mg |",), ()),
        (in_form("1 0 0 1 0 0", grid([50, 150, 250, 350], [700, 680, 660, 640]), CELLS, at(60, 645, "Aspirin"), LAST), ("| Aspirin | IV | 200 mg |",), ()),
        (in_form("1.5 0 0 1.5 20 -400", grid([50, 150, 250, 350], [700, 680, 660, 640]), CELLS, at(60, 645, "Aspirin"), LAST), ("| Aspirin | IV | 200 mg |",), ()),
        (in_form("2 0 0 2 -50 -1200", at(72, 720, "Seen"), "0 0 0.5 rg 60 670 200 30 re f\n", at(72, 680, "white on blue", before="1 1 1 rg")), ("Seen", "white on blue"), ()),
        (drawn(at(72, 700, "Seen"), "BT /F1 -11 Tf -1 0 0 -1 72 680 Tm (turned twice) Tj ET\n"), ("turned twice",), ()),
    ],
)
def test_a_page_reads_as_it_looks(parse: Parse, content: bytes, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    text = parse("a.pdf", content).text
    assert [words for words in has if words not in text] == [], text
    assert [words for words in lacks if words in text] == [], text


def test_unpainted_text_over_a_scan_is_what_the_scan_shows(parse: Parse) -> None:
    image = "q 600 0 0 780 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q\n"
    assert parse("a.pdf", drawn(image, at(72, 700, "recognised words", before="3 Tr"))).text == "recognised words"


def test_heads_and_feet_stand_once_and_cut_no_sentence(parse: Parse) -> None:
    lines = ("The infusion is stopped when the", "patient shows a rash, and the", "doctor is told.")
    pages = [(at(72, 780, f"Hospital policy {n + 1}/3") + at(72, 700, line) + at(72, 30, f"Page {n + 1} of 3")).encode() for n, line in enumerate(lines)]
    document = parse("a.pdf", pdf_of_pages(*pages))
    assert "when the\npatient shows a rash, and the\ndoctor is told." in document.text
    assert document.text.count("Hospital policy") == document.text.count("Page") == 1
    assert document.metadata[LEFT_OUT] == ["running heads and feet: 4"]


def test_lines_that_happen_to_be_alike_in_the_middle_of_pages_stay(parse: Parse) -> None:
    pages = [(at(72, 500, "Take one tablet") + at(72, 480, f"Day {n} of the course is over.")).encode() for n in range(4)]
    assert parse("a.pdf", pdf_of_pages(*pages)).text.count("Take one tablet") == 4


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("non\x02steroidal", "non-steroidal"), ("COVID\x0219", "COVID-19"), ("X\x02ray", "X-ray"), ("hos\x02pital", "hospital"), ("IL\x026", "IL-6"),
        ("type\x022", "type-2"), ("a 5-\n10 mg dose", "a 5-10 mg dose"), ("anti\x02inflammatory", "anti-inflammatory"), ("anti\x02biotic", "antibiotic"),
        ("long\x02acting", "long-acting"), ("medi\x02cation", "medication"), ("weight\x02based", "weight-based"), ("follow\x02up", "follow-up"),
        ("beta\x02blocker", "beta-blocker"), ("admin\x02istration", "administration"), ("pre\x02eclampsia", "pre-eclampsia"),
        ("see re-test and re\x02test", "see re-test and re-test"), ("treat\ufffe\r\nment", "treatment"), ("SARS\x02CoV", "SARS-CoV"),
        ("HLA\x02B27", "HLA-B27"), ("once\x02daily", "once-daily"), ("Crohn\x02Leiden", "Crohn-Leiden"), ("a pre\x02scription", "a prescription"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line_stays_where_the_word_has_it(text: str, joined: str) -> None:
    assert joined_words(text) == joined


def test_values_and_boxes_of_a_form_stand_beside_their_labels(parse: Parse) -> None:
    fields = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (allergy) /V (penicillin) /Rect [180 695 400 715] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Btn /T (pregnant) /V /Yes /AS /Yes /AP << /N << /Yes 5 0 R /Off 5 0 R >> >> /Rect [180 665 195 680] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (weight) /V (70 kg) /Rect [180 500 400 515] /F 4 >>",
    )
    page = (at(72, 700, "Allergy:") + at(72, 670, "Pregnant:") + at(72, 400, "Signed")).encode()
    text = parse("a.pdf", pdf_of_pages(page, fields=fields)).text
    assert text == "Allergy: penicillin\nPregnant: ☒\nweight: 70 kg\nSigned"
