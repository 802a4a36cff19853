"""A simulated Kraken that listens: one TCP port with REST below `/0` and WebSocket v2 at `/v2` and `/auth/v2`.

Puts the parts of this package together and gives the administrator and the faults something to act on.  Third-party
clients are pointed here by their own options for the address, nothing else of them has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource

from ilp.simulation.core import Core, from_micros
from ilp.simulation.records import Event
from ilp.simulation.served import Served

from .account import AccountCalls
from .auth import Key, Keys
from .entries import Entries
from .faults import Faults
from .feeds import Feeds
from .funding import Funding, SavedAddress
from .listings import Listings
from .market import Market
from .orders import OrderCalls
from .reports import Reports
from .rest import Call, Gateway, rest_resource
from .socket import Connections
from .trading import Trading

__all__ = ["KrakenVenue"]

_OPEN, _CLOSED, _FUNDS = ("query_open_orders",), ("query_closed_orders",), ("query_funds",)
_RIGHTS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "Balance": (_FUNDS, 1),
    "BalanceEx": (_FUNDS, 1),
    "TradeBalance": (_FUNDS, 1),
    "TradeVolume": (_FUNDS, 1),
    "DepositMethods": (("query_funds", "deposit"), 1),
    "DepositAddresses": (("query_funds", "deposit"), 1),
    "DepositStatus": (_FUNDS, 1),
    "WithdrawMethods": (("withdraw",), 1),
    "WithdrawAddresses": (("withdraw",), 1),
    "WithdrawInfo": (("withdraw",), 1),
    "Withdraw": (("withdraw",), 1),
    "WithdrawStatus": (("withdraw", "query_ledger"), 1),
    "WithdrawCancel": (("withdraw",), 1),
    "OpenOrders": (_OPEN, 1),
    "ClosedOrders": (_CLOSED, 1),
    "QueryOrders": (("query_open_orders", "query_closed_orders"), 1),
    "TradesHistory": (_CLOSED, 2),
    "QueryTrades": (_CLOSED, 1),
    "Ledgers": (("query_ledger",), 2),
    "QueryLedgers": (("query_ledger",), 2),
    "AddOrder": (("modify_orders",), 0),
    "AddOrderBatch": (("modify_orders",), 0),
    "AmendOrder": (("modify_orders", "cancel_orders"), 0),
    "CancelOrder": (("cancel_orders",), 0),
    "CancelOrderBatch": (("cancel_orders",), 0),
    "CancelAll": (("cancel_orders",), 0),
    "CancelAllOrdersAfter": (("modify_orders", "cancel_orders"), 0),
}


class KrakenVenue(Served):
    """One exchange over one core.

    :param core: what is traded and held; accounts get keys by `add_user`.
    :param reactor: for sockets, deadlines and ages.
    :param seed: what keys and tokens are drawn from.
    :param tier: whose limits are enforced (starter, intermediate, pro); None for none.
    :param tls: certificate to serve `https` and `wss` with; None for plain connections.
    """

    socket_path = "/v2"

    def __init__(
        self,
        core: Core,
        reactor: Any,
        *,
        seed: int = 0,
        tier: str | None = "pro",
        tls: CertificateOptions | None = None,
    ) -> None:
        super().__init__(core, reactor, tls)
        self.state = "online"
        self.faults = Faults()
        self.keys = Keys(Random(f"{seed}/{core.venue}/keys"), core.now, reactor.seconds, tier)
        self.listings = Listings(core)
        self.trading = Trading(core, self.listings, reactor, self.keys.tier)
        self.orders = OrderCalls(self.listings, self.trading)
        self.entries = Entries()
        self.funding = Funding(core, self.listings)
        market, reports = Market(core, self.listings), Reports(core, self.listings, self.trading)
        self.feeds = Feeds(core, self.listings, market, reports, self.entries, self._rate_limit)
        self._sockets = Connections(reactor, self)
        self._serve(self._root(market, reports), self._sockets)
        self._unsubscribe = core.subscribe(self._take)
        self.faults.actions.update(self._actions())

    def _root(self, market: Market, reports: Reports) -> Resource:
        gateway = Gateway(self.keys, self.faults, self.later)
        gateway.public = market.calls()
        account = AccountCalls(self.core, self.listings, self.trading, reports, self.entries)
        calls = {**account.calls(), **self.orders.calls(), **self.funding.calls()}
        gateway.private = {name: Call(serve, *_RIGHTS[name]) for name, serve in calls.items()}
        gateway.private["GetWebSocketsToken"] = Call(lambda key, _: self.keys.token(key), ("websocket",))
        root, auth = Resource(), Resource()
        root.putChild(b"0", rest_resource(gateway))
        root.putChild(b"v2", WebSocketResource(self._sockets))
        auth.putChild(b"v2", WebSocketResource(self._sockets))
        root.putChild(b"auth", auth)
        return root

    def _rate_limit(self) -> float:
        return 1_000_000.0 if self.keys.tier is None else self.keys.tier.orders

    # ---------------------------------------------------------------------------------------------------- life

    def add_user(self, account: str, id: str = "", secret: str = "") -> Key:
        """A key for an account of the core, which is opened when there is none; all rights."""
        if account not in self.core.accounts:
            self.core.open_account(account)
        if account not in self.entries.accounts:
            self.entries.open(account, self.core.postings(account, from_micros(0), self.core.now()))
        return self.keys.add(account, id, secret)

    def deposit_address(self, account: str, asset: str) -> str:
        """The address for deposits that the owner of an account sees on the web site."""
        return self.funding.deposit_address(account, asset)

    def save_address(self, account: str, asset: str, key: str, address: str) -> None:
        """What the owner of an account does on the web site before anything can be withdrawn to an address."""
        self.funding.save(SavedAddress(account, asset, key, address))

    def stop(self) -> Deferred[None]:
        """See `Served`."""
        self._unsubscribe()
        self.trading.stop()
        return super().stop()

    def _take(self, event: Event) -> None:
        self.trading.take(event)
        account, entries = self.entries.take(event)
        self.feeds.take(event)
        if entries:
            self.feeds.posted(account, entries)

    # --------------------------------------------------------------------------------------------------- faults

    def fault(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch misbehaviour; see `faults`.  Answers the switches as they are now."""
        return self.faults.apply(wanted)

    def _actions(self) -> dict[str, Callable[[Any], object]]:
        return self._line_actions() | {
            "wrong_checksum": self.feeds.spoil,
            "post_only_cancels": lambda on: setattr(self.trading, "post_only_cancels", on),
            "forget_tokens": lambda _: self.keys.forget_tokens(),
            "status": self._set_state,
        }

    def _set_state(self, state: str) -> None:
        self.state = state
        self._sockets.tell_status()
