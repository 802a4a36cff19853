"""What a Sputnik exchange says on the wire, and what it means: integers there, `Decimal` and UTC here.

Pure functions and records, written by section numbers of the Sputnik protocol ("4.5 order", "5.2 formulas").  Knows no
socket, no session and no time.  Every conversion between the wire and the world happens in this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Literal

import msgspec

from clients.exchange import OHLCV, Book, BookRow, Market, Period, Side, Trade, Transaction

__all__ = [
    "BookMessage",
    "Contract",
    "Contracts",
    "FillMessage",
    "OhlcvMessage",
    "OrderMessage",
    "PositionMessage",
    "Row",
    "TradeMessage",
    "TransactionMessage",
    "from_wire_time",
    "market_topic",
    "parse_book",
    "parse_ohlcv",
    "parse_trade",
    "parse_transaction",
    "to_wire_time",
    "user_topic",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Wide enough that no quotient of two wire numbers is ever rounded where it has an end at all.
EXACT = Context(prec=60)
QUOTIENT = Context(prec=28)

Kind = Literal["cash", "cash_pair", "prediction", "futures"]
KINDS: Mapping[Kind, Literal["cash", "pair", "prediction", "futures"]] = {
    "cash": "cash",
    "cash_pair": "pair",
    "prediction": "prediction",
    "futures": "futures",
}


# ------------------------------------------------------------------------------------------------- messages (section 4)


class Contract(msgspec.Struct, frozen=True):
    """4.1 contract, as `get_markets` gives it."""

    contract: str
    contract_type: Kind
    denominator: int
    tick_size: int
    lot_size: int
    denominated_contract_ticker: str | None = None
    payout_contract_ticker: str | None = None
    expiration: int | None = None
    margin_low: int | None = None
    margin_high: int | None = None


class TradeMessage(msgspec.Struct, frozen=True):
    """4.2 trade."""

    contract: str
    price: int
    quantity: int
    timestamp: int


class Row(msgspec.Struct, frozen=True):
    """4.3 book_row: all that rests at one price."""

    price: int
    quantity: int


class BookMessage(msgspec.Struct, frozen=True):
    """4.3 book; rows come in any order."""

    contract: str
    bids: list[Row]
    asks: list[Row]


class OhlcvMessage(msgspec.Struct, frozen=True):
    """4.4 ohlcv."""

    contract: str
    period: Period
    open: int
    high: int
    low: int
    close: int
    volume: int
    vwap: int
    open_timestamp: int
    close_timestamp: int


class OrderMessage(msgspec.Struct, frozen=True, gc=False):
    """4.5 order: always the full state.  Kept by the thousand, and refers to nothing that could refer to it."""

    id: int
    contract: str
    side: Side
    price: int
    quantity: int
    quantity_left: int
    is_cancelled: bool
    timestamp: int

    @property
    def final(self) -> bool:
        """Nothing more can happen to it."""
        return self.is_cancelled or self.quantity_left == 0


class PositionMessage(msgspec.Struct, frozen=True):
    """4.6 position; `reference_price` for futures that were traded."""

    contract: str
    position: int
    reference_price: int | None = None


class FillMessage(msgspec.Struct, frozen=True):
    """4.7 fill; `id` is the order's, there is no id of the fill."""

    contract: str
    id: int
    side: Side
    price: int
    quantity: int
    timestamp: int
    fees: dict[str, int] = {}


class TransactionMessage(msgspec.Struct, frozen=True):
    """4.9 transaction; `balance` in the history only.  `quantity` may be negative in the feed."""

    contract: str
    type: str
    direction: Literal["credit", "debit"]
    quantity: int
    timestamp: int
    note: str | None = None
    balance: int | None = None

    @property
    def change(self) -> int:
        """What the balance rose by, in wire units."""
        return self.quantity if self.direction == "credit" else -self.quantity


# --------------------------------------------------------------------------------------------------- topics and times


