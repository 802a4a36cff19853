"""What the gate asks at the moment of sending, answered from the state, the picture and own orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from attrs import define, field

from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.settings import Parameters, TransferRules
from ilp.trading.exposure import Exposure
from ilp.trading.floor import held_by
from ilp.trading.layout import Layout
from ilp.trading.machine import State
from ilp.trading.market import Market
from ilp.trading.own import OwnOrder
from ilp.trading.pauses import Pause, paused_by
from ilp.trading.permissions import Act, Leave, permission
from ilp.trading.reader import VenueReader
from ilp.trading.view import Lane

__all__ = ["GateFacts"]

ZERO = Decimal(0)


@define(eq=False)
class GateFacts:
    """Implements `ilp.trading.gate.Facts`.

    :ivar live: own orders that are not final, at a venue and on a side.
    :ivar trouble: the first input that does not count, empty when all do.
    :ivar armed: whether fills of this run may be hedged without being asked.
    :ivar pauses: what the operator has put on pause.
    :ivar leaving: what transfers take from a balance, or may have taken, by venue and asset; the one named apart.
    """

    layout: Layout
    market: Market
    open_fills: Exposure
    readers: Mapping[str, VenueReader]
    rules: TransferRules
    state: Callable[[], State]
    parameters: Callable[[], Parameters]
    live: Callable[[str, Side], list[OwnOrder]]
    trouble: Callable[[], str]
    armed: bool = field(default=False)
    pauses: frozenset[Pause] = frozenset()
    leaving: Callable[[str, str, str], Decimal] = lambda venue, asset, but: ZERO

    def permitted(self, act: Act, venue: str, by: Leave) -> bool:
        """Whether an act may be sent to a venue now."""
        state, trouble = self.state(), self.trouble()
        if by is Leave.MACHINE and paused_by(self.pauses, act):
            return False
        if state is State.DISCONNECTED and act is Act.HEDGE and not self.armed:
            return False  # exposure found at start is shown first, and hedged after START
        return permission(state, act, stale=bool(trouble), healthy=self._healthy(act, venue, trouble), by=by)

    def _healthy(self, act: Act, venue: str, trouble: str) -> bool:
        if not self.market.connected.get(venue, False):
            return False
        if act is Act.HEDGE:
            return not self.market.closing_trouble()
        return act in (Act.CANCEL, Act.TRANSFER) or not trouble

    def reference(self, venue: str, ticker: str) -> Decimal | None:
        """The last good price."""
        try:
            return self.market.reference(self.layout.pair(venue, ticker))
        except KeyError:
            return None

    def resting(self, venue: str, ticker: str, side: Side, but: str) -> tuple[int, Decimal]:
        """Own orders that may rest there: how many, and what the quotes among them hold."""
        live = [
            order for order in self.live(venue, side) if order.key != but and order.left > 0 and order.ticker == ticker
        ]
        quotes = (order.left for order in live if order.purpose is Purpose.QUOTE)
        return len(live), sum(quotes, ZERO)

    def left(self, venue: str, asset: str, but: str) -> Decimal:
        """What a holding would be if all that rests of ours there traded and all that leaves or may have left were gone."""
        resting = [order for side in Side for order in self.live(venue, side) if order.key != but]
        spent = sum((held_by(order, asset, ZERO) for order in resting), ZERO)
        return self.market.balances.balance(venue, asset) - self.leaving(venue, asset, but) - spent

    def exposure(self) -> Decimal:
        """Base received on the target and not closed."""
        return self.open_fills.net

    def quote_size(self) -> Decimal:
        """The configured size of a quote."""
        return self.parameters().quote_size

    def addresses(self, lane: Lane) -> frozenset[str]:
        """Where a withdrawal on that lane may go: what the receiving client gave, and what the configuration lists."""
        to_venue = lane[2]
        if not to_venue:
            return frozenset({self.rules.out_address} - {""})
        to_asset = self.layout.arrives_as(lane)
        given = self.readers[to_venue].given.get(to_asset, set())
        return frozenset(given) | frozenset(self.rules.addresses.get((to_venue, to_asset), ()))
