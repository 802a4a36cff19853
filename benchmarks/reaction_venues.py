"""The venues of the reaction benchmark, in a process of their own: `python -m benchmarks.reaction_venues --rate 1000 …`.

Two simulated Sputnik exchanges on loopback sockets.  The source publishes books of 20 levels a side at the wished rate,
the target a tenth as many.  From time to time the source jumps so far that one side of the pool's quote gives money away,
and a customer takes a quote.  Stamped are: the instant before a frame is handed to the WebSocket, and the instant at which
a frame of the pool has been read and unmasked, so that the venue's own work counts against the pool.

Talks to its parent in lines: prints its endpoints as JSON, reads `go`, prints the results as JSON, and ends with its
standard input.
"""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from random import Random
from time import perf_counter
from typing import Any

from attrs import define, evolve, field
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from benchmarks.policies import Bounds, Exposed, Polling, References
from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.monitor import RestingMonitor
from ilp.simulation.records import BookChanged, BookSnapshot, Event, Order, OrderChanged
from ilp.simulation.scenario import BTC, HUF, USD, pair
from ilp.simulation.sputnik.server import SputnikVenue
from ilp.simulation.sputnik.wire import book_document

reactor: Any = _reactor
D = Decimal
POOL, SECRET, OTHERS = "pool", "reaction-benchmark", "others"
MID, RATE, FEE = 10_000.0, 300.0, 0.0005  # dollars, forints a dollar, of both venues
SIZE = 0.1  # of the pool's quotes, base units
ENTER, LEAVE, DROP = 15.0, 8.0, 22.0  # edges, dollars
JUMP = 30.0  # dollars: beyond both ends of the band, so that both quotes have to move
LEVELS, HALF = 20, 0.5
CENT = 100  # on the source's wire
SOURCE = pair("BTC/USD", BTC, USD, D("0.01"), D("0.01"), D("0.0005"))
TARGET = pair("BTC/HUF", BTC, HUF, D("0.01"), D("1"), D("0.0005"))
SETTLED = 0.15  # seconds that both quotes rest before something happens to them
LOST = 5.0  # seconds after which a reaction counts as missing


class Watched(SputnikVenue):
    """A venue that tells at which instant a call of the pool had come."""

    heard: Any = staticmethod(lambda at, procedure, arguments: None)

    def open_session(self, peer: Any, codec: Any) -> Any:
        return _Ears(super().open_session(peer, codec), self)


@define
class _Ears:
    session: Any
    venue: Watched

    def received(self, payload: bytes) -> None:
        at = perf_counter()
        self.session.received(payload)
        if payload.startswith(b"[48,") and (b"place_order" in payload or b"cancel_order" in payload):
            message = json.loads(payload)
            self.venue.heard(at, message[3], message[4])

    def lost(self) -> None:
        self.session.lost()


@define
class Waiting:
    """A reaction that is being waited for."""

    side: str
    since: float
    order: int = 0


