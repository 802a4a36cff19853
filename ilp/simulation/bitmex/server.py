"""A simulated BitMEX that listens: REST under `/api/v1` and WebSocket under `/realtime` on one TCP port.

Puts the layers of this package together and gives the administrator and the faults something to act on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.web.resource import Resource

from ilp.clock import WorldClock
from ilp.simulation.bitmex.auth import ALL, Key, Keys
from ilp.simulation.bitmex.calendar import Calendar
from ilp.simulation.bitmex.entry import Entry
from ilp.simulation.bitmex.faults import Faults
from ilp.simulation.bitmex.feeds import Feeds
from ilp.simulation.bitmex.http import Api
from ilp.simulation.bitmex.limits import Limits
from ilp.simulation.bitmex.listings import Listing
from ilp.simulation.bitmex.margin import BitmexRules, Book, MarginCore
from ilp.simulation.bitmex.market import Market
from ilp.simulation.bitmex.money import Money
from ilp.simulation.bitmex.orders import Desk, Guids, stamp
from ilp.simulation.bitmex.query import Parameters
from ilp.simulation.bitmex.rest import Endpoints
from ilp.simulation.bitmex.socket import Connection, Connections
from ilp.simulation.contracts import Currency
from ilp.simulation.ports import Port
from ilp.simulation.records import Event

__all__ = ["DIALECTS", "BitmexVenue", "make_core"]

DIALECTS = ("superset", "old", "current")
_FIRST_ACCOUNT = 100_001


def make_core(
    now: Any, listings: Iterable[Listing], *, venue: str = "bitmex", currencies: Mapping[str, Currency] | None = None
) -> MarginCore:
    """A core that trades *listings*; positions count as currencies of it, under the symbols.

    :param currencies: by ticker, in place of the listings' own, for instance with a withdrawal fee.
    """
    by_symbol = {listing.symbol: listing for listing in listings}
    held: dict[str, Currency] = {}
    for listing in by_symbol.values():
        for currency in (listing.pair.base, listing.pair.quote):
            held[currency.ticker] = (currencies or {}).get(currency.ticker, currency)
    positions = Book(by_symbol)
    rules = BitmexRules(listings=by_symbol, positions=positions)
    core = MarginCore(now, held.values(), [li.pair for li in by_symbol.values()], rules=rules, venue=venue)
    core.positions = positions
    core.marks = lambda symbol: 0
    return core


class BitmexVenue:
    """One exchange over one core made by `make_core`.

    :param world: the clock that stamps everything and turns days.
    :param reactor: for sockets, throttles and the dead man's switch.
    :param seed: what order ids are drawn from.
    :param dialect: `superset` (what every client understands), `old` (computed level ids) or `current` (nulls and
        descriptions left out, newer texts).
    :param limits: requests a minute of an account and of an address without a key, and order entries a second.
    """

    def __init__(
        self,
        core: MarginCore,
        world: WorldClock,
        reactor: Any,
        *,
        seed: int = 0,
        dialect: str = "superset",
        limits: tuple[int, int, int] = (120, 30, 10),
    ) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"dialect {dialect!r} is not allowed; {', '.join(DIALECTS)}")
        self.core = core
        self.reactor = reactor
        self.keys = Keys()
        self.faults = Faults()
        self._numbers: dict[str, int] = {}
        self._switches: dict[str, IDelayedCall] = {}
        self._connections: dict[Connection, None] = {}
        self._frozen: list[tuple[Connection, bytes]] | None = None
        guids = Guids(random.Random(f"{seed}/{core.venue}"))
        listings = core.positions.listings
        desk = Desk(guids, self._numbers.get, listings.__getitem__)
        self.entry = Entry(core, desk, listings, guids, self._tell, old_words=dialect != "current")
        self.market = Market(core, listings, self.entry.trade_id, computed_ids=dialect == "old")
        core.marks = self.market.mark
        self.money = Money(
            core, desk, listings, guids, self._numbers.get, self._money_changed, self._transacted,
        )  # fmt: skip
        self.feeds = Feeds(
            self.market, self.entry, self.money, self.faults, reactor, self._numbers.get, current=dialect == "current"
        )
        self._calendar = Calendar(world, self.market, self.entry, self.money, self.feeds, self._numbers.get)
        endpoints = Endpoints(self.market, self.entry, self.money, self.feeds, self.cancel_all_after)
        self.limits = Limits(reactor.seconds, *limits)
        self._api = Api(endpoints, self.keys, self.limits, self.faults, self._signing_time, reactor)
        self._port = Port(self._root(), reactor, now=self.now)
        self._host = "127.0.0.1"
        self._install_faults()
        self.feeds.start()
        self._unsubscribe = core.subscribe(self._handle)

    def _root(self) -> Resource:
        root = Resource()
        root.putChild(b"api", self._api)
        for path in (b"realtime", b"realtimePlatform"):
            root.putChild(path, WebSocketResource(Connections(self)))
        return root

    # ---------------------------------------------------------------------------------------------------- life

    @property
    def endpoint(self) -> str:
        """Where REST is asked, without the path."""
        return f"http://{self._host}:{self._port.number}"

    @property
    def socket_endpoint(self) -> str:
        """Where WebSockets connect to."""
        return f"ws://{self._host}:{self._port.number}/realtime"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port.number

    def add_user(self, name: str, key: str, secret: str, permissions: frozenset[str] = ALL) -> Key:
        """Give an account of the core an API key; the account is opened when there is none."""
        if name not in self.core.accounts:
            self.core.open_account(name)
        first = name not in self._numbers
        number = self._numbers.setdefault(name, _FIRST_ACCOUNT + len(self._numbers))
        if first:
            self.money.open(name)
        return self.keys.add(Key(key, secret, name, number, permissions))

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> Deferred[None]:
        """Accept connections; port 0 takes any free one.  Fails with `CannotListenError`."""
        self._host = interface

        def listening(_: None) -> None:
            self._calendar.start()

        return self._port.listen(port, interface).addCallback(listening)

    def stop(self) -> Deferred[None]:
        """Drop every connection and stop; fires when nothing is left behind.  The core stays as it is."""
        self._unsubscribe()
        self._calendar.stop()
        self.feeds.stop()
        self._api.stop()
        for switch in self._switches.values():
            if switch.active():
                switch.cancel()
        return self._port.stop()

    # ---------------------------------------------------------------------------------------------- the inside

    def _handle(self, event: Event) -> None:
        self.feeds.handle(event)
        self.entry.handle(event)
        self.money.handle(event)

    def _tell(self, table: str, action: str, row: dict[str, Any], account: str) -> None:
        self.feeds.tell(table, action, row, account)

    def _money_changed(self, account: str) -> None:
        self.feeds.money_changed(account)

    def _transacted(self, account: str, action: str, row: dict[str, Any]) -> None:
        self.feeds.transacted(account, action, row)

    def _signing_time(self) -> float:
        # Our own clients may live in the world's time, foreign ones live in the machine's: neither is refused.
        return min(time.time(), self.core.now().timestamp())

    # ---------------------------------------------------------------------------------------------- connections

    def login(self, headers: Mapping[str, str], peer: str) -> Key | None:
        """Who opens a WebSocket with these credentials; None without any."""
        return self.keys.of_headers(headers, "GET", "/realtime", b"", self._signing_time(), peer)

    def now(self) -> datetime:
        """The world's time."""
        return self.core.now()

    def opened(self, connection: Connection) -> None:
        """A connection is open."""
        self._connections[connection] = None
        self.feeds.subscribers[connection] = None

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)
        self.feeds.subscribers.pop(connection, None)

    def hold_back(self, connection: Connection, frame: bytes) -> bool:
        """Whether the venue is frozen; the frame is kept for later then."""
        if self._frozen is not None:
            self._frozen.append((connection, frame))
        return self._frozen is not None

    def cancel_all_after(self, account: str, milliseconds: int) -> dict[str, Any]:
        """Arm, rearm or (0) disarm the dead man's switch of an account."""
        before = self._switches.pop(account, None)
        if before is not None and before.active():
            before.cancel()
        now = self.core.now()
        if not milliseconds:
            return {"now": stamp(now), "cancelTime": 0}
        words = "Canceled by cancelAllAfter"
        self._switches[account] = self.reactor.callLater(
            milliseconds / 1000, lambda: self.entry.cancel_all(account, Parameters({}), words)
        )
        return {"now": stamp(now), "cancelTime": stamp(now + timedelta(milliseconds=milliseconds))}

    # --------------------------------------------------------------------------------------------------- faults

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch misbehaviour; see `faults`.  Answers the switches as they are now."""
        return self.faults.apply(wanted) | {"frozen": self._frozen is not None}

    def _install_faults(self) -> None:
        self.faults.actions.update(
            hold_partials=self.feeds.hold_partials,
            unknown_update=self.feeds.unknown_update,
            garbage=lambda _: self._everywhere(lambda connection: connection.send(b"\x00 no JSON")),
            disconnect=lambda _: self._disconnect(),
            down=self._down,
            freeze=self._freeze,
            cancel_all=self._cancel_all,
        )

    def _everywhere(self, act: Any) -> None:
        for connection in tuple(self._connections):
            act(connection)

    def _disconnect(self) -> None:
        self._port.drop()

    def _cancel_all(self, symbol: str) -> None:
        self.core.cancel_all(contract=symbol or None)

    def _down(self, down: bool) -> None:
        self._port.refusing = down
        if down:
            self._port.drop()

    def _freeze(self, frozen: bool) -> None:
        held, self._frozen = self._frozen or [], [] if frozen else None
        self._port.pause(frozen)
        for connection, frame in held:
            connection.send(frame)
