"""Column types that keep money and time exact in any database.  Knows no table.

SQLite's NUMERIC is a binary float, so an amount is TEXT in plain notation there and NUMERIC in PostgreSQL.  Times are
TEXT in both: ISO 8601 UTC of fixed width, which sorts as it should and can be read in a database shell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["Document", "Instant", "Money", "canonical", "instant_text", "money_text"]


def money_text(value: Decimal) -> str:
    """*value* in plain notation, without an exponent; refuses what is not a finite Decimal."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{value!r} is not an amount; a finite Decimal is wanted")
    return f"{value:f}"


def instant_text(value: datetime) -> str:
    """*value* as `YYYY-MM-DDTHH:MM:SS.ffffffZ`; refuses a time without a zone."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; aware UTC is wanted")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(value: Any) -> str:
    """*value* as JSON with one spelling: keys sorted, no spaces, amounts as strings, nothing that is not finite."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, str):
        return str(value)  # enums of text become plain text
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return value


class Money(TypeDecorator[Decimal]):
    """An amount, exact to the last digit."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """NUMERIC where that is exact."""
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Check, and spell the amount for the database."""
        if value is None:
            return None
        text = money_text(value)
        return Decimal(text) if dialect.name == "postgresql" else text

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """The amount as it was written."""
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """A moment, aware UTC, to the microsecond."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Check the zone, and spell it in fixed width."""
        return None if value is None else instant_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The moment as it was written."""
        return None if value is None else datetime.fromisoformat(value)


class Document(TypeDecorator[Any]):
    """A JSON value in canonical spelling; amounts come back as strings."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Spell it canonically."""
        return canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The plain JSON value."""
        return json.loads(value)
