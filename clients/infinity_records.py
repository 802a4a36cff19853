"""Infinity's messages as records: what its public REST calls answer, and how records are read.  Pure; knows no call.

Names are the venue's in snake_case.  Rates, quantities and amounts of tokens are types of their own (see
`clients.infinity_terms`); prices, money of collateral and indices are plain Decimals.  Codes stay whole numbers, because one
that nobody knows must not make a list unreadable: `OrderStatus.known(row.status)` says what is known of it.  Times are whole
milliseconds, `moment` makes them datetimes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import field

from clients.infinity_terms import Measure, Quantity, Rate, TokenAmount

__all__ = [
    "BestRate",
    "BestRates",
    "Book",
    "BookLevel",
    "Bucket",
    "CurvePoint",
    "Envelope",
    "HistoricalRate",
    "HistoricalRates",
    "MarketInfo",
    "MarketMtm",
    "PublicTrade",
    "RateBar",
    "Row",
    "Snapshot24h",
    "Summary",
    "SummaryTotals",
    "Token",
    "TokenMtm",
    "TotalValue",
    "Underlying",
    "YieldPoint",
    "convert",
    "decode",
    "millis",
    "moment",
    "read_envelope",
]

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    """Milliseconds since the epoch as an aware UTC time."""
    return _EPOCH + timedelta(milliseconds=ms)


def millis(at: datetime) -> int:
    """An aware time as milliseconds since the epoch; `ValueError` without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone; aware times are wanted")
    return (at - _EPOCH) // timedelta(milliseconds=1)


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all records; members that are not named here are passed over."""


# ---------------------------------------------------------------------------------------------------------- markets


class MarketInfo(Row, frozen=True, kw_only=True):
    """A market, floating or fixed; what a call does not tell is None."""

    instrument_id: str
    market_id: int
    token_id: int | None = None
    name: str = ""
    category: int | None = None
    quantity_step: Quantity | None = None
    min_quantity: Quantity | None = None
    max_quantity: Quantity | None = None
    rate_step: Rate | None = None
    taker_fee_rate: Decimal | None = None
    maker_fee_rate: Decimal | None = None
    interest_fee_rate: Decimal | None = None
    enable: bool = True
    borrow_price_index: Decimal | None = None
    lend_price_index: Decimal | None = None
    price_index_date: int | None = None
    rate: Rate | None = None
    mid_rate: Rate | None = None
    actual_rate: Rate | None = None
    direction: bool | None = None
    update_date: int | None = None
    high24: Rate | None = None
    low24: Rate | None = None
    volume24: Quantity | None = None
    rate24: Rate | None = None
    total_value: Decimal | None = None
    deposits: Decimal | None = None
    borrows: Decimal | None = None
    subscriptions: Decimal | None = None
    days_to_maturity: int | None = None
    maturity_date: int | None = None


class BookLevel(Row, frozen=True, kw_only=True):
    """What rests at one rate."""

    rate: Rate
    quantity: Quantity


class Book(Row, frozen=True, kw_only=True):
    """A book of rates: bids are borrowers, asks lenders.  As the venue sends it; `best_first` sorts."""

    bids: tuple[BookLevel, ...] = ()
    asks: tuple[BookLevel, ...] = ()

    def best_first(self) -> Book:
        """The highest borrower and the lowest lender first."""
        return Book(
            bids=tuple(sorted(self.bids, key=lambda level: level.rate, reverse=True)),
            asks=tuple(sorted(self.asks, key=lambda level: level.rate)),
        )


class BestRate(Row, frozen=True, kw_only=True):
    """Best bid and ask of a market.  A rate of 0 means that nobody quotes; `best_bid` and `best_ask` tell None then."""

    instrument_id: str
    market_id: int
    name: str = ""
    days_to_maturity: int | None = None
    bid: Rate = Rate(0)
    bid_quantity: Quantity = Quantity(0)
    bid_step_size: Quantity | None = None
    ask: Rate = Rate(0)
    ask_quantity: Quantity = Quantity(0)
    ask_step_size: Quantity | None = None
    position: Quantity | None = None
    carry: Decimal | None = None
    dv01: Decimal | None = None
    pv01_series: Any = None

    @property
    def best_bid(self) -> Rate | None:
        """The highest rate that a borrower offers."""
        return self.bid or None

    @property
    def best_ask(self) -> Rate | None:
        """The lowest rate that a lender asks."""
        return self.ask or None


class BestRates(Row, frozen=True, kw_only=True):
    """Best bids and asks of a token: its floating market and fixed ones."""

    ir: BestRate | None = None
    fr: tuple[BestRate, ...] = ()


class SummaryTotals(Row, frozen=True, kw_only=True):
    """A token's whole position, its sensitivity to a basis point and its carry."""

    position: Quantity | None = None
    dv01: Decimal | None = None
    carry: Decimal | None = None


class Summary(BestRates, frozen=True, kw_only=True):
    """`BestRates` with own positions."""

    summary: SummaryTotals | None = None


class Bucket(Row, frozen=True, kw_only=True):
    """What rests at one rate of one market, on one side."""

    instrument_id: str
    market_id: int
    rate: Rate
    quantity: Quantity
    side: bool


class PublicTrade(Row, frozen=True, kw_only=True):
    """A trade of the market; `side` is the taker's, true for borrow."""

    rate: Rate
    quantity: Quantity
    date: int
    side: bool
    trade_id: int | None = None


