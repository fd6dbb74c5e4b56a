"""What a reader gets is what the document says: made pages, articles and Word documents with the value that must be found.

A case is a file name, its content, what the text must hold, and what it must not. Word documents are given by the XML of their body.
"""

import pytest

from kb_platform.ingest.parse import LEFT_OUT, WARNINGS
from kb_platform_tests.ingest.made_files import Parse, with_body, with_part, word

Case = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def page(body: str, head: str = "") -> str:
    """Return a page."""
    return f"<html><head><title>T</title>{head}</head><body>{body}</body></html>"


def article(body: str, root: str = "article") -> str:
    """Return a JATS article."""
    return f"<{root}><front><article-meta><title-group><article-title>A</article-title></title-group></article-meta></front><body>{body}</body></article>"


def body(xml: str) -> bytes:
    """Return a Word document with this body; its styles and numberings are those of python-docx's template."""
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    return with_body(word(lambda document: document.add_paragraph("X")), lambda old: (
        old.replace("<w:p><w:r><w:t>X</w:t></w:r></w:p>", xml) if math in old else old.replace("<w:document ", f"<w:document {math} ", 1)
        .replace("<w:p><w:r><w:t>X</w:t></w:r></w:p>", xml)))


def p(*runs: str, properties: str = "") -> str:
    """Return a Word paragraph; a run that does not begin with a tag is plain text."""
    made = (run if run.startswith("<") else f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs)
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(made)}</w:p>"


