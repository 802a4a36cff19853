"""BitMEX instruments and assets: what a contract is worth, its steps, and the names of things.  Pure.

A spot pair trades real currencies.  A perpetual is a position in them: an inverse contract (1 contract = 1 USD, settled in
bitcoin) that is held short is a synthetic dollar, and a linear one (settled in tether) a synthetic coin; `exposure` turns
positions into such holdings.  Quantities here are Decimals of the base currency, `contracts` the venue's integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen

from clients.exchange import Market

__all__ = ["Asset", "Contracts", "Instrument", "Kind", "exposure", "read_time", "wire_time"]

SATOSHI = Decimal("1e-8")
_CODES = {"XBT": "BTC"}  # the venue's names that are not everybody's
_SPOT = "IFXXXP"


class Kind(Enum):
    """How a contract's value follows from its price."""

    SPOT = "spot"
    INVERSE = "inverse"
    LINEAR = "linear"
    QUANTO = "quanto"


def wire_time(at: datetime) -> str:
    """A time as the venue writes it, in milliseconds; `ValueError` without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"the time {at} has no time zone; an aware one is wanted")
    utc = at.astimezone(_UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def read_time(text: str) -> datetime:
    """The aware UTC time that the venue wrote."""
    return datetime.fromisoformat(text)


_UTC = read_time("2000-01-01T00:00:00.000Z").tzinfo


@frozen
class Asset:
    """A currency of the wallet.

    :ivar currency: as amounts name it (`XBt`); `code` is everybody's name (`BTC`).
    :ivar scale: decimals of the smallest unit; the only source of it is `/wallet/assets`.
    :ivar networks: those that deposits are open on, in the venue's order, with the withdrawal fee in smallest units.
    """

    currency: str
    code: str
    scale: int
    least_withdrawal: int
    networks: tuple[tuple[str, int], ...]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Asset:
        """From a row of `/wallet/assets`."""
        name = row.get("asset") or row["currency"]
        networks = [n for n in row.get("networks") or () if n.get("depositEnabled")]
        return cls(
            row["currency"],
            _CODES.get(name, name),
            int(row["scale"]),
            int(row.get("minWithdrawalAmount") or 0),
            tuple((str(n["asset"]), int(n.get("withdrawalFee") or 0)) for n in networks),
        )

    def amount(self, units: int) -> Decimal:
        """Smallest units as an amount."""
        return Decimal(units).scaleb(-self.scale)

    def units(self, amount: Decimal) -> int:
        """An amount in smallest units; `ValueError` when it is not a whole number of them."""
        units = amount.scaleb(self.scale)
        if units != units.to_integral_value():
            raise ValueError(f"{amount} {self.code} is not a multiple of {Decimal(1).scaleb(-self.scale)}")
        return int(units)


@frozen
class Instrument:
    """What is traded under one symbol.

    :ivar u2p: contracts of one unit of base (linear and spot), `underlyingToPositionMultiplier`.
    :ivar settles: currency of profits and fees (`XBt`); for spot that of the quote, empty in the venue's row.
    :ivar maker, taker: fee rates as fractions.
    """

    symbol: str
    base: str
    quote: str
    kind: Kind
    tick: Decimal
    lot: int
    u2p: int
    settles: str
    largest: int | None = None
    highest: Decimal | None = None
    maker: Decimal = Decimal(0)
    taker: Decimal = Decimal(0)
    expires: bool = False
    ticker: str = field(default="")

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Instrument:
        """From an instrument row with Decimals for its floats."""
        kind = _kind(row)
        base, quote = (_CODES.get(row[name], row[name]) for name in ("underlying", "quoteCurrency"))
        u2p = int(row.get("underlyingToPositionMultiplier") or 0)
        if kind in (Kind.SPOT, Kind.LINEAR) and u2p <= 0:
            raise ValueError(f"{row['symbol']}: underlyingToPositionMultiplier {u2p} must be positive")
        tick, lot = _decimal(row["tickSize"]), int(row["lotSize"])
        if tick <= 0 or lot <= 0:
            raise ValueError(f"{row['symbol']}: tickSize {tick} and lotSize {lot} must be positive")
        most, highest = row.get("maxOrderQty"), row.get("maxPrice")
        return cls(
            row["symbol"],
            base,
            quote,
            kind,
            tick,
            lot,
            u2p,
            row.get("settlCurrency") or "",
            None if most is None else int(most),
            None if highest is None else _decimal(highest),
            _decimal(row.get("makerFee") or 0),
            _decimal(row.get("takerFee") or 0),
            bool(row.get("expiry")),
            f"{base}/{quote}",
        )

    # -- quantities

    def contracts(self, quantity: Decimal, price: Decimal) -> int:
        """Whole lots of contracts for a quantity of base at *price*, rounded towards zero.

        A quantity of an inverse contract that was itself rounded down to a satoshi is not cut by another lot.
        """
        match self.kind:
            case Kind.INVERSE:
                raw = (quantity + SATOSHI) * price if quantity > 0 else quantity * price
            case Kind.QUANTO:
                raw = quantity
            case _:
                raw = quantity * self.u2p
        return int((raw / self.lot).to_integral_value(ROUND_DOWN)) * self.lot

    def quantity(self, contracts: int, price: Decimal) -> Decimal:
        """Contracts at *price* as a quantity of base; for inverse ones `contracts / price`, to the satoshi."""
        match self.kind:
            case Kind.INVERSE:
                return (contracts / price).quantize(SATOSHI, ROUND_HALF_EVEN) if price else Decimal(0)
            case Kind.QUANTO:
                return Decimal(contracts)
            case _:
                return Decimal(contracts) / self.u2p

    def is_whole(self, quantity: Decimal) -> bool:
        """Whether *quantity* lies on the lot; an inverse contract's lot is no fixed quantity, so anything does."""
        if self.kind is Kind.INVERSE:
            return quantity > 0
        scaled = quantity * (1 if self.kind is Kind.QUANTO else self.u2p) / self.lot
        return quantity > 0 and scaled == scaled.to_integral_value()

    # -- prices

    def floor_price(self, price: Decimal) -> Decimal:
        """The tick at or below."""
        return (price / self.tick).to_integral_value(ROUND_FLOOR) * self.tick

    def ceil_price(self, price: Decimal) -> Decimal:
        """The tick at or above."""
        return (price / self.tick).to_integral_value(ROUND_CEILING) * self.tick

    def floor_quantity(self, quantity: Decimal, price: Decimal | None) -> Decimal:
        """Whole lots at or below; an inverse contract needs a *price* for that and is cut to a satoshi without one."""
        if self.kind is not Kind.INVERSE:
            return self.quantity(self.contracts(quantity, Decimal(1)), Decimal(1))
        if price is None:
            return quantity.quantize(SATOSHI, ROUND_FLOOR)
        return (self.contracts(quantity, price) / price).quantize(SATOSHI, ROUND_DOWN)

    def market(self, price: Decimal | None) -> Market:
        """Steps and minima; *price* tells what the least lot of an inverse contract is in base now."""
        if self.kind is Kind.INVERSE:
            lot = SATOSHI
            least = SATOSHI if not price else (self.lot / price).quantize(SATOSHI, ROUND_CEILING)
            notional = Decimal(self.lot)
        else:
            lot = least = self.quantity(self.lot, Decimal(1))
            notional = Decimal(0)
        return Market(
            contract=self.ticker,
            kind="futures" if self.expires else "pair",
            base=self.base,
            quote=self.quote,
            tick_size=self.tick,
            lot_size=lot,
            min_quantity=least,
            min_notional=notional,
        )


