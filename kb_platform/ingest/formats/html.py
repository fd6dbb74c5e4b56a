"""HTML pages: the article without navigation and footer, hidden text dropped.

trafilatura finds the article and drops what surrounds it on sites that mark nothing. It also loses sentences behind tables and
flattens short pages, so that its result is weighed against everything that is left when marked boilerplate is dropped: where the
two have about the same words, and where trafilatura lost half of them, everything stands.
"""

import re
from typing import Any

from kb_platform.ingest.decode import Decoded, decode
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.hidden import style_hides
from kb_platform.ingest.formats.html_text import page_text
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_CHARSET = re.compile(rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_SILENT = "//script|//style|//template|//noscript|//iframe|//object|//svg|//comment()|//*[@hidden]"
_TEI = {"list": "ul", "item": "li", "row": "tr", "cell": "td", "lb": "br", "quote": "blockquote"}
_WORD = re.compile(r"\w+")
_LOST_SHARE, _SAME_SHARE = 0.5, 0.8


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return title, main text with Markdown headings and tables, and the page's description.

    Raises:
        DocumentUnreadable: there is nothing to read on the page.
    """
    text, warning = _decoded(content)
    page = _visible_page(text)
    title = page.findtext(".//title") or "".join(page.xpath("(//h1)[1]//text()"))
    description = next(iter(page.xpath("//meta[translate(@name,'DESCRIPTON','descripton')='description']/@content")), "")
    metadata = {"description": str(description)} if str(description).strip() else {}
    return Parsed(title, _main_text(page), metadata, (warning,) if warning else ())


def _decoded(content: bytes) -> Decoded:
    named = _CHARSET.search(content[:2048])
    return decode(content, named[1].decode() if named else "")


def _visible_page(text: str) -> Any:
    from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    # huge_tree: without it a page that is nested deeper than 256 elements ends there, and nobody is told.
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        page = html.document_fromstring(text.replace("\0", "").encode(), parser=parser)
    except etree.ParserError:
        raise DocumentUnreadable("no text on the page") from None
    for element in page.xpath(_SILENT):
        _drop(element)
    for element in page.xpath("//*[@style]"):
        if style_hides(element.get("style")):
            _drop(element)
    return page


def _drop(element: Any) -> None:
    if element.getparent() is not None:
        element.drop_tree()


def _main_text(page: Any) -> str:
    import copy

    import trafilatura

    everything = page_text(page)
    found = trafilatura.bare_extraction(copy.deepcopy(page), include_tables=True, include_comments=False, favor_recall=True)
    body = getattr(found, "body", None)
    article = "" if body is None else page_text(_as_html(body))
    share = len(_WORD.findall(article)) / max(len(_WORD.findall(everything)), 1)
    return article if _LOST_SHARE < share < _SAME_SHARE else everything


def _as_html(body: Any) -> Any:
    """Rename trafilatura's tags, which are those of TEI. Its own Markdown is not used: it escapes signs and loses headings."""
    for element in body.iter("head", *_TEI):
        if element.tag == "head":
            rend = element.get("rend") or ""
            element.tag = rend if rend[:1] == "h" and rend[1:].isdigit() else "h2"
        else:
            element.tag = _TEI[element.tag]
    return body
