"""What makes an HTML element invisible by its own attributes.

Text that no reader of the page sees is not part of the document: it is where instructions to a language model are hidden. Rules
in style sheets are not followed, and `aria-hidden` hides from screen readers only.
"""

import re

_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0(?:\.0*)?(?:px|pt|r?em|%)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_STYLE_ATTRIBUTE = re.compile(r"""\bstyle\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""", re.IGNORECASE)
_HIDDEN_ATTRIBUTE = re.compile(r"""(?:^|\s)hidden(?=\s|=|/|$)""", re.IGNORECASE)
_QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")


def style_hides(style: str) -> bool:
    """Say whether an inline style makes its element invisible."""
    return bool(_STYLE.search(style))


def is_hidden(attributes: str) -> bool:
    """Say whether the attributes of a start tag, as they stand in the source, make the element invisible."""
    style = _STYLE_ATTRIBUTE.search(attributes)
    if style and style_hides(style[1] or style[2] or style[3] or ""):
        return True
    return bool(_HIDDEN_ATTRIBUTE.search(_QUOTED.sub("=", attributes)))
