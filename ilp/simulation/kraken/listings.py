"""Names, steps and numbers of what the simulated Kraken lists: the core's currencies and pairs in the venue's words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core

from .errors import KrakenError

__all__ = ["FIAT", "ListedAsset", "ListedPair", "Listings", "number"]

FIAT = frozenset({"USD", "EUR", "GBP", "CAD", "JPY", "CHF", "AUD", "HUF", "MXN"})
_OLD_FIAT = frozenset({"USD", "EUR", "GBP", "CAD", "JPY", "AUD"})
_OLD_CRYPTO = {"BTC": "XXBT", "DOGE": "XXDG", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP", "XMR": "XXMR", "ZEC": "XZEC"}
_ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}


def number(value: Decimal) -> Decimal:
    """*value* as the streams write numbers: without trailing zeros and without an exponent."""
    return Decimal(f"{value.normalize():f}")


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@frozen
class ListedAsset:
    """A currency: `code` as the core calls it, `id` and `altname` as REST calls do."""

    currency: Currency

    @property
    def code(self) -> str:
        """What the core and WebSocket v2 call it: `BTC`."""
        return self.currency.ticker

    @property
    def altname(self) -> str:
        """What REST calls it in pairs: `XBT`."""
        return _ALTNAMES.get(self.code, self.code)

    @property
    def id(self) -> str:
        """What REST calls it in ledgers and balances: `XXBT`."""
        return f"Z{self.code}" if self.code in _OLD_FIAT else _OLD_CRYPTO.get(self.code, self.code)

    @property
    def decimals(self) -> int:
        """Decimals of its smallest unit."""
        return _decimals(self.currency.amount(1))

    @property
    def is_fiat(self) -> bool:
        """Money of a bank, not of a chain."""
        return self.code in FIAT

    def text(self, units: int) -> str:
        """An amount as REST calls write it."""
        return f"{self.currency.amount(units):.{max(4, self.decimals)}f}"

    def document(self) -> dict[str, Any]:
        """A row of `Assets`."""
        return {
            "aclass": "currency",
            "altname": self.altname,
            "decimals": self.decimals,
            "display_decimals": min(self.decimals, 5),
            "collateral_value": 1.0,
            "status": "enabled",
        }

    def instrument(self) -> dict[str, Any]:
        """An element of the `instrument` channel's assets."""
        return {
            "id": self.code,
            "status": "enabled",
            "precision": self.decimals,
            "precision_display": min(self.decimals, 5),
            "borrowable": False,
            "collateral_value": 1.0,
            "margin_rate": 0.0,
            "class": "currency",
        }


