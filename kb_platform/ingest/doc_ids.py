"""Which strings may be document ids: what the database can store, and a line of a report can show."""

import re

MAX_BYTES = 1024  # it is part of database keys, whose limit is about 2,700 bytes
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def id_problem(doc_id: str) -> str:
    """Return why a string cannot be a document id; empty if it can. Ids are compared byte by byte and never normalised."""
    try:
        size = len(doc_id.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if not doc_id.strip():
        return "its id is blank"
    if _CONTROL.search(doc_id):
        return "its id holds control characters"
    return f"its id is longer than {MAX_BYTES} bytes" if size > MAX_BYTES else ""


def shown(doc_id: str) -> str:
    """Return an id as it is, and of anything else a form that can be stored and printed on one line."""
    if not id_problem(doc_id):
        return doc_id
    try:
        text = doc_id.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:
        text = ascii(doc_id)
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", text)[: MAX_BYTES // 4]