def _kind(row: Mapping[str, Any]) -> Kind:
    if row.get("typ") == _SPOT:
        return Kind.SPOT
    if row.get("isInverse"):
        return Kind.INVERSE
    return Kind.QUANTO if row.get("isQuanto") else Kind.LINEAR


def _decimal(number: Any) -> Decimal:
    return number if isinstance(number, Decimal) else Decimal(str(number))


class Contracts:
    """Everything that the venue lists, and which symbol a ticker means.

    :ivar unusable: symbols that were left out, with the reason.
    """

    def __init__(self, instruments: Iterable[Mapping[str, Any]] = (), assets: Iterable[Mapping[str, Any]] = ()) -> None:
        self.assets = {asset.currency: asset for asset in map(Asset.read, assets)}
        self.by_code = {asset.code: asset for asset in self.assets.values()}
        self.unusable: dict[str, str] = {}
        self._symbols: dict[str, Instrument] = {}
        self._tickers: dict[str, Instrument] = {}
        for row in instruments:
            try:
                found = Instrument.read(row)
            except (KeyError, ValueError, ArithmeticError, TypeError) as fault:
                self.unusable[str(row.get("symbol"))] = f"{type(fault).__name__}: {fault}"
            else:
                if row.get("state", "Open") == "Open" and not found.symbol.startswith("."):
                    self._add(found)

    def _add(self, found: Instrument) -> None:
        self._symbols[found.symbol] = found
        known = self._tickers.get(found.ticker)
        if known is None or _rank(found) < _rank(known):
            self._tickers[found.ticker] = found

    def choose(self, ticker: str, symbol: str) -> None:
        """Let *ticker* mean *symbol* from now on; `KeyError` when it is not listed."""
        chosen = evolve(self._symbols[symbol], ticker=ticker)
        self._symbols[symbol] = self._tickers[ticker] = chosen

    def find(self, ticker: str) -> Instrument | None:
        """What is traded under a ticker (`BTC/USD`) or a raw symbol (`XBTUSD`)."""
        return self._tickers.get(ticker) or self._symbols.get(ticker)

    def of_symbol(self, symbol: str) -> Instrument | None:
        """The instrument of a symbol."""
        return self._symbols.get(symbol)

    def tickers(self) -> dict[str, Instrument]:
        """Every ticker with the instrument that it means."""
        return dict(self._tickers)