@define(eq=False)
class Market:
    """What happens at both venues, and what the pool made of it."""

    rate: float
    random: Random
    jumps_every: float
    fills_every: float
    touch: bool
    tick: bool
    clock: WorldClock = field(factory=lambda: WorldClock(reactor))
    source: Watched = field(init=False)
    target: Watched = field(init=False)
    mid: float = MID
    sent: int = 0
    running: bool = False
    results: dict[str, list[float]] = field(factory=lambda: {"cancel": [], "quote": [], "hedge": [], "late": []})
    missing: dict[str, int] = field(factory=lambda: {"cancel": 0, "quote": 0, "hedge": 0})
    jumps: int = 0
    fills: int = 0
    monitor: RestingMonitor = field(init=False)
    _drift: float = 0.0
    _cancels: list[Waiting] = field(factory=list)
    _quotes: list[Waiting] = field(factory=list)
    _hedge: Waiting | None = None
    _resting: dict[str, tuple[float, float]] = field(factory=dict)
    _orders: dict[str, Order] = field(factory=dict)
    _since_change: float = 0.0
    _next_jump: float = 0.0
    _next_fill: float = 0.0
    _backing: list[int] = field(factory=list)
    _far: list[int] = field(factory=list)
    _template: BookSnapshot = field(init=False)
    _exposed: dict[str, Exposed] = field(init=False)
    _pollers: dict[str, Polling] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.source = self._venue("source", [BTC, USD], SOURCE, 1)
        self.target = self._venue("target", [BTC, HUF], TARGET, 2)
        bounds = Bounds(ENTER * RATE, LEAVE * RATE, DROP * RATE)
        self._exposed = {name: Exposed(bounds) for name in ("event-driven", "every 1 s", "every 5 s")}
        self._pollers = {"every 1 s": Polling(1.0, bounds, SIZE), "every 5 s": Polling(5.0, bounds, SIZE)}
        self.monitor = RestingMonitor(self.target.core, POOL, "BTC/HUF", int(SIZE * 10**8))
        self.target.heard, self.source.heard = self._heard_by_target, self._heard_by_source
        self.target.core.subscribe(self._stamp)  # before the feeds, which send
        self._set_source()
        self._fill_target()

    def _venue(self, name: str, currencies: list[Any], market: Any, seed: int) -> Watched:
        core = Core(self.clock.now, currencies, [market], venue=name, history=2000)
        for account, coins in ((POOL, 50), (OTHERS, 10**6)):
            core.open_account(account)
            for currency in currencies:
                amount = coins if currency is BTC else coins * (10_000 if currency is USD else 3_000_000)
                core.endow(account, currency.ticker, currency.units(amount))
        venue = Watched(core, self.clock, reactor, seed=seed)
        venue.add_user(POOL, SECRET)
        return venue

    # ---------------------------------------------------------------------------------------------------- the market

    async def listen(self) -> dict[str, str]:
        """Accept connections; the endpoints by venue."""
        await self.source.listen()
        await self.target.listen()
        # The source's books are published by hand, at the wished rate, and not whenever its core has one.
        self.source.feeds.stop()
        self.source.core.subscribe(self._of_source)
        self.target.core.subscribe(self._of_target)
        return {"source": self.source.endpoint, "target": self.target.endpoint}

    def _of_source(self, event: Event) -> None:
        if not isinstance(event, BookChanged):
            self.source.feeds.on_event(event)

    def _set_source(self) -> None:
        """Liquidity that hedges meet: deep, at the published best prices."""
        core = self.source.core
        for id in self._backing:
            if not core.order(id).final:
                core.cancel(OTHERS, id)
        prices = ((Side.BUY, self.mid - HALF), (Side.SELL, self.mid + HALF))
        self._backing = [core.place(OTHERS, "BTC/USD", side, _cents(price), 100 * 10**8).id for side, price in prices]
        self._template = self._ladder()

    def _ladder(self) -> BookSnapshot:
        quantities = [self.random.randrange(500, 3000) * 10**5 for _ in range(2 * LEVELS)]
        bids = tuple((_cents(self.mid - HALF - 0.5 * n), quantities[n]) for n in range(LEVELS))
        asks = tuple((_cents(self.mid + HALF + 0.5 * n), quantities[LEVELS + n]) for n in range(LEVELS))
        return BookSnapshot("BTC/USD", bids, asks)

    def _fill_target(self) -> None:
        """Others' orders, far from the pool's: 20 levels a side."""
        for level in range(LEVELS):
            for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
                price = round(MID * RATE * (1 + sign * (0.03 + 0.001 * level))) * 100
                self._far.append(self.target.core.place(OTHERS, "BTC/HUF", side, price, 10**7).id)

    def publish(self) -> None:
        """One more book of the source: a size changed, now and then the price a little."""
        book = self._template
        row = 0 if self.touch or self.tick else self.random.randrange(LEVELS)
        side = "bids" if self.random.random() < 0.5 else "asks"
        rows = list(getattr(book, side))
        price = rows[row][0]
        if self.tick:  # to and fro between the best price of the ladder and a cent behind it
            best = _cents(self.mid + (HALF if side == "asks" else -HALF))
            price = best if price != best else best + (CENT if side == "asks" else -CENT)
        rows[row] = price, self.random.randrange(500, 3000) * 10**5
        book = self._template = evolve(book, **{side: tuple(rows)})
        self.source.feeds.published["BTC/USD"] = book
        document = book_document(book, self.random)
        now = perf_counter()
        self.source.feeds.realm.publish("feeds.market.book.btc_usd", document)
        self.sent += 1
        self._look(now)

    def wiggle(self) -> None:
        """A change of the target's book that has nothing to do with the pool."""
        core, at = self.target.core, self.random.randrange(len(self._far))
        old = core.order(self._far[at])
        core.cancel(OTHERS, old.id)
        self._far[at] = core.place(OTHERS, "BTC/HUF", old.side, old.price, self.random.randrange(5, 20) * 10**6).id

    # ---------------------------------------------------------------------------------------------------- the events

    def begin(self) -> None:
        """From now on everything counts."""
        self.running = True
        now = perf_counter()
        self._next_jump, self._next_fill = now + self.jumps_every, now + self.fills_every / 2
        self.sent = 0

    def end(self, seconds: float) -> dict[str, Any]:
        """The results of *seconds*."""
        self.running = False
        self._give_up(float("inf"))
        exposed = {
            name: {"area": one.area, "quoted": one.quoted / (2 * seconds), "worst": one.worst}
            for name, one in self._exposed.items()
        }
        return {
            "updates": self.sent,
            "jumps": self.jumps,
            "fills": self.fills,
            "reactions": self.results,
            "missing": self.missing,
            "exposed": exposed,
            "most_resting": max(self.monitor.worst.values()) / 10**8,
            "breaches": len(self.monitor.breaches),
        }

    def step(self) -> None:
        """What is due now besides books: jumps and customers."""
        now = perf_counter()
        self._give_up(now - LOST)
        settled = len(self._resting) == 2 and now - self._since_change > SETTLED
        if not self.running or not settled or self._cancels or self._quotes or self._hedge:
            return
        if now >= self._next_jump:
            self._next_jump = now + self.random.expovariate(1 / self.jumps_every)
            self._jump()
        elif now >= self._next_fill:
            self._next_fill = now + self.random.expovariate(1 / self.fills_every)
            self._take()

    def _jump(self) -> None:
        up = self.random.random() < (0.5 if abs(self.mid - MID) < 2 * JUMP else float(self.mid < MID))
        adverse = "ask" if up else "bid"
        self.mid += JUMP if up else -JUMP
        self._set_source()
        self.jumps += 1
        since = perf_counter()
        self._cancels.append(Waiting(adverse, since, self._orders[adverse].id))
        self._quotes.append(Waiting(adverse, since))
        self.publish()

    def _take(self) -> None:
        side = self.random.choice(("bid", "ask"))
        order = self._orders[side]
        self.fills += 1
        self._hedge = Waiting("SELL" if side == "bid" else "BUY", perf_counter())
        taker = Side.SELL if side == "bid" else Side.BUY
        self.target.core.place(OTHERS, "BTC/HUF", taker, order.price, order.quantity_left, immediate=True)

    def _stamp(self, event: Event) -> None:
        """A fill of the pool's is about to be sent."""
        if self._hedge is not None and isinstance(event, OrderChanged) and event.order.account == POOL:
            self._hedge.since = perf_counter()

    def _heard_by_target(self, at: float, procedure: str, arguments: list[Any]) -> None:
        if procedure.endswith("cancel_order"):
            for waiting in [one for one in self._cancels if one.order == int(arguments[0])]:
                self._cancels.remove(waiting)
                self.results["cancel"].append(at - waiting.since)
        else:
            side = "bid" if arguments[0]["side"] == "BUY" else "ask"
            for waiting in [one for one in self._quotes if one.side == side]:
                self._quotes.remove(waiting)
                self.results["quote"].append(at - waiting.since)

    def _heard_by_source(self, at: float, procedure: str, arguments: list[Any]) -> None:
        waiting = self._hedge
        if waiting is not None and procedure.endswith("place_order") and arguments[0]["side"] == waiting.side:
            self._hedge = None
            self.results["hedge"].append(at - waiting.since)

    def _give_up(self, before: float) -> None:
        for name, waiting in (("cancel", self._cancels), ("quote", self._quotes)):
            for one in [one for one in waiting if one.since < before]:
                waiting.remove(one)
                self.missing[name] += 1
        if self._hedge is not None and self._hedge.since < before:
            self._hedge = None
            self.missing["hedge"] += 1

    def _of_target(self, event: Event) -> None:
        """What rests of the pool's has perhaps changed."""
        orders = {"bid" if o.side is Side.BUY else "ask": o for o in self.target.core.open_orders(POOL)}
        resting = {side: (o.price / 100, o.quantity_left / 10**8) for side, o in orders.items()}
        if resting != self._resting:
            now = perf_counter()
            self._resting, self._orders, self._since_change = resting, orders, now
            self._look(now)

    def _look(self, now: float) -> None:
        """Keep account of who is exposed."""
        if not self.running:
            return
        book = self._template
        best_bid, best_ask = book.bids[0][0] / 10_000, book.asks[0][0] / 10_000
        at = References(
            best_bid * (1 - FEE) * RATE / (1 + FEE),
            best_ask * (1 + FEE) * RATE / (1 - FEE),
        )
        self._exposed["event-driven"].see(now, self._resting, at)
        for name, poller in self._pollers.items():
            poller.look(now, at)
            self._exposed[name].see(now, {side: (price, SIZE) for side, price in poller.quotes.items()}, at)


