"""Lists as Markdown: items without blank lines between them, so that the chunker sees one list and not many paragraphs."""

import re

_LOOSE = re.compile(r"^( *- [^\n]*)\n[ \t\n]*\n(?= *- )", re.MULTILINE)


def tight_lists(text: str) -> str:
    """Return the text without blank lines between list items that follow each other."""
    return _LOOSE.sub(r"\1\n", text)
