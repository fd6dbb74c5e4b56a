"""Articles in JATS, the XML of biomedical journals (ANSI/NISO Z39.96): title, abstract, sections and tables as Markdown.

References, formulas in a second notation and contributor lists are left out: they answer no question and drown the text in names.
"""

from collections.abc import Iterator
from typing import Any

from kb_platform.ingest.decode import sniff
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.tables import table_lines
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_SKIPPED = {"ref-list", "tex-math", "fn-group", "supplementary-material", "permissions", "object-id", "graphic"}
_SECTIONS = {"sec", "app"}
_CONTAINERS = _SECTIONS | {
    "abstract", "ack", "alternatives", "app-group", "back", "body", "boxed-text", "caption", "disp-quote", "fig",
    "fig-group", "glossary", "notes", "statement", "table-wrap", "table-wrap-foot", "table-wrap-group", "trans-abstract",
}
_PLACES = ("front/article-meta/abstract", "body", "back")


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the article; journal, DOI and year are its metadata.

    Raises:
        DocumentUnreadable: malformed XML, or XML of another kind.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    if found := sniff(content):
        raise DocumentUnreadable(f"holds {found}, not XML")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        raise DocumentUnreadable("malformed XML") from None
    article = root if root.tag == "article" else root.find(".//article")
    if article is None:
        raise DocumentUnreadable("XML, but no JATS article")
    title = _text(article.find("front/article-meta/title-group/article-title"))
    parts = [part for place in _PLACES for found in article.findall(place) for part in _blocks(found, 1)]
    return Parsed(title, "\n\n".join([f"# {title}", *parts] if title and parts else parts), _metadata(article))


def _metadata(article: Any) -> dict[str, str]:
    meta = "front/article-meta"
    found = {
        "journal": _text(article.find("front/journal-meta//journal-title")),
        "doi": _text(article.find(f"{meta}/article-id[@pub-id-type='doi']")),
        "year": _text(article.find(f"{meta}/pub-date/year")),
    }
    return {key: value for key, value in found.items() if value}


def _blocks(element: Any, level: int) -> Iterator[str]:
    """Yield headings, paragraphs, lists and tables. An abstract without a title gets its name."""
    if element.tag == "abstract" and element.find("title") is None:
        yield "## Abstract"
    for child in element:
        if child.tag in _CONTAINERS:
            yield from _blocks(child, level + (child.tag in _SECTIONS))
        elif child.tag not in _SKIPPED and (text := _block(child, element, level)):
            yield text


def _block(child: Any, parent: Any, level: int) -> str:
    if child.tag == "list":
        return "\n".join(f"- {_text(item)}" for item in child.findall("list-item"))
    if child.tag == "table":
        return "\n".join(table_lines([_text(cell) for cell in row if cell.tag in ("td", "th")] for row in child.iter("tr")))
    text = _text(child)
    if child.tag == "title" and parent.tag != "caption" and text:
        return f"{'#' * min(max(level, 2), 6)} {text}"
    return text


def _text(element: Any) -> str:
    return "" if element is None else " ".join("".join(_pieces(element)).split())


def _pieces(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _SKIPPED:
            yield from _pieces(child)
            if child.tag in ("p", "list-item", "title", "label", "td", "th"):
                yield " "
        yield child.tail or ""
