"""Infinity's public REST calls, each a method with a typed answer; their names are those of python-infinity 0.0.7.

Every method returns a Deferred.  Times go in as aware datetimes and become the venue's `YYYYMMDD` in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from clients.budget import Priority
from clients.calls import deferring
from clients.exchange import ExchangeError, OutcomeUnknown, Refused, Unreachable
from clients.infinity_errors import About
from clients.infinity_http import Http, Pairs
from clients.infinity_private_records import BlockChain
from clients.infinity_records import (
    BestRates,
    Book,
    Bucket,
    CurvePoint,
    HistoricalRates,
    MarketInfo,
    PublicTrade,
    RateBar,
    Snapshot24h,
    Token,
    TotalValue,
    YieldPoint,
    convert,
    decode,
)
from clients.infinity_terms import ANY_SIZE, Quantity, TokenAmount
from clients.venue import utc_now

__all__ = ["PublicCalls"]

T = TypeVar("T")

_QUARTER, _DAY = timedelta(minutes=15), timedelta(days=1)


class PublicCalls:
    """Calls that need no account.

    :param http: where they go.
    :param now: the world's time, for the defaults of histories.
    """

    def __init__(self, http: Http, now: Callable[[], datetime] = utc_now) -> None:
        self.http = http
        self._now = now

    # ------------------------------------------------------------------------------------------------ how calls go

    async def _get(
        self, kind: type[T], member: str, path: str, *query: tuple[str, Any], bulk: bool = False, private: bool = False
    ) -> T:
        """Read *path*; the answer's *member* as *kind*, or all of it for an empty member."""
        doing = f"reading {path.rpartition('/')[2].removeprefix('get_').replace('_', ' ')}"
        priority = Priority.BULK if bulk else Priority.READ
        inside = await self.http.call(doing, "GET", path, query=query, private=private, priority=priority)
        return self._typed(doing, kind, member, inside)

    async def _post(
        self, kind: type[T], member: str, path: str, doing: str, about: About, priority: Priority = Priority.READ,
        *, query: Pairs = (), body: Any = msgspec.UNSET, private: bool = True,
    ) -> T:  # fmt: skip
        """Have something done; the answer's *member* as *kind*."""
        inside = await self.http.call(
            doing, "POST", path, query=query, body=body, private=private, about=about, priority=priority
        )
        return self._typed(doing, kind, member, inside, about)

    def _typed(self, doing: str, kind: type[T], member: str, inside: bytes, about: About = About.READ) -> T:
        try:
            if not member:
                return decode(kind, inside)
            members = decode(dict[str, msgspec.Raw], inside)
            if member not in members:
                raise ValueError(f"it has no {member}")
            return decode(kind, members[member])
        except ValueError as garbage:
            error: type[ExchangeError] = OutcomeUnknown if about.changes else Unreachable
            raise error(self.http.venue, doing, f"an answer that nobody can read: {garbage}") from None

    # ------------------------------------------------------------------------------------------------ markets

    @deferring
    async def get_blockchain_info(self, block_chain_id: int = 1) -> BlockChain:
        """How far the venue has read a chain; 1 is Ethereum, the only one."""
        path = "/public/get_blockchain_info"
        return await self._get(BlockChain, "blockChain", path, ("blockChainId", block_chain_id))

    @deferring
    async def get_all_markets(self) -> tuple[MarketInfo, ...]:
        """Every market; fixed ones may be missing, see `get_all_fixed_details`."""
        return await self._get(tuple[MarketInfo, ...], "markets", "/public/get_all_markets")

    @deferring
    async def get_all_order_buckets(self, instrument_ids: Sequence[str]) -> tuple[Bucket, ...]:
        """What rests, by rate, of some instruments."""
        query = ("instrumentIds", list(instrument_ids))
        return await self._get(tuple[Bucket, ...], "rateBuckets", "/public/get_all_order_buckets", query)

    @deferring
    async def get_bba(
        self,
        token_id: int,
        min_bid_n_ask_size: Quantity = ANY_SIZE,
        fixed_rate_instrument_ids: Sequence[str] = (),
    ) -> BestRates:
        """Best bids and asks of a token's markets; of all its fixed ones where none is named.

        :param min_bid_n_ask_size: levels below it do not count.
        """
        return await self._get(
            BestRates, "", "/public/get_bba",
            ("tokenId", token_id),
            ("minBidNAskSize", min_bid_n_ask_size),
            ("fixedRateInstrumentIds", list(fixed_rate_instrument_ids)),
        )  # fmt: skip

    @deferring
    async def get_all_fixed_details(self, token_id: int | None = None) -> tuple[MarketInfo, ...]:
        """Every fixed market, or a token's."""
        path = "/public/get_all_fixed_details"
        return await self._get(tuple[MarketInfo, ...], "markets", path, ("tokenId", token_id))

    @deferring
    async def get_all_floating_details(self) -> tuple[MarketInfo, ...]:
        """Every floating market."""
        return await self._get(tuple[MarketInfo, ...], "markets", "/public/get_all_floating_details")

    @deferring
    async def get_fixed_details(self, instrument_id: str) -> MarketInfo:
        """One fixed market."""
        return await self._get(MarketInfo, "market", "/public/get_fixed_details", ("instrumentId", instrument_id))

    @deferring
    async def get_floating_details(self, instrument_id: str) -> MarketInfo:
        """One floating market."""
        return await self._get(MarketInfo, "market", "/public/get_floating_details", ("instrumentId", instrument_id))

    @deferring
    async def get_fixed_fees(self, instrument_id: str, order_qty: Quantity) -> TokenAmount:
        """What an order of *order_qty* would cost, as the venue estimates it."""
        query = ("instrumentId", instrument_id), ("orderQty", order_qty)
        return await self._get(TokenAmount, "estimatedTrxFee", "/public/get_fixed_fees", *query)

    @deferring
    async def get_fixed_orderbook(self, instrument_id: str, limit: int = 10) -> Book:
        """The book of a fixed market, as sent; see `Book.best_first`."""
        query = ("instrumentId", instrument_id), ("limit", limit)
        return await self._get(Book, "", "/public/get_fixed_orderbook", *query)

    @deferring
    async def get_floating_orderbook(self, instrument_id: str, limit: int = 10) -> Book:
        """The book of a floating market, as sent; see `Book.best_first`."""
        query = ("instrumentId", instrument_id), ("limit", limit)
        return await self._get(Book, "", "/public/get_floating_orderbook", *query)

    @deferring
    async def get_fixed_rate(self, instrument_id: str) -> MarketInfo:
        """A fixed market's present rate."""
        return await self._get(MarketInfo, "marketInfo", "/public/get_fixed_rate", ("instrumentId", instrument_id))

    @deferring
    async def get_floating_rate(self, instrument_id: str) -> MarketInfo:
        """A floating market's present rate and indices."""
        return await self._get(MarketInfo, "marketInfo", "/public/get_floating_rate", ("instrumentId", instrument_id))

    @deferring
    async def get_fixed_trades(self, instrument_id: str, limit: int = 20) -> tuple[PublicTrade, ...]:
        """The last trades of a fixed market, newest first, a hundred at most."""
        query = ("instrumentId", instrument_id), ("limit", limit)
        return await self._get(tuple[PublicTrade, ...], "trxs", "/public/get_fixed_trades", *query, bulk=True)

    @deferring
    async def get_floating_trades(self, instrument_id: str, limit: int = 20) -> tuple[PublicTrade, ...]:
        """The last trades of a floating market, newest first, a hundred at most."""
        query = ("instrumentId", instrument_id), ("limit", limit)
        return await self._get(tuple[PublicTrade, ...], "trxs", "/public/get_floating_trades", *query, bulk=True)

    # ------------------------------------------------------------------------------------------------ histories

    @deferring
    async def get_fixed_history(
        self,
        instrument_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        interval: timedelta = _DAY,
    ) -> tuple[RateBar, ...]:
        """Bars of a fixed market; see `get_floating_history`."""
        return await self._history("/public/get_fixed_history", instrument_id, start, end, interval)

    @deferring
    async def get_floating_history(
        self,
        instrument_id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        interval: timedelta = _DAY,
    ) -> tuple[RateBar, ...]:
        """Bars of a floating market on days from *start* to *end*, by default of the last year.

        :param interval: whole quarters of an hour below a day, whole days above.
        """
        return await self._history("/public/get_floating_history", instrument_id, start, end, interval)

    async def _history(
        self, path: str, instrument: str, start: datetime | None, end: datetime | None, interval: timedelta
    ) -> tuple[RateBar, ...]:
        doing = f"reading bars of {instrument}"
        if interval <= timedelta(0) or interval % (_QUARTER if interval < _DAY else _DAY):
            raise Refused(self.http.venue, doing, f"{interval} is no interval: quarters of an hour or days are allowed")
        query = (
            ("instrumentId", instrument),
            ("start", _day(start or self._now() - 365 * _DAY)),
            ("end", _day(end or self._now() + _DAY)),
            ("interval", interval // timedelta(milliseconds=1)),
        )
        inside = await self.http.call(doing, "GET", path, query=query, priority=Priority.BULK)
        try:
            return tuple(convert(RateBar, row) for row in _rows(json.loads(inside, parse_float=Decimal)))
        except ValueError as garbage:
            raise Unreachable(self.http.venue, doing, f"an answer that nobody can read: {garbage}") from None

    @deferring
    async def get_historical_mid(
        self, token_id: int | None = None, fixed_rate_instrument_ids: Sequence[str] = ()
    ) -> dict[int, tuple[Snapshot24h, ...]]:
        """Markets now and 24 hours ago, by token id."""
        query = ("tokenId", token_id), ("fixedRateInstrumentIds", list(fixed_rate_instrument_ids))
        return await self._get(dict[int, tuple[Snapshot24h, ...]], "", "/public/get_24h_snapshot", *query, bulk=True)

    @deferring
    async def get_historical_rates(
        self, token_id: int, days_to_include: int = 365, fixed_rate_instrument_ids: Sequence[str] = ()
    ) -> HistoricalRates:
        """Daily bars of a token's floating market, and of fixed ones by days to maturity."""
        return await self._get(
            HistoricalRates, "", "/public/get_historical_rates",
            ("tokenId", token_id),
            ("daysToInclude", days_to_include),
            ("fixedRateInstrumentIds", list(fixed_rate_instrument_ids)),
            bulk=True,
        )  # fmt: skip

    @deferring
    async def get_historical_total_value(self, limit: int = 365) -> tuple[TotalValue, ...]:
        """What the whole exchange held, day by day, in USD."""
        path = "/public/get_historical_total_value"
        return await self._get(tuple[TotalValue, ...], "data", path, ("limit", limit), bulk=True)

    @deferring
    async def get_historical_yield_curve(
        self, token_id: int, days_to_include: int = 30
    ) -> dict[str, tuple[CurvePoint, ...]]:
        """Yield curves of the past, by day (`2023-12-20`)."""
        query = ("tokenId", token_id), ("daysToInclude", days_to_include)
        kind, path = dict[str, tuple[CurvePoint, ...]], "/public/get_historical_yield_curve"
        return await self._get(kind, "historicalCurve", path, *query, bulk=True)

    @deferring
    async def get_yield_curve(self, token_id: int, full_yield_curve: bool = False) -> tuple[YieldPoint, ...]:
        """The present yield curve: a point a day for a year."""
        query = ("tokenId", token_id), ("fullYieldCurve", full_yield_curve)
        return await self._get(tuple[YieldPoint, ...], "interpolatedRates", "/public/get_yield_curve", *query)

    # ------------------------------------------------------------------------------------------------ tokens

    @deferring
    async def get_token_details(self, token_id: int) -> Token:
        """One token."""
        return await self._get(Token, "token", "/public/get_token_details", ("tokenId", token_id))

    @deferring
    async def get_tokens(self) -> tuple[Token, ...]:
        """Every token."""
        return await self._get(tuple[Token, ...], "tokens", "/public/get_tokens")

    @deferring
    async def get_underlying_tokens(self, token_ids: Sequence[int]) -> tuple[Token, ...]:
        """What tokens stand for, for one unit of each."""
        body = [{"tokenId": id, "quantity": 1} for id in token_ids]
        return await self._post(
            tuple[Token, ...], "tokens", "/public/get_underlying_tokens", "reading underlying tokens", About.READ,
            body=body, private=False,
        )  # fmt: skip


def _day(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone; aware times are wanted")
    return at.astimezone(UTC).strftime("%Y%m%d")


def _rows(told: Any) -> list[Any]:
    """Rows of a history, whose wrapping is not documented: one row, a list, or a list under any one name."""
    if isinstance(told, list):
        return told
    if isinstance(told, dict):
        if "date" in told:
            return [told]
        lists = [value for value in told.values() if isinstance(value, list)]
        if len(lists) == 1:
            return list(lists[0])
    raise ValueError("it holds no rows")
