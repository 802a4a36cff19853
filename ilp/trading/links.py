"""Connections of the trader: subscribes to venues and feed, puts what they tell into the picture, reads what must be read.

Balances that a transfer may change are taken from readings of balances *and* transfer records of one moment only; an event
then just asks for the next reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from clients.calls import bounded
from clients.exchange import Book, ExchangeError, Fill, IRateFeed, NotAuthorised, Order, Position, Trade
from ilp.trading.audit import Audit
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import BALANCES, BOOK, ORDERS, Market, Rate
from ilp.trading.orders import Desk
from ilp.trading.reader import VenueReader

__all__ = ["Links", "Owner", "Treasury"]

ZERO, ONE = Decimal(0), Decimal(1)
PARTING = 10.0  # reactor seconds; nothing rests any more, and the process is to end


class Treasury(Protocol):
    """What the connections ask of transfers."""

    def moving(self, venue: str) -> frozenset[str]:
        """Assets whose balance is to be taken from `refresh` only."""

    def refresh(self, venue: str) -> Deferred[Mapping[str, Position]]:
        """Read balances and transfer records as of one moment."""


class Owner(Protocol):
    """Whom the connections tell."""

    def connected(self, venue: str) -> None:
        """A venue, or the feed (empty), is ready for calls."""

    def lost(self, venue: str) -> None:
        """The connection to a venue, or to the feed (empty), is gone."""

    def wake(self) -> None:
        """Something in the picture changed."""

    def book_told(self, pair: Pair, before: Book) -> None:
        """A book is in the picture; *before* is the one that it replaced."""

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Something went wrong that no caller waits for."""


