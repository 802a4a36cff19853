"""Ids as Kraken prints them, made of running numbers and readable back.  Pure."""

from __future__ import annotations

import re

__all__ = ["is_id", "number_of", "order_id", "printed"]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPAN = 36**15
_FACTOR = 7_000_000_000_000_037  # prime, so that it has an inverse: neighbours do not look alike
_INVERSE = pow(_FACTOR, -1, _SPAN)
_SHAPE = re.compile(r"[A-Z][A-Z0-9]{5}-?[A-Z0-9]{5}-?[A-Z0-9]{5,6}")


def printed(kind: str, number: int) -> str:
    """`OXXXXX-XXXXX-XXXXX0` for kind `O`; `T` are trades, `L` ledger entries, other kinds references of transfers."""
    rest, digits = number * _FACTOR % _SPAN, []
    for _ in range(15):
        rest, digit = divmod(rest, 36)
        digits.append(_DIGITS[digit])
    text = "".join(reversed(digits))
    return f"{kind}{text[:5]}-{text[5:10]}-{text[10:]}{_DIGITS[number % 36]}"


def order_id(number: int) -> str:
    """An order's id."""
    return printed("O", number)


def is_id(kind: str, text: str) -> bool:
    """Whether a text has the shape of an id of this kind."""
    return bool(_SHAPE.fullmatch(text)) and text.startswith(kind)


def number_of(kind: str, text: str) -> int | None:
    """The number behind an id; None when it is none of this kind."""
    if not is_id(kind, text):
        return None
    body = text[1:].replace("-", "")[:15]
    value = 0
    for character in body:
        value = value * 36 + _DIGITS.index(character)
    number = value * _INVERSE % _SPAN
    return number if printed(kind, number) == text else None
