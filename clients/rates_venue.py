"""A venue's own books as a feed of rates: bid and ask for an amount, through a pair or a chain of pairs.

Knows the uniform interface and no venue; reads only.  The market's spread is the rate's, so nothing but age and the doubt in
a stablecoin is added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import field, fields, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from clients.calls import deferring
from clients.events import Emitter
from clients.exchange import OHLCV, Book, BookRow, ExchangeError, IExchange, IRateFeed, Period, Refused, Unreachable
from clients.rates_arithmetic import NoRate, Rate, drift, legs, widened
from clients.rates_feed import bar, option, utc_now

__all__ = ["Peg", "VenueOptions", "VenueRates", "chain", "is_venue"]

_ONE = Decimal(1)
_MOVED = Decimal("0.0001")  # told at once; smaller moves at the next look


@frozen
class Peg:
    """A coin that is taken for a currency, and by how much, as a fraction, it may be worth another amount."""

    coin: str
    currency: str
    off: Decimal


def _pairs(value: Any) -> tuple[str, ...]:
    pairs = tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(value)
    for pair in pairs:
        try:
            legs(pair)
        except NoRate as error:
            raise ValueError(f"pairs: {error}") from None
    return pairs


def _pegs(value: Any) -> tuple[Peg, ...]:
    if not isinstance(value, str):
        return tuple(value)
    pegs = []
    for part in filter(None, (piece.strip() for piece in value.split(","))):
        words = part.split()
        if len(words) != 3:
            raise ValueError(f"pegs: {part!r} is not allowed; write coin, currency and fraction: USDT USD 0.003")
        pegs.append(Peg(words[0], words[1], option("pegs", words[2], 0, "0.1")))
    return tuple(pegs)


def _amount(value: Any) -> Decimal:
    return option("amount", value, "0.00000001", "1e12")


def _spread(value: Any) -> Decimal:
    return option("max_spread", value, "0.00001", "0.5")


def _stale(value: Any) -> float:
    return float(option("stale_after", value, "0.1", 86_400))


def _pause(value: Any) -> float:
    return float(option("look", value, "0.05", 3600))


@frozen
class VenueOptions:
    """What a venue that serves as a feed of rates is told besides its own options.

    :ivar pairs: the pairs of the venue that lead from one currency to the other; empty means the pair itself.
    :ivar pegs: coins that are taken for a currency, each with what it may be off by: `USDT USD 0.003`.
    :ivar amount: units of the first currency that the books have to carry; the rate is what they would really cost.
    :ivar max_spread: largest spread of a book for that amount, as a fraction; beyond it there is no rate.
    :ivar stale_after: reactor seconds without a sign of life after which a book gives no rate.
    :ivar look: reactor seconds between two events while a book moves by less than a basis point.
    """

    pairs: tuple[str, ...] = field(default=(), converter=_pairs)
    pegs: tuple[Peg, ...] = field(default=(), converter=_pegs)
    amount: Decimal = field(default=Decimal(10_000), converter=_amount)
    max_spread: Decimal = field(default=Decimal("0.005"), converter=_spread)
    stale_after: float = field(default=30.0, converter=_stale)
    look: float = field(default=1.0, converter=_pause)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What the options are called."""
        return tuple(one.name for one in fields(cls))


@frozen
class _Step:
    """One pair of the chain: *forward* where its base is what one comes with."""

    pair: str
    forward: bool