@define(eq=False)
class Links:
    """Listens to every venue and to the feed.

    :ivar feed: None where both venues use one currency.
    :ivar stamped: told of each stamp that a venue gave an order of ours: (venue, when that was sent, the stamp); `timed`: of
        its answer to a question for its time, likewise; `told`: of each stamp of a public trade (venue, the stamp), says
        whether that changes what may be done.
    """

    layout: Layout
    venues: Mapping[str, VenueReader]
    feed: IRateFeed | None
    market: Market
    desk: Desk
    audit: Audit
    treasury: Treasury
    owner: Owner
    now: Callable[[], datetime]
    stamped: Callable[[str, datetime, datetime], None] = lambda venue, sent, stamp: None
    timed: Callable[[str, datetime, datetime], None] = lambda venue, sent, stamp: None
    told: Callable[[str, datetime], bool] = lambda venue, stamp: False
    _listening: list[tuple[Any, str, Callable[..., Any]]] = field(factory=list)
    _reading: dict[tuple[str, str], bool] = field(factory=dict)  # what is being read, and whether to read it once more
    _waiting: dict[tuple[str, str], list[Deferred[bool]]] = field(factory=dict)

    # ------------------------------------------------------------------------------------------------ opening, closing

    def open(self) -> Deferred[Any]:
        """Subscribe and connect everything; fires when all first tries have ended, fails like the first refusal."""
        for venue in self.layout.venues:
            self._listen_to(venue)
        connecting = [self.venues[venue].connect() for venue in self.layout.venues]
        if self.feed is not None:
            for event, f in (
                ("connect", lambda _: self._feed_connected()),
                ("disconnect", lambda _: self.owner.lost("")),
                ("book", self._on_rate),
                ("alive", lambda _: self._feed_alive()),
                ("error", lambda error: self.owner.report("the rate feed failed", error)),
            ):
                self._on(self.feed, event, f)
            connecting.append(self.feed.connect())
        return gatherResults([self._tolerated(connection) for connection in connecting], consumeErrors=True)

    def close(self, clock: IReactorTime) -> Deferred[Any]:
        """Unsubscribe and disconnect everything; what cannot be, or takes longer than `PARTING`, is reported and left."""
        for emitter, event, f in self._listening:
            emitter.remove_listener(event, f)
        self._listening.clear()
        leaving = {venue: self.venues[venue].disconnect() for venue in self.layout.venues}
        if self.feed is not None:
            leaving["the rate feed"] = self.feed.disconnect()

        def left(name: str, parting: Deferred[None]) -> Deferred[None]:
            late = TimeoutError(f"no end within {PARTING:g} s")
            within = bounded(parting, PARTING, clock, lambda: late)
            return within.addErrback(lambda failure: self.owner.report(f"{name} did not disconnect", failure.value))

        return gatherResults([left(name, parting) for name, parting in leaving.items()])

    def _tolerated(self, connection: Deferred[None]) -> Deferred[None]:
        """A venue that is not there yet is tried again by its client; only a refusal is for the operator."""

        def unreachable(failure: Any) -> None:
            failure.trap(ExchangeError)
            if failure.check(NotAuthorised):
                failure.raiseException()
            self.owner.report(str(failure.value))

        return connection.addErrback(unreachable)

    def _on(self, emitter: Any, event: str, f: Callable[..., Any]) -> None:
        emitter.on(event, f)
        self._listening.append((emitter, event, f))

    def _listen_to(self, venue: str) -> None:
        emitter, followed = self.venues[venue], {pair.ticker for pair in self.layout.at(venue)}
        heard: list[tuple[str, Callable[..., Any]]] = [
            ("connect", lambda _: self._connected(venue)),
            ("disconnect", lambda _: self._lost(venue)),
            ("alive", lambda _, *kinds: self.market.on_alive(venue, *kinds)),
            ("book", lambda told, book: self._on_book(venue, told, book) if told in followed else None),
            ("position", lambda _, position: self._on_position(venue, position)),
            ("trade", lambda trade: self._on_trade(venue, trade)),
            ("error", lambda error: self.owner.report(f"{venue} failed", error)),
        ]
        if followed:  # what is ordered on the account of a reserve is not ours
            heard.append(("order", lambda order: self._on_order(venue, order)))
            heard.append(("fill", lambda fill: self._on_fill(venue, fill)))
        for event, f in heard:
            self._on(emitter, event, f)

    # -------------------------------------------------------------------------------------------------------- events

    def _connected(self, venue: str) -> None:
        self.market.on_connected(venue)
        self.owner.connected(venue)

    def _lost(self, venue: str) -> None:
        self.market.on_lost(venue)
        self.desk.on_lost(venue)
        self.owner.lost(venue)

    def _on_book(self, venue: str, ticker: str, book: Book) -> None:
        pair = self.layout.pair(venue, ticker)
        before = self.market.book(pair)
        self.market.on_book(pair, book)
        self.owner.book_told(pair, before)

    def _on_order(self, venue: str, order: Order) -> None:
        self.market.on_alive(venue, ORDERS)
        self.desk.on_order(venue, order)
        ours = self.desk.known(venue, order["id"])
        if ours is not None:
            self.stamped(venue, ours.at, order["timestamp"])
        self.owner.wake()

    def _on_fill(self, venue: str, fill: Fill) -> None:
        self.desk.on_fill(venue, fill)
        self.owner.wake()

    def _on_trade(self, venue: str, trade: Trade) -> None:
        if self.told(venue, trade["timestamp"]):
            self.owner.wake()

    def _on_position(self, venue: str, position: Position) -> None:
        if position["contract"] in self.treasury.moving(venue):
            self.read_balances(venue)
        else:
            self.market.on_position(venue, position)
            if (BALANCES, venue) in self._reading:
                self._reading[BALANCES, venue] = True  # that reading may be older than this figure
        self.owner.wake()

    # -------------------------------------------------------------------------------------------------------- readings

    def read_balances(self, venue: str) -> Deferred[bool]:
        """Read balances and transfers of one moment; fires with whether the venue answered."""
        return self._once(BALANCES, venue, self._balances)

    def read_book(self, place: str) -> Deferred[bool]:
        """Read the book at a place (`Layout.place`) again."""
        return self._once(BOOK, place, self._book)

    def read(self, kind: str, where: str) -> Deferred[bool]:
        """Read one input again; *where* is a venue, or the place of a book."""
        if kind == ORDERS:
            return self.audit.read(where).addCallback(lambda _: True)
        return self.read_book(where) if kind == BOOK else self.read_balances(where)

    async def read_clock(self, venue: str) -> bool:
        """Ask a venue for its time; whether it has a call for that."""
        sent = self.now()
        try:
            stamp = await self.venues[venue].getServerTime()
        except NotImplementedError:
            return False
        except ExchangeError as error:
            self.owner.report(f"{venue}: its time could not be read: {error}")
            return True
        self.timed(venue, sent, stamp)
        self.owner.wake()
        return True

    def read_everything(self) -> Deferred[bool]:
        """Read the balances of every venue; fires with whether all answered."""
        readings = [self.read_balances(venue) for venue in self.layout.venues]
        return gatherResults(readings, consumeErrors=True).addCallback(all)

    def _once(self, kind: str, venue: str, work: Callable[[str], Any]) -> Deferred[bool]:
        """One reading of a kind at a time; a wish that comes while one runs is granted by another right after it."""
        done: Deferred[bool] = Deferred()
        self._waiting.setdefault((kind, venue), []).append(done)
        if (kind, venue) in self._reading:
            self._reading[kind, venue] = True
        else:
            self.desk.run(self._repeated(kind, venue, work))
        return done

    async def _repeated(self, kind: str, venue: str, work: Callable[[str], Any]) -> None:
        again, asking = True, []
        try:
            while again:
                # Who asks from now on may know something that this reading does not contain yet.
                self._reading[kind, venue], asking = False, self._waiting.pop((kind, venue), [])
                await work(venue)
                again = self._reading[kind, venue]
                _tell(asking, True)
        except CancelledError:
            raise
        except ExchangeError as error:
            self.owner.report(f"{venue}: {kind} could not be read: {error}")
        finally:
            del self._reading[kind, venue]
            _tell([*asking, *self._waiting.pop((kind, venue), [])], False)
            self.owner.wake()

    async def _balances(self, venue: str) -> None:
        # What comes and goes in a reserve is nobody's transfer and none of the ledger's flows: it is only looked at.
        traded = venue in self.layout.traded
        positions = await (self.treasury.refresh(venue) if traded else self.venues[venue].getPositions())
        self.market.on_positions(venue, positions)

    async def _book(self, place: str) -> None:
        pair = next(pair for pair in self.layout.pairs if self.layout.place(pair) == place)
        book: Book = await self.venues[pair.venue].getOrderBook(pair.ticker)
        self.market.on_book(pair, book)

    # ---------------------------------------------------------------------------------------------------------- rates

    async def read_rate(self) -> None:
        """Ask the feed for the rate that the pool needs; from then on it is told by events."""
        if self.feed is not None and self.layout.rate_ticker:
            self._on_rate(self.layout.rate_ticker, await self.feed.getOrderBook(self.layout.rate_ticker))

    def _feed_connected(self) -> None:
        self.market.connected[""] = True
        self.owner.connected("")

    def _feed_alive(self) -> None:
        """A feed that tells when it fetched speaks for itself; of another one an answer is all the news there is."""
        if self.market.rate is not None and not hasattr(self.feed, "rate"):
            rate = self.market.rate
            self.market.on_rate(evolve(rate, fetched=self.now()))
            self.owner.wake()

    def _on_rate(self, ticker: str, book: Book) -> None:
        if ticker != self.layout.rate_ticker or not book["bids"] or not book["asks"]:
            return
        try:
            rate_of = getattr(self.feed, "rate", None)
            told = None if rate_of is None else rate_of(ticker)
        except ExchangeError as error:
            self.owner.report(f"the rate feed: {error}")
            return  # prices of which the feed itself has no rate: of what age they are nobody knows
        # The feed gives the target's currency for one unit of the numeraire; the pool wants it the other way round.
        bid, ask = book["bids"][0]["price"], book["asks"][0]["price"]
        self.market.on_rate(
            Rate(
                ONE / ask,
                ONE / bid,
                getattr(told, "fixing", None),
                getattr(told, "fetched", None) or self.now(),
                getattr(told, "source", ""),
                getattr(told, "error", None),
                getattr(told, "aged", ZERO),
                getattr(told, "doubt", ""),
                getattr(told, "said", ()),
            )
        )
        self.owner.wake()


def _tell(asking: list[Deferred[bool]], answered: bool) -> None:
    """Tell those who asked for a reading whether the venue answered; nobody is told twice."""
    for done in asking:
        if not done.called:
            done.callback(answered)