def market_topic(kind: str, ticker: str) -> str:
    """3.1: topic of a market feed; the router's strict rule wants lower case and no slash."""
    return f"feeds.market.{kind}.{ticker.replace('/', '_').lower()}"


def user_topic(kind: str, authid: str) -> str:
    """3.1: topic of a user feed; *authid* as WELCOME told it."""
    return f"feeds.user.{kind}.{sha256(authid.encode()).hexdigest()}"


def to_wire_time(moment: datetime) -> int:
    """Microseconds since the epoch, without a detour over floats.  Refuses a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no time zone; aware times only")
    return (moment - EPOCH) // MICROSECOND


def from_wire_time(microseconds: int) -> datetime:
    """Aware UTC time of *microseconds* since the epoch."""
    return EPOCH + timedelta(microseconds=microseconds)


# --------------------------------------------------------------------------------------------- denominations (section 5)


class Contracts(Mapping[str, Contract]):
    """All contracts of a venue, and every conversion between its wire and human units.

    Built from `get_markets`.  A contract whose cash amounts would not come out whole (5.2), or whose currencies are not
    listed, cannot be traded correctly: it is left out and named in `unusable` with the reason.
    """

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.unusable: dict[str, str] = {}
        self._contracts = dict(contracts)
        for ticker, contract in contracts.items():
            fault = self._fault(contract)
            if fault:
                self.unusable[ticker] = fault
                del self._contracts[ticker]
        self._price_scales = {t: Decimal(self._price_scale(c)) for t, c in self._contracts.items()}
        self._quantity_scales = {t: Decimal(self._quantity_scale(c)) for t, c in self._contracts.items()}

    def __getitem__(self, ticker: str) -> Contract:
        return self._contracts[ticker]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contracts)

    def __len__(self) -> int:
        return len(self._contracts)

    # -- wire to human

    def price(self, ticker: str, wire: int) -> Decimal:
        """Human price of *wire*: units of the quote currency for one of the base."""
        return _human(wire, self._price_scales[ticker])

    def quantity(self, ticker: str, wire: int) -> Decimal:
        """Human quantity of *wire*: base units of a pair, units of a currency, whole prediction or futures contracts."""
        return _human(wire, self._quantity_scales[ticker])

    def cash(self, ticker: str, price: int, quantity: int) -> int:
        """Value of *quantity* at *price* in the smallest units of the quote currency (5.2).

        It is what a trade moves, but for futures, whose cash moves by the distance from a reference price.
        """
        lot, unit = self._cash_scale(ticker)
        return quantity * price * lot // unit

    def average_price(self, ticker: str, cash: int, quantity: int) -> Decimal:
        """Human price at which *quantity* is worth *cash* of the quote currency, both in wire units."""
        lot, unit = self._cash_scale(ticker)
        return QUOTIENT.divide(Decimal(cash * unit), Decimal(quantity * lot) * self._price_scales[ticker])

    def wire_average(self, ticker: str, cash: int, quantity: int) -> int:
        """Wire price at which *quantity* is worth *cash*, cut off where it is not whole."""
        lot, unit = self._cash_scale(ticker)
        return cash * unit // (quantity * lot)

    def is_at_one_price(self, ticker: str, cash: int, quantity: int) -> bool:
        """Whether there is a whole wire price at which *quantity* is worth *cash*."""
        lot, unit = self._cash_scale(ticker)
        return bool(quantity) and cash * unit % (quantity * lot) == 0

    # -- human to wire

    def wire_price(self, ticker: str, price: Decimal) -> int:
        """*price* on the wire.  `ValueError` when it is not positive, off the tick, or above 1 for a prediction."""
        wire = _whole(price, self._price_scales[ticker], self[ticker].tick_size)
        if wire is None:
            raise ValueError(f"price {price:f} of {ticker} is not a multiple of the tick {self.tick(ticker):f}")
        if wire <= 0:
            raise ValueError(f"price {price:f} of {ticker} is not positive")
        if self[ticker].contract_type == "prediction" and wire > self[ticker].denominator:
            raise ValueError(f"price {price:f} of {ticker} is above 1")
        return wire

    def wire_quantity(self, ticker: str, quantity: Decimal) -> int:
        """*quantity* on the wire.  `ValueError` when it is not positive or not a multiple of `step(ticker)`.

        For a currency this is the rule of withdrawals (5.3, 5): multiples of the currency's own lot.
        """
        wire = _whole(quantity, self._quantity_scales[ticker], self._quantity_step(ticker))
        if wire is None:
            raise ValueError(f"quantity {quantity:f} of {ticker} is not a multiple of {self.step(ticker):f}")
        if wire <= 0:
            raise ValueError(f"quantity {quantity:f} of {ticker} is not positive")
        return wire

    def floor_price(self, ticker: str, price: Decimal) -> Decimal:
        """*price* rounded down to the tick: what a bid wants."""
        return _to_step(price, self.tick(ticker), ROUND_FLOOR)

    def ceil_price(self, ticker: str, price: Decimal) -> Decimal:
        """*price* rounded up to the tick: what an ask wants."""
        return _to_step(price, self.tick(ticker), ROUND_CEILING)

    def floor_quantity(self, ticker: str, quantity: Decimal) -> Decimal:
        """*quantity* rounded down to `step(ticker)`."""
        return _to_step(quantity, self.step(ticker), ROUND_FLOOR)

    def tick(self, ticker: str) -> Decimal:
        """Human price step; of a currency its smallest unit."""
        return self.price(ticker, self[ticker].tick_size)

    def step(self, ticker: str) -> Decimal:
        """Human quantity step: of orders for a pair, of withdrawals for a currency, 1 for whole contracts."""
        return self.quantity(ticker, self._quantity_step(ticker))

    def pair(self, base: str, quote: str) -> str | None:
        """Ticker of the pair that trades *base* for *quote*, None where there is none or more than one."""
        found = [
            ticker
            for ticker, c in self.items()
            if (c.contract_type, c.payout_contract_ticker, c.denominated_contract_ticker) == ("cash_pair", base, quote)
        ]
        return found[0] if len(found) == 1 else None

    def markets(self) -> dict[str, Market]:
        """The uniform interface's records; this venue has no minimum beyond one lot."""
        return {
            ticker: Market(
                contract=ticker,
                kind=KINDS[contract.contract_type],
                base=contract.payout_contract_ticker,
                quote=contract.denominated_contract_ticker,
                tick_size=self.tick(ticker),
                lot_size=self.step(ticker),
                min_quantity=self.step(ticker),
                min_notional=Decimal(0),
            )
            for ticker, contract in self.items()
        }

    # -- the formulas of 5.2

    def _denominator(self, ticker: str | None) -> int:
        return self._contracts[ticker].denominator if ticker is not None else 1

    def _price_scale(self, contract: Contract) -> int:
        if contract.contract_type == "cash_pair":
            return self._denominator(contract.denominated_contract_ticker) * contract.denominator
        return contract.denominator

    def _quantity_scale(self, contract: Contract) -> int:
        if contract.contract_type == "cash_pair":
            return self._denominator(contract.payout_contract_ticker)
        return contract.denominator if contract.contract_type == "cash" else 1

    def _cash_scale(self, ticker: str) -> tuple[int, int]:
        """(factor, divisor) that make cash of price times quantity."""
        contract = self[ticker]
        if contract.contract_type == "cash_pair":
            return 1, contract.denominator * int(self._quantity_scales[ticker])
        return contract.lot_size, contract.denominator

    def _quantity_step(self, ticker: str) -> int:
        return self[ticker].lot_size if self[ticker].contract_type in ("cash", "cash_pair") else 1

    def _fault(self, contract: Contract) -> str:
        """Why *contract* cannot be used, empty when it can."""
        if min(contract.denominator, contract.tick_size, contract.lot_size) < 1:
            return "denominator, tick and lot must be 1 or more"
        if contract.contract_type == "cash":
            return ""
        legs = [contract.denominated_contract_ticker]
        if contract.contract_type == "cash_pair":
            legs.append(contract.payout_contract_ticker)
        for leg in legs:
            if leg is None or leg not in self._contracts or self._contracts[leg].contract_type != "cash":
                return f"currency {leg} is not listed"
        unit = contract.denominator * (self._quantity_scale(contract) if contract.contract_type == "cash_pair" else 1)
        if contract.lot_size * contract.tick_size % unit:
            return f"one lot at one tick is not a whole amount of {contract.denominated_contract_ticker}"
        return ""


