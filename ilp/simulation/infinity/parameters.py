"""The parameters of a call, from its query and its body, each read with its type; what is wrong is a validation error.

As the page says clients write them: `True` and `False`, repeated keys, numbers with exponents, `None` for no account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import define, field

from clients.infinity_terms import OrderErrorCode
from ilp.simulation.infinity.errors import ApiError, invalid

__all__ = ["MOST_ROWS", "Parameters"]

MOST_ROWS = 100
"""No call answers more rows."""
_MOST_DIGITS = 40  # before or after the point: beyond all that means anything, and short enough to reckon with exactly


@define(eq=False)
class Parameters:
    """What a call was given.

    :ivar query: every value of every key.
    :ivar body: the JSON body, None without one.
    """

    query: Mapping[str, Sequence[str]] = field(factory=dict)
    body: Any = None

    def _given(self, name: str) -> Any:
        if isinstance(self.body, dict) and name in self.body:
            return self.body[name]
        values = self.query.get(name)
        return values[0] if values else None

    def has(self, name: str) -> bool:
        """Whether it was given at all."""
        return self._given(name) is not None

    def raw(self, name: str) -> str:
        """What was given as it stands, as a text; empty for nothing."""
        value = self._given(name)
        return "" if value is None else str(value)

    def text(self, name: str, otherwise: str | None = None) -> str:
        """A text that is not empty."""
        value = self._given(name)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or not value:
            raise invalid(f"{name}: {value!r}")
        return value

    def texts(self, name: str) -> list[str]:
        """All values of a repeated key, or a list in the body."""
        if isinstance(self.body, dict) and name in self.body:
            value = self.body[name]
            if not isinstance(value, list):
                raise invalid(f"{name}: {value!r}")
            return [str(one) for one in value]
        return [value for value in self.query.get(name, ()) if value]

    def whole(self, name: str, otherwise: int | None = None) -> int:
        """A whole number."""
        value = self._given(name)
        if value is None and otherwise is not None:
            return otherwise
        if isinstance(value, bool):
            raise invalid(f"{name}: {value!r}")
        try:
            number = Decimal(str(value))
            if abs(number.adjusted()) > _MOST_DIGITS or number != int(number):
                raise ValueError
        except (ValueError, ArithmeticError):
            raise invalid(f"{name}: {value!r}") from None
        return int(number)

    def optional_whole(self, name: str) -> int | None:
        """A whole number, or None when it is not given."""
        return self.whole(name) if self.has(name) else None

    def number(self, name: str) -> Decimal:
        """A finite number."""
        value = self._given(name)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise invalid(f"{name}: {value!r}") from None
        if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
            raise invalid(f"{name}: {value!r}")
        return number

    def optional_number(self, name: str) -> Decimal | None:
        """A finite number, or None when it is not given."""
        return self.number(name) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """True when it says so; false when it is not given."""
        value = self._given(name)
        if value is None or str(value).lower() in ("false", "0"):
            return False
        if str(value).lower() in ("true", "1"):
            return True
        raise invalid(f"{name}: {value!r}")

    def day(self, name: str) -> date:
        """A date written `YYYYMMDD`."""
        text = str(self._given(name))
        try:
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError:
            raise invalid(f"{name}: {text!r}") from None

    def limit(self, otherwise: int = 20, most: int = MOST_ROWS) -> int:
        """How many rows are wanted, at most *most*."""
        wanted = self.whole("limit", otherwise)
        if wanted < 1:
            raise invalid(f"limit: {wanted}")
        return min(wanted, most)

    def account(self, name: str = "accountId") -> int:
        """An account's number; what is none is an invalid account, `None` for instance."""
        try:
            return self.whole(name)
        except ApiError as problem:
            raise ApiError(OrderErrorCode.INVALID_ACCOUNT, str(problem)) from None
