"""The current picture of the venues and the rate, with the age and sanity of every input.  Decides and sends nothing.

Ages of books, balances and orders are reactor seconds since the input was last *confirmed* (by an event, a snapshot, or an
answered ping on the connection that carries the events); a rate's are seconds of the world.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from attrs import define, field, frozen

from clients.exchange import Book, BookRow, Position, Side
from clients.exchange import Market as Rules
from clients.rates_arithmetic import Said
from ilp.settings import Ages
from ilp.trading.balances import Balances
from ilp.trading.freshness import InputStatus, Watch
from ilp.trading.layout import Layout, Pair
from ilp.trading.own import Best
from ilp.trading.plausibility import AGAIN, Plausibility
from ilp.trading.sides import Sides, book_without

__all__ = ["BALANCES", "BOOK", "ORDERS", "RATE", "Market", "Rate", "mid"]

BOOK, BALANCES, ORDERS, RATE = "book", "balances", "orders", "rate"
ONE = Decimal(1)
REMEMBERED = 1024  # best prices of the source: some seconds of a fast one, minutes of a slow one
_EMPTY: Book = {"contract": "", "bids": [], "asks": []}


@frozen
class Rate:
    """What one unit of the target's currency costs in the numeraire.

    :ivar fixing: the date that the rate was fixed for, None where the feed does not tell.
    :ivar fetched: when the feed last delivered it (world time).
    :ivar error: what the market has typically moved since the fixing, as a fraction; None where the feed does not tell.
    :ivar aged: fraction by which its age moves bid and ask away from the mid, each.
    :ivar doubt: why the feed itself does not trust it; empty when it does.
    :ivar said: what each of several feeds says.
    """

    bid: Decimal
    ask: Decimal
    fixing: datetime | None
    fetched: datetime
    source: str = ""
    error: Decimal | None = None
    aged: Decimal = Decimal(0)
    doubt: str = ""
    said: tuple[Said, ...] = ()

    @property
    def mid(self) -> Decimal:
        """Between bid and ask."""
        return (self.bid + self.ask) / 2


def _best(rows: Sequence[BookRow]) -> Decimal | None:
    return rows[0]["price"] if rows else None


def _is_worse(side: Side, best: tuple[Decimal | None, Decimal | None], kept: Best) -> bool:
    """Whether a fill on *side* is closed at a worse price there, or not at all."""
    now, then = (best[0], kept[1]) if side is Side.BUY else (best[1], kept[2])
    if now is None or then is None:
        return now is None and then is not None
    return now < then if side is Side.BUY else now > then


def _figures(position: Position) -> tuple[Decimal, ...]:
    return position["position"], position["available"], position.get("lent", Decimal(0))


def _is_amount(position: Position) -> bool:
    return all(figure.is_finite() for figure in _figures(position))


def mid(book: Book) -> Decimal | None:
    """Middle of the best bid and ask; None where a side is empty."""
    if not book["bids"] or not book["asks"]:
        return None
    return (book["bids"][0]["price"] + book["asks"][0]["price"]) / 2


@define
class Market:
    """One current picture of everything that is told to us.

    :ivar seconds: the reactor's clock; `now`: the world's.
    :ivar rules: by (venue, contract): steps and minima of pairs and of withdrawals.
    :ivar own: our own orders in a pair's book: (side, price, quantity left); they imply nothing about rates.
    :ivar good_mid, good_rate: the last sane ones, what the gate measures prices against; while a jump is in doubt nothing is
        sent by them.
    """

    layout: Layout
    ages: Ages
    seconds: Callable[[], float]
    now: Callable[[], datetime]
    balances: Balances = field(init=False)
    plausible: Plausibility = field(init=False)
    rules: dict[tuple[str, str], Rules] = field(factory=dict)
    rate: Rate | None = None
    own: Callable[[Pair], Iterable[tuple[Side, Decimal, Decimal]]] = lambda _: ()
    good_mid: Decimal | None = None
    good_rate: Decimal | None = None
    connected: dict[str, bool] = field(factory=dict)
    _books: dict[Pair, Book] = field(factory=dict)
    _others: dict[Pair, tuple[list[tuple[Side, Decimal, Decimal]], Sides]] = field(factory=dict)
    _watches: dict[tuple[str, str], Watch] = field(init=False)
    _venues: dict[str, str] = field(init=False)  # by the place of a book, and by its own name
    _cross: Watch = field(init=False)
    _since: datetime = field(init=False)
    _bests: deque[Best] = field(factory=lambda: deque(maxlen=REMEMBERED))

    def __attrs_post_init__(self) -> None:
        self.balances = Balances(self.seconds)
        owing = frozenset(pair.venue for pair in self.layout.pairs if pair.is_rate)  # tokens are borrowed there
        self.plausible = Plausibility(
            self.ages.balance_jump,
            self.ages.balance_settle,
            self.ages.fresh_updates,
            self.seconds,
            frozenset(self.layout.reserves),
            owing,
        )
        self._since = self.now()  # world seconds are counted from here: watches keep floats
        source, target = self.layout.pairs
        needed, ages = self.ages.fresh_updates, self.ages
        place, other = self.layout.place(source), self.layout.place(target)
        self._watches = {
            (BOOK, place): Watch(f"{place} book", ages.source_book, needed),
            (BOOK, other): Watch(f"{other} book", ages.target_book, needed),
            (RATE, ""): Watch("rate", ages.rate, needed),
        }
        self._cross = Watch("rate", float("inf"), needed, 0.0)
        self._venues = {"": "", place: source.venue, other: target.venue}
        for venue in self.layout.venues:
            self._venues[venue] = venue
            self._watches[BALANCES, venue] = Watch(f"{venue} balances", ages.balances, needed)
            if venue in self.layout.traded:
                self._watches[ORDERS, venue] = Watch(f"{venue} orders", ages.orders, needed)

    # ------------------------------------------------------------------------------------------------- what is told

    def on_book(self, pair: Pair, book: Book) -> None:
        """Take a book; a source's must have both sides, a target's may be empty: others are only kept behind it."""
        watch, at = self._watches[BOOK, self.layout.place(pair)], self.seconds()
        self._books[pair] = book
        self._others.pop(pair, None)
        if book["bids"] and book["asks"] and book["bids"][0]["price"] >= book["asks"][0]["price"]:
            watch.insane(at, f"crossed: bid {book['bids'][0]['price']}, ask {book['asks'][0]['price']}")
            return
        if self.layout.rate_ticker:
            self._compare()
        if pair != self.layout.source:
            watch.good(at)
            return
        self._bests.append((self.now(), _best(book["bids"]), _best(book["asks"])))
        now_mid = mid(book)
        if now_mid is None:
            watch.insane(at, "empty: " + ("no bids" if not book["bids"] else "no asks"))
            return
        self._on_mid(watch, at, now_mid)

    def _on_mid(self, watch: Watch, at: float, now_mid: Decimal) -> None:
        previous, self.good_mid = self.good_mid, now_mid
        if previous is not None and abs(now_mid / previous - ONE) > self.ages.mark_jump:
            watch.doubt(at, f"its mid jumped from {previous} to {now_mid}, allowed {self.ages.mark_jump:%}")
        else:
            watch.good(at)

    def on_rate(self, rate: Rate) -> None:
        """Take a rate that was just fetched."""
        watch, previous = self._watches[RATE, ""], self.rate
        self.rate, at = rate, self._world(rate.fetched)
        if not 0 < rate.bid <= rate.ask:
            watch.insane(at, f"bid {rate.bid}, ask {rate.ask}: not a rate")
            return
        if rate.doubt:
            watch.insane(at, rate.doubt)
            return
        self.good_rate = rate.mid
        self._compare()
        if previous is not None and previous.mid > 0 and abs(rate.mid / previous.mid - ONE) > self.ages.mark_jump:
            watch.doubt(at, f"it jumped from {previous.mid:.6g} to {rate.mid:.6g}, allowed {self.ages.mark_jump:%}")
        else:
            watch.good(at)

    def on_position(self, venue: str, position: Position) -> None:
        """Take one holding."""
        if not self._refused(venue, [position]) and _is_amount(position):
            self.balances.report(venue, position)
            self._judge(venue, position["contract"])
        self._told_balances(venue, complete=False)

    def on_positions(self, venue: str, positions: Mapping[str, Position]) -> None:
        """Take a complete reading of the holdings; of one with a figure that is no number nothing is taken."""
        if not self._refused(venue, positions.values()):
            told = {asset: position for asset, position in positions.items() if _is_amount(position)}
            self.balances.snapshot(venue, told)
            for where, asset in self.layout.holdings:
                if where == venue:
                    self._judge(venue, asset)
        self._told_balances(venue, complete=True)

    def on_orders(self, venue: str) -> None:
        """Own orders were read again."""
        self._watches[ORDERS, venue].good(self.seconds())

    def on_alive(self, venue: str, *kinds: str) -> None:
        """Whatever the venue last reported is still true; of *kinds* only, where some are named."""
        at = self.seconds()
        for (kind, where), watch in self._watches.items():
            if self._venues[where] == venue and (not kinds or kind in kinds):
                watch.confirm(at)

    def on_connected(self, venue: str) -> None:
        """The venue is ready for calls."""
        self.connected[venue] = True

    def on_lost(self, venue: str) -> None:
        """Nothing that the venue said before is valid any more."""
        self.connected[venue] = False
        for pair in self.layout.at(venue):
            self._books.pop(pair, None)
            self._others.pop(pair, None)
        self.balances.forget(venue)
        self.plausible.forget(venue)
        for (_, where), watch in self._watches.items():
            if self._venues[where] == venue:
                watch.forget()

    # --------------------------------------------------------------------------------------------------- what holds

    def source_best(self, at: datetime) -> tuple[Decimal | None, Decimal | None]:
        """The source's best bid and ask as last received by *at* (world time); the oldest remembered where *at* is older."""
        found: tuple[Decimal | None, Decimal | None] = (None, None)
        for received, bid, ask in reversed(self._bests):
            found = bid, ask
            if received <= at:
                break
        return found

    def newest_best(self) -> Best | None:
        """The source's best as last received; None before the first book."""
        return self._bests[-1] if self._bests else None

    def worse_since(self, side: Side, kept: Best, at: datetime) -> datetime | None:
        """When the source's best became worse for closing a fill on *side* than it was by the book *kept*, and stayed so.

        None where by *at* (world time) it had not.
        """
        since = None
        for received, bid, ask in reversed(self._bests):
            if received > at:
                continue
            if received <= kept[0] or not _is_worse(side, (bid, ask), kept):
                break
            since = received
        return since

    def book(self, pair: Pair) -> Book:
        """The last book; empty before the first."""
        return self._books.get(pair, _EMPTY)

    def others(self, pair: Pair) -> Sides:
        """The last book, our own orders taken out: asked for many times a turn, made once."""
        own = list(self.own(pair))
        made = self._others.get(pair)
        if made is None or made[0] != own:
            made = self._others[pair] = own, book_without(self.book(pair), own)
        return made[1]

    def trouble(self, kind: str, where: str = "") -> str:
        """Why an input does not count now, with its numbers; empty when it does.

        :param where: the venue, or of a book its place (`Layout.place`).
        """
        if kind == RATE:
            return self._rate_trouble()
        venue = self._venues[where]
        if not self.connected.get(venue, False):
            return f"{venue}: not connected"
        return self._watches[kind, where].trouble(self.seconds())

    def closing_trouble(self) -> str:
        """Why exposure cannot be closed on the source now; empty when its book and orders count and its balances are fresh.

        A balance that is doubted holds up no hedge: what is open is known by fills, and the venue knows what can be paid.
        """
        source = self.layout.source
        inputs = ((BOOK, self.layout.place(source)), (ORDERS, source.venue))
        if trouble := next(filter(None, (self.trouble(*one) for one in inputs)), ""):
            return trouble
        return self._watches[BALANCES, source.venue].stale(self.seconds())

    def held(self, venue: str, asset: str) -> Decimal:
        """What decisions count on: the balance that the venue reports, or what is expected while that is doubted."""
        believed = self.plausible.believed(venue, asset)
        if believed is None:
            return self.balances.balance(venue, asset)
        return believed - self._apart(venue, asset)

    def troubles(self) -> tuple[str, ...]:
        """Everything that does not count now."""
        at = self.seconds()  # of all that are connected at once: this is asked with every turn and every order
        found = (
            watch.trouble(at)
            if kind != RATE and self.connected.get(self._venues[where], False)
            else self.trouble(kind, where)
            for (kind, where), watch in self._watches.items()
        )
        return tuple(dict.fromkeys(trouble for trouble in found if trouble))

    def statuses(self) -> tuple[InputStatus, ...]:
        """Each input with its age and trouble, for the operator."""
        return tuple(
            InputStatus(
                watch.name,
                None if watch.confirmed is None else max(0.0, self._clock(kind) - watch.confirmed),
                watch.limit,
                self.trouble(kind, venue),
            )
            for (kind, venue), watch in self._watches.items()
            if kind != RATE or self.layout.rate_ticker  # nobody waits for a rate where both pairs have one currency
        )

    def expires(self) -> float | None:
        """In how many reactor seconds the next input measured by the reactor becomes too old; None when none can."""
        at = self.seconds()
        times = [
            expiry - at
            for (kind, _), watch in self._watches.items()
            if kind != RATE and (expiry := watch.expires()) is not None and expiry >= at
        ]
        return min(times, default=None)

    def ageing(self) -> tuple[tuple[str, str], ...]:
        """Inputs (kind, place) of connected venues to be read again: unconfirmed for half their limit, or in a bad spell."""
        at = self.seconds()
        return tuple(key for key, again in self._again() if again is None or again <= at)

    def ages_at(self) -> float | None:
        """In how many reactor seconds the next input will have to be read again; None when none will."""
        at = self.seconds()
        return min((again - at for _, again in self._again() if again is not None and again > at), default=None)

    def _again(self) -> Iterable[tuple[tuple[str, str], float | None]]:
        for (kind, where), watch in self._watches.items():
            if kind != RATE and self.connected.get(self._venues[where], False):
                again = watch.read_again()
                soon = self.plausible.look_again(where) if kind == BALANCES else None
                yield (kind, where), again if again is None or soon is None else min(again, soon)

    def rate_expires(self) -> float | None:
        """In how many world seconds the rate becomes too old, by its fetch or by its fixing."""
        now, expiries = self._world(self.now()), [self._watches[RATE, ""].expires()]
        if self.rate is not None and self.rate.fixing is not None:
            expiries.append(self._world(self.rate.fixing) + self.ages.fixing)
        left = (expiry - now for expiry in expiries if expiry is not None and expiry >= now)
        return min(left, default=None) if self.layout.rate_ticker else None

    def marks(self) -> dict[str, Decimal] | None:
        """Value of one unit of each asset in the numeraire; None while something is missing."""
        now_mid = mid(self.book(self.layout.source))
        if now_mid is None or (self.layout.rate_ticker and self.rate is None):
            return None
        marks = {self.layout.numeraire: ONE, self.layout.base: now_mid}
        if self.rate is not None:
            marks.setdefault(self.layout.target.quote, self.rate.mid)
        return marks

    def reference(self, pair: Pair) -> Decimal | None:
        """The last good price of the pair, for the gate."""
        if pair.quote == self.layout.numeraire or self.good_mid is None:
            return self.good_mid
        return self.good_mid / self.good_rate if self.good_rate else None

    # ------------------------------------------------------------------------------------------------------ details

    def _refused(self, venue: str, positions: Iterable[Position]) -> bool:
        """Whether a report of a holding of the pool has a figure that is no number: it is doubted until it has."""
        wrong = [one for one in positions if not _is_amount(one) and (venue, one["contract"]) in self.layout.holdings]
        for position in wrong:
            figure = next(figure for figure in _figures(position) if not figure.is_finite())
            self.plausible.refuse(venue, position["contract"], figure)
        return bool(wrong)

    def _judge(self, venue: str, asset: str) -> None:
        if (venue, asset) in self.layout.holdings:
            self.plausible.judge(venue, asset, self.balances.balance(venue, asset) + self._apart(venue, asset))

    def _apart(self, venue: str, asset: str) -> Decimal:
        """What a reserve has lent is part of what it is expected to have: it goes back and forth as its owner likes."""
        return self.balances.lent(venue, asset) if (venue, asset) in self.layout.reserves else Decimal(0)

    def _told_balances(self, venue: str, *, complete: bool) -> None:
        watch, at = self._watches[BALANCES, venue], self.seconds()
        if why := self.plausible.doubt(venue):
            watch.insane(at, why, AGAIN)
        elif complete or watch.faulty:
            watch.good(at)
        else:
            watch.confirm(at)

    def _world(self, time: datetime) -> float:
        return (time - self._since).total_seconds()

    def _clock(self, kind: str) -> float:
        return self._world(self.now()) if kind == RATE else self.seconds()

    def _rate_trouble(self) -> str:
        if not self.layout.rate_ticker:
            return ""
        watch, at = self._watches[RATE, ""], self._world(self.now())
        if trouble := watch.trouble(at):
            return trouble
        if self.rate is None:
            return f"{watch.name}: nothing received yet"
        if self.rate.fixing is not None and self.now() - self.rate.fixing > timedelta(seconds=self.ages.fixing):
            return f"rate: fixed on {self.rate.fixing:%Y-%m-%d}, allowed {self.ages.fixing / 86400:g} days"
        return self._cross.trouble(at)

    def _compare(self) -> None:
        """Compare the rate with what the two books imply, where others quote both sides of both."""
        at = self._world(self.now())
        source, target = (self.others(pair) for pair in self.layout.pairs)
        if self.rate is None or not (source.bids and source.asks and target.bids and target.asks):
            self._cross.good(at)
            return
        implied = (source.bids[0][0] + source.asks[0][0]) / (target.bids[0][0] + target.asks[0][0])
        if abs(self.rate.mid / implied - ONE) <= self.ages.implied_cross:
            self._cross.good(at)
            return
        far = f"{self.rate.mid:.6g} is far from {implied:.6g} that the books imply, allowed {self.ages.implied_cross:%}"
        self._cross.insane(at, far)
