"""HTML pages: what a person sees on the page, without navigation and footer.

Prose is never dropped for being beside the article: an aside may be the warning. What may go is a block that consists of links,
where the page does not mark its main part and trafilatura says that the block is not of the article.
"""

import re
from typing import Any

from kb_platform.ingest.decode import Decoded, decode
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.hidden import hidden_elements
from kb_platform.ingest.formats.html_blocks import lists_of_links
from kb_platform.ingest.formats.html_text import page_text
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_CHARSET = re.compile(rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_SILENT = "//script|//style|//template|//noscript|//iframe|//object|//svg|//comment()|//processing-instruction()"


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return title, main text with Markdown headings and tables, and the page's description.

    Raises:
        DocumentUnreadable: there is nothing to read on the page.
    """
    text, warning = _decoded(content)
    left_out = LeftOuts()
    page = visible_page(text, left_out)
    title = page.findtext(".//title") or "".join(page.xpath("(//h1)[1]//text()"))
    description = next(iter(page.xpath("//meta[translate(@name,'DESCRIPTON','descripton')='description']/@content")), "")
    metadata = {"description": str(description)} if str(description).strip() else {}
    shown = page_text(page, left_out, lists_of_links(page))
    return Parsed(title, shown, metadata, (warning,) if warning else (), left_out.entries())


def visible_page(text: str, left_out: LeftOuts) -> Any:
    """Return the tree of a page, or of a part of one, without what nobody sees.

    Raises:
        DocumentUnreadable: there is nothing on the page.
    """
    from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    # huge_tree: without it a page that is nested deeper than 256 elements ends there, and nobody is told.
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        page = html.document_fromstring(text.replace("\0", "").encode(), parser=parser)
    except etree.ParserError:
        raise DocumentUnreadable("no text on the page") from None
    for element in list(hidden_elements(page)):
        if element.tag not in ("script", "style", "template", "noscript"):
            left_out.add("hidden", "".join(element.itertext(etree.Element)))
        _drop(element)
    for element in page.xpath(_SILENT):
        _drop(element)
    return page


def _decoded(content: bytes) -> Decoded:
    named = _CHARSET.search(content[:2048])
    return decode(content, named[1].decode() if named else "")


def _drop(element: Any) -> None:
    if element.getparent() is not None:
        element.drop_tree()
