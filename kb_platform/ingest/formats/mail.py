"""E-mail messages (RFC 822): who wrote when about what, and the text; the plain version, or the HTML one read as a page is.

Attachments are named and not read.
"""

import email.policy
from email import message_from_bytes
from email.message import EmailMessage

from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.html import visible_page
from kb_platform.ingest.formats.html_text import page_text
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_SHOWN = ("from", "to", "cc", "date")


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the subject as title, the message as text, and sender, receivers and date as metadata.

    Raises:
        DocumentUnreadable: no message, or one without a text.
    """
    message = message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    if not message.keys() or not (message["from"] or message["subject"] or message["date"]):
        raise DocumentUnreadable("no e-mail message: it has no header with a sender, a subject or a date")
    left_out, body = LeftOuts(), message.get_body(preferencelist=("plain", "html"))
    if body is None:
        raise DocumentUnreadable("a message without a text")
    try:
        text = str(body.get_content())
    except (LookupError, ValueError):  # a charset that nobody knows
        text = (body.get_payload(decode=True) or b"").decode("utf-8", errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    if body.get_content_type() == "text/html":
        text = page_text(visible_page(text, left_out), left_out)
    attached = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    for name in attached:
        left_out.add("attachments", name)
    metadata: dict[str, str | list[str]] = {name: str(message[name]) for name in _SHOWN if message[name]}
    return Parsed(str(message["subject"] or ""), text, metadata, left_out=left_out.entries())
