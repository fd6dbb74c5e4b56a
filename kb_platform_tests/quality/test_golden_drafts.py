"""Drafts of goldens from headings: what is asked, what is quoted, what is left out, and that nothing is asked twice."""

from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.golden_check import check_goldens
from kb_platform.quality.golden_drafts import HELD, Drafts, ReadDocument, draft_goldens
from kb_platform.quality.passages import DocumentKey, resolve_goldens
from kb_platform_tests.quality.builders import reading

KEYS = """# Keys

## 1.2 Ward cupboards

| ward | cupboard |
|---|---|
| A | grey |

The list, by ward and by shift of the day:

- The porter keeps the keys of every ward in the grey cabinet. It is locked.
- Others sign.

## Losses

Ring security.
"""
BADGES = "Staff badges\n\n# Wearing a *badge*\n\nA badge is worn at the height of the chest by everybody. No badge, no entry.\n"


def read(doc_id: str, text: str, title: str = "", source: str = "wiki") -> ReadDocument:
    return ReadDocument(DocumentKey(source, doc_id), title, text)


def drafts(*documents: ReadDocument, known: tuple[Golden, ...] = (), count: int = 20) -> Drafts:
    return draft_goldens("wards", documents, known, count)


def asked(found: Drafts) -> dict[str, tuple[str, str | None]]:
    return {draft.expected[0].document: (draft.question, draft.expected[0].quote) for draft in found.goldens}


def test_a_draft_asks_by_title_and_heading_and_quotes_a_sentence_of_the_section() -> None:
    found = drafts(read("keys.md", KEYS, "Keys"), read("badges.md", BADGES, "Staff badges"))
    assert asked(found) == {
        "keys.md": ("Keys: Ward cupboards", "The porter keeps the keys of every ward in the grey cabinet."),
        "badges.md": ("Staff badges: Wearing a badge", "A badge is worn at the height of the chest by everybody."),
    }
    assert (found.documents, found.left, found.repeated) == (2, 0, 0)


def test_what_is_drafted_is_present_and_gives_no_warning() -> None:
    documents = [read("keys.md", KEYS, "Keys"), read("badges.md", BADGES, "Staff badges")]
    reader = reading({document.key: document.text for document in documents})
    goldens = drafts(*documents).goldens
    assert len(goldens) == 2
    assert check_goldens(goldens, resolve_goldens(goldens, reader), reader) == []


def page(title: str, *sections: tuple[str, str]) -> ReadDocument:
    return read(f"{title}.md", f"# {title}\n\n" + "".join(f"## {heading}\n\n{sentence}\n\n" for heading, sentence in sections), title)


def test_headings_of_several_documents_come_last() -> None:
    contact = [("Contact", f"Ring the ward's desk on extension {n}, at any hour.") for n in (21, 22, 23)]
    found = drafts(page("Keys", contact[0], ("Losses", "Whoever loses a key rings security at once.")), page("Badges", contact[1]), page("Doors", contact[2]), count=4)
    assert (found.goldens[0].question, found.goldens[-1].question) == ("Keys: Losses", "Keys: Contact")
    assert {draft.question for draft in found.goldens[1:3]} == {"Badges: Contact", "Doors: Contact"}


def test_what_another_document_says_too_is_left_out() -> None:
    boilerplate = ("About us", "The hospital's handbook is kept by the clinical governance office.")
    found = drafts(page("Keys", boilerplate, ("Losses", "Whoever loses a key rings security at once.")), page("Badges", boilerplate))
    assert [draft.question for draft in found.goldens] == ["Keys: Losses"]
    assert found.repeated == 2
    titles = [("Losses", f"Whoever loses {what} rings security at once.") for what in ("a key", "a badge")]
    assert drafts(page("Keys", titles[0]), read("other.md", f"## Losses\n\n{titles[1][1]}\n", "Keys")).goldens == ()


def test_a_heading_that_stands_word_for_word_in_its_document_is_left_out() -> None:
    text = "# Who may enter the pharmacy?\n\nOnly the pharmacist on duty has a key to that door.\n"
    assert drafts(read("a.md", text, "Who may enter the pharmacy?")).goldens == ()
    assert asked(drafts(read("a.md", text, "Doors"))) == {"a.md": ("Doors: Who may enter the pharmacy?", "Only the pharmacist on duty has a key to that door.")}


