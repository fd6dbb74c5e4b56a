"""Which parts of a page are the site's and not the document's."""

import re
from collections.abc import Iterable
from typing import Any

_BOILERPLATE = {"nav", "head", "select", "menu"}
_NAMES = {
    "nav", "navbar", "navigation", "menu", "footer", "site-footer", "breadcrumb", "breadcrumbs", "sidebar", "cookie-banner",
    "skip-link",
}
_ROLES = {"navigation", "contentinfo", "search"}
_LINKED = {"div", "ul", "ol", "section", "table", "td", "p", "aside", "dl", "header"}
_WORD = re.compile(r"\w+")
_LINK_SHARE, _LEAST_LINKS, _LOST_SHARE = 0.8, 4, 0.5


def is_boilerplate(element: Any) -> bool:
    """Say whether an element is marked as a part of the site; heads and feet with prose of their own are the document's."""
    if not isinstance(element.tag, str):  # comments and processing instructions
        return True
    if element.tag in _BOILERPLATE or element.get("role") in _ROLES:
        return True
    named = f"{element.get('class', '')} {element.get('id', '')}"
    if named != " " and _NAMES.intersection(named.lower().split()):
        return True
    if element.tag == "footer":
        return _is_of(element, {"body", "html", "div"}) or not has_prose(element)
    return (element.tag == "header" or element.get("role") == "banner") and _is_of(element, {"body", "html"}) and not has_prose(element)


def _is_of(element: Any, tags: Iterable[str]) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag in tags and not any(a.tag in ("main", "article") for a in element.iterancestors())


def has_prose(element: Any) -> bool:
    """Say whether most words below an element stand outside links, navigation and controls."""
    outside = element.xpath(".//text()[not(ancestor::a or ancestor::nav or ancestor::form or ancestor::button or ancestor::select)]")
    count = len(_WORD.findall(" ".join(outside)))
    return count > 0 and 2 * count >= len(_WORD.findall(" ".join(element.itertext())))


def lists_of_links(page: Any) -> frozenset[Any]:
    """Return the blocks that are little else than links and not of the article, on a page that does not mark its main part."""
    if page.xpath("//main|//*[@role='main']") or len(page.xpath("//a[@href]")) < _LEAST_LINKS:
        return frozenset()
    blocks = _linked_blocks(page)
    if not blocks:
        return frozenset()
    article = _article(page)
    dropped = [block for block in blocks if not _is_held(block, article)]
    lost = sum(len(_WORD.findall(" ".join(block.itertext()))) for block in dropped)
    if lost > _LOST_SHARE * len(_WORD.findall(" ".join(page.itertext()))) and not article:
        return frozenset()
    return frozenset(dropped)


def _linked_blocks(page: Any) -> list[Any]:
    """Return the largest blocks of which four fifths are links, at least four of them."""
    words: dict[Any, int] = {}
    linked: dict[Any, tuple[int, int]] = {}  # words in links, links
    for element in reversed(list(page.iter("*"))):
        own = len(_WORD.findall(element.text or "")) + sum(len(_WORD.findall(child.tail or "")) for child in element)
        words[element] = own + sum(words.get(child, 0) for child in element)
        inside = [linked.get(child, (0, 0)) for child in element]
        linked[element] = (words[element], 1) if element.tag == "a" else (sum(i[0] for i in inside), sum(i[1] for i in inside))
    found: list[Any] = []
    taken: set[Any] = set()
    for element in page.iter("*"):
        if element.getparent() in taken:
            taken.add(element)
        elif element.tag in _LINKED and linked[element][1] >= _LEAST_LINKS and linked[element][0] >= _LINK_SHARE * words[element]:
            found.append(element)
            taken.add(element)
    return found


def _article(page: Any) -> str:
    import copy

    import trafilatura

    found = trafilatura.bare_extraction(copy.deepcopy(page), include_tables=True, include_comments=False, favor_recall=True)
    body = getattr(found, "body", None)
    return "" if body is None else " ".join(_WORD.findall(" ".join(body.itertext())))


def _is_held(block: Any, article: str) -> bool:
    texts = [" ".join(_WORD.findall(" ".join(link.itertext()))) for link in block.iter("a")]
    return 2 * sum(bool(text) and text in article for text in texts) > len(texts)