def r(text: str, properties: str) -> str:
    """Return a run with properties."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def up(text: str) -> str:
    """Return a raised run."""
    return r(text, '<w:vertAlign w:val="superscript"/>')


def row(*cells: str, properties: str = "") -> str:
    """Return a table row; a cell may begin with its properties, closed by a bar."""
    made = []
    for cell in cells:
        prefix, _, text = cell.rpartition("|")
        made.append(f"<w:tc><w:tcPr>{prefix}</w:tcPr>{p(text)}</w:tc>")
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(made)}</w:tr>"


def step(text: str, number: str = "2", depth: int = 0) -> str:
    """Return a numbered paragraph."""
    return p(text, properties=f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')


RAISED: list[Case] = [
    ("a.html", page("<p>WBC 4.5 x 10<sup>9</sup>/L</p>"), ("10⁹/L",), ("109",)),
    ("a.html", page("<p>10<sup>-6</sup> and 10<sup>−7</sup> and 10<sup>+3</sup></p>"), ("10⁻⁶", "10⁻⁷", "10⁺³"), ("10-6",)),
    ("a.html", page("<p>Ca<sup>2+</sup>, Cl<sup>-</sup>, HCO<sub>3</sub><sup>−</sup></p>"), ("Ca²⁺", "Cl⁻", "HCO₃⁻"), ("Ca2",)),
    ("a.html", page("<p>H<sub>2</sub>O, SpO<sub>2</sub>, C<sub>max</sub>, HbA<sub>1c</sub></p>"), ("H₂O", "SpO₂", "Cₘₐₓ", "HbA₁c"), ("H2O",)),
    ("a.html", page("<p><sup>131</sup>I and <sup>99m</sup>Tc</p>"), ("¹³¹I", "⁹⁹ᵐTc"), ("131I", "99m")),
    ("a.html", page("<p>Take 5 mg<sup>1</sup>, 250<sup>2</sup> mg</p>"), ("5 mg¹", "250²"), ("mg1", "2502")),
    ("a.html", page('<p>Take 500<sup><a href="#n1">1</a></sup> mg</p>'), ("500 [1] mg",), ("5001", "500¹")),
    ("a.html", page('<p>Take 500<a href="#n1"><sup>1</sup></a> mg</p>'), ("500 [1] mg",), ("5001",)),
    ("a.html", page('<p>Take 20<sup class="reference">[3]</sup> mg</p>'), ("20 [3] mg",), ("203",)),
    ("a.html", page("<p>On the 5<sup>th</sup> day, 38<sup>o</sup>C, Drug<sup>TM</sup></p>"), ("5th", "38°C", "Drug™"), ()),
    ("a.html", page("<p>Give 1<sup>1</sup>/<sub>2</sub> tablets or <sup>3</sup>&frasl;<sub>4</sub></p>"), ("1½ tablets", "¾"), ("11/2",)),
    ("a.html", page("<p>e<sup>-0.5t</sup> and m<sup>1.5</sup></p>"), ("e^(-0.5t)", "m^(1.5)"), ("e-0.5t",)),
    ("a.html", page('<p>10<span style="vertical-align: super; font-size:70%">9</span>/L</p>'), ("10⁹/L",), ("109",)),
    ("a.html", page("<table><tr><th>Test</th><th>Limit</th></tr><tr><td>WBC</td><td>4 x 10<sup>9</sup>/L</td></tr></table>"),
     ("| WBC | 4 x 10⁹/L |",), ()),
    ("a.html", page("<h2>10<sup>6</sup> IU</h2><ul><li>CO<sub>2</sub></li></ul>"), ("## 10⁶ IU", "- CO₂"), ()),
    ("a.html", page("<p><del>Take 900 mg</del> Take 300 mg</p>"), ("~~Take 900 mg~~ Take 300 mg",), ()),
    ("a.md", "Below 0.5 x 10<sup>9</sup>/L, Na<sup>+</sup>, CO<sub>2</sub>", ("10⁹/L", "Na⁺", "CO₂"), ("109",)),
    ("a.md", "Below 10^9^/L and 2^nd^ dose", ("10⁹/L", "2nd"), ("109",)),
    ("a.md", 'Give 250<sup><a href="#fn1">1</a></sup> mg and 5[^2] mg', ("250 [1] mg", "5[^2]"), ("2501",)),
    ("a.xml", article("<p>20 × 10<sup>9</sup>/L, PaO<sub>2</sub>, Ca<sup>2+</sup></p>"), ("10⁹/L", "PaO₂", "Ca²⁺"), ("109",)),
    ("a.xml", article('<p>Dose 75<sup><xref ref-type="bibr" rid="b">12</xref></sup> mg</p>'), ("75 [12] mg",), ("7512",)),
    ("a.xml", article('<p>Dose 75<xref ref-type="fn" rid="b"><sup>a</sup></xref> mg</p>'), ("75 [a] mg",), ("75a",)),
    ("a.xml", article("<p>x = <inline-formula><math><msup><mn>10</mn><mn>9</mn></msup></math></inline-formula></p>"), ("10⁹",), ("109",)),
    ("a.docx", p("Below 20 x 10", up("9"), "/L"), ("10⁹/L",), ("109",)),
    ("a.docx", p("10", up("-"), up("3"), " mol"), ("10⁻³ mol",), ()),
    ("a.docx", p("Ca", up("2+"), " and H", r("2", '<w:vertAlign w:val="subscript"/>'), "O"), ("Ca²⁺ and H₂O",), ()),
    ("a.docx", p("10", r("6", '<w:position w:val="8"/><w:sz w:val="16"/>'), " IU"), ("10⁶ IU",), ("106",)),
    ("a.docx", p("Take ", r("900 mg", "<w:strike/>"), " 300 mg"), ("Take ~~900 mg~~ 300 mg",), ()),
]
SYMBOLS: list[Case] = [
    ("a.docx", p("Give 50 ", '<w:r><w:sym w:font="Symbol" w:char="F06D"/></w:r>', "g if ", '<w:r><w:sym w:font="Symbol" w:char="F0B3"/></w:r>', " 2"),
     ("50 μg if ≥ 2",), ()),
    ("a.docx", p("Give 50 ", r("m", '<w:rFonts w:ascii="Symbol" w:hAnsi="Symbol"/>'), "g"), ("50 μg",), ("50 mg",)),
    ("a.docx", p("Give 50 \uf06dg, \uf0b1 2, 38 \uf0b0C"), ("50 μg, ± 2, 38 °C",), ()),
    ("a.docx", p('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>', " yes ", '<w:r><w:sym w:font="Wingdings" w:char="F0A8"/></w:r>', " no"),
     ("☑ yes □ no",), ()),
    ("a.docx", p('<w:r><w:sym w:font="Wingdings" w:char="F0E0"/></w:r>', " theatre"), ("→ theatre",), ()),
    ("a.docx", p("Give ", '<w:r><w:sym w:font="ClinicLogos" w:char="F041"/></w:r>', " daily"), ("Give \ufffd daily",), ()),
    ("a.docx", p('<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r>',
                 " Allergic"), ("☒ Allergic",), ()),
    ("a.docx", p("<m:oMath><m:f><m:num><m:r><m:t>U × V</m:t></m:r></m:num><m:den><m:r><m:t>P</m:t></m:r></m:den></m:f></m:oMath>"),
     ("(U × V)/P",), ("U × VP",)),
    ("a.docx", p("A = ", "<m:oMath><m:r><m:t>π</m:t></m:r><m:sSup><m:e><m:r><m:t>r</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"),
     ("A = πr²",), ("πr2",)),
    ("a.docx", p("<m:oMath><m:rad><m:deg/><m:e><m:r><m:t>h × w / 3600</m:t></m:r></m:e></m:rad></m:oMath>"), ("√(h × w / 3600)",), ()),
    ("a.docx", p("<m:oMath><m:sSub><m:e><m:r><m:t>C</m:t></m:r></m:e><m:sub><m:r><m:t>0</m:t></m:r></m:sub></m:sSub></m:oMath>"), ("C₀",), ("C0",)),
    ("a.html", page('<p>Give 50 <font face="Symbol">m</font>g, <span style="font-family:Symbol">\uf0b3</span> 2</p>'), ("50 μg, ≥ 2",), ("50 mg",)),
    ("a.html", page("<p>x<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> <math><msqrt><mi>h</mi></msqrt></math></p>"), ("1/2", "√(h)"), ("x12",)),
    ("a.txt", "Give 50 \uf06dg\n\uf0b7 with food\n\ue123 end", ("50 μg", "• with food", "\ufffd end"), ()),
    ("a.xml", article("<disp-formula><math><mfrac><mi>a</mi><mrow><mi>b</mi><mo>+</mo><mi>c</mi></mrow></mfrac></math></disp-formula>"), ("a/(b+c)",), ()),
]
SPANS = "<tr><td rowspan=2>Amoxicillin</td><td>oral</td><td>500 mg</td></tr><tr><td>IV</td><td>1 g</td></tr>"
NAMES = "<tr><th>Drug</th><th>Route</th><th>Dose</th></tr>"
TABLES: list[Case] = [
    ("a.html", page(f"<table>{NAMES}{SPANS}</table>"), ("| Amoxicillin | IV | 1 g |",), ()),
    ("a.html", page(f"<table>{NAMES}<tr><td colspan=2>Vancomycin</td><td>15 mg/kg</td></tr></table>"), ("| Vancomycin | Vancomycin | 15 mg/kg |",), ()),
    ("a.html", page("<table><thead><tr><th rowspan=2>Drug</th><th colspan=2>Dose</th></tr><tr><th>adult</th><th>child</th></tr></thead>"
                    "<tr><td>A</td><td>5</td><td>1</td></tr></table>"), ("| Drug | Dose adult | Dose child |\n|---|---|---|\n| A | 5 | 1 |",), ()),
    ("a.html", page(f"<table><tr><th colspan=3>Table 2. Doses</th></tr>{NAMES}{SPANS}</table>"), ("Table 2. Doses\n\n| Drug | Route | Dose |\n|---|",), ()),
    ("a.html", page(f"<table>{NAMES}<tr><td rowspan=0>A</td><td>x</td><td>1</td></tr><tr><td>y</td><td>2</td></tr></table>"), ("| A | y | 2 |",), ()),
    ("a.html", page(f"<table>{NAMES}<tr><td>A</td><td rowspan=99>oral</td><td>1</td></tr><tr><td>B</td><td>2</td></tr></table>"), ("| B | oral | 2 |",), ()),
    ("a.html", page("<table><tr><th>a</th></tr><tr><td colspan=99999 rowspan=99999>x</td></tr></table>"), ("x",), ()),
    ("a.md", "T | D | K\n--- | :-: | ---\nA | 1 g | 2\nB | 2 g |\n\nEnd.", ("| T | D | K |\n|---|---|---|\n| A | 1 g | 2 |\n| B | 2 g |  |\n\nEnd.",), ()),
    ("a.md", "| T | D |\n|---|---|\n| A | `x\\|y` |", ("| A | `x\\|y` |",), ()),
    ("a.md", "Before.\n\nA | B\n-|-\n1 | 2\nAfter | here", ("| After | here |",), ()),
    ("a.md", "```\nA | B\n--- | ---\n1 | 2\n```", ("A | B\n--- | ---",), ("| A",)),
    ("a.md", f"# H\n\n<table>{NAMES}{SPANS}</table>\n\nEnd", ("| Amoxicillin | IV | 1 g |", "End"), ()),
    ("a.docx", "<w:tbl>" + row("Drug", "Route") + row('<w:vMerge w:val="restart"/>|Amoxicillin', "oral") + row("<w:vMerge/>|", "IV") + "</w:tbl>",
     ("| Amoxicillin | oral |\n| Amoxicillin | IV |",), ()),
    ("a.docx", "<w:tbl>" + row("Drug", "Route", "Dose") + row('<w:gridSpan w:val="2"/>|Vancomycin', "15 mg") + "</w:tbl>",
     ("| Vancomycin | Vancomycin | 15 mg |",), ()),
    ("a.docx", "<w:tbl>" + row('<w:vMerge w:val="restart"/>|Drug', '<w:gridSpan w:val="2"/>|Dose') + row("<w:vMerge/>|", "adult", "child")
     + row("A", "5", "1") + "</w:tbl>", ("| Drug | Dose adult | Dose child |",), ()),
    ("a.docx", "<w:tbl>" + row("Week", "Dose") + row("1", "99", properties='<w:del w:id="1" w:author="x"/>') + row("2", "5") + "</w:tbl>",
     ("| 2 | 5 |",), ("99",)),
    ("a.xml", article(f"<table-wrap><table><thead>{NAMES}</thead><tbody><tr><td rowspan='2'>A</td><td>x</td><td>1</td></tr><tr><td>y</td><td>2</td></tr>"
                      "</tbody></table></table-wrap>"), ("| A | y | 2 |",), ()),
]
NUMBERED: list[Case] = [
    ("a.html", page("<ol><li>One</li><li>Two</li></ol><p>Wait.</p><ol start=3><li>Three</li></ol>"), ("1. One\n2. Two", "3. Three"), ()),
    ("a.html", page("<ol type=a><li>One</li><li>Two<ol type=i><li>x</li><li>y</li></ol></li></ol>"), ("a. One\nb. Two\n  i. x\n  ii. y",), ()),
    ("a.html", page("<ol reversed><li>x</li><li value=7>y</li><li>z</li></ol>"), ("3. x\n7. y\n6. z",), ()),
    ("a.html", page("<ol style='list-style-type: upper-roman'><li>x</li><li>y</li></ol>"), ("I. x\nII. y",), ()),
    ("a.html", page("<ul><li>x<ol><li>y</li></ol></li></ul>"), ("- x\n  1. y",), ()),
    ("a.html", page("<table><tr><th>H</th></tr><tr><td><ol><li>a</li><li>b</li></ol></td></tr></table>"), ("| 1. a 2. b |",), ()),
    ("a.md", "1. One\n2. Two\n\nText\n\n3. Three", ("3. Three",), ()),
    ("a.md", "# H\n\n<ol start='4'><li>Four</li><li>Five &lt; 6</li></ol>", ("4. Four\n5. Five < 6",), ()),
    ("a.xml", article("<list list-type='order'><list-item><p>One</p></list-item><list-item><p>Two</p><list list-type='alpha-lower'>"
                      "<list-item><p>x</p></list-item></list></list-item></list>"), ("1. One\n2. Two\n  a. x",), ()),
    ("a.xml", article("<list id='l' list-type='order'><list-item><p>One</p></list-item></list><p>Wait</p>"
                      "<list continued-from='l' list-type='order'><list-item><p>Two</p></list-item></list>"), ("1. One", "2. Two"), ()),
    ("a.xml", article("<sec><label>2.1</label><title>Methods</title><p>x</p></sec>"), ("## 2.1 Methods",), ()),
    ("a.xml", article("<def-list><def-item><term>BMI</term><def><p>body mass index</p></def></def-item></def-list>"), ("- BMI: body mass index",), ()),
]
SEEN: list[Case] = [
    ("a.html", page("<main><p>Text of the page.</p></main><aside><p>Never give it to children.</p></aside>"), ("Never give it",), ()),
    ("a.html", page("<header><h1>Leaflet</h1><p>Replaces the old one.</p></header><main><p>Body text.</p></main>"), ("Replaces the old", "# Leaflet"), ()),
    ("a.html", page("<header><a href='/'>Site</a></header><p>Body text.</p>"), ("Body text.",), ("Site",)),
    ("a.html", page("<details><summary>More</summary><p>Opened text.</p></details>"), ("More", "Opened text."), ()),
    ("a.html", page("<button aria-controls='x'>Open</button><div id='x' style='display:none'>Panel text</div>"), ("Panel text",), ()),
    ("a.html", page("<a data-toggle='collapse' href='#y'>Open</a><div id='y' hidden>Panel text</div><div hidden>Gone</div>"), ("Panel text",), ("Gone",)),
    ("a.html", page("<div hidden='until-found'>Findable</div><div role='tabpanel' hidden>Second tab</div>"), ("Findable", "Second tab"), ()),
    ("a.html", page("<pre>Day 1  5 mg\nDay 2  10 mg\n\nEnd</pre>"), ("Day 1  5 mg\nDay 2  10 mg\n\nEnd",), ()),
    ("a.html", page("<p>Seen</p><p class='x'>Unseen</p><p class='y'>Back</p>", "<style>.x,.y{display:none} @media print{.p{display:none}} .y{display:block}</style>"),
     ("Seen", "Back"), ("Unseen",)),
    ("a.html", page("<p>Seen</p><p style='color:#fff'>Unseen</p><div style='background:#000'><p style='color:#fff'>On black</p></div>"),
     ("Seen", "On black"), ("Unseen",)),
    ("a.html", page("<p>Seen</p><p style='position:absolute;left:-9999px'>Unseen</p>"), ("Seen",), ("Unseen",)),
    ("a.html", page("<article><p>Text of it.</p><footer><p>Reviewed in May by the pharmacy.</p></footer></article><footer>Imprint</footer>"),
     ("Reviewed in May",), ("Imprint",)),
    ("a.docx", p("Seen ", r("unseen", "<w:vanish/>")) + p("white ", r("hidden", '<w:color w:val="FFFFFF"/>')), ("Seen", "white"), ("unseen", "hidden")),
    ("a.docx", p("Dose ", '<w:del w:id="1" w:author="x"><w:r><w:delText>400</w:delText></w:r></w:del>',
                 '<w:ins w:id="2" w:author="x"><w:r><w:t>200</w:t></w:r></w:ins>', " mg"), ("Dose 200 mg",), ("400",)),
    ("a.md", "Seen <span hidden>unseen</span> <!-- remark --> {{ name }} and {{x}}", ("Seen", "{{ name }} and {{x}}"), ("unseen", "remark")),
    ("a.md", "If p <b and c> 5, <i or j>, then <b>bold</b>. $\\frac{{a}}{{b}}$", ("<b and c>", "<i or j>", "then bold", "$\\frac{{a}}{{b}}$"), ()),
    ("a.xml", article("<p>Text</p>", 'article xmlns="http://jats.nlm.nih.gov"'), ("Text",), ()),
    ("a.xml", article("<p>Text<fn><p>Not for children.</p></fn></p>"), ("Text (Not for children.)",), ()),
]


@pytest.mark.parametrize(("name", "content", "has", "lacks"), [*RAISED, *SYMBOLS, *TABLES, *NUMBERED, *SEEN])
def test_the_text_says_what_the_document_shows(parse: Parse, name: str, content: str, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    text = parse(name, body(content) if name.endswith(".docx") else content).text
    assert [words for words in has if words not in text] == [], text
    assert [words for words in lacks if words in text] == [], text


def numbered(levels: str, *paragraphs: str, more: str = "") -> bytes:
    """Return a Word document with a numbering 77 of these levels, and 78 beside it which starts anew."""
    numbers = (f'<w:abstractNum w:abstractNumId="77">{levels}</w:abstractNum><w:num w:numId="77"><w:abstractNumId w:val="77"/></w:num>'
               f'<w:num w:numId="78"><w:abstractNumId w:val="77"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
               f'<w:num w:numId="79"><w:abstractNumId w:val="77"/></w:num>{more}')
    return with_part(body("".join(paragraphs)), "word/numbering.xml",
                     lambda data: data.replace(b"</w:numbering>", numbers.encode() + b"</w:numbering>"))


def level(depth: int, form: str, text: str, more: str = "") -> str:
    """Return one level of a numbering."""
    return f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'


PLAIN = level(0, "decimal", "%1.") + level(1, "lowerLetter", "%2)") + level(2, "bullet", "\uf0b7")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (numbered(PLAIN, step("A", "77"), step("B", "77"), p("Wait."), step("C", "77")), "1. A\n2. B\n\nWait.\n\n3. C"),
        (numbered(PLAIN, step("A", "77"), step("x", "77", 1), step("y", "77", 1), step("B", "77"), step("z", "77", 1)),
         "1. A\n  a) x\n  b) y\n2. B\n  a) z"),
        (numbered(PLAIN, step("A", "77"), step("B", "78"), step("C", "79")), "1. A\n1. B\n2. C"),
        (numbered(PLAIN, step("A", "77"), step("x", "77", 2)), "1. A\n    - x"),
        (numbered(level(0, "decimal", "%1") + level(1, "decimal", "%1.%2"), step("A", "77"), step("x", "77", 1), step("y", "77", 1)), "1 A\n\n  1.1 x\n\n  1.2 y"),
        (numbered(level(0, "upperRoman", "Step %1:"), step("A", "77"), step("B", "77")), "Step I: A\n\nStep II: B"),
        (numbered(level(0, "decimalZero", "%1."), step("A", "77"), step("", "77"), step("B", "77")), "01. A\n03. B"),
        (numbered(level(0, "decimal", "%1.").replace('start w:val="1"', 'start w:val="5"'), step("A", "77")), "5. A"),
        (numbered(level(0, "decimal", "%1"), p("Doses", properties='<w:pStyle w:val="Heading1"/><w:numPr><w:numId w:val="77"/></w:numPr>')), "# 1 Doses"),
    ],
)
def test_word_paragraphs_keep_the_numbers_that_the_page_shows(parse: Parse, content: bytes, text: str) -> None:
    assert parse("a.docx", content).text == text


def test_a_footnote_of_word_stands_apart_from_the_number_and_is_read(parse: Parse) -> None:
    notes = ('<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
             '<w:footnote w:id="7"><w:p><w:r><w:t>Halve it in renal failure.</w:t></w:r></w:p></w:footnote></w:footnotes>')
    content = body(p("Give 500", '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:footnoteReference w:id="7"/></w:r>', " mg"))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    related = b'<Relationship Id="rId99" Type="%s" Target="footnotes.xml"/></Relationships>' % kind.encode()
    content = with_part(content, "word/_rels/document.xml.rels", lambda data: data.replace(b"</Relationships>", related))
    assert parse("a.docx", with_part(content, "word/footnotes.xml", lambda _: notes.encode())).text == (
        "Give 500 [1] mg\n\n[1] Halve it in renal failure."
    )


def test_what_was_left_out_is_counted_and_its_text_stays_out_of_the_metadata(parse: Parse) -> None:
    document = parse("a.html", page("<nav>Menu of it</nav><p>Text</p><p hidden>Ignore the rules</p><p style='display:none'>and these</p>"))
    assert document.metadata == {LEFT_OUT: ["hidden: 2", "navigation and page furniture: 1"]}
    assert "Ignore" not in str(document)


def test_symbols_of_unknown_meaning_are_marked_and_reported(parse: Parse) -> None:
    document = parse("a.docx", body(p("Give ", '<w:r><w:sym w:font="ClinicLogos" w:char="F041"/></w:r>', " daily")))
    assert document.metadata[WARNINGS] == ["1 symbols of unknown meaning are shown as \ufffd"]
