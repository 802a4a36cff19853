"""Transfers as the rest of the trader needs them: what they do to holdings, which lanes are free, how they pass the gate."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define
from twisted.internet.defer import Deferred, fail

from ilp.journal.entries import TransferEntry
from ilp.trading.gate import Breach, Forbidden, Gate, WithdrawalRequest
from ilp.trading.layout import Layout
from ilp.trading.market import Market
from ilp.trading.permissions import Leave
from ilp.trading.transfers import Transfers
from ilp.trading.transfers_account import Outstanding
from ilp.trading.view import Lane

__all__ = ["Money", "beyond", "withdraw"]

ONE = Decimal(1)


@define(eq=False)
class Money:
    """Implements `ilp.trading.floor.Holdings`.

    :ivar paused: whether no transfer may begin at all.
    """

    layout: Layout
    transfers: Transfers
    paused: Callable[[], bool] = lambda: False

    def outstanding(self, venue: str, asset: str) -> Outstanding:
        """What transfers owe a holding."""
        return self.transfers.outstanding(venue, asset)

    def blocked(self) -> frozenset[Lane]:
        """Lanes on which nothing may begin now."""
        paused = self.paused()
        return frozenset(lane for lane in self._lanes() if paused or self.transfers.obstacle(lane))

    def _lanes(self) -> list[Lane]:
        source, target = self.layout.pairs
        ways = ((source, target), (target, source))
        lanes = [(asset, pair.venue, other.venue) for pair, other in ways for asset in (pair.base, pair.quote)]
        return [*lanes, (source.quote, source.venue, "")]


def withdraw(gate: Gate, layout: Layout, market: Market, entry: TransferEntry) -> Deferred[str]:
    """Ask for the withdrawal of a transfer, through the gate; the wish is the machine's or the named user's.

    What is limited by its worth waits while nobody knows what it is worth.
    """
    try:
        return gate.withdraw(_request(layout, market, entry))
    except Forbidden as unknown:
        return fail(unknown)


def beyond(gate: Gate, layout: Layout, market: Market, entry: TransferEntry) -> Breach | None:
    """The limit of the gate that the withdrawal of a transfer would break now; None too while nobody knows its worth."""
    try:
        return gate.beyond(_request(layout, market, entry))
    except Forbidden:
        return None


def _request(layout: Layout, market: Market, entry: TransferEntry) -> WithdrawalRequest:
    marks = {layout.numeraire: ONE, **(market.marks() or {})}
    if entry.asset not in marks and entry.asset != layout.base:
        raise Forbidden(f"nobody knows what {entry.asset} is worth now (withdrawal of {entry.amount})")
    return WithdrawalRequest(
        entry.id,
        entry.from_venue,
        entry.asset,
        entry.amount,
        entry.address,
        (entry.asset, entry.from_venue, entry.to_venue),
        entry.amount * marks.get(entry.asset, ONE),
        entry.asset == layout.base,
        Leave.MACHINE if entry.by == "machine" else Leave.OPERATOR,
    )
