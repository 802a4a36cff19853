"""The bank and the chain between simulated venues: what leaves one arrives at another, later and less its charge.

Owns money from the moment a venue has sent it until another one has it, and records what left the world for good.  Knows
venues only as cores: it hears of withdrawals by their events, sends them on and makes deposits.  A conversion happens when
the money arrives, at the rate of that moment, by the formulas of the pool's model: from the numeraire
`(u·(1−f1) − f0) / ask`, back `u·bid·(1−f1) − f0`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from functools import partial
from typing import Any

from attrs import evolve, field, frozen
from twisted.internet.interfaces import IDelayedCall

from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.records import Event, TransferStatus, Withdrawal, WithdrawalChanged
from ilp.simulation.rejections import UnknownAddress, WithdrawalFinal

__all__ = ["Bank", "Passage", "Rate", "Route", "Stage"]

Rate = Callable[[str, str], Decimal | None]
"""Units of the second currency that one unit of the first buys now, charges aside; None while nobody quotes it."""

_RETRY_S = 60.0
"""World seconds until a conversion that found no rate is tried again."""


@frozen
class Route:
    """How one currency travels, and what it becomes on the way.

    :ivar processing_s: world seconds that a venue takes to send an automatic withdrawal.
    :ivar delay_s: world seconds from then until it arrives.
    :ivar fixed: charge in *fixed_in*, which is `currency` or `arrives_as`.
    :ivar proportional: charge as a fraction of the amount.
    :ivar automatic: without it a withdrawal waits for somebody who completes it at the venue.
    """

    currency: str
    arrives_as: str
    processing_s: float = 0.0
    delay_s: float = 0.0
    fixed: Decimal = Decimal(0)
    fixed_in: str = ""
    proportional: Decimal = Decimal(0)
    automatic: bool = True

    def __attrs_post_init__(self) -> None:
        if self.fixed_in not in ("", self.currency, self.arrives_as):
            raise ValueError(f"fixed_in: {self.fixed_in} is not allowed; {self.currency} or {self.arrives_as}")

    @property
    def converts(self) -> bool:
        """Whether the money changes its currency."""
        return self.currency != self.arrives_as

    def split(self, amount: Decimal, rate: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """(charge in `currency`, what is converted, charge in `arrives_as`) of *amount*; nothing is left below zero."""
        before = amount * self.proportional
        if self.fixed_in in ("", self.currency):
            before += self.fixed
        before = min(before, amount)
        converted = amount - before
        after = self.fixed if self.converts and self.fixed_in == self.arrives_as else Decimal(0)
        return before, converted, min(after, converted * rate)


class Stage(Enum):
    """Where a passage is."""

    UNDER_WAY = "under way"
    ARRIVED = "arrived"
    OUTSIDE = "outside"
    """Paid out to an address that no venue of this world knows: gone for good."""


@frozen
class Passage:
    """One withdrawal after it left its venue.

    :ivar id: the transaction id by which both venues know it.
    :ivar amount: what left, in `currency`.
    :ivar arrived: what reached the receiver, in `arrives_as`.
    """

    id: str
    venue: str
    account: str
    withdrawal: int
    currency: str
    amount: Decimal
    address: str
    to_venue: str | None
    arrives_as: str
    departed: datetime
    due: datetime
    stage: Stage = Stage.UNDER_WAY
    arrived: Decimal = Decimal(0)
    charge: Mapping[str, Decimal] = field(factory=dict)


class Bank:
    """Bank and chain of one world.

    :param clock: the world's clock; its calls are this object's until `stop`.
    :param rate: see `Rate`.
    :param seed: goes into the transaction ids.
    :ivar held_up_s: by venue, how many world seconds longer than its route everything takes that is sent there.
    """

    def __init__(self, clock: WorldClock, routes: Iterable[Route], rate: Rate, seed: str = "") -> None:
        self._clock = clock
        self._routes = {(route.currency, route.arrives_as): route for route in routes}
        self._rate = rate
        self._seed = seed
        self._venues: dict[str, Core] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        self._calls: set[IDelayedCall] = set()
        self.passages: dict[str, Passage] = {}
        self.held_up_s: dict[str, float] = {}
        self._charged: dict[str, Decimal] = defaultdict(Decimal)
        self._paid_out: dict[str, Decimal] = defaultdict(Decimal)
        self._converted: dict[str, Decimal] = defaultdict(Decimal)

    def connect(self, venue: Core) -> None:
        """Carry what leaves *venue* and deliver what is sent to it."""
        self._venues[venue.venue] = venue
        self._unsubscribe.append(venue.subscribe(partial(self._heard, venue)))

    def stop(self) -> None:
        """Nothing moves any more; what is under way stays so."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for call in self._calls:
            call.cancel()
        self._unsubscribe.clear()
        self._calls.clear()

    # ---------------------------------------------------------------------------------------------------- departures

    def _heard(self, venue: Core, event: Event) -> None:
        if not isinstance(event, WithdrawalChanged):
            return
        withdrawal = event.withdrawal
        if withdrawal.status is TransferStatus.DONE:
            self._depart(venue, withdrawal)
        elif withdrawal.status is TransferStatus.PENDING and venue.account(withdrawal.account).automatic_withdrawals:
            route = self._route(withdrawal.currency, withdrawal.address)
            if route.automatic:
                self._later(route.processing_s, self._send, venue, withdrawal)

    def _send(self, venue: Core, withdrawal: Withdrawal) -> None:
        try:
            venue.complete_withdrawal(withdrawal.id, self._transaction_id(venue, withdrawal))
        except WithdrawalFinal:
            return  # somebody completed or cancelled it by hand meanwhile

    def _depart(self, venue: Core, withdrawal: Withdrawal) -> None:
        route = self._route(withdrawal.currency, withdrawal.address)
        owner = self._owner(withdrawal.address)
        passage = Passage(
            withdrawal.reference or self._transaction_id(venue, withdrawal),
            venue.venue,
            withdrawal.account,
            withdrawal.id,
            withdrawal.currency,
            venue.currency(withdrawal.currency).amount(withdrawal.net),
            withdrawal.address,
            owner[0].venue if owner else None,
            route.arrives_as,
            self._clock.now(),
            self._clock.now() + timedelta(seconds=route.delay_s),
        )
        self.passages[passage.id] = passage
        if owner is None or route.arrives_as not in owner[0].currencies:
            self._leave(passage)
        else:
            self._later(route.delay_s + self.held_up_s.get(owner[0].venue, 0.0), self._arrive, passage.id)

    def _leave(self, passage: Passage) -> None:
        self._paid_out[passage.currency] += passage.amount
        self.passages[passage.id] = evolve(passage, to_venue=None, arrives_as=passage.currency, stage=Stage.OUTSIDE)

    # ------------------------------------------------------------------------------------------------------ arrivals

    def _arrive(self, passage_id: str) -> None:
        passage = self.passages[passage_id]
        route = self._routes.get((passage.currency, passage.arrives_as), Route(passage.currency, passage.arrives_as))
        rate = self._rate(passage.currency, passage.arrives_as) if route.converts else Decimal(1)
        if rate is None:
            self._later(_RETRY_S, self._arrive, passage_id)
            return
        venue = self._venues[passage.to_venue or ""]
        before, converted, after = route.split(passage.amount, rate)
        step = Decimal(1) / venue.currency(passage.arrives_as).denominator
        arrived = (converted * rate - after).quantize(step, ROUND_FLOOR)
        if not route.converts:
            before = passage.amount - arrived
        self._account_for(route, before, converted, arrived, after)
        charge = {passage.currency: before} if after == 0 else {passage.currency: before, passage.arrives_as: after}
        self.passages[passage_id] = evolve(passage, stage=Stage.ARRIVED, arrived=arrived, charge=charge)
        if arrived > 0:
            units = venue.currency(passage.arrives_as).units(arrived)
            venue.deposit(passage.arrives_as, units, passage.address, passage.id)

    def _account_for(self, route: Route, before: Decimal, converted: Decimal, arrived: Decimal, after: Decimal) -> None:
        self._charged[route.currency] += before
        if route.converts:
            self._charged[route.arrives_as] += after
            self._converted[route.currency] -= converted
            self._converted[route.arrives_as] += arrived + after

    # --------------------------------------------------------------------------------------------------------- truth

    def under_way(self, asset: str) -> Decimal:
        """What left a venue and has not arrived yet."""
        going = (p for p in self.passages.values() if p.stage is Stage.UNDER_WAY)
        return sum((p.amount for p in going if p.currency == asset), Decimal(0))

    def charged(self, asset: str) -> Decimal:
        """What bank and chain took for themselves."""
        return self._charged.get(asset, Decimal(0))

    def paid_out(self, asset: str) -> Decimal:
        """What left the simulated world."""
        return self._paid_out.get(asset, Decimal(0))

    def converted(self, asset: str) -> Decimal:
        """What conversions made of an asset, less what they used up."""
        return self._converted.get(asset, Decimal(0))

    def total(self, asset: str) -> Decimal:
        """All of an asset that was ever endowed: constant but for deposits from outside.

        Σ over venues of what they owe to users and house, what is under way, what was charged and what was paid out, less
        what conversions added.
        """
        venues = (core for core in self._venues.values() if asset in core.currencies)
        owed = sum((core.currency(asset).amount(core.owed(asset)) for core in venues), Decimal(0))
        going = self.under_way(asset) + self.charged(asset) + self.paid_out(asset)
        return owed + going - self.converted(asset)

    # ------------------------------------------------------------------------------------------------------- helpers

    def _owner(self, address: str) -> tuple[Core, str] | None:
        for venue in self._venues.values():
            try:
                return venue, venue.address_owner(address)[1]
            except UnknownAddress:
                continue
        return None

    def _route(self, currency: str, address: str) -> Route:
        owner = self._owner(address)
        wanted = owner[1] if owner else currency
        return (
            self._routes.get((currency, wanted)) or self._routes.get((currency, currency)) or Route(currency, currency)
        )

    def _transaction_id(self, venue: Core, withdrawal: Withdrawal) -> str:
        text = f"{self._seed}/{venue.venue}/{withdrawal.id}/{withdrawal.currency}/{withdrawal.address}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _later(self, seconds: float, f: Callable[..., None], *args: Any) -> None:
        def call() -> None:
            self._calls.discard(delayed)
            f(*args)

        delayed = self._clock.call_later(seconds, call)
        self._calls.add(delayed)
