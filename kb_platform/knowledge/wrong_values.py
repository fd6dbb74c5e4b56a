"""What is wrong with a value that pydantic refuses, in words for whoever wrote it: pydantic's own are about Python's types."""

from collections.abc import Mapping
from datetime import date
from typing import Any

_KEYS, _WHOLE, _NUMBER, _BOOL = "keys and values", "a whole number", "a number", "true or false"
_KINDS = {
    "string_type": "text", "string_unicode": "characters of Unicode", "list_type": "a list", "tuple_type": "a list", "dict_type": _KEYS, "model_type": _KEYS,
    "model_attributes_type": _KEYS, "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": "a smaller number",
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": _NUMBER, "bool_type": _BOOL, "bool_parsing": _BOOL,
    "literal_error": "{expected}", "enum": "{expected}", "greater_than": "more than {gt}", "greater_than_equal": "at least {ge}", "less_than": "less than {lt}",
    "less_than_equal": "at most {le}", "string_too_short": "at least {min_length} character{s}", "string_too_long": "at most {max_length} character{s}",
    "too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them", "string_pattern_mismatch": "what matches {pattern}",
}


def in_words(error: Mapping[str, Any]) -> str:
    """Return what one of a ValidationError's `errors()` says."""
    kind, given = error["type"], error.get("ctx", {})
    if kind == "value_error":  # a validator of ours
        return error["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known"
    if kind in _KINDS:
        one = 1 in (given.get("min_length"), given.get("max_length"))
        said = f"expected {_KINDS[kind].format(**given, s='' if one else 's')}"
        return f"{said} in quotes" if kind == "string_type" and isinstance(error["input"], (int, float, date)) else said
    return error["msg"][:1].lower() + error["msg"][1:]
