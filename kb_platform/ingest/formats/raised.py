"""Raised and lowered characters as text: an exponent, a charge or an isotope that falls back to the line is another number.

Unicode's own signs where every character has one (10⁹, Ca²⁺, H₂O, Cₘₐₓ), else ^( ) and _( ). What is raised by custom only
(1st, ™) is what it is without. Marks of notes stand in brackets, so that they never read as a part of the number before them.
"""

import re
from functools import lru_cache

_SUPER = dict(zip(
    "0123456789+-−–=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθ",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿ", strict=True,
))
_SUB = dict(zip(
    "0123456789+-−–=()aehijklmnoprstuvxβγρφχ",
    "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True,
))
_BY_CUSTOM = {"st", "nd", "rd", "th", "er", "e", "re", "ère", "ème"}
_SIGNS = {"TM": "™", "tm": "™", "SM": "℠", "R": "®", "o": "°", "O": "°"}
_NUMBER_AND_LETTERS = re.compile(r"(\d+)([A-Za-z]+)")
_PLAIN = re.compile(r"[*†‡§¶#‖°º®©™℠′″'\"\s.,;·•]*")  # marks that cannot be misread on the line
_LONG = 60  # characters; more than that is a passage set small, not a mark
_FRACTION = re.compile(r"(\d?)([⁰¹²³⁴-⁹]+)[ ]?[/⁄∕][ ]?([₀-₉]+)")
_LOWERED = re.compile("[₀-₉]")
_VULGAR = {"1/2": "½", "1/3": "⅓", "2/3": "⅔", "1/4": "¼", "3/4": "¾", "1/5": "⅕", "1/6": "⅙", "1/8": "⅛", "3/8": "⅜", "5/8": "⅝", "7/8": "⅞"}
_BACK = {sign: plain for table in (_SUPER, _SUB) for plain, sign in reversed(table.items()) if plain.isdigit()}


def raised(text: str, before: str = "") -> str:
    """Return superscript text as it is written in a line; `before` is what stands in front of it (its last character counts)."""
    return _raised(text, before[-1:])


@lru_cache(maxsize=4096)
def _raised(text: str, before: str) -> str:
    inner, after_digit = text.strip(), before.isdigit()
    if inner in _BY_CUSTOM and after_digit:
        return text
    if inner in _SIGNS and (inner not in "oO" or after_digit or before == " "):
        return text.replace(inner, _SIGNS[inner])
    return _shown(text, inner, _SUPER, "^")


def lowered(text: str) -> str:
    """Return subscript text as it is written in a line."""
    inner = text.strip()
    mixed = _NUMBER_AND_LETTERS.fullmatch(inner)
    if mixed and any(c not in _SUB for c in mixed[2]):  # HbA₁c folds to what people type
        return text.replace(inner, "".join(_SUB[c] for c in mixed[1]) + mixed[2])
    return _shown(text, inner, _SUB, "_")


def note_mark(text: str, before: str = "") -> str:
    """Return the mark of a footnote or a reference in brackets, apart from a digit before it."""
    inner = " ".join(text.split())
    if not inner:
        return ""
    shown = inner if inner[0] in "[(" or _PLAIN.fullmatch(inner) else f"[{inner}]"
    return f" {shown}" if before[-1:].isdigit() else shown


def written_fractions(text: str) -> str:
    """Return text in which a raised and a lowered number around a slash are a fraction: 1¹/₂ is 1½, not 11/2."""
    return _FRACTION.sub(_fraction, text) if _LOWERED.search(text) else text


def _fraction(found: re.Match[str]) -> str:
    value = f"{''.join(_BACK[c] for c in found[2])}/{''.join(_BACK[c] for c in found[3])}"
    if value in _VULGAR:
        return found[1] + _VULGAR[value]
    return f"{found[1]} {value}" if found[1] else value


def _shown(text: str, inner: str, table: dict[str, str], sign: str) -> str:
    if _PLAIN.fullmatch(inner):
        return text
    if len(inner) > _LONG:
        return f" {inner} "
    if all(c in table for c in inner):
        return text.replace(inner, "".join(table[c] for c in inner))
    if all(c in table.values() for c in inner if not c.isspace()):
        return text
    return text.replace(inner, f"{sign}({inner})")
