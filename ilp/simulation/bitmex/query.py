"""Parameters of a request, whatever way they came, and the parameters that every table read takes.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from ilp.simulation.bitmex.errors import ApiError

__all__ = ["Parameters", "read_parameters", "select"]

Row = dict[str, Any]

MOST = 500
_OPEN = frozenset({"New", "PartiallyFilled", "PendingNew", "Untriggered", "Triggered"})
_ENDED = frozenset({"Filled", "Canceled", "Rejected", "Expired"})


def read_parameters(query: str, content_type: str, body: bytes) -> Parameters:
    """Merge query, form and JSON."""
    found: Row = dict(parse_qsl(query, keep_blank_values=True))
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            document = json.loads(text, parse_float=Decimal)
        except ValueError:
            raise ApiError(400, "Invalid JSON", "ValidationError") from None
        found.update(document)
    elif text:
        found.update(parse_qsl(text, keep_blank_values=True))
    return Parameters(found)


class Parameters:
    """Named values of any origin, read as what they should be."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def raw(self, name: str) -> Any:
        """As it came; None when missing."""
        return self.values.get(name)

    def text(self, name: str) -> str:
        """A text, empty when missing."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> Decimal | None:
        """A number or a numeric text; None when missing or empty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise ApiError(400, f"{name} is invalid", "ValidationError") from None
        if not number.is_finite():
            raise ApiError(400, f"{name} is invalid", "ValidationError")
        return number

    def whole(self, name: str, otherwise: int = 0) -> int:
        """A whole number."""
        number = self.number(name)
        if number is None:
            return otherwise
        if number != number.to_integral_value():
            raise ApiError(400, f"{name} is invalid", "ValidationError")
        return int(number)

    def flag(self, name: str, otherwise: bool = False) -> bool:
        """`true`, `1`, …"""
        value = self.values.get(name)
        return otherwise if value is None else str(value).lower() in ("true", "1", "yes")

    def json(self, name: str) -> Any:
        """A JSON value, or the text of one; a plain text is itself."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip().startswith(("{", "[", '"')):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ApiError(400, f"{name} not valid", "ValidationError") from None

    def names(self, name: str) -> list[str]:
        """A text, a list, a JSON list in a text, or names with commas."""
        value = self.json(name)
        if value is None or value == "":
            return []
        return [str(one) for one in value] if isinstance(value, list) else str(value).split(",")

    def time(self, name: str) -> datetime | None:
        """An ISO time; without a zone it is UTC."""
        text = self.text(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ApiError(400, f"{name} not valid", "ValidationError") from None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def select(rows: Iterable[Row], parameters: Parameters, *, most: int = MOST, reverse: bool = False) -> list[Row]:
    """What the table parameters leave of *rows*, which are oldest first.

    :param most: largest `count`.
    :param reverse: whether the newest comes first when nothing is said.
    """
    chosen = [row for row in rows if _wanted(row, parameters)]
    if parameters.flag("reverse", reverse):
        chosen.reverse()
    start, count = parameters.whole("start"), parameters.whole("count", 100 if most == MOST or most == 1000 else most)
    if start < 0:
        raise ApiError(400, "start not valid", "ValidationError")
    if count < 0:
        raise ApiError(400, "count not valid", "ValidationError")
    chosen = chosen[start : start + min(count, most)]
    columns = parameters.names("columns")
    return [_columns(row, columns) for row in chosen] if columns else chosen


_ALWAYS = ("symbol", "timestamp", "account", "currency", "orderID", "execID", "id", "side")


def _columns(row: Row, columns: list[str]) -> Row:
    return {name: value for name, value in row.items() if name in columns or name in _ALWAYS}


def _wanted(row: Row, parameters: Parameters) -> bool:
    if not _is_symbol(row, parameters.text("symbol")):
        return False
    wanted = parameters.json("filter")
    if wanted is not None and not isinstance(wanted, dict):
        raise ApiError(400, "filter not valid", "ValidationError")
    for bound, name in ((parameters.time("startTime"), "from"), (parameters.time("endTime"), "to")):
        if bound is not None and not _within(row, bound, name):
            return False
    return all(_matches(row, name, value) for name, value in (wanted or {}).items())


def _is_symbol(row: Row, asked: str) -> bool:
    symbol = str(row.get("symbol", ""))
    root, _, interval = asked.upper().partition(":")
    if not root or root == symbol:
        return True
    return symbol.startswith(root) and root == row.get("rootSymbol", "XBT") and interval in ("", "PERPETUAL")


def _within(row: Row, bound: datetime, which: str) -> bool:
    if not row.get("timestamp"):
        return False
    at = datetime.fromisoformat(row["timestamp"])
    return at >= bound if which == "from" else at <= bound


def _matches(row: Row, name: str, value: Any) -> bool:
    if name == "open":
        return (row.get("ordStatus") in _OPEN) == bool(value)
    if name == "ordStatus.isTerminated":
        return (row.get("ordStatus") in _ENDED) == bool(value)
    if name in ("startTime", "endTime"):
        bound = Parameters({name: value}).time(name)
        return bound is None or _within(row, bound, "from" if name == "startTime" else "to")
    if name == "symbol" and isinstance(value, str):
        return _is_symbol(row, value)
    if isinstance(value, list):
        return row.get(name) in value
    return bool(row.get(name) == value)
