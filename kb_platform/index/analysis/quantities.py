"""Numbers and units, however they are written: 4,000 4 000 4000; .5 0.50; 48h 48 hours; 5-10 mg, 5 to 10 mg; <5, under 5; 10^9/L.

A number is a token, and with its unit one more: a chunk with another number lacks both. Texts are given as `characters.fold` leaves them.
What can be read in two ways (4.000, 2 500 mg) is kept in both, and asked for in the likelier one.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from kb_platform.index.analysis.units import UNITS, alternatives, measured, plain

_UNIT = "(?:" + "|".join(re.escape(name).replace(r"\ ", " ") for name in alternatives()) + r")(?![\w^])"
_CHAIN = rf"(?:/ ?)?{_UNIT}(?: ?/ ?{_UNIT}| per {_UNIT})*"
_NUMBER = r"(?:10\^-?\d{1,2}|\d{1,3}(?: \d{3})+(?![\d])|\d+(?:[.,']\d+)*|(?<!\w)(?<!\w[.,])\.\d+)"
_BETWEEN, _AND = "between|zwischen|entre|tra|fra|tussen|mellan|mellem|mellom", "and|und|et|y|e|en|och|og"
_TO = "to|bis|a|al|tot|til|till|until|through"
_LESS = ("less than|fewer than|lower than|younger than|smaller than|no more than|up to|at most|under|below|weniger als|unter|hochstens|moins de"
         "|inferieure? a|menos de|inferior a|meno di|minder dan|mindre an|mindre end|onder")
_MORE = ("more than|greater than|higher than|older than|larger than|at least|over|above|exceeding|mehr als|uber|mindestens|plus de"
         "|superieure? a|au moins|mas de|superior a|al menos|piu di|almeno|meer dan|boven|mer an|mere end")
_HERE = r"(?<![\w^])(?<!\d[.,])"
_SIGN = rf"(?:=?[<>]=? ?|{_HERE}(?:{_LESS}|{_MORE}) |(?<![\w.)%])[-+] ?(?=[\d.])|{_HERE})"
_GAP = r"[ \t]{0,2}-?"
_MEASURED = rf"{_NUMBER}(?:{_GAP}{_CHAIN})?"
_RANGE = rf"{_MEASURED}(?: ?- ?| (?:{_TO}) ){_NUMBER}|(?:{_BETWEEN}) {_MEASURED} (?:{_AND}) {_NUMBER}"
_PAIR = rf"{_NUMBER} ?[:/] ?{_NUMBER}"

# one surface: what may stand in front of a number, the number or two of them, a unit
QUANTITY = rf"{_SIGN}(?:{_RANGE}|{_PAIR}|{_NUMBER})(?:{_GAP}{_CHAIN}|(?!\w)(?!-\w))"
_PARTS = re.compile(rf"(?P<number>{_NUMBER})(?:{_GAP}(?P<unit>{_CHAIN}))?|(?P<less>{_LESS}|=?<=?)|(?P<more>{_MORE}|=?>=?)|(?P<mark>[-+:/]|\w+)")
_UNITS_OF_CHAIN = re.compile(_UNIT)
_FRACTIONS = frozenset(("1/2", "1/3", "2/3", "1/4", "3/4", "1/8", "3/8"))


@dataclass(frozen=True)
class Reading:
    """A number in one spelling: what it most likely says (several numbers where it is a list), and what it may say."""

    likely: tuple[str, ...]
    possible: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """Return the number, or the first of a list."""
        return self.likely[0]


@dataclass(frozen=True)
class _Quantity:
    mark: str  # what stands in front of it
    number: Reading
    units: tuple[str, ...]

    def tokens(self, *, asked: bool) -> list[str]:
        numbers = self.number.likely if asked else self.number.likely + self.number.possible
        measures = [measured(number, self.units[0]) for number in numbers if self.units and _is_one(number)]
        return [*numbers, *measures, *([self.mark + self.number.first] if self.mark in ("<", ">", "-", "+") else [])]


def quantity_tokens(surface: str, *, asked: bool, decimal_comma: bool) -> list[str]:
    """Return the tokens of what QUANTITY found."""
    found = _quantities(surface, decimal_comma=decimal_comma)
    fraction = _fraction(found)
    if fraction and asked:
        return fraction
    tokens = [token for quantity in found for token in quantity.tokens(asked=asked)] + (fraction or [])
    if len(found) == 2:  # a range, a ratio, a pair: 5..10, 1:1000, 120/80
        tokens.append(f"{found[0].number.first}{found[1].mark}{found[1].number.first}")
    return tokens + list(dict.fromkeys(unit for quantity in found for unit in quantity.units))


def _quantities(surface: str, *, decimal_comma: bool) -> list[_Quantity]:
    found: list[_Quantity] = []
    mark = ""
    for part in _PARTS.finditer(surface):
        if part["number"]:
            here = _Quantity(mark, reading(part["number"], decimal_comma=decimal_comma), _units(part["unit"]))
            if found and not found[0].units:  # 5-10 mg: both are
                found[0] = _Quantity(found[0].mark, found[0].number, here.units)
            found.append(here)
        elif found:
            mark = part[0] if part[0] in ":/" else ".."
        else:
            mark = "<" if part["less"] else ">" if part["more"] else part["mark"]
    return found


def reading(text: str, *, decimal_comma: bool) -> Reading:
    """Read a number: 4,000 is four thousand; so is 4.000 where decimals begin with a comma, and elsewhere it may be."""
    if "^" in text:
        return Reading((text,))
    if " " in text:
        return Reading((text.replace(" ", ""),), () if text.endswith("000") else tuple(text.split(" ")))
    if text[0] == ".":
        return Reading((_plain(f"0{text}"),))
    text = text.replace("'", "")
    marks = sorted({c for c in text if c in ".,"}, key=text.rfind)
    if len(marks) == 2:
        return _with_two_marks(text, *marks)
    return _with_mark(text, marks[0], decimal_comma=decimal_comma) if marks else Reading((text,))


def _with_mark(text: str, mark: str, *, decimal_comma: bool) -> Reading:
    is_grouped, whole = _is_grouped(text, mark), text.replace(mark, "")
    if text.count(mark) > 1:
        return Reading((whole,) if is_grouped else (text,) if mark == "." else tuple(text.split(",")))
    decimal = _plain(text.replace(mark, "."))
    if is_grouped:
        return Reading((whole,)) if (mark == ".") == decimal_comma else Reading((decimal,), (whole,))
    is_sure = mark == "." or decimal_comma or text[0] == "0"
    return Reading((decimal,), () if is_sure else tuple(text.split(mark)))


def _with_two_marks(text: str, thousands: str, point: str) -> Reading:
    if text.count(point) == 1 and _is_grouped(text.split(point, maxsplit=1)[0], thousands):
        return Reading((_plain(text.replace(thousands, "").replace(point, ".")),))
    return Reading(tuple(re.split("[.,]", text)))


def _is_grouped(text: str, mark: str) -> bool:
    """Tell whether the mark can part thousands: 4,000 but not 0,500 or 4,5."""
    first, *rest = text.split(mark)
    return 1 <= len(first) <= 3 and first[0] != "0" and all(len(part) == 3 for part in rest)


def _is_one(number: str) -> bool:
    return len(number) < 20 and number.count(".") < 2


def _plain(text: str) -> str:
    return plain(Decimal(text))


def _units(chain: str | None) -> tuple[str, ...]:
    """Return the tokens of "mg/kg/day": each unit, and the whole of a rate."""
    if not chain:
        return ()
    names = tuple(UNITS[name] for name in _UNITS_OF_CHAIN.findall(chain))
    if chain.startswith("/"):
        return (f"/{names[0]}", *names)
    return (*names, "/".join(names)) if len(names) > 1 else names


def _fraction(found: list[_Quantity]) -> list[str] | None:
    """Return 1/2 as what it is, 0.5; None for anything else."""
    if len(found) != 2 or found[1].mark != "/" or f"{found[0].number.first}/{found[1].number.first}" not in _FRACTIONS:
        return None
    value = plain(round(Decimal(found[0].number.first) / Decimal(found[1].number.first), 3))
    return [value, *([measured(value, found[1].units[0])] if found[1].units else [])]
