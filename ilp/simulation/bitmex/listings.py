"""What the simulated BitMEX lists, and how its contracts stand on the common core.

A perpetual is a pair of the core whose base is the position itself: buying an inverse contract takes dollars' worth of
bitcoin in and puts a contract, a debt of one dollar, on the account; the core's balance of bitcoin is then the wallet less
the open cost, which is just the synthetic holding (W − U), and its balance of contracts is the position.  So matching,
double entry and the law that nothing appears or vanishes are the core's own.

Prices are wire units of the core: 10**8 for an inverse contract (a dollar price in 1e-8), 10**6 for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import field, frozen

from ilp.simulation.contracts import Currency, Pair

__all__ = [
    "ASSETS",
    "BTC",
    "USDT",
    "AssetInfo",
    "Inverse",
    "Listing",
    "inverse_xbtusd",
    "linear_xbtusdt",
    "spot_xbt_usdt",
]

BTC = Currency("BTC", 10**8)
USDT = Currency("USDT", 10**6)
_SATOSHI = 10**8


@frozen
class AssetInfo:
    """A currency of the wallet in the venue's words."""

    currency: str
    asset: str
    name: str
    scale: int
    network: str
    least_withdrawal: int


ASSETS: Mapping[str, AssetInfo] = {
    "BTC": AssetInfo("XBt", "XBT", "Bitcoin", 8, "btc", 10_000),
    "USDT": AssetInfo("USDt", "USDT", "USD Tether", 6, "eth", 10_000),
}


@frozen
class Inverse(Pair):
    """A contract of one dollar, settled in bitcoin: its value `round(1e8 / price)` satoshi, rounded for each contract."""

    def __attrs_post_init__(self) -> None:
        """The steps of a cash pair are no steps here: any whole contract costs whole satoshi."""

    @staticmethod
    def per_contract(price: int) -> int:
        """Satoshi that one contract is worth at a wire price."""
        scaled = _SATOSHI * _SATOSHI
        return (2 * scaled + price) // (2 * price)

    def cash(self, quantity: int, price: int) -> int:
        """Negative: who buys contracts takes bitcoin in."""
        return -quantity * self.per_contract(price)

    def fee_value(self, quantity: int, price: int) -> int:
        """Fees are a share of the value, whatever its sign."""
        return abs(self.cash(quantity, price))


@frozen
class Listing:
    """An instrument.

    :ivar pair: its market on the core.
    :ivar typ: the venue's code of its kind.
    :ivar maker, taker: fee rates.
    :ivar leverage: margin of an open position as a fraction, 1 for spot.
    :ivar columns: further columns of the instrument row.
    """

    pair: Pair
    typ: str
    underlying: str
    quote: str
    price_scale: int
    maker: Decimal
    taker: Decimal
    initial_margin: Decimal
    most: int
    columns: Mapping[str, Any] = field(factory=dict)

    @property
    def symbol(self) -> str:
        """As the venue calls it."""
        return self.pair.ticker

    @property
    def is_spot(self) -> bool:
        """Real currencies change hands."""
        return self.typ == "IFXXXP"

    @property
    def is_inverse(self) -> bool:
        """Quoted in dollars and settled in bitcoin."""
        return isinstance(self.pair, Inverse)

    @property
    def settles(self) -> str:
        """Currency of the core in which costs and fees are reckoned."""
        return self.pair.quote.ticker

    def price(self, wire: int) -> float:
        """A wire price as a JSON number."""
        return float(Decimal(wire) / self.price_scale)

    def wire(self, price: Decimal) -> int | None:
        """A price in wire units; None off the tick."""
        wire = price * self.price_scale
        return int(wire) if wire == wire.to_integral_value() and int(wire) % self.pair.tick == 0 else None

    def home(self, quantity: int, price: int) -> Decimal:
        """Contracts at a wire price in the underlying."""
        if self.is_inverse:
            return Decimal(quantity * Inverse.per_contract(price)) / _SATOSHI
        return Decimal(quantity) / self.pair.base.denominator

    def foreign(self, quantity: int, price: int) -> Decimal:
        """Contracts at a wire price in the quote currency."""
        return Decimal(quantity) if self.is_inverse else self.pair.quote.amount(self.pair.cash(quantity, price))


