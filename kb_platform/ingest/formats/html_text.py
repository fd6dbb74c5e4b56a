"""All visible text of an HTML tree as Markdown: headings, list items and tables; parts marked as boilerplate are left out.

Walks events instead of recursing, for pages may be nested thousands deep.
"""

import re
from typing import Any

from kb_platform.ingest.formats.lists import tight_lists
from kb_platform.ingest.formats.tables import table_lines

_BOILERPLATE = {"nav", "footer", "aside", "head", "select", "menu"}
_NAMES = {
    "nav", "navbar", "navigation", "menu", "footer", "site-footer", "breadcrumb", "breadcrumbs", "sidebar", "cookie-banner",
    "skip-link",
}
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary"}
_BLOCKS = {
    "address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption",
    "figure", "form", "header", "hr", "html", "legend", "main", "ol", "option", "p", "pre", "section", "summary", "table", "ul",
}
_SPACE = re.compile(r"[ \t\r\n\f]+")


def page_text(page: Any) -> str:
    """Return the text of a tree whose scripts and hidden elements are gone already."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    writer, mains = _Writer(), page.xpath("//main|//*[@role='main']")
    root = mains[0] if len(mains) == 1 else page
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if event == "start":
            if _is_boilerplate(element):
                walk.skip_subtree()
            else:
                writer.start(element.tag)
                writer.words(element.text)
        else:
            if not _is_boilerplate(element):
                writer.end(element.tag)
            if element is not root:
                writer.words(element.tail)
    lines = "".join(writer.parts).split("\n")
    return tight_lists("\n".join(line if line.lstrip().startswith("- ") else line.strip() for line in lines).strip())


def _is_boilerplate(element: Any) -> bool:
    if not isinstance(element.tag, str):  # comments and processing instructions
        return True
    if element.tag in _BOILERPLATE or element.get("role") in _ROLES:
        return True
    if _NAMES.intersection(f"{element.get('class', '')} {element.get('id', '')}".lower().split()):
        return True
    return element.tag == "header" and element.getparent() is not None and element.getparent().tag == "body"


class _Writer:
    """Turns start and end of elements into text; inside a table, into cells."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.rows: list[list[str]] = []
        self.tables = 0
        self.lists = 0

    def words(self, text: str | None) -> None:
        if not text:
            return
        text = _SPACE.sub(" ", text)
        if self.tables and self.rows and self.rows[-1]:
            self.rows[-1][-1] += text
        else:
            self.parts.append(text.lstrip() if not self.parts or self.parts[-1].endswith(("\n", " ")) else text)

    def start(self, tag: str) -> None:
        if tag == "table":
            self.tables += 1
        if self.tables:
            self._start_in_table(tag)
        elif tag[0] == "h" and tag[1:].isdigit():
            self.parts.append(f"\n\n{'#' * min(int(tag[1:]), 6)} ")
        elif tag == "li":
            self.parts.append(f"\n{'  ' * (self.lists - 1)}- ")
        elif tag in ("ul", "ol"):
            self.parts.append("\n" if self.lists else "\n\n")
            self.lists += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self.parts.append("\n\n")

    def end(self, tag: str) -> None:
        if tag == "table" and self.tables:
            self.tables -= 1
            if not self.tables:
                self.parts += ["\n\n", "\n".join(table_lines(self.rows)), "\n\n"]
                self.rows = []
        elif self.tables:
            self._part_of_cell(tag)
        elif tag in ("ul", "ol"):
            self.lists -= 1
            self.parts.append("\n" if self.lists else "\n\n")
        elif tag in _BLOCKS or (tag[0] == "h" and tag[1:].isdigit()):
            self.parts.append("\n\n")

    def _start_in_table(self, tag: str) -> None:
        """A table inside a cell is a part of that cell: layout tables of old pages would be unreadable otherwise."""
        if tag == "tr" and self.tables == 1:
            self.rows.append([])
        elif tag in ("td", "th") and self.tables == 1:
            self.rows = self.rows or [[]]
            self.rows[-1].append("")
        else:
            self._part_of_cell(tag)

    def _part_of_cell(self, tag: str) -> None:
        """Blocks in a cell stand beside each other; letters in a word (H<sub>2</sub>O) do not."""
        if tag in _BLOCKS or tag in ("li", "br", "tr", "td", "th"):
            self.words(" ")
