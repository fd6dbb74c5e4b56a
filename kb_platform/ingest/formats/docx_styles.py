"""What Word's styles say about text: headings, hidden text, raised text, numbering, symbol fonts; inherited from style to style."""

import re
from dataclasses import dataclass
from typing import Any

from kb_platform.ingest.formats.docx_names import W, is_on, value

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_BODY_LEVEL = 9  # an outline level that means none
_RAISED_BY = 4  # half points; less is a correction of the baseline


@dataclass(frozen=True)
class Properties:
    """What a style or a run says; None where it says nothing. `level` is that of a heading, `number` (numbering, depth)."""

    level: int | None = None
    hidden: bool | None = None
    struck: bool | None = None
    place: str | None = None  # superscript, subscript, baseline
    font: str | None = None
    colour: str | None = None
    numbering: str | None = None
    depth: int | None = None

    def over(self, below: "Properties") -> "Properties":
        """Return these properties, and those of `below` where these say nothing."""
        if below is NOTHING or self is NOTHING:
            return self if below is NOTHING else below
        return Properties(*(own if own is not None else other for own, other in zip(_values(self), _values(below), strict=True)))


NOTHING = Properties()


def _values(properties: Properties) -> tuple[Any, ...]:
    return (properties.level, properties.hidden, properties.struck, properties.place, properties.font, properties.colour, properties.numbering,
            properties.depth)


class Styles:
    """The styles of a document by id."""

    def __init__(self, root: Any) -> None:
        """Take styles.xml's root; a style is read when a paragraph or a run names it."""
        self._elements = {style.get(f"{W}styleId") or "": style for style in root.iter(f"{W}style")}
        self._whole: dict[str, Properties] = {"": NOTHING}
        self._default = next((name for name, style in self._elements.items() if style.get(f"{W}type") == "paragraph"
                              and style.get(f"{W}default") in ("1", "true", "on")), "")

    def of(self, style: str) -> Properties:
        """Return what a style says, with all that it is based on; an unknown one says nothing."""
        if style not in self._whole:
            found, at, seen = NOTHING, style, set[str]()
            while at in self._elements and at not in seen:  # one may bite its tail
                seen.add(at)
                found = found.over(_own(self._elements[at]))
                at = value(self._elements[at].find(f"{W}basedOn"))
            self._whole[style] = found
        return self._whole[style]

    def of_paragraph(self, style: str) -> Properties:
        """Return what a paragraph style says; the default one where a paragraph names none."""
        return self.of(style or self._default)


def _own(style: Any) -> Properties:
    name = value(style.find(f"{W}name"))
    heading = _HEADING.fullmatch(name)
    level = int(heading[1]) if heading else 1 if name.lower() == "title" else None
    return Properties(level=level).over(paragraph_properties(style.find(f"{W}pPr"))).over(run_properties(style.find(f"{W}rPr")))


def paragraph_properties(properties: Any) -> Properties:
    """Return what the w:pPr of a paragraph or style says itself."""
    if properties is None:
        return NOTHING
    number, outline = properties.find(f"{W}numPr"), value(properties.find(f"{W}outlineLvl"))
    if number is None and not outline:
        return NOTHING
    depth = value(number.find(f"{W}ilvl")) if number is not None else ""
    numbering = (value(number.find(f"{W}numId")) or None) if number is not None else None
    level = (int(outline) + 1 if int(outline) < _BODY_LEVEL else None) if outline.isdigit() else None
    return Properties(level=level, numbering=numbering, depth=int(depth) if depth.isdigit() else None)


def run_properties(properties: Any) -> Properties:
    """Return what a w:rPr says itself."""
    if properties is None or not len(properties):
        return NOTHING
    found = {child.tag: child for child in properties}
    font, struck = found.get(f"{W}rFonts"), is_on(found.get(f"{W}strike"))
    place = value(found.get(f"{W}vertAlign")) or _place(value(found.get(f"{W}position")))
    # On a ground of its own, whichever it is, white text may be seen.
    colour = "on a ground" if f"{W}shd" in found or f"{W}highlight" in found else value(found.get(f"{W}color")).upper()
    return Properties(
        hidden=is_on(found.get(f"{W}vanish")), struck=struck if struck is not None else is_on(found.get(f"{W}dstrike")),
        place=place or None, font=None if font is None else font.get(f"{W}ascii") or font.get(f"{W}hAnsi"), colour=colour or None,
    )


def _place(position: str) -> str:
    try:
        return "" if abs(int(position)) < _RAISED_BY else "superscript" if int(position) > 0 else "subscript"
    except ValueError:
        return ""