def _cents(dollars: float) -> int:
    return round(dollars * 100) * 100  # USD on this wire counts hundredths of a cent, the tick is a cent


class Parent(LineReceiver):
    """Standard input: `go` begins the measuring; its end ends the process."""

    delimiter = b"\n"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.market = Market(
            options.rate, Random(options.seed), options.jumps_every, options.fills_every, options.touch, options.tick
        )
        self._began = perf_counter()
        self._rate = 20.0
        self._done = 0
        self._wiggled = 0
        self._late = 0.0

    def connectionMade(self) -> None:
        def listening(endpoints: dict[str, str]) -> None:
            self.say(endpoints)
            self._tick()

        Deferred.fromCoroutine(self.market.listen()).addCallbacks(listening, self._failed)

    def say(self, document: dict[str, Any]) -> None:
        """One line for the parent, by the transport: the results of an hour are more than a pipe takes at once."""
        self.sendLine(json.dumps(document).encode())

    def lineReceived(self, line: bytes) -> None:
        if line.strip() == b"warm":
            self._pace(self.options.rate)
        elif line.strip() == b"quotes":
            self.say({"quotes": len(self.market._resting)})
        elif line.strip() == b"go":
            self.market.begin()
            began = perf_counter()
            reactor.callLater(self.options.seconds, lambda: self.say(self.market.end(perf_counter() - began)))

    def connectionLost(self, reason: Any = None) -> None:
        if reactor.running:
            reactor.stop()

    def _pace(self, rate: float) -> None:
        self._began, self._rate, self._done, self._wiggled = perf_counter(), rate, 0, 0

    def _tick(self) -> None:
        """Publish what is due by now; what this process cannot keep up with is skipped, and the figures tell."""
        reactor.callLater(max(0.0005, min(0.02, 1 / self._rate)), self._tick)
        due = int((perf_counter() - self._began) * self._rate)
        if due - self._done > self._rate / 5:
            self._done = due - 1
        while self._done < due:
            self._done += 1
            self.market.publish()
            if self._done % 20 == 0:
                self.market.wiggle()  # two books of the target each
        self.market.step()

    def _failed(self, failure: Any) -> None:
        sys.stderr.write(f"the venues could not start: {failure.value}\n")
        reactor.stop()


def main() -> None:
    """Run until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000.0, help="books of the source a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long is measured")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jumps-every", type=float, default=0.5, help="mean seconds between two adverse jumps")
    parser.add_argument("--fills-every", type=float, default=0.8, help="mean seconds between two fills")
    parser.add_argument("--touch", action="store_true", help="every book changes the size at the best price")
    parser.add_argument("--tick", action="store_true", help="every book moves a best price by a tick")
    StandardIO(Parent(parser.parse_args()))
    reactor.run()


if __name__ == "__main__":
    main()
