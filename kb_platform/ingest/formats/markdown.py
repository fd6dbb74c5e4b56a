"""Markdown: front matter becomes metadata; tags of HTML and Liquid are markup, their words stay.

Code and formulas are left as they are, and so are braces in prose: `{{ name }}` may be a template's, or a formula's, and what it
stands for is not known here.
"""

import re
from collections.abc import Iterator
from html import escape, unescape

from kb_platform.ingest.decode import decode
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.front_matter import split_front_matter
from kb_platform.ingest.formats.hidden import is_hidden
from kb_platform.ingest.formats.html import visible_page
from kb_platform.ingest.formats.html_text import page_text
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.markdown_tables import with_edge_pipes
from kb_platform.ingest.formats.raised import lowered, note_mark, raised
from kb_platform.ingest.limits import ParseLimits

_FENCE = r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z)"
_SPAN = r"(?<!`)`[^`\n]+`(?!`)"
_CODE = re.compile(f"({_FENCE}|{_SPAN})", re.DOTALL | re.MULTILINE)
_LIQUID = re.compile(r"\{%-?\s*comment\s*-?%\}[^{]*\{%-?\s*endcomment\s*-?%\}|\{%[^{}]*%\}")
_SILENT = re.compile(r"<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}
_BLOCK = {
    "address", "article", "aside", "audio", "blockquote", "body", "br", "button", "caption", "center", "dd", "details",
    "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "head", "header", "hr", "html", "iframe", "img", "input", "legend", "li", "link", "main", "menu", "meta", "nav",
    "object", "ol", "optgroup", "option", "p", "path", "picture", "pre", "section", "select", "source", "summary", "svg",
    "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "title", "tr", "ul", "video",
}
_ANGLES = re.compile(r"<(/?)([a-zA-Z][\w:-]*)((?:\s[^<>]*)?/?)>")
_ATTRIBUTES = re.compile(r"""(?:\s+[\w:@.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))*(?P<bare>(?:\s+[\w-]+)*)\s*/?""")
_BARE = {"hidden", "open", "checked", "disabled", "required", "selected", "readonly", "multiple", "reversed", "nowrap", "compact", "controls", "download",
         "async", "defer", "novalidate", "allowfullscreen", "autofocus", "inert", "itemscope"}
_ALIGNED = re.compile(r"<(sup|sub)(\b[^<>]*)>((?:[^<>]|<(?!/?su[pb]\b)[^<>]*>){0,200})</\1\s*>", re.IGNORECASE)
_CARETS = re.compile(r"(?<=[\w)\]])\^([^\s^~$\\{}]{1,12})\^(?!\^)")
_TAGS = re.compile(r"<[^<>]*>")
_WHOLE = re.compile(r"<(table|ol)\b", re.IGNORECASE)
_VOID = {"br", "hr", "img", "input", "link", "meta", "source", "wbr"}
_TITLE = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S.*)$", re.MULTILINE)
_INDENTED = re.compile(r"^[ \t]+(?![-*+•\d\s])", re.MULTILINE)


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the text without markup of other languages, the front matter's title or the first heading, and its other keys."""
    text, warning = decode(content)
    front, body = split_front_matter(text.replace("\r\n", "\n"))
    left_out = LeftOuts()
    body = _without_tags(body, left_out)
    heading = _TITLE.search(_CODE.sub(_span_alone, body) if "`" in body or "~~~" in body else body)
    title = front.pop("title", "")
    if not isinstance(title, str) or not title.strip():
        title = heading[1].rstrip("# \t") if heading else ""
    return Parsed(title, body, front, (warning,) if warning else (), left_out.entries())


def _span_alone(code: re.Match[str]) -> str:
    """Return the words of a span of code; nothing of a fence, in which `# ` begins a comment."""
    return "" if code[2] else code[1].strip("`")


