"""HTML pages: the article without navigation and footer, hidden text dropped."""

import re

from kb_platform.ingest.clean import DocumentUnreadable, decode
from kb_platform.ingest.formats import Parsed

_HIDDEN = "//script|//style|//template|//noscript|//*[@hidden]|//*[@aria-hidden='true']|//*[contains(translate(@style,' ',''),'display:none')]|//*[contains(translate(@style,' ',''),'visibility:hidden')]|//*[contains(translate(@style,' ',''),'font-size:0')]"
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read(content: bytes) -> Parsed:
    """Return title and main text, headings as Markdown.

    Raises:
        DocumentUnreadable: there is nothing to read on the page.
    """
    import trafilatura
    from lxml import html

    if not content.strip():
        raise DocumentUnreadable("empty file")
    text = _decoded(content)
    try:
        page = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8", huge_tree=False))
    except Exception as error:  # lxml raises its own and ValueError alike
        raise DocumentUnreadable("no HTML") from error
    for element in page.xpath(_HIDDEN):
        element.drop_tree()
    title = " ".join((page.findtext(".//title") or page.findtext(".//h1") or "").split())
    body = trafilatura.extract(page, output_format="markdown", include_tables=True, include_comments=False, favor_recall=True)
    return Parsed(title, body or "\n".join(line.strip() for line in page.text_content().splitlines() if line.strip()))


def _decoded(content: bytes) -> str:
    named = _CHARSET.search(content[:2048])
    if named:
        try:
            return content.decode(named[1].decode())
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(content)
