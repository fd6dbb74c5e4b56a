"""What makes an HTML element invisible, by its own attributes or by the simple rules of the page's own style sheet.

Text that no reader of the page sees is not part of the document: it is where instructions to a language model are hidden. What
a click opens is seen: the panels of accordions and tabs. Style sheets elsewhere are not fetched, of those in the page only rules
for a tag, a class or an id are followed, and `aria-hidden` hides from screen readers only.
"""

import re
from collections.abc import Iterator
from typing import Any

_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0(?:\.0*)?(?:px|pt|r?em|%)?\s*(?:;|!|$)"
    r"|(?<![-\w])color\s*:\s*transparent|(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{3,}(?:px|pt|r?em)?"
    r"|clip\s*:\s*rect\(\s*(?:0|1px)[\s,)]|clip-path\s*:\s*inset\(\s*(?:50|100)%|mso-hide\s*:\s*all"
    r"|(?<![-\w])(?:max-)?height\s*:\s*0(?:px)?\s*(?:;|$)(?=.*overflow\s*:\s*hidden)|overflow\s*:\s*hidden.*(?<![-\w])(?:max-)?height\s*:\s*0(?:px)?\s*(?:;|$)",
    re.IGNORECASE | re.DOTALL,
)
_STYLE_ATTRIBUTE = re.compile(r"""\bstyle\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""", re.IGNORECASE)
_HIDDEN_ATTRIBUTE = re.compile(r"""(?:^|\s)hidden(?=\s|=|/|$)(?!\s*=\s*["']?until-found)""", re.IGNORECASE)
_QUOTED = re.compile(r"""(?<!hidden)=\s*(?:"[^"]*"|'[^']*')""")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_AT_BLOCK = re.compile(r"@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)?((?:[.#][\w-]+)*)")
_SHOWS = re.compile(r"display\s*:\s*(?!none)|visibility\s*:\s*visible", re.IGNORECASE)
_COLOUR = re.compile(r"(?<![-\w])color\s*:\s*([^;!]+)", re.IGNORECASE)
_BACKGROUND = re.compile(r"background(?:-color)?\s*:\s*([^;!]+)", re.IGNORECASE)
_WHITE = {"white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)"}
_OPENERS = ("aria-controls", "data-target", "data-bs-target")
_TOGGLES = ("data-toggle", "data-bs-toggle", "aria-expanded")


def style_hides(style: str) -> bool:
    """Say whether an inline style makes its element invisible."""
    return bool(_STYLE.search(style))


def is_hidden(attributes: str) -> bool:
    """Say whether the attributes of a start tag, as they stand in the source, make the element invisible."""
    style = _STYLE_ATTRIBUTE.search(attributes)
    if style and style_hides(style[1] or style[2] or style[3] or ""):
        return True
    return bool(_HIDDEN_ATTRIBUTE.search(_QUOTED.sub("=", attributes)))


def hidden_elements(page: Any) -> Iterator[Any]:
    """Yield the elements of a page that nobody sees; one inside another may come too."""
    panels = _panels(page)
    for element in page.xpath("//*[@hidden or @style]"):
        hides = element.get("hidden") is not None or style_hides(element.get("style", "")) or _has_colour_of_its_ground(element)
        opens = element in panels or (element.get("hidden") or "").lower() == "until-found" or element.get("role") == "tabpanel"
        if hides and not opens:
            yield element
    sheets = "\n".join(page.xpath("//style/text()"))
    for tag, names in _hiding_selectors(sheets) if "{" in sheets else ():
        for element in page.iter(tag or "*"):
            if isinstance(element.tag, str) and names <= _names(element) and element not in panels and not _SHOWS.search(element.get("style", "")):
                yield element


def _panels(page: Any) -> set[Any]:
    """Return the elements that a click on another one opens."""
    ids: set[str] = set()
    panels: set[Any] = set()
    for opener in page.xpath("//*[@aria-controls or @data-target or @data-bs-target or @data-toggle or @data-bs-toggle or @aria-expanded]"):
        named = [opener.get(name, "") for name in _OPENERS]
        if opener.get("href", "").startswith("#") and any(opener.get(name) is not None for name in _TOGGLES):
            named.append(opener.get("href"))
        found = {word.lstrip("#") for name in named for word in name.split()}
        ids |= found
        if not found and opener.get("aria-expanded") is not None:
            panels |= _behind(opener)
    return panels | {element for element in page.xpath("//*[@id]") if element.get("id") in ids}


def _behind(opener: Any) -> set[Any]:
    """Return what follows an opener, or the heading that the opener is all of."""
    element = opener
    for _ in range(3):
        follower = element.getnext()
        if follower is not None:
            return {follower}
        if (element := element.getparent()) is None:
            break
    return set()


def _has_colour_of_its_ground(element: Any) -> bool:
    """Say whether text has the colour of what it stands on: its own background, or a page that colours nothing."""
    style = element.get("style", "")
    if not (colour := _COLOUR.search(style)):
        return False
    own, ground = _plain(colour[1]), _BACKGROUND.search(style)
    if ground:
        return own == _plain(ground[1])
    if own not in _WHITE:
        return False
    around = [element, *element.iterancestors()]
    return not any(e.get("class") or e.get("bgcolor") or e.get("id") or _BACKGROUND.search(e.get("style", "")) for e in around)


def _plain(colour: str) -> str:
    return "".join(colour.lower().split())


def _names(element: Any) -> set[str]:
    return {f".{name}" for name in element.get("class", "").split()} | ({f"#{element.get('id')}"} if element.get("id") else set())


def _hiding_selectors(sheets: str) -> list[tuple[str, set[str]]]:
    """Return tag and names (.class, #id) of the simple selectors that hide and are not shown again by a later rule."""
    hiding: dict[str, tuple[str, set[str]]] = {}
    for rule in _RULE.finditer(_AT_BLOCK.sub("", _COMMENT.sub("", sheets))):
        for selector in (part.strip() for part in rule[1].split(",")):
            simple = _SIMPLE.fullmatch(selector)
            if simple and selector and style_hides(rule[2]):
                hiding[selector] = ((simple[1] or "").lower(), set(re.findall(r"[.#][\w-]+", simple[2])))
            elif _SHOWS.search(rule[2]):
                hiding.pop(selector, None)
    return list(hiding.values())
