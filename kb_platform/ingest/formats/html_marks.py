"""Raised, lowered and struck parts of an HTML page, and marks of footnotes: what their place on the line means."""

import re
from typing import Any

from kb_platform.ingest.formats.raised import lowered, note_mark, raised
from kb_platform.ingest.formats.symbols import in_symbol_font, is_symbol_font

_ALIGNED = re.compile(r"vertical-align\s*:\s*(super|sub|top|text-top)\b", re.IGNORECASE)
_FONT = re.compile(r"font-family\s*:\s*['\"]?((?:symbol|wingdings)[ \d]*)", re.IGNORECASE)
_NOTE = re.compile(r"\b(?:foot-?note|noteref|note-ref|reference|citation|cite_ref|fnref)", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*[\[(].*[\])]\s*", re.DOTALL)
_STRUCK = {"del", "s", "strike"}


class Mark:
    """A part under way: its element, what it is, and its text so far."""

    def __init__(self, element: Any, kind: str, font: str = "") -> None:
        self.element, self.kind, self.font, self.text = element, kind, font, ""

    def shown(self, before: str) -> str:
        """Return the part as it is written in a line, behind the text before it."""
        text = " ".join(self.text.split())
        text = f"{' ' * self.text[:1].isspace()}{text}{' ' * (bool(text) and self.text[-1:].isspace())}"
        match self.kind:
            case "note":
                return note_mark(text, before)
            case "sup":
                return text if _BRACKETS.fullmatch(text) and self._is_linked() else raised(text, before)
            case "sub":
                return lowered(text)
            case "font":
                return in_symbol_font(text, self.font)
            case _:
                return f"~~{text.strip()}~~" if text.strip() else text

    def _is_linked(self) -> bool:
        return self.element.find(".//a") is not None


def mark_of(element: Any) -> Mark | None:
    """Return the part that an element opens; None for an ordinary element."""
    tag, style = element.tag, element.get("style", "")
    kind = "del" if tag in _STRUCK else tag if tag in ("sup", "sub") else ""
    if not kind and style and tag in ("span", "font", "small", "a", "b", "i", "em", "strong"):
        aligned = _ALIGNED.search(style)
        kind = "" if not aligned else "sub" if aligned[1].lower() == "sub" else "sup"
        if not kind and (font := _FONT.search(style)):
            return Mark(element, "font", font[1])
    if tag == "font" and is_symbol_font(element.get("face", "")):
        return Mark(element, "font", element.get("face"))
    if not kind:
        return None
    return Mark(element, "note" if kind == "sup" and _is_note(element) else kind)


def _is_note(element: Any) -> bool:
    """Say whether a raised part leads to a note or a reference."""
    for link in (element, element.getparent(), element.find(".//a")):
        if link is None or link.tag not in ("a", "sup", "span"):
            continue
        if _NOTE.search(f"{link.get('class', '')} {link.get('id', '')} {link.get('role', '')}"):
            return True
        if link.tag == "a" and link.get("href", "").startswith("#"):
            return "".join(link.itertext()).strip() == "".join(element.itertext()).strip()
    return False