@implementer(IRateFeed)
class VenueRates(Emitter):
    """A feed of one rate, made of the books of a venue.

    :param venue: a client that follows `options.pairs`; for public use, so that it holds no account of ours.
    :param ticker: the pair that is wanted, such as `USD/MXN`.
    :param rate_age_factor: how many times `drift` of the book's age is added to either side.
    """

    def __init__(
        self,
        venue: Any,
        ticker: str,
        *,
        reactor: Any,
        now: Callable[[], datetime] = utc_now,
        options: VenueOptions | None = None,
        rate_age_factor: Decimal | str = "1",
    ) -> None:
        super().__init__()
        self.venue = venue
        self.name = str(venue.name)
        self._reactor, self._now, self._options = reactor, now, options or VenueOptions()
        self._factor = option("rate_age_factor", rate_age_factor, 0, 10)
        self._ticker = ticker
        self._chain, self._off = chain(ticker, self._options)
        self._books: dict[str, tuple[Book, float, datetime]] = {}
        self._connected = self._wanted = False
        self._told: Decimal | None = None
        self._timer: IDelayedCall | None = None
        self._listening = (
            ("connect", lambda _: self._venue_connected()),
            ("disconnect", lambda _: self._lost()),
            ("alive", lambda _, *kinds: self._alive(*kinds)),
            ("book", self._on_book),
            ("error", lambda error: self.announce("error", error)),
        )

    @staticmethod
    def pairs_of(ticker: str, options: VenueOptions) -> tuple[str, ...]:
        """The pairs that a client for this feed has to follow."""
        return options.pairs or ((ticker,) if ticker else ())

    # ------------------------------------------------------------------------------------------------ the interface

    def connect(self) -> Deferred[None]:
        """Fire when the venue is connected and its books were read; fails like the venue, which then goes on trying."""
        return self._connect()

    @deferring
    async def _connect(self) -> None:
        self._wanted = True
        for event, f in self._listening:
            if f not in self.venue.listeners(event):
                self.venue.on(event, f)
        await self.venue.connect()
        await self._read()
        if not self._wanted:
            self._books.clear()
            raise Unreachable(self.name, "connect", "disconnected meanwhile")
        self._venue_connected()

    async def _read(self) -> None:
        for step in self._chain:
            if step.pair not in self._books:
                self._on_book(step.pair, await self.venue.getOrderBook(step.pair))

    def disconnect(self) -> Deferred[None]:
        """Disconnect the venue's client."""
        self._wanted = False
        for event, f in self._listening:
            if f in self.venue.listeners(event):
                self.venue.remove_listener(event, f)
        self._lost()
        left: Deferred[None] = self.venue.disconnect()
        return left

    def getOrderBook(self, ticker: str) -> Deferred[Book]:
        """Bid and ask for `amount`, now; `Refused` for another pair than the feed was made for."""
        return self._book_now(ticker)

    @deferring
    async def _book_now(self, ticker: str) -> Book:
        if ticker == self._ticker:
            await self._read()
        return self._book_of(self.rate(ticker))

    @deferring
    async def getOHLCVHistory(
        self, ticker: str, period: Period, start: datetime, end: datetime
    ) -> dict[datetime, OHLCV]:
        """The venue's own bars; of a chain, or of a pair the other way round, closes only, where each pair has one."""
        if ticker != self._ticker:
            raise Refused(self.name, f"history of {ticker}", f"this feed is for {self._ticker}")
        closes: dict[datetime, Decimal] = {}
        for number, step in enumerate(self._chain):
            bars = await self.venue.getOHLCVHistory(step.pair, period, start, end)
            if len(self._chain) == 1 and step.forward:
                return dict(bars)
            factors = {at: one["close"] if step.forward else _ONE / one["close"] for at, one in bars.items()}
            closes = {
                at: f * (closes[at] if number else _ONE) for at, f in factors.items() if not number or at in closes
            }
        return {at: bar(ticker, period, at, close) for at, close in closes.items()}

    def rate(self, ticker: str) -> Rate:
        """The rate for `amount`: `Refused` for another pair, `Unreachable` while a book is missing, old, thin or wide."""
        doing = f"rate {ticker}"
        if ticker != self._ticker:
            raise Refused(self.name, doing, f"this feed is for {self._ticker}")
        amount, bid, ask, since = self._options.amount, _ONE, _ONE, self._now()
        for step in self._chain:
            book, at = self._fresh(step, doing)
            low, high = self._two_sided(step, book, amount, doing)
            bid, ask, since = bid * low, ask * high, min(since, at)
            amount *= (low + high) / 2
        mid = (bid + ask) / 2
        error = drift(ticker, max(self._now() - since, timedelta(0)))
        source = f"{self.name} {' × '.join(step.pair for step in self._chain)}"
        bid, ask = widened(bid, ask, self._off + self._factor * error)
        return Rate(ticker, mid, bid, ask, since, since, source, error, self._factor * error)

    def expires(self) -> float | None:
        """In how many reactor seconds the first of the books is too old; None where one is so already, or missing."""
        if not self._connected or any(step.pair not in self._books for step in self._chain):
            return None
        oldest = min(self._books[step.pair][1] for step in self._chain)
        left = oldest + self._options.stale_after - self._reactor.seconds()
        return left if left >= 0 else None

    # -------------------------------------------------------------------------------------------------------- books

    def _fresh(self, step: _Step, doing: str) -> tuple[Book, datetime]:
        if not self._connected or step.pair not in self._books:
            raise Unreachable(self.name, doing, f"no book of {step.pair} yet" if self._connected else "not connected")
        book, seconds, at = self._books[step.pair]
        if (age := self._reactor.seconds() - seconds) > self._options.stale_after:
            limit = f"{self._options.stale_after:g} s are allowed"
            raise Unreachable(self.name, doing, f"the book of {step.pair} was confirmed {age:.0f} s ago; {limit}")
        return book, at

    def _two_sided(self, step: _Step, book: Book, amount: Decimal, doing: str) -> tuple[Decimal, Decimal]:
        """What a unit of the incoming currency brings, and what it costs, for *amount* of it."""
        walk = _by_base if step.forward else _by_quote
        prices = walk(book["bids"], amount), walk(book["asks"], amount)
        if prices[0] is None or prices[1] is None:
            side = "bids" if prices[0] is None else "asks"
            raise Unreachable(self.name, doing, f"the {side} of {step.pair} do not carry {amount:.8g}")
        bid, ask = prices[0], prices[1]
        spread = (ask - bid) / ((ask + bid) / 2)
        if not 0 <= spread <= self._options.max_spread:
            why = f"the book of {step.pair} is {spread:.2%} wide for {amount:.8g}"
            raise Unreachable(self.name, doing, f"{why}, allowed {self._options.max_spread:.2%}")
        return (bid, ask) if step.forward else (_ONE / ask, _ONE / bid)

    def _on_book(self, pair: str, book: Book) -> None:
        if any(step.pair == pair for step in self._chain):
            self._books[pair] = book, self._reactor.seconds(), self._now()
            self._tell(at_once=False)

    def _alive(self, *kinds: str) -> None:
        """The connection that carries the books has spoken: what they were they still are."""
        if kinds and "book" not in kinds:
            return
        for pair, (book, _, _) in tuple(self._books.items()):
            self._books[pair] = book, self._reactor.seconds(), self._now()

    def _venue_connected(self) -> None:
        if not self._connected:
            self._connected = True
            self.announce("connect", self)
            self._look()

    def _lost(self) -> None:
        self._books.clear()
        self._told = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._connected:
            self._connected = False
            self.announce("disconnect", self)

    def _look(self) -> None:
        self._timer = self._reactor.callLater(self._options.look, self._look)
        self._tell(at_once=True)

    def _tell(self, *, at_once: bool) -> None:
        try:
            rate = self.rate(self._ticker)
        except ExchangeError:
            return  # whoever asks hears why
        if at_once or self._told is None or abs(rate.mid / self._told - _ONE) > _MOVED:
            self._told = rate.mid
            self.announce("book", self._ticker, self._book_of(rate))

    def _book_of(self, rate: Rate) -> Book:
        quantity = self._options.amount
        return {
            "contract": rate.pair,
            "bids": [{"price": rate.bid, "quantity": quantity}],
            "asks": [{"price": rate.ask, "quantity": quantity}],
        }


