"""How the options of a client are read: from numbers or from the texts of a file, with errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from attrs import Attribute, Converter, field, fields

__all__ = [
    "choice",
    "count",
    "flag",
    "not_negative",
    "path",
    "path_names",
    "positive",
    "read_options",
    "whole",
    "words",
]

T = TypeVar("T")

_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def words(value: Any) -> tuple[str, ...]:
    """Names from a text with commas or from any sequence of texts."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(value)


def path(value: Any) -> Path | None:
    """A file or folder; None when it is empty."""
    return Path(value) if value else None


def path_names(kind: type[Any]) -> tuple[str, ...]:
    """Which options of an attrs record are paths: whoever reads them from a file resolves them beside that file."""
    return tuple(one.name for one in fields(kind) if one.converter is path)


def positive(default: float) -> Any:
    """A field for a number above 0."""
    return _field(default, lambda value: 0 < value < float("inf"), "a number above 0")


def not_negative(default: float) -> Any:
    """A field for a number of 0 or more."""
    return _field(default, lambda value: 0 <= value < float("inf"), "0 or a number above it")


def whole(default: int, allowed: tuple[int, ...]) -> Any:
    """A field for one of a few whole numbers."""

    def convert(value: Any, attribute: Attribute[int]) -> int:
        number = _number(value, attribute)
        if number not in allowed:
            raise ValueError(f"{attribute.name} {value} is not allowed; one of {', '.join(map(str, allowed))}")
        return int(number)

    return field(default=default, converter=Converter(convert, takes_field=True))


def count(default: int) -> Any:
    """A field for a whole number of 1 or more."""

    def convert(value: Any, attribute: Attribute[int]) -> int:
        number = _number(value, attribute)
        if number < 1 or not number.is_integer():
            raise ValueError(f"{attribute.name} {value} is not allowed; a whole number of 1 or more is wanted")
        return int(number)

    return field(default=default, converter=Converter(convert, takes_field=True))


def choice(default: str, allowed: tuple[str, ...]) -> Any:
    """A field for one of a few words."""

    def convert(value: Any, attribute: Attribute[str]) -> str:
        for one in allowed:
            if str(value).lower() == one.lower():
                return one
        raise ValueError(f"{attribute.name} {value!r} is not allowed; one of {', '.join(allowed)}")

    return field(default=default, converter=Converter(convert, takes_field=True))


def flag(default: bool) -> Any:
    """A field for yes or no."""

    def convert(value: Any, attribute: Attribute[bool]) -> bool:
        known = value if isinstance(value, bool) else _FLAGS.get(str(value).lower())
        if known is None:
            raise ValueError(f"{attribute.name} {value!r} is not allowed; yes or no")
        return known

    return field(default=default, converter=Converter(convert, takes_field=True))


def _field(default: float, allowed: Callable[[float], bool], words: str) -> Any:
    def convert(value: Any, attribute: Attribute[float]) -> float:
        number = _number(value, attribute)
        if not allowed(number):
            raise ValueError(f"{attribute.name} {value} is not allowed; {words} is wanted")
        return number

    return field(default=default, converter=Converter(convert, takes_field=True))


def _number(value: Any, attribute: Attribute[Any]) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{attribute.name} {value!r} is not a number") from None


def read_options(kind: type[T], given: Mapping[str, Any]) -> T:
    """An attrs record of options by name; `ValueError` names an unknown one with its nearest relative, and bad values."""
    record: Any = kind
    names = [attribute.name for attribute in fields(record)]
    for name in given:
        if name not in names:
            nearest = get_close_matches(name, names, 1)
            hint = f"; do you mean {nearest[0]}?" if nearest else f"; known are {', '.join(names)}"
            raise ValueError(f"option {name} is not known{hint}")
    return kind(**given)
