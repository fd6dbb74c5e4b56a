"""The structure of a Markdown text, as far as cutting needs it."""

import pytest

from kb_platform.index.outline import Rank, read_outline

PAGE = """Intro text that stands before any heading, and is long enough to be a line of prose.

# Aspirin

## Dose ##

Adults take one of these:

- tablets
- drops
  - in water

```
## not a heading
```

| Form | mg |
|------|---:|
| tablet | 500 |
| drops | 10 |

After the table.

#hashtag is no heading
####### seven are none
### Children
None.
"""


def ranks(text: str) -> dict[str, Rank]:
    """Return the best rank by the first word or two of its line."""
    best: dict[str, Rank] = {}
    for boundary in sorted(read_outline(text).boundaries, key=lambda b: b.rank, reverse=True):
        best[text[boundary.position :].split("\n", 1)[0].strip()] = boundary.rank
    return best


def test_headings_know_their_path() -> None:
    paths = [heading.path for heading in read_outline(PAGE).headings]
    assert paths == [("Aspirin",), ("Aspirin", "Dose"), ("Aspirin", "Dose", "Children")]


def test_a_position_is_governed_by_the_headings_above_it() -> None:
    outline = read_outline(PAGE)
    assert outline.path_at(0) == ()
    assert outline.path_at(PAGE.index("# Aspirin")) == ()
    assert outline.path_at(PAGE.index("## Dose")) == ("Aspirin",)
    assert outline.path_at(PAGE.index("Adults")) == ("Aspirin", "Dose")
    assert outline.path_at(PAGE.index("None.")) == ("Aspirin", "Dose", "Children")


def test_cuts_are_ranked_by_what_they_separate() -> None:
    found = ranks(PAGE)
    assert found["# Aspirin"] == found["## Dose ##"] == found["### Children"] == Rank.HEADING
    assert found["- drops"] == Rank.ITEM
    assert found["After the table."] == Rank.PARAGRAPH


def test_what_belongs_together_is_not_offered_for_cutting_or_last() -> None:
    found = ranks(PAGE)
    assert "Adults take one of these:" not in found, "a heading keeps its first line"
    assert found["- tablets"] == Rank.SENTENCE, "a list keeps the line that introduces it"
    assert found["- in water"] == Rank.SENTENCE
    assert "|------|---:|" not in found
    assert "| tablet | 500 |" not in found, "the names of the columns keep the first row"
    assert found["| drops | 10 |"] == Rank.ITEM
    assert "None." not in found


def test_wrapped_prose_is_not_cut_at_the_end_of_its_lines() -> None:
    wrapped = "a line of prose that was wrapped by somebody at\nseventy characters and goes on in the next line"
    assert ranks(wrapped) == {}
    assert ranks("Name: Aspirin\nDose: 1") == {"Dose: 1": Rank.SENTENCE}


def test_a_table_names_its_columns_below_the_first_row_only() -> None:
    outline = read_outline(PAGE)
    assert outline.columns_at(PAGE.index("| drops")) == "Form, mg"
    assert outline.columns_at(PAGE.index("| Form")) == ""
    assert outline.columns_at(PAGE.index("After the table")) == ""
    assert read_outline("| a |\n|---|\n| 1 |").columns_at(13) == "a"
    assert read_outline("| a |\n| 1 |").tables == ()


def test_an_unclosed_fence_lasts_to_the_end() -> None:
    assert read_outline("~~~\n# code\n\n# code\n").headings == ()


def test_a_text_without_structure_has_none() -> None:
    outline = read_outline("one line")
    assert (outline.headings, outline.tables, outline.boundaries) == ((), (), ())
    assert outline.path_at(3) == ()


@pytest.mark.parametrize("line", ["3. Open", "2) Open", "a) Open", "iv. Open", "1.2. Open", "1.2 Open", "- Open", "B. Open"])
def test_numbered_items_of_every_form_are_items(line: str) -> None:
    assert ranks(f"Long introduction of the list that ends with a stop and is a line.\n{line}\n")[line] == Rank.ITEM


def test_no_sentence_in_a_table_row_is_a_place_for_a_cut_before_the_row_is() -> None:
    text = "| Drug | Advice |\n|---|---|\n| A | Take it. Drink water. |\n| B | Stop. Ask. |\n"
    inside = [b.rank for b in read_outline(text).boundaries if b.position and text[b.position - 1] != "\n"]
    assert inside
    assert set(inside) == {Rank.CELL}


def test_column_names_may_hold_an_escaped_bar() -> None:
    text = "| A\\|B | C |\n|---|---|\n| 1 | 2 |"
    assert read_outline(text).columns_at(len(text) - 3) == "A\\|B, C"