@lru_cache(maxsize=16_384)
def _human(wire: int, scale: Decimal) -> Decimal:
    # Books repeat most of their prices and sizes, and a division takes three times as long as to remember it.
    return EXACT.divide(Decimal(wire), scale)


def _whole(value: Decimal, scale: Decimal, step: int) -> int | None:
    """`value * scale` if it is a whole multiple of *step*, else None.  Money is never a float here (5.3)."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is a {type(value).__name__}; Decimal is wanted")
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    wire = EXACT.multiply(value, scale)
    return int(wire) if EXACT.remainder(wire, Decimal(step)) == 0 else None


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is a {type(value).__name__}; Decimal is wanted")
    steps = EXACT.divide(value, step).to_integral_value(rounding)
    return EXACT.multiply(EXACT.quantize(steps, Decimal(1)), step)  # quantized, so that no exponent shows


# ---------------------------------------------------------------------------------------------------- uniform records


def parse_book(contracts: Contracts, message: BookMessage) -> Book:
    """A book, best first; the rows come unsorted."""

    def rows(side: list[Row], reverse: bool) -> list[BookRow]:
        ticker = message.contract
        return [
            BookRow(price=contracts.price(ticker, row.price), quantity=contracts.quantity(ticker, row.quantity))
            for row in sorted(side, key=lambda row: row.price, reverse=reverse)
        ]

    return Book(contract=message.contract, bids=rows(message.bids, True), asks=rows(message.asks, False))


def parse_trade(contracts: Contracts, message: TradeMessage) -> Trade:
    """A trade of the market."""
    return Trade(
        contract=message.contract,
        price=contracts.price(message.contract, message.price),
        quantity=contracts.quantity(message.contract, message.quantity),
        timestamp=from_wire_time(message.timestamp),
    )


def parse_ohlcv(contracts: Contracts, message: OhlcvMessage) -> OHLCV:
    """A bar.  The venue's `vwap` is rounded down at every trade and drifts below the true one (4.4)."""
    ticker = message.contract
    return OHLCV(
        contract=ticker,
        period=message.period,
        open=contracts.price(ticker, message.open),
        high=contracts.price(ticker, message.high),
        low=contracts.price(ticker, message.low),
        close=contracts.price(ticker, message.close),
        volume=contracts.quantity(ticker, message.volume),
        vwap=contracts.price(ticker, message.vwap),
        open_timestamp=from_wire_time(message.open_timestamp),
        close_timestamp=from_wire_time(message.close_timestamp),
    )


def parse_transaction(contracts: Contracts, message: TransactionMessage) -> Transaction:
    """A line of the ledger: cash by the rule of its own currency, never negative: the sign goes into `direction`."""
    ticker = message.contract
    direction = message.direction
    if message.quantity < 0:
        direction = "debit" if direction == "credit" else "credit"
    # The venue's Trade postings of a fee are only told apart by their note; the uniform record has a type for them.
    is_fee = message.note == "Fee" and message.type == "Trade"
    return Transaction(
        contract=ticker,
        timestamp=from_wire_time(message.timestamp),
        quantity=contracts.quantity(ticker, abs(message.quantity)),
        type="Fee" if is_fee else message.type,
        direction=direction,
        balance=None if message.balance is None else contracts.quantity(ticker, message.balance),
        note=message.note or "",
    )