class RateBar(Row, frozen=True, kw_only=True):
    """A bar of rates; `date` is YYYYMMDD or milliseconds, see `opened`."""

    date: int
    open: Rate
    high: Rate
    low: Rate
    close: Rate
    volume: Quantity | None = None
    total_value: Decimal | None = None
    lend_depth: Decimal | None = None
    borrow_depth: Decimal | None = None

    @property
    def opened(self) -> datetime:
        """When it opens: a number below 10^8 is a day, a greater one milliseconds."""
        if self.date >= 10**8:
            return moment(self.date)
        year, month, day = self.date // 10000, self.date // 100 % 100, self.date % 100
        return datetime(year, month, day, tzinfo=UTC)

    @property
    def traded(self) -> bool:
        """Whether anything was traded: a bar of zeros says that nothing was."""
        return any((self.open, self.high, self.low, self.close))


class HistoricalRate(Row, frozen=True, kw_only=True):
    """A day of `get_historical_rates`; dated ones tell the days to maturity and no token."""

    date: int
    open: Rate
    high: Rate
    low: Rate
    close: Rate
    volume: Quantity | None = None
    total_value: Decimal | None = None
    usd_value: Decimal | None = None
    lend_depth: Decimal | None = None
    borrow_depth: Decimal | None = None
    num_days_ago: int | None = None
    instrument_id: str = ""
    token_id: int | None = None
    days_to_maturity: int | None = None


class HistoricalRates(Row, frozen=True, kw_only=True):
    """Days of a token's floating market, and of fixed ones by days to maturity."""

    floating: tuple[HistoricalRate, ...] = ()
    fixed: dict[str, tuple[HistoricalRate, ...]] = {}


class Snapshot24h(Row, frozen=True, kw_only=True):
    """A market now and 24 hours ago."""

    instrument_id: str
    market_id: int
    token_id: int | None = None
    rate: Rate | None = None
    mid_rate: Rate | None = None
    volume24: Quantity | None = None
    rate24: Rate | None = None
    mid_rate24: Rate | None = None
    rate_delta24: Rate | None = None
    mid_rate_delta24: Rate | None = None
    aave_lend_rate: Rate | None = None
    aave_borrow_rate: Rate | None = None
    days_to_maturity: int | None = None
    maturity_date: int | None = None


class TotalValue(Row, frozen=True, kw_only=True):
    """What the whole exchange held on a day, in USD."""

    date: int
    total_value: Decimal


class CurvePoint(Row, frozen=True, kw_only=True):
    """A point of a yield curve of the past."""

    instrument_id: str
    market_id: int
    rate: Rate | None = None
    label: str = ""
    xpos: int | None = None


class YieldPoint(Row, frozen=True, kw_only=True):
    """A point of the present yield curve."""

    instrument_id: str = ""
    market_id: int | None = None
    token_id: int | None = None
    interpolated_px: Rate
    days_to_maturity: int
    enable: bool = True
    maturity_date: int | None = None


class MarketMtm(Row, frozen=True, kw_only=True):
    """A market's mark-to-market of an account, in tokens."""

    account_id: int
    instrument_id: str
    market_id: int
    token_id: int | None = None
    mtm: TokenAmount
    maturity_date: int | None = None


class TokenMtm(Row, frozen=True, kw_only=True):
    """A token's mark-to-market of an account, in tokens."""

    account_id: int
    token_id: int
    mtm: TokenAmount


# ----------------------------------------------------------------------------------------------------------- tokens


class Underlying(Row, frozen=True, kw_only=True):
    """What a token stands for, and how much of it one unit is worth."""

    underlying_token_id: int
    underlying_token_index: Decimal


class Token(Row, frozen=True, kw_only=True):
    """A token; `price` is in USD.  `token_address` is its contract and no address to send anything to."""

    token_id: int
    code: str
    name: str = ""
    token_type: int | None = None
    value_type: int | None = None
    token_valuation_protocol: int = 0
    token_address: str = ""
    decimals: int = 18
    native_token: bool = False
    withdraw_fee: TokenAmount | None = None
    price: Decimal | None = None
    underlying_assets: tuple[Underlying, ...] = ()


# --------------------------------------------------------------------------------------------------------- decoding


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a REST answer is wrapped in."""

    success: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error_code: int | None = field(name="errorCode", default=None)
    error_msg_key: str | None = field(name="errorMsgKey", default=None)


def _measure(kind: type, value: Any) -> Any:
    """`dec_hook` of msgspec: the kinds of numbers that it does not know."""
    if issubclass(kind, Measure):
        try:
            return kind(value)
        except TypeError as error:
            raise ValueError(str(error)) from None
    raise NotImplementedError(kind)


_envelope = msgspec.json.Decoder(Envelope)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def read_envelope(body: bytes) -> tuple[Envelope, bytes]:
    """An answer's envelope and what is in it: `data`, or all of it where there is no such member.

    :raise ValueError: it is no JSON object.
    """
    envelope = _envelope.decode(body)
    return envelope, body if envelope.data is msgspec.UNSET else bytes(envelope.data)


def decode(kind: type[T], body: bytes | msgspec.Raw) -> T:
    """*body* as *kind*; `ValueError` says what does not fit."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=_measure, float_hook=Decimal)
    found: T = decoder.decode(body)
    return found


def convert(kind: type[T], value: Any) -> T:
    """Plain values as *kind*; `ValueError` says what does not fit."""
    return msgspec.convert(value, kind, dec_hook=_measure)
