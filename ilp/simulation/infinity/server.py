"""A simulated Infinity that listens: REST and, on `/ws` and wherever else it is asked for, WebSocket on one TCP port.

Puts the parts of this package together and gives the administrator and the faults something to act on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource
from twisted.web.server import Request

from ilp.clock import WorldClock
from ilp.simulation.infinity.accounts import Accounts
from ilp.simulation.infinity.auth import Access
from ilp.simulation.infinity.faults import Faults
from ilp.simulation.infinity.feeds import Feeds
from ilp.simulation.infinity.funding import Funding
from ilp.simulation.infinity.market import Market
from ilp.simulation.infinity.members import Members, User
from ilp.simulation.infinity.past import Past
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.rest import Api, Gateway, Seen
from ilp.simulation.infinity.socket import Connections
from ilp.simulation.infinity.tickets import Tickets
from ilp.simulation.infinity.trading import Trading
from ilp.simulation.infinity.transactions import Transactions
from ilp.simulation.infinity.valuation import Valuation
from ilp.simulation.records import Event, TransferStatus, WithdrawalChanged
from ilp.simulation.served import Served

__all__ = ["InfinityVenue"]


class _Root(Resource):
    """WebSocket for whoever asks for an upgrade, REST for everybody else."""

    def __init__(self, api: Resource, sockets: Any) -> None:
        super().__init__()
        self._api, self._sockets = api, sockets

    def getChild(self, path: bytes, request: Request) -> Resource:
        upgrade = (request.getHeader("Upgrade") or "").lower() == "websocket"
        chosen: Resource = self._sockets if upgrade else self._api
        return chosen


class InfinityVenue(Served):
    """One exchange over one core.

    :param clock: the world's; its reactor serves the sockets.
    :param seed: what nonces and the secret of tokens are drawn from.
    :param settles_after: world seconds until a withdrawal has left; None: until somebody completes it.
    :param tls: certificate to serve `https` and `wss` with; None for plain connections.
    :ivar gateway: what every call ends in, for whoever does without a socket.
    """

    socket_path = "/ws"
    core: RateCore

    def __init__(
        self,
        core: RateCore,
        clock: WorldClock,
        *,
        seed: int = 0,
        chain_id: int = 11155111,
        settles_after: float | None = 60.0,
        tls: CertificateOptions | None = None,
    ) -> None:
        super().__init__(core, clock.reactor, tls)
        self.clock = clock
        self.faults = Faults()
        self.seen = Seen()
        self.members = Members(core)
        self.access = Access(self.members, core.now, Random(f"{seed}/{core.venue}/login"), chain_id)
        self.tickets = Tickets(self.members)
        self.valuation = Valuation(core)
        self.transactions = Transactions(core, self.members)
        self.market = Market(core, self.valuation)
        self.past = Past(self.market)
        self.feeds = Feeds(self.market, self.members, self.tickets)
        self.trading = Trading(core, self.tickets)
        core.collateral = self.valuation.can_borrow
        self._settles_after = settles_after
        self._sockets = Connections(self.reactor, self)
        self._roll: IDelayedCall | None = None
        self.gateway = self._make_gateway()
        self._serve(_Root(Api(self.gateway), WebSocketResource(self._sockets)), self._sockets)
        self._unsubscribe = core.subscribe(self._take)
        self._live = True
        core.afterwards(self._flush)
        core.rolled.append(self.past.note_total)
        self.faults.actions.update(self._actions())

    def _make_gateway(self) -> Gateway:
        accounts = Accounts(self.core, self.market, self.valuation, self.transactions)
        gateway = Gateway(self.access, self.faults, self.seen, self.later, self.core.catch_up)
        gateway.public |= {**self.market.calls(), **self.past.calls()}
        gateway.private |= {**self.trading.calls(), **accounts.calls(), **Funding(self.core, self.market).calls()}
        return gateway

    # ---------------------------------------------------------------------------------------------------- life

    def add_user(self, name: str, address: str) -> User:
        """A user who logs in with the wallet *address*, with a Current and a Trading account."""
        return self.members.add(name, address)

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> Deferred[None]:
        """Accept connections and roll over each day; see `Served`."""
        return super().listen(port, interface).addCallback(lambda _: self._await_roll())

    def stop(self) -> Deferred[None]:
        """See `Served`."""
        self._unsubscribe()
        self._live = False
        if self._roll is not None and self._roll.active():
            self._roll.cancel()
        return super().stop()

    def _await_roll(self) -> None:
        wait = max(0.0, (self.core.next_roll - self.core.now()).total_seconds())
        self._roll = self.clock.call_later(wait, self._roll_over)

    def _roll_over(self) -> None:
        self.core.catch_up()
        self._await_roll()

    # ---------------------------------------------------------------------------------------------------- events

    def _take(self, event: Event) -> None:
        self.valuation.take(event)
        self.transactions.take(event)
        self.feeds.take(event, self.tickets.take(event))
        if isinstance(event, WithdrawalChanged) and event.withdrawal.status is TransferStatus.PENDING:
            self._settle_later(event.withdrawal.id)

    def _settle_later(self, id: int) -> None:
        if self._settles_after is not None:
            digest = hashlib.sha256(f"{self.core.venue}/{id}".encode()).hexdigest()
            self._keep(self.clock.call_later(self._settles_after, self._settle, id, f"0x{digest}"))

    def _settle(self, id: int, reference: str) -> None:
        pending = {one.id for one in self.core.withdrawals() if one.status is TransferStatus.PENDING}
        if id in pending:  # an administrator may have been quicker
            self.core.complete_withdrawal(id, reference)

    def _flush(self) -> None:
        if self._live:
            self.feeds.flush()

    # --------------------------------------------------------------------------------------------------- faults

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch misbehaviour; see `faults`.  Answers the switches as they are now."""
        return self.faults.apply(wanted)

    def _actions(self) -> dict[str, Callable[[Any], object]]:
        return self._line_actions() | {
            "true_statuses": lambda on: setattr(self.tickets, "compatible", not on),
            "revoke_tokens": lambda _: self.access.revoke_all(),
            "close": self._sockets.close,
        }
