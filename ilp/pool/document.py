"""The pool as plain frozen records, and the JSON document that they come from and go back to.

Owns the shape and the validity rules of the document; every refusal is a `PoolError` that names the field.  Knows nothing
of what a pool is worth.  Numbers may be JSON numbers, Decimals or decimal strings; inside they are floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from attrs import asdict, field, frozen

__all__ = [
    "Fee",
    "Holding",
    "Levels",
    "Move",
    "Payout",
    "Pool",
    "PoolError",
    "Quote",
    "Trade",
    "Transfer",
    "Valuation",
    "parse_pool",
    "pool_document",
]

Levels = tuple[tuple[float, float], ...]
Place = tuple[str, str]

_LARGEST = 1e30  # beyond it sums of squares leave the range of floats
_SMALLEST = 1e-30


class PoolError(ValueError):
    """A pool document that cannot be accepted.

    :ivar field: path of the offending field, for example ``moves[1].fee[0]``.
    :ivar why: what is wrong, with the value and what is allowed.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@frozen
class Fee:
    """A charge: `fixed` once, in the currency the move's definition names, and `proportional` as a fraction."""

    fixed: float = 0.0
    proportional: float = 0.0


@frozen
class Holding:
    """An asset on a venue, in units of the asset; `available` may be negative (overdrawn) or exceed `total`."""

    venue: str
    asset: str
    total: float
    available: float
    target: float

    @property
    def place(self) -> Place:
        """(venue, asset)."""
        return (self.venue, self.asset)


@frozen
class Trade:
    """Buying or selling `base` for `quote` on a book; levels are (price, size), best first; `min` in base units."""

    venue: str
    base: str
    quote: str
    fee: Fee = Fee()
    bids: Levels = ()
    asks: Levels = ()
    min: float = 0.0


@frozen
class Transfer:
    """Moving an asset between holdings, converting it where the assets differ.

    `bid` and `ask` are prices of one unit of the asset of `target` in that of `source`; `fee.fixed` and `min` are in
    units of the asset of `source`, both ways.
    """

    source: Place
    target: Place
    fee: Fee = Fee()
    min: float = 0.0
    bid: float | None = None
    ask: float | None = None
    both_ways: bool = True

    @property
    def converts(self) -> bool:
        """Whether what arrives is another asset."""
        return self.source[1] != self.target[1]


@frozen
class Payout:
    """Money that leaves for the operator's own bank; the amount is what the bank receives."""

    venue: str
    asset: str
    fee: Fee = Fee()
    min: float = 0.0


Move = Trade | Transfer | Payout


