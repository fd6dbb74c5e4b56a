"""The text of one Word paragraph: its runs with what their properties mean, symbols, equations, marks of notes.

Deleted and hidden text is left out, and counted.
"""

from collections.abc import Iterator
from typing import Any

from kb_platform.ingest.formats.docx_names import MC, M, W, value
from kb_platform.ingest.formats.docx_styles import NOTHING, Properties, Styles, run_properties
from kb_platform.ingest.formats.formula import formula_text
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.raised import lowered, note_mark, raised
from kb_platform.ingest.formats.symbols import UNKNOWN, in_symbol_font, is_symbol_font, symbol

_DELETED = {f"{W}del", f"{W}moveFrom"}
_GONE = {f"{MC}Fallback", f"{W}pPr", f"{W}rPr", f"{W}txbxContent", f"{W}instrText", f"{W}delText", f"{W}rt", f"{W}sdtPr"}
_BREAKS = {f"{W}tab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": "\t"}
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes"}
_NOTE = Properties(place="note")
_WHITE = "FFFFFF"


class Runs:
    """Reads paragraphs with the styles of one document."""

    def __init__(self, styles: Styles, left_out: LeftOuts) -> None:
        """Start with no note met."""
        self.styles, self.left_out = styles, left_out
        self.notes: list[tuple[str, str]] = []  # (footnotes or endnotes, id) in the order of their marks
        self.unknown = 0

    def text(self, paragraph: Any, style: Properties = NOTHING, *, on_ground: bool = False) -> str:
        """Return a paragraph's text; `on_ground` says that white text may stand on a dark ground."""
        out: list[str] = []
        run: list[str] = []
        place = ""
        for piece, properties in self._pieces(paragraph, style, on_ground=on_ground):
            now = (properties.place or "") + ("~" if properties.struck else "")
            if now != place:
                out.append(_placed("".join(run), place, "".join(out[-1:])))
                run, place = [], now
            run.append(piece)
        out.append(_placed("".join(run), place, "".join(out[-1:])))
        return "".join(out).replace("~~~~", "")

    def _pieces(self, element: Any, around: Properties, *, on_ground: bool) -> Iterator[tuple[str, Properties]]:
        for child in element:
            tag = child.tag
            if tag in _DELETED:
                self.left_out.add("deleted in tracked changes", _all_text(child))
            elif tag == f"{W}r":
                yield from self._run(child, around, on_ground=on_ground)
            elif tag == f"{M}oMath":
                yield formula_text(child), NOTHING
            elif tag not in _GONE:
                yield from self._pieces(child, around, on_ground=on_ground)

    def _run(self, run: Any, around: Properties, *, on_ground: bool) -> Iterator[tuple[str, Properties]]:
        element = run.find(f"{W}rPr")
        own = run_properties(element)
        named = value(element.find(f"{W}rStyle")) if element is not None else ""
        properties = own.over(self.styles.of(named) if named else NOTHING).over(around)
        if properties.hidden or (properties.colour == _WHITE and not on_ground):
            self.left_out.add("hidden", _all_text(run))
            return
        for child in run:
            if piece := self._piece(child, properties):
                yield piece, (_NOTE if child.tag in _NOTES else properties)
            elif child.tag not in _GONE and len(child):
                yield from self._pieces(child, properties, on_ground=on_ground)

    def _piece(self, child: Any, properties: Properties) -> str:
        tag = child.tag
        if tag == f"{W}t":
            text = child.text or ""
            if properties.font and is_symbol_font(properties.font):
                text = self._counted(in_symbol_font(text, properties.font))
            return text
        if tag in _BREAKS:
            return _BREAKS[tag]
        if tag == f"{W}sym":
            return self._counted(symbol(child.get(f"{W}font") or "", child.get(f"{W}char") or ""))
        if tag in _NOTES:
            self.notes.append((_NOTES[tag], child.get(f"{W}id") or ""))
            return f"[{len(self.notes)}]"
        return _check_box(child) if tag == f"{W}fldChar" else ""

    def _counted(self, text: str) -> str:
        self.unknown += text.count(UNKNOWN)
        return text


def _placed(text: str, place: str, before: str) -> str:
    if not text:
        return ""
    if place.endswith("~"):
        inner = _placed(text, place[:-1], before).strip()
        return text.replace(text.strip(), f"~~{inner}~~") if inner else text
    if place == _NOTE.place:
        return note_mark(text, before)
    return raised(text, before) if place == "superscript" else lowered(text) if place == "subscript" else text


def _check_box(child: Any) -> str:
    box = child.find(f"{W}ffData/{W}checkBox")
    if box is None:
        return ""
    state = box.find(f"{W}checked")
    state = box.find(f"{W}default") if state is None else state
    return "☒" if state is not None and value(state) not in ("0", "false", "off") else "☐"


def _all_text(element: Any) -> str:
    return "".join(e.text or "" for e in element.iter(f"{W}t", f"{W}delText"))