def _rank(instrument: Instrument) -> tuple[int, str]:
    """Which of several symbols a ticker means: spot first, then perpetuals, then what expires."""
    order = [Kind.SPOT, Kind.INVERSE, Kind.LINEAR, Kind.QUANTO]
    return (len(order) if instrument.expires else order.index(instrument.kind), instrument.symbol)


def exposure(
    contracts: Contracts, cash: Mapping[str, Decimal], positions: Iterable[Mapping[str, Any]]
) -> dict[str, Decimal]:
    """Holdings by currency, real and synthetic.

    With wallet balance W, open contracts q (long +) and their open cost U, an inverse position is BTC = W − U and USD = −q,
    a linear one BASE = q/u2p and quote = W − U.  Neither moves with the price, and their value at the mark is the margin
    balance: W − U − q/P = W + unrealised profit.  What has no exact replication (quanto) counts under its symbol.

    :param cash: wallet balances by code, realised profit of the day included.
    :param positions: position rows; `currentQty` and `unrealisedCost` may be missing, then nothing is open.
    """
    held = dict(cash)
    for row in positions:
        instrument = contracts.of_symbol(str(row["symbol"]))
        quantity, cost = int(row.get("currentQty") or 0), int(row.get("unrealisedCost") or 0)
        if instrument is None or instrument.kind is Kind.SPOT or not quantity:
            continue
        if instrument.kind is Kind.QUANTO:
            held[instrument.symbol] = held.get(instrument.symbol, Decimal(0)) + quantity
            continue
        asset = contracts.assets[instrument.settles]
        held[asset.code] = held.get(asset.code, Decimal(0)) - asset.amount(cost)
        if instrument.kind is Kind.INVERSE:
            held[instrument.quote] = held.get(instrument.quote, Decimal(0)) - quantity
        else:
            held[instrument.base] = held.get(instrument.base, Decimal(0)) + Decimal(quantity) / instrument.u2p
    return held
