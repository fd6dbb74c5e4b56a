"""All visible text of an HTML tree as Markdown: headings, numbered lists, tables, raised and lowered characters.

Walks events instead of recursing, for pages may be nested thousands deep.
"""

import re
from typing import Any

from kb_platform.ingest.formats.formula import formula_text
from kb_platform.ingest.formats.html_blocks import has_prose, is_boilerplate
from kb_platform.ingest.formats.html_marks import Mark, mark_of
from kb_platform.ingest.formats.html_tables import TableWriter
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.lists import FORMATS, MARK, counted, tight_lists

_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend", "main", "ol", "option", "p", "pre", "search",
    "section", "summary", "table", "ul",
}
_SPACE = re.compile(r"[ \t\r\n\f]+")
_LISTED = re.compile(rf" *{MARK}")
_LIST_STYLE = re.compile(r"list-style(?:-type)?\s*:[^;]*?(lower-alpha|lower-latin|upper-alpha|upper-latin|lower-roman|upper-roman)", re.IGNORECASE)


def page_text(page: Any, left_out: LeftOuts, without: frozenset[Any] = frozenset()) -> str:
    """Return the text of a tree whose scripts and hidden elements are gone already, without the blocks in `without`."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    writer, mains = _Writer(), page.xpath("//main|//*[@role='main']")
    around = frozenset(mains[0].iterancestors()) if len(mains) == 1 else frozenset[Any]()
    main = mains[0] if around else None
    walk = etree.iterwalk(page, events=("start", "end"))
    skipped: set[Any] = set()
    for event, element in walk:
        beside = main is not None and element.getparent() in around and element is not main and element not in around
        if event == "start":
            why = _why_not(element, beside=beside, without=without)
            if why or element.tag == "math":
                skipped.add(element)
                walk.skip_subtree()
            if why:
                left_out.add(why, "".join(element.itertext()) if why != "unseen" else "")
            elif element.tag == "math":
                writer.words(formula_text(element))
            else:
                writer.start(element)
                if element not in around:
                    writer.words(element.text)
        else:
            if element not in skipped:
                writer.end(element)
            if element is not page and element.getparent() not in around:
                writer.words(element.tail)
    return _tidy("".join(writer.parts))


def _why_not(element: Any, *, beside: bool, without: frozenset[Any]) -> str:
    """Return why an element is not read; empty where it is."""
    if not isinstance(element.tag, str) or element.tag == "head":
        return "unseen"
    if is_boilerplate(element):
        return "navigation and page furniture"
    if element in without:
        return "lists of links"
    if beside and not (element.tag in ("header", "aside") and has_prose(element)):
        return "beside the main part"
    return ""


def _tidy(text: str) -> str:
    lines = text.split("\n")
    return tight_lists("\n".join(line.rstrip() if _LISTED.match(line) else line.strip() for line in lines).strip())


class _Writer:
    """Turns start and end of elements into text; inside a table, into cells; inside a raised or lowered part, into its signs."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.table = TableWriter()
        self.lists: list[_List] = []
        self.marks: list[Mark] = []
        self.pre = 0

    def words(self, text: str | None) -> None:
        if not text:
            return
        if self.marks:
            self.marks[-1].text += text
            return
        text = text.expandtabs() if self.pre else _SPACE.sub(" ", text)
        if self.table.has_cell():
            self.table.add(_SPACE.sub(" ", text))
        elif self.pre:
            self.parts.append(text)
        else:
            self.parts.append(text.lstrip(" ") if not self.parts or self.parts[-1].endswith(("\n", " ")) else text)

    def start(self, element: Any) -> None:
        tag = element.tag
        if mark := mark_of(element):
            self.marks.append(mark)
            return
        if tag == "table" or self.table.depth:
            self._start_in_table(element)
        elif tag[0] == "h" and tag[1:].isdigit():
            self.parts.append(f"\n\n{'#' * min(int(tag[1:]), 6)} ")
        elif tag == "li":
            self.parts.append(f"\n{'  ' * max(len(self.lists) - 1, 0)}{self._item(element)} ")
        elif tag in ("ul", "ol"):
            self.parts.append("\n" if self.lists else "\n\n")
            self.lists.append(_List(element))
        elif tag == "br":
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self.parts.append("\n\n")
        self.pre += tag == "pre"

    def end(self, element: Any) -> None:
        tag = element.tag
        if self.marks and self.marks[-1].element is element:
            mark = self.marks.pop()
            before = self.marks[-1].text if self.marks else self.table.last() if self.table.has_cell() else "".join(self.parts[-1:])
            self.words(mark.shown(before))
            return
        self.pre -= tag == "pre"
        if tag == "table" and self.table.depth:
            if text := self.table.end():
                self.parts += ["\n\n", text, "\n\n"]
        elif self.table.depth:
            self._part_of_cell(element, start=False)
        elif tag in ("ul", "ol") and self.lists:
            self.lists.pop()
            self.parts.append("\n" if self.lists else "\n\n")
        elif tag in _BLOCKS or (tag[0] == "h" and tag[1:].isdigit()):
            self.parts.append("\n\n")

    def _item(self, element: Any) -> str:
        return self.lists[-1].label(element) if self.lists else "-"

    def _start_in_table(self, element: Any) -> None:
        """A table inside a cell is a part of that cell: layout tables of old pages would be unreadable otherwise."""
        if not self.table.start(element):
            self._part_of_cell(element, start=True)

    def _part_of_cell(self, element: Any, *, start: bool) -> None:
        """Blocks in a cell stand beside each other; letters in a word do not."""
        tag = element.tag
        if tag in ("ul", "ol"):
            if start:
                self.lists.append(_List(element))
            elif self.lists:
                self.lists.pop()
        if tag == "li" and start:
            label = self._item(element)
            self.words(" " if label == "-" else f" {label} ")
        elif tag in _BLOCKS or tag in ("li", "br", "tr", "td", "th") or (tag[0] == "h" and tag[1:].isdigit()):
            self.words(" ")


class _List:
    """One list and how far it has counted."""

    def __init__(self, element: Any) -> None:
        self.ordered = element.tag == "ol"
        style = _LIST_STYLE.search(element.get("style", ""))
        self.form = FORMATS[style[1].lower()] if style else element.get("type", "1")
        self.step = -1 if element.get("reversed") is not None else 1
        default = sum(child.tag == "li" for child in element) if self.step < 0 else 1
        self.next = _whole(element.get("start"), default)

    def label(self, item: Any) -> str:
        """Return an item's number or a hyphen, and count on."""
        if not self.ordered:
            return "-"
        number = _whole(item.get("value"), self.next)
        self.next = number + self.step
        return f"{counted(number, item.get('type', self.form))}."


def _whole(value: str | None, default: int) -> int:
    try:
        return int(value or "")
    except ValueError:
        return default