# --------------------------------------------------------------------------------------------------------- arithmetic


def chain(ticker: str, options: VenueOptions) -> tuple[tuple[_Step, ...], Decimal]:
    """The way through the pairs, and what its pegs may be off by together; `ValueError` where there is none."""
    base, quote = legs(ticker)
    pegs = {peg.coin: peg for peg in options.pegs}

    def same(one: str, other: str) -> Decimal | None:
        """What taking one for the other may be off by; None where it is not allowed."""
        if one == other:
            return Decimal(0)
        offs = [peg.off for peg in pegs.values() if {one, other} == {peg.coin, peg.currency}]
        return offs[0] if offs else None

    here, off, steps = base, Decimal(0), []
    for pair in options.pairs or (ticker,):
        first, second = legs(pair)
        forward, backward = same(here, first), same(here, second)
        added = forward if forward is not None else backward
        if added is None:
            raise ValueError(f"pairs: {pair} does not go on from {here}; a coin for a currency is named in `pegs`")
        steps.append(_Step(pair, forward is not None))
        here, off = second if forward is not None else first, off + added
    last = same(here, quote)
    if last is None:
        raise ValueError(f"pairs: {', '.join(options.pairs)} lead from {base} to {here} and not to {quote}")
    return tuple(steps), off + last


def _by_base(rows: Iterable[BookRow], amount: Decimal) -> Decimal | None:
    """Average price of *amount* of the base; None where the rows are fewer."""
    left, money = amount, Decimal(0)
    for row in rows:
        taken = min(left, row["quantity"])
        money, left = money + taken * row["price"], left - taken
        if left <= 0:
            return money / amount
    return None


def _by_quote(rows: Iterable[BookRow], amount: Decimal) -> Decimal | None:
    """Average price of what *amount* of the quote currency buys or comes from."""
    left, base = amount, Decimal(0)
    for row in rows:
        taken = min(left, row["quantity"] * row["price"])
        base, left = base + taken / row["price"], left - taken
        if left <= 0:
            return amount / base
    return None


def is_venue(kind: Any) -> bool:
    """Whether a class is a venue's client rather than a feed's."""
    return bool(IExchange.implementedBy(kind))
