"""PDF by pdfium: the text layer of every page, lines as they stand on the page, words that were hyphenated at its edge joined."""

import re

from kb_platform.ingest.decode import sniff
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_HEAD = 1024  # the header may stand anywhere in here
_TAIL = 2048
_HYPHEN = re.compile("[\x02\u00ad\ufffe]\r?\n?")  # pdfium's marks for a hyphen that only the line break needed
_FILE_NAME = re.compile(r"\s*(?:microsoft \w+ - .*|untitled.*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|xlsx?))\s*", re.IGNORECASE)


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the title that the file declares (unless that is a file name) and the text of all pages.

    Raises:
        DocumentUnreadable: encrypted, truncated, damaged, or without a text layer.
    """
    import pypdfium2 as pdfium

    if b"%PDF-" not in content[:_HEAD]:
        raise DocumentUnreadable(f"holds {sniff(content) or 'something else'}, not a PDF")
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise DocumentUnreadable(_why_not(error, content)) from None
    try:
        pages = [_page_text(document, number) for number in range(len(document))]
        title = document.get_metadata_dict().get("Title", "")
    except pdfium.PdfiumError:
        raise DocumentUnreadable("damaged PDF: a page cannot be loaded") from None
    finally:
        document.close()
    text = "\n\n".join(page for page in pages if page)
    if not any(c.isalnum() for c in text):
        raise DocumentUnreadable(f"no text on {len(pages)} page{'s' * (len(pages) != 1)} (scanned?)")
    warnings = () if _is_complete(content) else ("the PDF has no end mark: it may be truncated",)
    return Parsed("" if _FILE_NAME.fullmatch(title) else title, text, warnings=warnings)


def _page_text(document, number: int) -> str:
    page = document[number]
    text_page = page.get_textpage()
    try:
        return _HYPHEN.sub("", text_page.get_text_bounded()).strip()
    finally:
        text_page.close()
        page.close()


def _why_not(error: Exception, content: bytes) -> str:
    if "password" in str(error).lower():
        return "encrypted: it opens with a password only"
    return "damaged PDF" if _is_complete(content) else "truncated PDF"


def _is_complete(content: bytes) -> bool:
    return b"%%EOF" in content[-_TAIL:]
