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
        return Properties(*(own if own is not None else other for own, other in zip(_values(self), _values(below), strict=True)))


NOTHING = Properties()


def _values(properties: Properties) -> tuple[Any, ...]:
    return tuple(getattr(properties, name) for name in Properties.__dataclass_fields__)


class Styles:
    """The styles of a document by id."""

    def __init__(self, root: Any) -> None:
        """Read styles.xml's root."""
        self._own: dict[str, tuple[Properties, str]] = {}
        self._whole: dict[str, Properties] = {"": NOTHING}
        self._default = ""
        for style in root.iter(f"{W}style"):
            name = value(style.find(f"{W}name"))
            heading = _HEADING.fullmatch(name)
            level = int(heading[1]) if heading else 1 if name.lower() == "title" else None
            own = Properties(level=level).over(paragraph_properties(style)).over(run_properties(style.find(f"{W}rPr")))
            self._own[style.get(f"{W}styleId") or ""] = (own, value(style.find(f"{W}basedOn")))
            if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in ("1", "true", "on"):
                self._default = style.get(f"{W}styleId") or ""

    def of(self, style: str) -> Properties:
        """Return what a style says, with all that it is based on; an unknown one says nothing."""
        if style not in self._whole:
            chain, at = [], style
            while at in self._own and at not in chain:  # one may bite its tail
                chain.append(at)
                at = self._own[at][1]
            found = NOTHING
            for name in chain:
                found = found.over(self._own[name][0])
            self._whole[style] = found
        return self._whole[style]

    def of_paragraph(self, style: str) -> Properties:
        """Return what a paragraph style says; the default one where a paragraph names none."""
        return self.of(style or self._default)


def paragraph_properties(element: Any) -> Properties:
    """Return what the w:pPr of a paragraph or style says itself."""
    properties = element.find(f"{W}pPr")
    if properties is None:
        return NOTHING
    number, outline = properties.find(f"{W}numPr"), value(properties.find(f"{W}outlineLvl"))
    depth = value(number.find(f"{W}ilvl")) if number is not None else ""
    numbering = (value(number.find(f"{W}numId")) or None) if number is not None else None
    level = (int(outline) + 1 if int(outline) < _BODY_LEVEL else None) if outline.isdigit() else None
    return Properties(level=level, numbering=numbering, depth=int(depth) if depth.isdigit() else None)


def run_properties(properties: Any) -> Properties:
    """Return what a w:rPr says itself."""
    if properties is None or not len(properties):
        return NOTHING
    place, font = value(properties.find(f"{W}vertAlign")) or _place(value(properties.find(f"{W}position"))), properties.find(f"{W}rFonts")
    struck = is_on(properties.find(f"{W}strike"))
    return Properties(
        hidden=is_on(properties.find(f"{W}vanish")), struck=struck if struck is not None else is_on(properties.find(f"{W}dstrike")),
        place=place or None, font=None if font is None else font.get(f"{W}ascii") or font.get(f"{W}hAnsi"),
        colour=_colour(properties),
    )


def _place(position: str) -> str:
    try:
        return "" if abs(int(position)) < _RAISED_BY else "superscript" if int(position) > 0 else "subscript"
    except ValueError:
        return ""


def _colour(properties: Any) -> str | None:
    """Return a run's colour in upper case; with a ground of its own, whichever it is, none."""
    if properties.find(f"{W}shd") is not None or properties.find(f"{W}highlight") is not None:
        return "on a ground"
    return value(properties.find(f"{W}color")).upper() or None
