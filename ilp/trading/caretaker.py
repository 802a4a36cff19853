"""What has to be done now and then: reading again what nobody confirms, sweeps, histories, the dead man's switch.

Decides nothing about trading; everything it starts is owned by the trader.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field

from clients.exchange import ExchangeError
from ilp.pool.variance import PERIODS
from ilp.trading.floor import Floor
from ilp.trading.links import Links
from ilp.trading.machine import State
from ilp.trading.market import BALANCES, BOOK, ORDERS
from ilp.trading.transfers import Transfers
from ilp.trading.variances import Variances

__all__ = ["Caretaker"]

ASK_AGAIN = 0.5  # reactor seconds between two questions about the same input
MISSING_RENEWAL, SOONEST_RENEWAL = 10.0, 5.0  # reactor seconds: histories are not asked for more often
CLOCK_AGAIN = 20.0  # reactor seconds between two questions for a venue's time
# The venue cancels everything when it has not heard of us for so long; it is told again three times within that.
DEAD_MAN, DEAD_MAN_AGAIN = 60.0, 20.0
SWITCH_AGAIN = 2.0  # reactor seconds after which a switch that the venue did not take is set again


@define(eq=False)
class Caretaker:
    """The trader's routine.

    :ivar own: takes a piece of work and reports what it did not expect.
    """

    floor: Floor
    links: Links
    variances: Variances
    transfers: Transfers
    own: Callable[[Coroutine[Any, Any, None]], Any]
    _asked: dict[tuple[str, str], float] = field(factory=dict)
    _swept: float = field(init=False)
    _renewed: float = field(init=False)
    _timed: dict[str, float] = field(factory=dict)  # when each venue was asked for its time; infinite where it has none
    _armed: dict[str, float] = field(factory=dict)  # when each dead man's switch was set last
    _untaken: set[str] = field(factory=set)  # venues whose switch could not be set, of which the operator was told

    def __attrs_post_init__(self) -> None:
        self._swept = self._renewed = self.floor.seconds()
        self.floor.recorder.others = self.transfers.write_again

    def tend(self, state: State) -> None:
        """Do what is due."""
        now = self.floor.seconds()
        working = state in (State.READY, State.TRADING)
        if state is not State.INITIALIZING:
            self._read_again(now)
        self._read_clocks(now)
        if now - self._swept >= self.floor.settings.timing.sweep:
            self._swept = now
            if state is not State.INITIALIZING:
                self._sweep()
            self.transfers.lapse()
            if working:
                self.own(self._send_waiting())
        if working and now - self._renewed >= self._renewal():
            self._renewed = now
            self.own(self._renew())
        if state is State.TRADING:
            self._set_switches(now)

    def due(self) -> list[float]:
        """Reactor seconds of what comes next."""
        times = [self._swept + self.floor.settings.timing.sweep, self._renewed + self._renewal()]
        times += [self._armed[venue] + DEAD_MAN_AGAIN for venue in self._untaken if venue in self._armed]
        if self.floor.market.ageing():
            times.append(self.floor.seconds() + ASK_AGAIN)
        return [time for time in times if time > self.floor.seconds()]

    # ------------------------------------------------------------------------------------------------------- details

    def _read_again(self, now: float) -> None:
        """Ask about inputs that nothing has confirmed for a while, or that have to prove themselves."""
        for kind, venue in self.floor.market.ageing():
            if now - self._asked.get((kind, venue), -ASK_AGAIN) >= ASK_AGAIN:
                self._asked[kind, venue] = now
                self.links.read(kind, venue)

    def _read_clocks(self, now: float) -> None:
        """Compare the venues' clocks with ours, before the first order too; a simulation's time is nobody's clock."""
        if self.floor.settings.simulation is not None:
            return
        for venue in self.floor.layout.venues:
            connected = self.floor.market.connected.get(venue, False)
            if connected and now - self._timed.get(venue, -CLOCK_AGAIN) >= CLOCK_AGAIN:
                self._timed[venue] = now
                self.own(self._read_clock(venue))

    async def _read_clock(self, venue: str) -> None:
        if not await self.links.read_clock(venue):
            self._timed[venue] = float("inf")

    def _sweep(self) -> None:
        """Compare own orders, books and balances with the venues'."""
        layout = self.floor.layout
        for venue in layout.venues:
            if self.floor.market.connected.get(venue, False):
                if venue in layout.traded:
                    self.links.read(ORDERS, venue)
                for pair in layout.at(venue):
                    self.links.read(BOOK, layout.place(pair))
                self.links.read(BALANCES, venue)

    async def _send_waiting(self) -> None:
        await self.transfers.send_waiting()

    def _renewal(self) -> float:
        """Reactor seconds between two estimates of the variances: one of their periods, less while one is missing."""
        if not self.floor.covariance:
            return MISSING_RENEWAL
        period = PERIODS[self.floor.settings.variance.period].total_seconds()
        return max(period / self.floor.clock.speed, SOONEST_RENEWAL)

    async def _renew(self) -> None:
        await self.variances.renew()
        self.floor.covariance = self.variances.covariance

    def _set_switches(self, now: float) -> None:
        """Tell venues that have a dead man's switch that we live."""
        for venue in self.floor.layout.traded:
            reader = self.floor.venues[venue]
            due = now - self._armed.get(venue, -DEAD_MAN_AGAIN) >= DEAD_MAN_AGAIN
            if due and "cancel_all_after" in reader.features:
                self._armed[venue] = now
                self.own(self._set_switch(venue, DEAD_MAN))

    async def _set_switch(self, venue: str, seconds: float) -> None:
        try:
            await self.floor.venues[venue].cancelAllAfter(seconds)
        except ExchangeError as error:
            self._armed[venue] = self.floor.seconds() - DEAD_MAN_AGAIN + SWITCH_AGAIN
            if seconds and venue not in self._untaken:
                self._untaken.add(venue)
                self.floor.alarm("switch", f"the dead man's switch could not be set: {error}")
        else:
            self._untaken.discard(venue)

    async def release(self) -> None:
        """Switch the dead man's switches off: nothing rests any more that they would have to cancel."""
        for venue in tuple(self._armed):
            if self.floor.market.connected.get(venue, False):
                await self._set_switch(venue, 0.0)
        self._armed.clear()