def inverse_xbtusd(tick: Decimal = Decimal("0.5"), lot: int = 100) -> Listing:
    """The inverse perpetual: 1 contract = 1 USD, settled in bitcoin."""
    pair = Inverse("XBTUSD", Currency("XBTUSD", 1), BTC, tick=int(tick * _SATOSHI), lot=lot)
    columns = {
        "isQuanto": False,
        "isInverse": True,
        "multiplier": -100_000_000,
        "underlyingToPositionMultiplier": None,
        "underlyingToSettleMultiplier": -100_000_000,
        "quoteToSettleMultiplier": None,
        "settlCurrency": "XBt",
        "positionCurrency": "USD",
        "referenceSymbol": ".BXBT",
        "riskLimit": 20_000_000_000,
        "riskStep": 10_000_000_000,
        "maintMargin": 0.0035,
        "fundingBaseSymbol": ".XBTBON8H",
        "fundingQuoteSymbol": ".USDBON8H",
        "fundingPremiumSymbol": ".XBTUSDPI8H",
    }
    fee = Decimal("0.0005")
    return Listing(pair, "FFWCSX", "XBT", "USD", _SATOSHI, fee, fee, Decimal("0.01"), 10_000_000, columns)


def linear_xbtusdt(tick: Decimal = Decimal("0.5"), lot: int = 1000) -> Listing:
    """The linear perpetual: a contract is a millionth of a bitcoin, settled in tether."""
    pair = Pair("XBTUSDT", Currency("XBTUSDT", 10**6), USDT, tick=int(tick * 10**6), lot=lot)
    columns = {
        "isQuanto": False,
        "isInverse": False,
        "multiplier": 1,
        "underlyingToPositionMultiplier": 1_000_000,
        "underlyingToSettleMultiplier": None,
        "quoteToSettleMultiplier": 1_000_000,
        "settlCurrency": "USDt",
        "positionCurrency": "XBT",
        "referenceSymbol": ".BXBTT",
        "riskLimit": 25_000_000_000_000,
        "riskStep": 5_000_000_000_000,
        "maintMargin": 0.005,
        "fundingBaseSymbol": ".XBTBON8H",
        "fundingQuoteSymbol": ".USDTBON8H",
        "fundingPremiumSymbol": ".XBTUSDTPI8H",
    }
    fee = Decimal("0.0005")
    return Listing(pair, "FFWCSX", "XBT", "USDT", 10**6, fee, fee, Decimal("0.01"), 1_000_000_000, columns)


def spot_xbt_usdt(tick: Decimal = Decimal("0.5"), lot: int = 10_000) -> Listing:
    """The spot pair, ordered in satoshi."""
    pair = Pair("XBT_USDT", BTC, USDT, tick=int(tick * 10**6), lot=lot)
    columns = {
        "isQuanto": False,
        "isInverse": False,
        "multiplier": 1,
        "underlyingToPositionMultiplier": 100_000_000,
        "underlyingToSettleMultiplier": None,
        "quoteToSettleMultiplier": 1_000_000,
        "settlCurrency": None,
        "positionCurrency": None,
        "referenceSymbol": None,
        "riskLimit": None,
        "riskStep": None,
        "maintMargin": 1,
        "fundingBaseSymbol": None,
        "fundingQuoteSymbol": None,
        "fundingPremiumSymbol": None,
    }
    fee = Decimal("0.001")
    return Listing(pair, "IFXXXP", "XBT", "USDT", 10**6, fee, fee, Decimal(1), 10**15, columns)