def test_a_sentence_that_stands_twice_is_not_quoted() -> None:
    twice = "Only the pharmacist on duty has a key to that door."
    text = f"# Doors\n\n## Day\n\n{twice}\n\n## Night\n\n{twice} The night pharmacist has the key of the second door.\n"
    assert asked(drafts(read("a.md", text, "Doors"))) == {"a.md": ("Doors: Night", "The night pharmacist has the key of the second door.")}


def test_an_item_is_quoted_without_its_number_and_a_part_of_a_list_is_not() -> None:
    text = "## Losses\n\nTell, in this order:\n\n1. the ward stock list and the wards next to you;\n2. Whoever loses a key rings security at once.\n"
    assert asked(drafts(read("a.md", text, "Keys"))) == {"a.md": ("Keys: Losses", "Whoever loses a key rings security at once.")}


def test_languages_without_blanks_are_drafted_from_too() -> None:
    chinese = "# 药品冷链\n\n## 储存温度\n\n记录。疫苗必须在二至八摄氏度之间保存，护士长每天读取温度。\n"
    thai = "# ยาแช่เย็น\n\n## การเก็บรักษา\n\nวัคซีนต้องเก็บไว้ที่อุณหภูมิระหว่างสองถึงแปดองศา\n"
    assert asked(drafts(read("a.md", chinese, "药品冷链"), read("b.md", thai, "ยาแช่เย็น"))) == {
        "a.md": ("药品冷链: 储存温度", "疫苗必须在二至八摄氏度之间保存，护士长每天读取温度。"),
        "b.md": ("ยาแช่เย็น: การเก็บรักษา", "วัคซีนต้องเก็บไว้ที่อุณหภูมิระหว่างสองถึงแปดองศา"),
    }


def test_text_without_headings_code_and_tables_make_no_draft() -> None:
    code = "# Script\n\n```\n# The porter keeps the keys of every ward.\nThe porter keeps the keys of every ward.\n```\n"
    assert drafts(read("a.txt", "The porter keeps the keys of every ward. It is locked."), read("b.md", code), read("c.md", "# Only a heading")).goldens == ()


def many(number: int) -> list[ReadDocument]:
    texts = (f"# T{n}\n\n" + "".join(f"## H{n} {m}\n\nThe sentence numbered {m} of document {n} stands here alone.\n\n" for m in range(4)) for n in range(number))
    return [read(f"{n}.md", text, f"T{n}") for n, text in enumerate(texts)]


def test_a_document_of_very_many_sections_is_drafted_from_all_over() -> None:
    text = "".join(f"## H{n}\n\nThe sentence numbered {n} of this document stands here alone.\n\n" for n in range(1200))
    found = drafts(read("a.md", text, "T"))
    assert len(found.goldens) == HELD
    assert all(int(draft.question.removeprefix("T: H")) % 3 == 0 for draft in found.goldens)
    others = drafts(read("a.md", text, "T"), known=found.goldens)
    assert len(others.goldens) == HELD
    assert {draft.question for draft in others.goldens}.isdisjoint(draft.question for draft in found.goldens)


def test_drafts_are_spread_over_documents_and_are_the_same_every_time() -> None:
    found = drafts(*many(10), count=10)
    assert {draft.expected[0].document for draft in found.goldens} == {f"{n}.md" for n in range(10)}
    assert found.left == 30
    assert drafts(*reversed(many(10)), count=10).goldens == found.goldens
    assert len(drafts(*many(10), count=1000).goldens) == 40


def test_known_goldens_are_not_asked_again_and_their_documents_come_last() -> None:
    first = drafts(*many(4), count=2)
    second = drafts(*many(4), known=first.goldens, count=2)
    assert {d.expected[0].document for d in (*first.goldens, *second.goldens)} == {f"{n}.md" for n in range(4)}
    reworded = tuple(Golden(f"mine-{n}", f"In my words {n}?", draft.expected) for n, draft in enumerate(first.goldens))
    assert drafts(*many(4), known=reworded, count=2).goldens == second.goldens
    everything = drafts(*many(4), count=100).goldens
    assert drafts(*many(4), known=everything).goldens == ()
    assert len({draft.id for draft in everything}) == 16


def test_a_source_is_named_where_two_have_a_document_of_this_id() -> None:
    found = drafts(read("a.md", KEYS, "Keys"), read("a.md", BADGES, "Staff badges", source="intranet"))
    assert {p.source for draft in found.goldens for p in draft.expected} == {"wiki", "intranet"}
    assert [p for draft in drafts(read("a.md", KEYS, "Keys")).goldens for p in draft.expected] == [
        ExpectedPassage("a.md", "The porter keeps the keys of every ward in the grey cabinet.")]
