"""Kraken's assets and pairs under the names of the uniform interface, with their steps.  Pure.

Four names mean the same: `XXBT` (asset id), `XBT` (altname), `XBT/USD` (old streams), `BTC/USD` (WebSocket v2 and here).
Tickers here are those of WebSocket v2.  Balances bear suffixes: `.F` (earning, tradable) and `.T` (tokenised) are one with
the plain asset; what else has a suffix cannot be traded and is kept apart under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from attrs import define, field, frozen

from clients.exchange import Market

__all__ = ["Asset", "Markets", "Pair", "code_of"]

Row = Mapping[str, Any]

_OURS = {"XBT": "BTC", "XDG": "DOGE"}
_OLD_ID = re.compile(r"[XZ][A-Z]{3}")
_TRADABLE_SUFFIXES = ("F", "T")
_NO_LEAST = Decimal(0)


def code_of(name: str, altname: str = "") -> str:
    """Our ticker of an asset by any of its names; a suffix that cannot be traded stays."""
    plain, _, suffix = name.partition(".")
    alt = altname.partition(".")[0]
    if not alt:
        alt = plain[1:] if _OLD_ID.fullmatch(plain) else plain
    code = _OURS.get(alt, alt)
    return code if suffix in ("", *_TRADABLE_SUFFIXES) else f"{code}.{suffix}"


@frozen
class Asset:
    """An asset: `id` as the venue's REST calls name it, `code` as we do, *decimals* of its book-keeping."""

    id: str
    altname: str
    code: str
    decimals: int
    status: str = "enabled"

    @property
    def step(self) -> Decimal:
        """The smallest amount."""
        return Decimal(1).scaleb(-self.decimals)

    @classmethod
    def parse(cls, id: str, row: Row) -> Asset:
        """Out of a row of `Assets`."""
        return cls(id, str(row["altname"]), code_of(id, str(row["altname"])), int(row["decimals"]), _status(row))


@frozen
class Pair:
    """A pair.

    :ivar id, altname: names of REST answers and requests; `ticker` ours and WebSocket v2's.
    :ivar price_decimals, lot_decimals: decimals that checksums are made with.
    :ivar tick: the price grid, which may be coarser than its decimals.
    :ivar minimum, least_value: least quantity and least price × quantity of an order.
    :ivar status: online, cancel_only, post_only, limit_only, reduce_only.
    """

    id: str
    altname: str
    ticker: str
    base: str
    quote: str
    price_decimals: int
    lot_decimals: int
    tick: Decimal
    minimum: Decimal
    least_value: Decimal
    status: str = "online"

    @classmethod
    def parse(cls, id: str, row: Row) -> Pair:
        """Out of a row of `AssetPairs`; older answers lack some of the keys."""
        wsname = str(row.get("wsname") or "")
        if "/" in wsname:
            base, quote = (_OURS.get(part, part) for part in wsname.split("/", 1))
        else:
            base, quote = code_of(str(row["base"])), code_of(str(row["quote"]))
        decimals = int(row["pair_decimals"])
        tick = Decimal(str(row.get("tick_size") or Decimal(1).scaleb(-decimals)))
        return cls(
            id,
            str(row.get("altname") or id),
            f"{base}/{quote}",
            base,
            quote,
            decimals,
            int(row["lot_decimals"]),
            tick,
            Decimal(str(row.get("ordermin") or 0)),
            Decimal(str(row.get("costmin") or 0)),
            _status(row, "online"),
        )

    @property
    def lot(self) -> Decimal:
        """The step of quantities."""
        return Decimal(1).scaleb(-self.lot_decimals)

    def floor_price(self, price: Decimal) -> Decimal:
        """*price* rounded down to the grid."""
        return _round(price, self.tick, ROUND_FLOOR)

    def ceil_price(self, price: Decimal) -> Decimal:
        """*price* rounded up to the grid."""
        return _round(price, self.tick, ROUND_CEILING)

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """*quantity* rounded down to the step."""
        return _round(quantity, self.lot, ROUND_FLOOR)

    def fault(self, quantity: Decimal, price: Decimal) -> str:
        """Why the venue would not take such an order; empty when nothing is wrong with it."""
        if price <= 0 or price % self.tick:
            return f"the price is no positive multiple of {self.tick}"
        if quantity <= 0 or quantity % self.lot:
            return f"the quantity is no positive multiple of {self.lot:f}"
        if quantity < self.minimum:
            return f"the quantity is below the minimum of {self.minimum}"
        if price * quantity < self.least_value:
            return f"a value of {price * quantity} is below the minimum of {self.least_value}"
        return ""

    def market(self) -> Market:
        """In the words of the uniform interface."""
        return Market(
            contract=self.ticker,
            kind="pair",
            base=self.base,
            quote=self.quote,
            tick_size=self.tick,
            lot_size=self.lot,
            min_quantity=max(self.minimum, self.lot),
            min_notional=self.least_value,
        )


def _status(row: Row, otherwise: str = "enabled") -> str:
    return str(row.get("status") or otherwise)


def _round(value: Decimal, step: Decimal, how: str) -> Decimal:
    return (value / step).to_integral_value(how) * step


@define
class Markets:
    """Everything that is listed.

    :ivar assets: by our code; `pairs` by our ticker.
    :ivar unusable: pairs that could not be read, by id, with the reason.
    """

    assets: dict[str, Asset] = field(factory=dict)
    pairs: dict[str, Pair] = field(factory=dict)
    unusable: dict[str, str] = field(factory=dict)
    _by_name: dict[str, Pair] = field(factory=dict)
    _codes: dict[str, str] = field(factory=dict)

    @classmethod
    def parse(cls, assets: Mapping[str, Row], pairs: Mapping[str, Row]) -> Markets:
        """Out of the results of `Assets` and `AssetPairs`.  Dark pools (`.d`) have no book and are left out."""
        markets = cls()
        for id, row in assets.items():
            asset = Asset.parse(id, row)
            markets._codes[id] = asset.code
            if "." not in id:
                markets.assets.setdefault(asset.code, asset)
        for id, row in pairs.items():
            if id.endswith(".d"):
                continue
            try:
                markets.add(Pair.parse(id, row))
            except (KeyError, ValueError, ArithmeticError) as error:
                markets.unusable[id] = f"{type(error).__name__}: {error}"
        return markets

    def add(self, pair: Pair) -> None:
        """List a pair, or what is new about it."""
        self.pairs[pair.ticker] = pair
        for name in (pair.id, pair.altname, pair.ticker):
            self._by_name[name] = pair

    def pair_of(self, name: str) -> Pair | None:
        """The pair that an answer calls *name*: id, altname or ticker."""
        return self._by_name.get(name)

    def code(self, name: str) -> str:
        """Our code of an asset that an answer calls *name*."""
        return self._codes.get(name) or code_of(name)

    def records(self) -> Iterator[Market]:
        """Everything in the words of the uniform interface."""
        for pair in self.pairs.values():
            yield pair.market()
        for asset in self.assets.values():
            yield Market(
                contract=asset.code,
                kind="cash",
                base=None,
                quote=None,
                tick_size=asset.step,
                lot_size=asset.step,
                min_quantity=asset.step,
                min_notional=_NO_LEAST,
            )
