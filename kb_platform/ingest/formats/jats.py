"""Articles in JATS, the XML of biomedical journals (ANSI/NISO Z39.96): title, abstract, sections and tables as Markdown.

References, formulas in a second notation and contributor lists are left out: they answer no question and drown the text in names.
"""

from collections.abc import Iterator
from typing import Any

from kb_platform.ingest.decode import sniff
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.jats_text import block_list, inline_text, table_text
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_SKIPPED = {"ref-list", "supplementary-material", "permissions", "object-id", "graphic", "contrib-group", "xref"}
_SECTIONS = {"sec", "app"}
_CONTAINERS = _SECTIONS | {
    "abstract", "ack", "alternatives", "app-group", "back", "body", "boxed-text", "caption", "disp-quote", "fig", "fn-group",
    "fig-group", "glossary", "notes", "statement", "table-wrap", "table-wrap-foot", "table-wrap-group", "trans-abstract",
}
_PLACES = ("front/article-meta/abstract", "front/article-meta/trans-abstract", "body", "back", "floats-group")


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
    for element in root.iter("{*}*"):  # a default namespace, or a prefix, says nothing that the names do not
        if "}" in element.tag:
            element.tag = element.tag.rpartition("}")[2]
    article = root if root.tag == "article" else root.find(".//article")
    if article is None:
        raise DocumentUnreadable("XML, but no JATS article")
    title, left_out = inline_text(article.find("front/article-meta/title-group/article-title")), LeftOuts()
    parts = [part for place in _PLACES for found in article.findall(place) for part in _blocks(found, 1)]
    for references in article.iter("ref-list"):
        left_out.add("references", "".join(references.itertext()))
    return Parsed(title, "\n\n".join([f"# {title}", *parts] if title and parts else parts), _metadata(article), left_out=left_out.entries())


def _metadata(article: Any) -> dict[str, str]:
    meta = "front/article-meta"
    found = {
        "journal": inline_text(article.find("front/journal-meta//journal-title")),
        "doi": inline_text(article.find(f"{meta}/article-id[@pub-id-type='doi']")),
        "year": inline_text(article.find(f"{meta}/pub-date/year")),
    }
    return {key: value for key, value in found.items() if value}


def _blocks(element: Any, level: int) -> Iterator[str]:
    """Yield headings, paragraphs, lists and tables. An abstract without a title gets its name."""
    if element.tag == "abstract" and element.find("title") is None:
        yield "## Abstract"
    for child in element:
        if child.tag in _CONTAINERS:
            yield from _blocks(child, level + (child.tag in _SECTIONS))
        elif child.tag == "p":
            yield from _paragraph(child)
        elif child.tag == "label" and element.tag in _SECTIONS and element.find("title") is not None:
            continue  # stands in front of its title
        elif child.tag not in _SKIPPED and (text := _block(child, element, level)):
            yield text


def _paragraph(paragraph: Any) -> Iterator[str]:
    """Yield a paragraph, and the lists and tables in it as blocks of their own."""
    inner = [child for child in paragraph if child.tag in ("list", "def-list", "table-wrap", "boxed-text", "fig", "disp-quote")]
    if text := inline_text(paragraph, without=inner):
        yield text
    for child in inner:
        yield from _blocks(child, 2) if child.tag in _CONTAINERS else [_block(child, paragraph, 2)]


def _block(child: Any, parent: Any, level: int) -> str:
    if child.tag in ("list", "def-list"):
        return "\n".join(block_list(child, 0))
    if child.tag == "table":
        return table_text(child)
    text = inline_text(child)
    if child.tag == "title" and parent.tag != "caption" and text:
        label = inline_text(parent.find("label")) if parent.tag in _SECTIONS else ""
        return f"{'#' * min(max(level, 2), 6)} {' '.join(part for part in (label, text) if part)}"
    if child.tag == "fn" and text:
        return f"- {text}"
    return text
