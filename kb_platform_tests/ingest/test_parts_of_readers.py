"""Small parts that several readers share."""

import os
from pathlib import Path

import pytest

from kb_platform.index.outline import read_outline
from kb_platform.ingest.folder_walk import FolderWalk, Tally
from kb_platform.ingest.formats import media_type_of
from kb_platform.ingest.formats.front_matter import split_front_matter
from kb_platform.ingest.formats.hidden import is_hidden
from kb_platform.ingest.formats.lists import tight_lists
from kb_platform.ingest.formats.tables import table_lines
from kb_platform.ingest.sources import Skipped


def test_rows_of_any_length_become_a_table_that_the_chunker_knows() -> None:
    lines = table_lines([["Drug", "Dose"], ["", " "], ["A|B", "5\n mg", "x"], ["C"]])
    assert lines == ["| Drug | Dose |  |", "|---|---|---|", "| A\\|B | 5 mg | x |", "| C |  |  |"]
    [table] = read_outline("\n".join(lines)).tables
    assert table.columns == "Drug, Dose"


def test_a_table_without_a_word_is_no_table() -> None:
    assert table_lines([]) == table_lines([[], ["", "\n"]]) == []


@pytest.mark.parametrize(
    ("loose", "tight"),
    [
        ("- a\n\n- b\n\n  - c\n\n\n- d", "- a\n- b\n  - c\n- d"),
        ("- a\n\ntext\n\n- b", "- a\n\ntext\n\n- b"),
        ("a - b\n\n- c", "a - b\n\n- c"),
        ("-a\n\n- b", "-a\n\n- b"),
    ],
)
def test_items_that_follow_each_other_are_one_list(loose: str, tight: str) -> None:
    assert tight_lists(loose) == tight
    assert tight_lists(tight) == tight


@pytest.mark.parametrize(
    "attributes",
    [
        " hidden",
        " hidden=''",
        ' class="x" hidden',
        " HIDDEN/",
        ' style="display:none"',
        " style=display:none",
        " style='a:b; VISIBILITY: hidden'",
    ],
)
def test_attributes_that_hide(attributes: str) -> None:
    assert is_hidden(attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        ' class="hidden"',
        ' data-hidden="1"',
        ' aria-hidden="true"',
        ' title="is hidden here"',
        ' style="display:block"',
        " hiddenish",
    ],
)
def test_attributes_that_do_not_hide(attributes: str) -> None:
    assert not is_hidden(attributes)


@pytest.mark.parametrize(
    ("text", "front", "body"),
    [
        ("---\na: 1\n---\nx", {"a": "1"}, "x"),
        ("---\n---\nx", {}, "x"),
        ("---\n# only a comment\n---\nx", {}, "x"),
        ("---\na: 1\n...\nx", {"a": "1"}, "x"),
        ("---\na: 1\n---", {"a": "1"}, ""),
        ("---\na: 1\nx", {}, "---\na: 1\nx"),
        ("----\na: 1\n----\nx", {}, "----\na: 1\n----\nx"),
        (" ---\na: 1\n---\nx", {}, " ---\na: 1\n---\nx"),
        ("---\na: 2018-13-45\nb: 0x10\nc: ~\n1: x\n---\n", {"a": "2018-13-45", "b": "0x10", "1": "x"}, ""),
    ],
)
def test_a_block_of_front_matter_is_split_off(text: str, front: dict[str, str], body: str) -> None:
    assert split_front_matter(text) == (front, body)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("x/a.MD", "text/markdown"),
        ("a.tar.gz", "application/octet-stream"),
        ("md", "application/octet-stream"),
        ("a.b/c.pdf", "application/pdf"),
    ],
)
def test_the_media_type_is_that_of_the_last_suffix(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_a_walk_is_in_the_order_of_names_and_stays_in_the_folder(tmp_path: Path) -> None:
    for name in ("b", "a", "c/b", "c/a", "B/z", ".git/x", ".y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.symlink(tmp_path, tmp_path / "c" / "up")
    tally = Tally()
    assert [doc_id for doc_id, _ in FolderWalk(tmp_path, tally)] == ["a", "b", "B/z", "c/a", "c/b"]
    assert tally.items() == [Skipped("hidden", 2, ".git"), Skipped("a link to a folder", 1, "c/up")]


def test_a_walk_of_a_root_that_is_gone_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(FolderWalk(tmp_path / "gone", Tally()))
