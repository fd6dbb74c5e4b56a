"""Units of measurement by all the names that texts give them: each has one token, and those that can be converted one scale.

A name of one or two letters is a unit only behind a number ("5 g", but "group G"); longer ones are everywhere.
"""

from collections.abc import Iterator
from decimal import Decimal

# token: its names, lower case and without accents, as the text is when they are looked up
_NAMES = {
    "ug": "ug mcg microgram micrograms microgramme microgrammes mikrogramm microgrammo microgrammi microgramos microgramo microgramas",
    "mg": "mg mgs milligram milligrams milligramme milligrammes milligramm milligrammi miligramo miligramos miligramas",
    "gram": "g gm gr gram grams gramme grammes gramm grammi gramo gramos gramas",
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes kilogramm",
    "ng": "ng nanogram nanograms nanogramme nanogrammes nanogramm",
    "pg": "pg picogram picograms",
    "ml": "ml mls cc milliliter milliliters millilitre millilitres mililitros",
    "dl": "dl deciliter deciliters decilitre decilitres",
    "cl": "cl centilitre centilitres",
    "ul": "ul microliter microliters microlitre microlitres",
    "fl": "fl femtolitre femtolitres femtoliter femtoliters",
    "litr": "l liter liters litre litres litro litros litri",
    "mol": "mol mole moles", "mmol": "mmol mmols millimole millimoles millimol", "umol": "umol micromole micromoles mikromol",
    "nmol": "nmol nanomole nanomoles", "pmol": "pmol picomole picomoles", "mosm": "mosm mosmol",
    "meq": "meq meqs milliequivalent milliequivalents", "eq": "eq",
    "unit": "u iu ui ie unit units einheit einheiten unite unites unidad unidades unita",
    "miu": "miu", "mu": "mu",
    "second": "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos secondi",
    "millisecond": "ms msec millisecond milliseconds",
    "minut": "min mins minute minutes minuten minuto minutos minuti minuut",
    "hour": "h hr hrs hour hours hourly std stunde stunden heure heures hora horas ora ore uur timme timmar",
    "day": "d day days tag tage tagen jour jours dia dias giorno giorni dag dagen dagar dage",
    "week": "wk wks week weeks woche wochen semaine semaines semana semanas settimana settimane weken vecka veckor uge uger",
    "month": "mo mos mth mths month months monat monate monaten mois mes meses mese mesi maand maanden manad manader",
    "year": "y yr yrs year years jahr jahre jahren an ans annee annees ano anos anno anni jaar jaren ar",
    "mm": "mm millimeter millimeters millimetre millimetres", "cm": "cm centimeter centimeters centimetre centimetres",
    "um": "um micrometer micrometers micrometre micrometres micron microns", "nm": "nm nanometer nanometers nanometre nanometres",
    "meter": "m meter meters metre metres", "km": "km kilometer kilometers kilometre kilometres",
    "m2": "m2 m^2 sqm", "cm2": "cm2 cm^2", "cm3": "cm3 cm^3", "mm3": "mm3 mm^3", "mm2": "mm2 mm^2",
    "mmhg": "mmhg", "cmh2o": "cmh2o", "kpa": "kpa", "bar": "bar", "mbar": "mbar",
    "%": "% pct percent", "permill": "\u2030", "ppm": "ppm",
    "celsius": "\u00b0c c celsius", "fahrenheit": "\u00b0f f fahrenheit", "degree": "\u00b0 deg degree degrees grad",
    "kcal": "kcal kcals kilocalorie kilocalories", "kj": "kj kilojoule kilojoules", "joule": "j joule joules",
    "bpm": "bpm", "hz": "hz", "khz": "khz", "mhz": "mhz", "kv": "kv", "mv": "mv", "mamp": "ma",
    "mgy": "mgy", "gy": "gy", "msv": "msv", "usv": "usv", "mbq": "mbq", "gbq": "gbq", "kbq": "kbq",
    "drop": "gtt gtts drop drops tropfen gouttes gotas",
}
_PHRASES = {
    "mm hg": "mmhg", "cm h2o": "cmh2o", "per cent": "%", "fl oz": "floz", "international units": "unit", "international unit": "unit",
    "i.u.": "unit", "degrees celsius": "celsius", "degree celsius": "celsius", "degrees centigrade": "celsius", "\u00b0 c": "celsius",
    "\u00b0 f": "fahrenheit", "degrees fahrenheit": "fahrenheit", "degrees c": "celsius", "degrees f": "fahrenheit",
    "beats per minute": "bpm", "unites internationales": "unit", "internationale einheiten": "unit", "grad celsius": "celsius",
    "prozent": "%", "pour cent": "%", "por ciento": "%", "per cento": "%", "procent": "%", "por cento": "%",
}
# Scales whose steps are one thing under another name: 0.5 g is 500 mg. Months and years have no fixed length.
_SCALES: dict[str, tuple[str, Decimal]] = {
    unit: (steps[0], Decimal(factor)) for *steps, factors in (
        ("ng", "ug", "mg", "gram", "kg", "pg", ("1", "1e3", "1e6", "1e9", "1e12", "1e-3")),
        ("ul", "ml", "dl", "cl", "litr", "cm3", "mm3", ("1", "1e3", "1e5", "1e4", "1e6", "1e3", "1")),
        ("nmol", "pmol", "umol", "mmol", "mol", ("1", "1e-3", "1e3", "1e6", "1e9")),
        ("second", "minut", "hour", "day", "week", ("1", "60", "3600", "86400", "604800")),
        ("mm", "cm", "meter", "km", ("1", "10", "1000", "1000000")),
        ("kcal", ("1",)),
    ) for unit, factor in zip(steps, factors, strict=True)
}
UNITS = {name: token for token, names in _NAMES.items() for name in names.split()} | _PHRASES
_EVERYDAY = frozenset(["an", "ano", "anno", "ans", "ar", "bar", "dia", "eq", "fl", "gr", "ie", "kilo", "kilos", "mes", "min", "mo", "ora", "ore", "std", "ui", "uge"])
WORDS = {name: token for name, token in UNITS.items() if name.isalnum() and name not in _EVERYDAY
         and (len(name) > 2 or name in ("mg", "ug", "kg", "ml", "dl"))}


def alternatives() -> Iterator[str]:
    """Yield every name of a unit, longest first, as a regular expression takes them."""
    yield from sorted(UNITS, key=len, reverse=True)


def measured(number: str, unit: str) -> str:
    """Return one token for a number and its unit, the same for 0.5 g and 500 mg."""
    if "^" in number:
        return f"{number}{unit}"
    smallest, factor = _SCALES.get(unit, (unit, Decimal(1)))
    return f"{plain(Decimal(number) * factor)}{smallest}"


def plain(value: Decimal) -> str:
    """Return a number without exponent or trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
