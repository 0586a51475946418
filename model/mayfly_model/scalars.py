"""What an unquoted YAML scalar means.

Rule: what it means to kubectl: ``yes`` is a boolean, ``017`` octal, but a date and ``12:30`` are text. A
number too long to be one is text, so that no digits make work.
"""

import re

Scalar = str | int | float | bool | None

_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17}|0x[0-9a-fA-F]{1,15}|0o?[0-7]{1,20})")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]{1,300}\.?[0-9]{0,300}|\.[0-9]{1,300})(?:[eE][-+]?[0-9]{1,5})?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def meaning(text: str) -> Scalar:
    """What a scalar without quotes and tag means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith("0x"):
        return sign * int(digits, 0)
    octal = digits.startswith("0") and len(digits) > 1
    return sign * int(digits.removeprefix("0o"), 8 if octal else 10)
