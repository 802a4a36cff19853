"""How numbers and times are written into JSON documents: money as text, times as ISO 8601 UTC, nothing lost or invented."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal

__all__ = ["amount", "figure", "when", "worth"]

_SHOWN = Context(prec=10)


def amount(value: Decimal | None) -> str | None:
    """An exact amount in plain notation, without trailing zeros; None stays None."""
    if value is None:
        return None
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def figure(value: Decimal | float | None, *, places: int | None = None) -> str | None:
    """A computed number to ten significant digits, or to *places* decimals; None stays None."""
    if value is None:
        return None
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        return None
    if places is not None:
        return f"{exact.quantize(Decimal(1).scaleb(-places), context=Context(prec=40)):f}"
    return amount(_SHOWN.plus(exact))


def worth(value: Decimal | float | None, currency: str) -> str | None:
    """Money as people read it: to two decimals, interest a year (`ETH%`, see `ilp.tickers`) to eight; None stays None."""
    return figure(value, places=8 if currency.endswith("%") else 2)


def when(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