def _without_tags(text: str, left_out: LeftOuts) -> str:
    if not any(sign in text for sign in "<{&|^"):
        return text
    parts = _CODE.split(text)  # text, code, fence or None, text, ...
    parts[0::3] = [_plain(part, left_out) for part in parts[0::3]]
    return "".join(part for n, part in enumerate(parts) if n % 3 != 2)


def _plain(text: str, left_out: LeftOuts) -> str:
    for comment in _SILENT.finditer(text):
        left_out.add("hidden", _TAGS.sub(" ", comment[0]).strip("<!- >") if comment[0].startswith("<!--") else "")
    text = _SILENT.sub(" ", _LIQUID.sub(" ", text))
    text = _ALIGNED.sub(_aligned, _CARETS.sub(lambda m: raised(m[1], m.string[m.start() - 1]), text)) if "<su" in text.lower() or "^" in text else text
    shown = "".join(_visible(text, left_out))
    # The indentation of HTML is layout; of Markdown's it is the nesting of lists.
    return with_edge_pipes(unescape(shown if shown == text else _INDENTED.sub("", shown)))


def _aligned(found: re.Match[str]) -> str:
    """Return a raised or lowered part as text; one that leads to a note is its mark."""
    inner, before = unescape(_TAGS.sub("", found[3])), found.string[max(found.start() - 1, 0) : found.start()]
    if found[1].lower() == "sub":
        return lowered(inner)
    linked = "href=" in found[3].lower() or "footnote" in found[2].lower()
    return note_mark(inner, before) if linked else raised(inner, before)


def _visible(text: str, left_out: LeftOuts) -> Iterator[str]:
    """Yield the words between tags with what a tag means in front of them; nothing from inside hidden elements."""
    position = 0
    for tag in _ANGLES.finditer(text):
        if tag.start() < position or not _is_tag(tag):
            continue
        yield text[position : tag.start()]
        closing, name = bool(tag[1]), tag[2].lower()
        position = tag.end()
        if not closing and name not in _VOID and is_hidden(tag[3]):
            position = _end_of_element(text, name, tag.end())
            left_out.add("hidden", _TAGS.sub(" ", text[tag.end() : position]))
        elif not closing and _WHOLE.match(tag[0]):
            position = _end_of_element(text, name, tag.end())
            yield f"\n\n{escape(_html(text[tag.start() : position], left_out), quote=False)}\n\n"
            continue
        yield _replacement(name, closing=closing)
    yield text[position:]


def _html(part: str, left_out: LeftOuts) -> str:
    """Return a table or a numbered list written in HTML: its spans and numbers need the whole of it."""
    return page_text(visible_page(part, left_out), left_out)


def _is_tag(found: re.Match[str]) -> bool:
    """Tell a tag from a comparison: prose about values has angle brackets too (`<LOD and >ULN`, `<b and c>`)."""
    attributes = _ATTRIBUTES.fullmatch(found[3])
    if found[1] or (found[3].strip() and attributes is None and "=" in found[3]):
        return True
    if attributes is None or not set(attributes["bare"].lower().split()) <= _BARE:
        return False
    return found[2].lower() in _INLINE | _BLOCK or bool(found[3].strip(" /\n\t"))


def _replacement(name: str, *, closing: bool) -> str:
    if name[0] == "h" and name[1:].isdigit():
        return "\n\n" if closing else f"\n\n{'#' * int(name[1:])} "
    if name == "li" and not closing:
        return "\n- "
    if name in ("td", "th"):
        return " " if closing else " | "
    return "\n" if name in _BLOCK else ""


def _end_of_element(text: str, name: str, start: int) -> int:
    """Return where an element ends; without its closing tag, at the end of the line: the rest of the page stays."""
    depth = 1
    for tag in _ANGLES.finditer(text, start):
        if tag[2].lower() == name and not tag[3].endswith("/"):
            depth += -1 if tag[1] else 1
            if depth == 0:
                return tag.end()
    line_end = text.find("\n", start)
    return len(text) if line_end < 0 else line_end
