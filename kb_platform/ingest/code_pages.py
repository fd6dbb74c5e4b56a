"""Which single-byte code page a text is in: the one under which its letters beyond ASCII are those of a language.

Statistics over short texts are what general detectors lack (docs/adr/0019-readers-of-our-own.md): the bytes of "při" are good letters in four code pages,
but in one only those of a language. Letters are ranked by frequency; the rank is nearly all that a page or two of text can show.
"""

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

_LANGUAGES = {
    "Western": "éèàêçùâîôûïëœüäößóíáñúãõìòåøæðþý¿¡",
    "French": "éèàêçùâîôûïëœ", "German": "üäöß", "Spanish": "óíáéñúü¿¡", "Portuguese": "ãçáéíóõêúâàô", "Italian": "èàùòìé", "Swedish": "äåöé",
    "Danish": "åøæé", "Finnish": "äöå", "Icelandic": "ðáíóþæöúéý",
    "Polish": "ęłąóśżćńź", "Czech": "íáéěřčžýšůúťóďň", "Slovak": "áíéčšžýúťôľóäňďŕĺ", "Hungarian": "áéőöóüíúű", "Romanian": "ăîâşţșț",
    "Croatian": "čšžćđ",
    "Turkish": "ışğüöçİâ",
    "Lithuanian": "ėšąčįžųūę", "Latvian": "āīēšžņūļčķģ", "Estonian": "äõüöšž",
    "Russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "Ukrainian": "оаиніветрслкдумпзяьбгчхйжїцюшщєфґ", "Bulgarian": "аоиетнрсвдклпмзуячбъгщцйжхшфюь",
    "Serbian": "аоеинјустрвкдмлпзбгчћшцжхљфњџђ", "Greek": "αοιετσνηυρπκμλςίάόέδγήθχφύώβωξζψ",
}
_WEST = ("Western", "French", "German", "Spanish", "Portuguese", "Italian", "Swedish", "Danish", "Finnish", "Icelandic")
_CENTRAL = ("Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian", "German")
_CYRILLIC = ("Russian", "Ukrainian", "Bulgarian", "Serbian")
_NOT_LATIN = {*_CYRILLIC, "Greek"}
# Code page, its languages, and a handicap: pages of DOS and of old Macs are rare today. The first of equals wins.
_PAGES = (
    ("cp1252", _WEST, 0.0), ("cp1250", _CENTRAL, 1.0), ("cp1254", ("Turkish",), 1.0), ("cp1251", _CYRILLIC, 0.0), ("iso8859-2", _CENTRAL, 2.0),
    ("koi8-r", ("Russian",), 2.0), ("koi8-u", ("Ukrainian",), 3.0), ("iso8859-5", _CYRILLIC, 3.0), ("cp866", _CYRILLIC, 3.0),
    ("cp1253", ("Greek",), 1.0), ("iso8859-7", ("Greek",), 2.0), ("cp1257", ("Lithuanian", "Latvian", "Estonian"), 2.0),
    ("mac-cyrillic", _CYRILLIC, 5.0), ("cp850", _WEST, 6.0), ("cp852", _CENTRAL, 6.0), ("cp857", ("Turkish",), 6.0), ("mac-roman", _WEST, 6.0),
)
_SIGNS = frozenset("°µ±×·²³¹½¼¾«»“”„‘’‚–—…•§€£®©™\u00a0†‡¶º ª№÷¬")
_LOWER, _UPPER, _SIGN, _OTHER, _IN_WORD, _NOTHING = 0.7, 0.25, 0.02, 1e-4, 1e-5, 1e-6
_INSIDE = re.compile(rb"(?<=[A-Za-z\x80-\xff])[\x80-\xff](?=[A-Za-z\x80-\xff])")
_TOUCHING = re.compile(rb"(?<=[A-Za-z])[\x80-\xff]|[\x80-\xff](?=[A-Za-z])")
_HIGH = re.compile(rb"[\x80-\xff]")
_ODD = math.log(_IN_WORD)
_LIKELY = -4.6  # mean logarithm of a letter's share, below which a text is in none of these languages


class Guess(NamedTuple):
    """A code page, the language that spoke for it, and whether its letters are likely ones of that language."""

    page: str
    language: str
    likely: bool


def guess_page(content: bytes) -> Guess:
    """Return the best code page for bytes that are no UTF-8."""
    touching = Counter(match[0][0] for match in _TOUCHING.finditer(content))
    inside = Counter(match[0][0] for match in _INSIDE.finditer(content))
    found = Counter(match[0][0] for match in _HIGH.finditer(content))
    best, page, language = max(_scores(found, inside, touching), key=lambda scored: scored[0])
    page = next(name for name, _, _ in _PAGES if all(_shown(name)[byte] == _shown(page)[byte] for byte in found))
    return Guess(page, language, best / max(found.total(), 1) >= _LIKELY)


def _scores(found: "Counter[int]", inside: "Counter[int]", touching: "Counter[int]") -> Iterator[tuple[float, str, str]]:
    """Yield the logarithm of how likely the bytes are, for each code page and language."""
    for page, languages, handicap in _PAGES:
        shown = _shown(page)
        letters = sum(n for byte, n in found.items() if shown[byte].isalpha())
        capitals = 2 * sum(n for byte, n in found.items() if shown[byte].isupper()) > letters
        for language in languages:
            score, mixed = 0.0, language in _NOT_LATIN
            logarithms = _logarithms(page, language, capitals=capitals)
            for byte, n in found.items():  # a sign in a word is none, nor is a Greek letter in a Latin word
                odd = inside[byte] if shown[byte] in _SIGNS else touching[byte] if mixed else 0
                score += (n - odd) * logarithms[byte] + odd * _ODD
            yield score - handicap, page, language


@cache
def _logarithms(page: str, language: str, *, capitals: bool) -> list[float]:
    shares = _shares(language, capitals=capitals)
    return [math.log(_share(character, shares)) for character in _shown(page)]


@cache
def _shown(page: str) -> str:
    """Return the 256 characters of a code page; U+FFFD where it has none."""
    return codecs.decode(bytes(range(256)), page, errors="replace")


@cache
def _shares(language: str, *, capitals: bool) -> dict[str, float]:
    letters = _LANGUAGES[language]
    if language == "Western":
        return {c: 1 / (3 * len(letters)) for c in letters + letters.upper()}
    weights = {letter: 1 / (rank + 3) for rank, letter in enumerate(letters)}
    lower = {letter: weight / sum(weights.values()) for letter, weight in weights.items()}
    upper = _LOWER if capitals else _UPPER  # in a text in capitals, small letters are the rare ones
    return {c.upper(): share * upper for c, share in lower.items() if len(c.upper()) == 1} | {
        c: share * (_UPPER if capitals else 1) for c, share in lower.items()}


def _share(character: str, shares: dict[str, float]) -> float:
    if character in shares:
        return shares[character]
    if character in _SIGNS:
        return _SIGN
    return _OTHER if character.isalpha() else _IN_WORD if character.isprintable() and character != "\ufffd" else _NOTHING