@frozen
class Valuation:
    """Parameters of the value; `covariance` is numeraire² a period, rows and columns as `assets`.

    :ivar diagonal: whether no two prices vary together.
    """

    deviation_penalty: float
    risk_aversion: float
    assets: tuple[str, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    diagonal: bool = field(init=False, eq=False, repr=False)

    @diagonal.default
    def _is_diagonal(self) -> bool:
        return not any(any(row[:place]) or any(row[place + 1 :]) for place, row in enumerate(self.covariance))


@frozen
class Quote:
    """A resting order the pool offers; `size` in base units, `fee.fixed` in quote currency."""

    venue: str
    base: str
    quote: str
    size: float
    fee: Fee = Fee()


@frozen
class Pool:
    """Everything the optimizer knows.  Build it with :func:`parse_pool`, or `attrs.evolve` an existing one."""

    numeraire: str
    marks: Mapping[str, float]
    holdings: tuple[Holding, ...]
    moves: tuple[Move, ...] = ()
    valuation: Valuation = field(factory=lambda: Valuation(0.0, 0.0))
    quotes: tuple[Quote, ...] = ()

    def holding(self, venue: str, asset: str) -> int:
        """Index of a holding; raises `KeyError` where it is not listed."""
        for index, holding in enumerate(self.holdings):
            if holding.venue == venue and holding.asset == asset:
                return index
        raise KeyError((venue, asset))


# Reading


def _number(value: Any, path: str) -> float:
    """A finite float out of a JSON number, a Decimal or a decimal string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise PoolError(path, f"{value!r} is not a number; a JSON number or a decimal string is")
    try:
        number = float(Decimal(value)) if isinstance(value, str) else float(value)
    except (InvalidOperation, OverflowError, ValueError):
        raise PoolError(path, f"{value!r} is not a finite number") from None
    if not math.isfinite(number):
        raise PoolError(path, f"{value!r} is not a finite number")
    if abs(number) > _LARGEST:
        raise PoolError(path, f"{value!r} is too large; at most {_LARGEST:g}")
    return number


def _not_negative(value: Any, path: str) -> float:
    number = _number(value, path)
    if number < 0:
        raise PoolError(path, f"{value} is negative; 0 or more is allowed")
    return number


def _positive(value: Any, path: str) -> float:
    number = _number(value, path)
    if number <= 0:
        raise PoolError(path, f"{value} is not allowed; more than 0 is")
    if number < _SMALLEST:
        raise PoolError(path, f"{value} is too small; at least {_SMALLEST:g}")
    return number


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise PoolError(path, f"{value!r} is not a name; a non-empty string is")
    return value


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise PoolError(path, f"{value!r} is not allowed; true or false is")
    return value


def _list(value: Any, path: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise PoolError(path, "is not a list")
    return value


def _object(value: Any, path: str, required: Iterable[str], optional: Iterable[str] = ()) -> Mapping[str, Any]:
    """A JSON object with exactly the keys that are known; *path* is empty for the document itself."""
    if not isinstance(value, Mapping):
        raise PoolError(path or "pool", "is not an object")
    prefix = f"{path}." if path else ""
    known = {*required, *optional}
    for key in value:
        if key not in known:
            raise PoolError(f"{prefix}{key}", f"is not a known key; known are {', '.join(sorted(known))}")
    for key in required:
        if key not in value:
            raise PoolError(f"{prefix}{key}", "is missing")
    return value


def _fee(value: Any, path: str) -> Fee:
    pair = _list(value, path)
    if len(pair) != 2:
        raise PoolError(path, f"has {len(pair)} entries; [fixed, proportional] is allowed")
    fixed, proportional = _not_negative(pair[0], f"{path}[0]"), _not_negative(pair[1], f"{path}[1]")
    if proportional >= 1:
        raise PoolError(f"{path}[1]", f"{pair[1]} is not a fraction below 1")
    return Fee(fixed, proportional)


def _levels(value: Any, path: str, *, descending: bool) -> Levels:
    levels = []
    for number, level in enumerate(_list(value, path)):
        where = f"{path}[{number}]"
        pair = _list(level, where)
        if len(pair) != 2:
            raise PoolError(where, f"has {len(pair)} entries; [price, size] is allowed")
        levels.append((_positive(pair[0], f"{where}[0]"), _positive(pair[1], f"{where}[1]")))
    return tuple(sorted(levels, reverse=descending))


@frozen
class _Reader:
    """What the parts of a document are checked against: marks and listed holdings."""

    numeraire: str
    marks: Mapping[str, float]
    places: frozenset[Place] = frozenset()

    def mark(self, asset: Any, path: str) -> str:
        """An asset that has a mark."""
        if _text(asset, path) not in self.marks:
            raise PoolError(path, f"{asset} has no mark")
        return str(asset)

    def place(self, venue: Any, asset: Any, path: str, asset_path: str) -> Place:
        """A holding that is listed."""
        found = (_text(venue, path), _text(asset, asset_path))
        if found not in self.places:
            raise PoolError(asset_path, f"{asset} on {venue} is not among the holdings")
        return found

    def holding(self, value: Any, path: str) -> Holding:
        """One entry of `holdings`."""
        entry = _object(value, path, ("venue", "asset", "total", "available", "target"))
        return Holding(
            _text(entry["venue"], f"{path}.venue"),
            self.mark(entry["asset"], f"{path}.asset"),
            _number(entry["total"], f"{path}.total"),
            _number(entry["available"], f"{path}.available"),
            _not_negative(entry["target"], f"{path}.target"),
        )

    def pair(self, entry: Mapping[str, Any], path: str) -> tuple[str, str, str]:
        """(venue, base, quote) of a trade or a quote."""
        venue, base = self.place(entry["venue"], entry["base"], f"{path}.venue", f"{path}.base")
        _, quote = self.place(entry["venue"], entry["quote"], f"{path}.venue", f"{path}.quote")
        if base == quote:
            raise PoolError(f"{path}.quote", f"{quote} is the base as well")
        return venue, base, quote

    def trade(self, value: Any, path: str) -> Trade:
        """A move of kind `trade`."""
        entry = _object(value, path, ("kind", "venue", "base", "quote"), ("fee", "bids", "asks", "min"))
        venue, base, quote = self.pair(entry, path)
        bids = _levels(entry.get("bids", ()), f"{path}.bids", descending=True)
        asks = _levels(entry.get("asks", ()), f"{path}.asks", descending=False)
        if bids and asks and bids[0][0] > asks[0][0]:
            raise PoolError(f"{path}.bids", f"the book is crossed: bid {bids[0][0]:g} above ask {asks[0][0]:g}")
        fee = _fee(entry.get("fee", (0, 0)), f"{path}.fee")
        return Trade(venue, base, quote, fee, bids, asks, _not_negative(entry.get("min", 0), f"{path}.min"))

    def end(self, value: Any, path: str) -> Place:
        """One end of a transfer: [venue, asset]."""
        pair = _list(value, path)
        if len(pair) != 2:
            raise PoolError(path, f"has {len(pair)} entries; [venue, asset] is allowed")
        return self.place(pair[0], pair[1], f"{path}[0]", f"{path}[1]")

    def rate(self, entry: Mapping[str, Any], path: str, converts: bool) -> tuple[float | None, float | None]:
        """Bid and ask of a converting transfer; (None, None) where nothing is converted."""
        if not converts:
            for key in ("bid", "ask"):
                if key in entry:
                    raise PoolError(f"{path}.{key}", "is only for transfers that convert")
            return None, None
        for key in ("bid", "ask"):
            if key not in entry:
                raise PoolError(f"{path}.{key}", "is missing; a transfer that converts has a bid and an ask")
        bid, ask = _positive(entry["bid"], f"{path}.bid"), _positive(entry["ask"], f"{path}.ask")
        if bid > ask:
            raise PoolError(f"{path}.bid", f"{bid:g} is above the ask {ask:g}")
        return bid, ask

    def transfer(self, value: Any, path: str) -> Transfer:
        """A move of kind `transfer`."""
        optional = ("fee", "fee_asset", "min", "bid", "ask", "both_ways")
        entry = _object(value, path, ("kind", "from", "to"), optional)
        source, target = self.end(entry["from"], f"{path}.from"), self.end(entry["to"], f"{path}.to")
        if source == target:
            raise PoolError(f"{path}.to", f"{target[1]} on {target[0]} is where it comes from")
        converts = source[1] != target[1]
        if converts and self.numeraire not in (source[1], target[1]):
            raise PoolError(f"{path}.to", f"converts {source[1]} to {target[1]}; one of them must be {self.numeraire}")
        fee_asset = _text(entry.get("fee_asset", source[1]), f"{path}.fee_asset")
        if fee_asset != source[1]:
            raise PoolError(
                f"{path}.fee_asset", f"{fee_asset} is not allowed; the fee is in the `from` asset {source[1]}"
            )
        bid, ask = self.rate(entry, path, converts)
        fee = _fee(entry.get("fee", (0, 0)), f"{path}.fee")
        least = _not_negative(entry.get("min", 0), f"{path}.min")
        both_ways = _boolean(entry.get("both_ways", True), f"{path}.both_ways")
        return Transfer(source, target, fee, least, bid, ask, both_ways)

    def payout(self, value: Any, path: str) -> Payout:
        """A move of kind `payout`."""
        entry = _object(value, path, ("kind", "venue", "asset"), ("fee", "min"))
        venue, asset = self.place(entry["venue"], entry["asset"], f"{path}.venue", f"{path}.asset")
        fee = _fee(entry.get("fee", (0, 0)), f"{path}.fee")
        return Payout(venue, asset, fee, _not_negative(entry.get("min", 0), f"{path}.min"))

    def move(self, value: Any, path: str) -> Move:
        """One entry of `moves`."""
        kind = value.get("kind") if isinstance(value, Mapping) else None
        readers: dict[Any, Callable[[Any, str], Move]] = {
            "trade": self.trade,
            "transfer": self.transfer,
            "payout": self.payout,
        }
        if not isinstance(value, Mapping):
            raise PoolError(path, "is not an object")
        if not isinstance(kind, str) or kind not in readers:
            raise PoolError(f"{path}.kind", f"{kind!r} is not allowed; trade, transfer or payout is")
        return readers[kind](value, path)

    def quote(self, value: Any, path: str) -> Quote:
        """One entry of `quotes`."""
        entry = _object(value, path, ("venue", "base", "quote", "size"), ("fee",))
        venue, base, quote = self.pair(entry, path)
        size = _positive(entry["size"], f"{path}.size")
        return Quote(venue, base, quote, size, _fee(entry.get("fee", (0, 0)), f"{path}.fee"))

    def variance(self, value: Any, held: Iterable[str]) -> Valuation:
        """The covariance of prices, penalties left at 0."""
        path = "valuation.variance"
        if not isinstance(value, Mapping):
            raise PoolError(path, "is not an object")
        whole = "covariance" in value or "assets" in value
        if whole:
            found = self._covariance(_object(value, path, ("assets", "covariance")), path)
        else:
            found = self._variances(value, path)
        for asset in sorted(set(held) - {self.numeraire} - set(found.assets)):
            raise PoolError(f"{path}.assets" if whole else f"{path}.{asset}", f"has no variance for {asset}")
        if self.numeraire in found.assets and any(found.covariance[found.assets.index(self.numeraire)]):
            raise PoolError(path, f"the numeraire {self.numeraire} varies; its own variance is 0")
        return found

    def _variances(self, value: Mapping[str, Any], path: str) -> Valuation:
        assets = tuple(_text(asset, path) for asset in value)
        for asset in assets:
            if asset not in self.marks:
                raise PoolError(f"{path}.{asset}", f"{asset} has no mark")
        diagonal = [_not_negative(value[asset], f"{path}.{asset}") for asset in assets]
        covariance = tuple(tuple(v if i == j else 0.0 for j in range(len(assets))) for i, v in enumerate(diagonal))
        return Valuation(0.0, 0.0, assets, covariance)

    def _covariance(self, value: Mapping[str, Any], path: str) -> Valuation:
        assets = tuple(
            self.mark(asset, f"{path}.assets[{i}]") for i, asset in enumerate(_list(value["assets"], f"{path}.assets"))
        )
        if len(set(assets)) != len(assets):
            raise PoolError(f"{path}.assets", "names an asset twice")
        where = f"{path}.covariance"
        rows = [_list(row, f"{where}[{i}]") for i, row in enumerate(_list(value["covariance"], where))]
        if len(rows) != len(assets) or any(len(row) != len(assets) for row in rows):
            raise PoolError(where, f"is not {len(assets)} × {len(assets)}")
        matrix = [[_number(cell, f"{where}[{i}][{j}]") for j, cell in enumerate(row)] for i, row in enumerate(rows)]
        _check_covariance(np.array(matrix).reshape(len(assets), len(assets)), where)
        return Valuation(0.0, 0.0, assets, tuple(map(tuple, matrix)))


def _check_covariance(matrix: np.ndarray[Any, np.dtype[np.float64]], path: str) -> None:
    """Refuse what is not symmetric or not positive semidefinite, but for rounding."""
    if not matrix.size:
        return
    scale = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
    bound = np.outer(scale, scale)
    if np.any(np.abs(matrix - matrix.T) > 1e-9 * bound):
        raise PoolError(path, "is not symmetric")
    if np.any(matrix.diagonal() < 0) or np.any(np.abs(matrix) > bound * (1 + 1e-9)):
        raise PoolError(path, "is not positive semidefinite")
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = matrix * np.outer(inverse, inverse)
    if np.linalg.eigvalsh((correlation + correlation.T) / 2).min() < -1e-9:
        raise PoolError(path, "is not positive semidefinite")


def _marks(value: Any, numeraire: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise PoolError("marks", "is not an object")
    marks = {_text(asset, "marks"): _positive(mark, f"marks.{asset}") for asset, mark in value.items()}
    if marks.get(numeraire) != 1.0:
        raise PoolError(f"marks.{numeraire}", "the mark of the numeraire must be 1")
    return marks


def parse_pool(document: Mapping[str, Any]) -> Pool:
    """The pool that *document* describes (a decoded JSON object, as in docs/optimizer.md).

    :raises PoolError: at the first field that is not valid.
    """
    top = _object(document, "", ("numeraire", "marks", "holdings", "valuation"), ("moves", "quotes"))
    numeraire = _text(top["numeraire"], "numeraire")
    marks = _marks(top["marks"], numeraire)
    reader = _Reader(numeraire, marks)
    holdings = []
    seen: set[Place] = set()
    for index, value in enumerate(_list(top["holdings"], "holdings")):
        holding = reader.holding(value, f"holdings[{index}]")
        if holding.place in seen:
            raise PoolError(f"holdings[{index}]", f"{holding.asset} on {holding.venue} is listed twice")
        seen.add(holding.place)
        holdings.append(holding)
    reader = _Reader(numeraire, marks, frozenset(seen))
    moves = tuple(reader.move(v, f"moves[{i}]") for i, v in enumerate(_list(top.get("moves", ()), "moves")))
    quotes = tuple(reader.quote(v, f"quotes[{i}]") for i, v in enumerate(_list(top.get("quotes", ()), "quotes")))
    entry = _object(top["valuation"], "valuation", ("deviation_penalty", "risk_aversion", "variance"))
    variance = reader.variance(entry["variance"], (h.asset for h in holdings))
    valuation = Valuation(
        _not_negative(entry["deviation_penalty"], "valuation.deviation_penalty"),
        _not_negative(entry["risk_aversion"], "valuation.risk_aversion"),
        variance.assets,
        variance.covariance,
    )
    return Pool(numeraire, marks, tuple(holdings), moves, valuation, quotes)


# Writing


def _fee_document(fee: Fee) -> list[float]:
    return [fee.fixed, fee.proportional]


def _move_document(move: Move) -> dict[str, Any]:
    if isinstance(move, Trade):
        return {
            "kind": "trade",
            "venue": move.venue,
            "base": move.base,
            "quote": move.quote,
            "fee": _fee_document(move.fee),
            "min": move.min,
            "bids": [list(level) for level in move.bids],
            "asks": [list(level) for level in move.asks],
        }
    if isinstance(move, Payout):
        fee = _fee_document(move.fee)
        return {"kind": "payout", "venue": move.venue, "asset": move.asset, "fee": fee, "min": move.min}
    document = {
        "kind": "transfer",
        "from": list(move.source),
        "to": list(move.target),
        "fee": _fee_document(move.fee),
        "fee_asset": move.source[1],
        "min": move.min,
        "both_ways": move.both_ways,
    }
    return document | ({"bid": move.bid, "ask": move.ask} if move.converts else {})


def _variance_document(valuation: Valuation) -> dict[str, Any]:
    if valuation.diagonal:
        return {asset: valuation.covariance[i][i] for i, asset in enumerate(valuation.assets)}
    return {"assets": list(valuation.assets), "covariance": [list(row) for row in valuation.covariance]}


def pool_document(pool: Pool) -> dict[str, Any]:
    """The document of *pool*: `parse_pool(pool_document(pool)) == pool`; defaults are written out."""
    return {
        "numeraire": pool.numeraire,
        "marks": dict(pool.marks),
        "holdings": [asdict(holding) for holding in pool.holdings],
        "moves": [_move_document(move) for move in pool.moves],
        "valuation": {
            "deviation_penalty": pool.valuation.deviation_penalty,
            "risk_aversion": pool.valuation.risk_aversion,
            "variance": _variance_document(pool.valuation),
        },
        "quotes": [
            {"venue": q.venue, "base": q.base, "quote": q.quote, "size": q.size, "fee": _fee_document(q.fee)}
            for q in pool.quotes
        ],
    }
