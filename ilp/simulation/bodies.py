"""The fields of a JSON request, taken one by one, each with a clear error that names it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import define

__all__ = ["BadRequest", "Body"]


class BadRequest(ValueError):
    """The body does not say what is needed; nothing was done."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@define
class Body:
    """The fields of a request, taken one by one; those that are left over are errors."""

    values: dict[str, Any]

    def text(self, name: str, otherwise: str | None = None) -> str:
        """A text that is not empty."""
        value = self.values.pop(name, otherwise)
        if not isinstance(value, str) or not value:
            raise BadRequest(name, f"{value!r} is not allowed; a text is needed")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None when it is null or missing."""
        return self.text(name) if self.values.get(name) is not None else self.values.pop(name, None)

    def number(self, name: str) -> Decimal:
        """A positive number, as a text or as a JSON number."""
        value = self.values.pop(name, None)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal(0)
        if isinstance(value, bool) or not number.is_finite() or number <= 0:
            raise BadRequest(name, f"{value!r} is not allowed; a positive number is needed, best as a text")
        return number

    def optional_number(self, name: str) -> Decimal | None:
        """A positive number, or None when it is null or missing."""
        return self.number(name) if self.values.get(name) is not None else self.values.pop(name, None)

    def flag(self, name: str) -> bool:
        """True or false; false when it is missing."""
        value = self.values.pop(name, False)
        if not isinstance(value, bool):
            raise BadRequest(name, f"{value!r} is not allowed; true or false")
        return value

    def whole(self, name: str) -> int:
        """A whole JSON number."""
        value = self.values.pop(name, None)
        if type(value) is not int:
            raise BadRequest(name, f"{value!r} is not allowed; a whole number is needed")
        return value

    def finish(self) -> None:
        """Refuse what was not asked for."""
        for name in self.values:
            raise BadRequest(name, "there is no such field")