@frozen
class ListedPair:
    """A pair: `symbol` as WebSocket v2 and the core call it."""

    pair: Pair
    base: ListedAsset
    quote: ListedAsset

    @property
    def symbol(self) -> str:
        """`BTC/USD`."""
        return self.pair.ticker

    @property
    def altname(self) -> str:
        """`XBTUSD`."""
        return f"{self.base.altname}{self.quote.altname}"

    @property
    def wsname(self) -> str:
        """`XBT/USD`, as WebSocket v1 wrote it."""
        return f"{self.base.altname}/{self.quote.altname}"

    @property
    def id(self) -> str:
        """`XXBTZUSD`, the key of REST answers."""
        return f"{self.base.id}{self.quote.id}"

    @property
    def tick(self) -> Decimal:
        """Step of prices."""
        return self.pair.price(self.pair.tick)

    @property
    def price_decimals(self) -> int:
        """Decimals of its prices."""
        return _decimals(self.tick)

    @property
    def lot_decimals(self) -> int:
        """Decimals of its volumes."""
        return _decimals(self.pair.quantity(self.pair.lot))

    @property
    def minimum(self) -> Decimal:
        """Least volume of an order."""
        return self.pair.quantity(max(self.pair.min_quantity, self.pair.lot))

    @property
    def least_value(self) -> Decimal:
        """Least value of an order, in the quote."""
        return self.pair.quote.amount(self.pair.min_value)

    @property
    def status(self) -> str:
        """`online`, or `cancel_only` when it is switched off."""
        return "online" if self.pair.active else "cancel_only"

    def price_text(self, wire: int) -> str:
        """A price as REST writes it."""
        return f"{self.pair.price(wire):.{self.price_decimals}f}"

    def volume_text(self, wire: int) -> str:
        """A volume as REST writes it."""
        return f"{self.pair.quantity(wire):.8f}"

    def cost_text(self, units: int) -> str:
        """An amount of the quote as REST writes it."""
        return f"{self.pair.quote.amount(units):.5f}"

    def document(self) -> dict[str, Any]:
        """A row of `AssetPairs`, without fees, as since September 2026."""
        return {
            "altname": self.altname,
            "wsname": self.wsname,
            "aclass_base": "currency",
            "base": self.base.id,
            "aclass_quote": "currency",
            "quote": self.quote.id,
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": self.price_decimals,
            "lot_decimals": self.lot_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": [],
            "fees_maker": [],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": f"{self.minimum:f}",
            "costmin": f"{self.least_value:f}",
            "tick_size": f"{self.tick:f}",
            "status": self.status,
            "execution_venue": "international",
        }

    def instrument(self) -> dict[str, Any]:
        """An element of the `instrument` channel's pairs."""
        return {
            "symbol": self.symbol,
            "base": self.base.code,
            "quote": self.quote.code,
            "status": self.status,
            "qty_precision": self.lot_decimals,
            "qty_increment": number(self.pair.quantity(self.pair.lot)),
            "price_precision": self.price_decimals,
            "price_increment": number(self.tick),
            "tick_size": number(self.tick),
            "cost_precision": 5,
            "cost_min": number(self.least_value),
            "qty_min": number(self.minimum),
            "marginable": False,
            "has_index": False,
        }


class Listings:
    """Everything that is listed, found by any of its names."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.assets = {ticker: ListedAsset(currency) for ticker, currency in core.currencies.items()}
        self._symbols: dict[str, str] = {}
        for pair in self.pairs.values():
            plain = f"{pair.base.code}{pair.quote.code}"
            for name in (pair.id, pair.altname, pair.symbol, plain):
                self._symbols[name.upper()] = pair.symbol

    @property
    def pairs(self) -> dict[str, ListedPair]:
        """By symbol, as they are now: the core may have switched one off."""
        return {
            symbol: ListedPair(pair, self.assets[pair.base.ticker], self.assets[pair.quote.ticker])
            for symbol, pair in self._core.pairs.items()
        }

    def pair(self, symbol: str) -> ListedPair:
        """A pair by its symbol."""
        found = self._core.pairs[symbol]
        return ListedPair(found, self.assets[found.base.ticker], self.assets[found.quote.ticker])

    def find_pair(self, name: object) -> ListedPair:
        """A pair by what a REST call names it."""
        symbol = self._symbols.get(str(name).upper())
        if symbol is None:
            raise KrakenError("EQuery:Unknown asset pair")
        return self.pair(symbol)

    def find_pairs(self, names: object) -> list[ListedPair]:
        """Pairs by a text with commas; all when it is empty."""
        if not names:
            return list(self.pairs.values())
        return [self.find_pair(name.strip()) for name in str(names).split(",")]

    def find_asset(self, name: object, error: str = "EQuery:Unknown asset") -> ListedAsset:
        """An asset by id, altname or code."""
        for asset in self.assets.values():
            if str(name).upper() in (asset.id, asset.altname, asset.code):
                return asset
        raise KrakenError(error)

    def find_assets(self, names: object) -> list[ListedAsset]:
        """Assets by a text with commas; all when it is empty."""
        if not names or names == "all":
            return list(self.assets.values())
        return [self.find_asset(name.strip()) for name in str(names).split(",")]

    def documents(self, names: object) -> Mapping[str, Any]:
        """The result of `AssetPairs`."""
        return {pair.id: pair.document() for pair in self.find_pairs(names)}
