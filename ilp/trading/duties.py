"""What takes several answers of a venue: getting ready, and making sure that nothing of ours rests.

Each is one coroutine that its owner may cancel at any moment; each repeats what failed until it succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.task import deferLater

from ilp.journal.entries import ActEntry, FillEntry, Purpose
from ilp.journal.interface import Journal, Recovered
from ilp.trading.audit import Audit
from ilp.trading.floor import Floor
from ilp.trading.links import Links
from ilp.trading.runs import REFUSED, Run, placed_until
from ilp.trading.status import Confirmation
from ilp.trading.variances import Variances

__all__ = ["Duties"]

T = TypeVar("T")

AGAIN = 0.25  # reactor seconds between two questions
UNWRITTEN = timedelta(seconds=60)  # of the reactor: how much of a run's end its journal may have missed
OCCUPIED = 2.0  # reactor seconds between two looks whether somebody else still uses an account
RETRY = 1.0  # reactor seconds after a venue failed


@define(eq=False)
class Duties:
    """The longer errands of a trader.

    :ivar report: takes what went wrong.
    :ivar lost_since: from when on entries of an earlier run may be missing; None once that was looked into.
    """

    floor: Floor
    links: Links
    variances: Variances
    report: Callable[[str], None]
    lost_since: datetime | None = None
    _era: int = 0
    _told: bool = False  # that orders of somebody else keep this run from starting

    async def recover(self, journal: Journal, recovered: Recovered, run: Run, fills: Iterable[FillEntry]) -> None:
        """Find out what earlier runs may have left at the venues that their journal does not tell of."""
        settings, speed, began = self.floor.settings, self.floor.clock.speed, recovered.began
        skew = timedelta(seconds=settings.ages.clock_skew)
        until = datetime.min.replace(tzinfo=UTC)
        if recovered.seen is not None and began is not None:
            # What was written last may not have become durable before the process ended; a venue's clock may be behind ours.
            self.lost_since = max(began - skew, recovered.seen - UNWRITTEN * speed)
            until = placed_until(await journal.states(began), await journal.acts(began), recovered.seen)
        names = [*(order.key for order in recovered.orders), *(fill.order_key for fill in fills)]
        if settings.simulation is None:  # whose time is nobody's clock, and begins anew with each process
            run.follows(names, until if began is None or until < began else until + UNWRITTEN * speed + skew)

    def abandon(self) -> None:
        """Let the errand under way end at its next step; for the moment before its Deferred is cancelled.

        A client may answer a cancelled call with an error of its own, which must not look like a venue's bad moment.
        """
        self._era += 1

    @property
    def _audit(self) -> Audit:
        return self.floor.audit

    async def prepare(self) -> None:
        """Cancel own orders left from before, take in their fills, reconcile transfers, read everything once.

        What rests goes first, at all venues at the same time: until then customers trade with quotes that nobody minds.
        """
        era, self._told = self._era, False
        layout = self.floor.layout
        while True:
            try:
                # Nothing of ours rests on the account of a reserve, and what somebody else does there is theirs.
                await self._together(self._take_off(venue) for venue in layout.traded)
                if self._refused():
                    await self._sleep(OCCUPIED)
                    continue
                await self._together(self._prepare(venue) for venue in layout.venues)
                self.lost_since = None
                await self.links.read_rate()
                await self.variances.renew()
                self.floor.covariance = self.variances.covariance
                return
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  reported, and tried again until the connection goes
                self._still(era)
                self.report(f"getting ready: {str(error) or repr(error)}")
                await self._sleep(RETRY)

    async def clear(self, confirmed: Callable[[Confirmation], None]) -> None:
        """Ask every reachable venue until none reports an order of ours; tell after each round, last when it is so."""
        era = self._era
        while True:
            self._still(era)
            there = [venue for venue in self.floor.layout.traded if self.floor.market.connected.get(venue, False)]
            remaining = [order for left in await self._together(map(self._left, there)) for order in left]
            self._still(era)
            if not remaining and not self.floor.desk.live():
                # A venue that cannot be asked has confirmed nothing, though nothing of ours is in doubt there.
                asked = all(self.floor.market.connected.get(venue, False) for venue in self.floor.layout.traded)
                confirmed(Confirmation(self.floor.now() if asked else None))
                return
            live = [f"{order.venue}/{order.order_id or order.key}" for order in self.floor.desk.live()]
            confirmed(Confirmation(None, tuple(dict.fromkeys([*remaining, *live]))))
            await self._sleep(AGAIN)

    # ------------------------------------------------------------------------------------------------------- details

    async def _together(self, works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Do all of them at the same time; the first failure, or our own end, ends the others."""
        doing = [Deferred.fromCoroutine(work) for work in works]
        try:
            return await gatherResults(doing, consumeErrors=True)
        except FirstError as failure:
            failure.subFailure.raiseException()
        finally:
            for one in doing:
                one.cancel()

    async def _take_off(self, venue: str) -> None:
        """Cancel until the venue reports no order of ours, and none is in doubt."""
        while await self._audit.clear(venue) or self.floor.desk.live(venue):
            await self._sleep(AGAIN)

    def _refused(self) -> bool:
        """Whether orders of somebody else rest at a venue, of whom an earlier run of this journal cannot have been one.

        They are let be and named: whoever placed them minds them.  The journal keeps that this run has placed nothing.
        """
        others = self.floor.audit.occupied()
        if others and not self._told:
            self._told = True
            self.floor.recorder.record(ActEntry(REFUSED, "", "", "", others, "machine", self.floor.now()))
            self.report(f"it does not start: {others}")
        return bool(others)

    async def _prepare(self, venue: str) -> None:
        floor, reader = self.floor, self.floor.venues[venue]
        markets = await reader.markets()
        for ticker, rules in markets.items():
            floor.market.rules[venue, ticker] = rules
        if self.lost_since is not None:
            for pair in floor.layout.at(venue):
                purpose = Purpose.HEDGE if pair == floor.layout.source else Purpose.QUOTE
                await self._audit.adopt(venue, self.lost_since, purpose, pair.ticker)
        books = [self.links.read_book(floor.layout.place(pair)) for pair in floor.layout.at(venue)]
        for reading in (self.links.read_balances(venue), *books):
            if not await reading and not floor.market.connected.get(venue, False):
                raise ConnectionError(f"{venue} was lost")

    async def _left(self, venue: str) -> list[str]:
        """What a venue still reports, after trying once more to cancel it; an open hedge is let be."""
        try:
            records = await self._audit.remaining(venue)
            live = self.floor.desk.live(venue)
            hedges = {order.order_id for order in live if order.purpose is Purpose.HEDGE and not order.cancel_wanted}
            if any(record["id"] not in hedges for record in records):
                await self._audit.clear(venue)
            return [f"{venue}/{record['id']}" for record in records]
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  reported, and asked again: nobody else would make sure that nothing rests
            self.report(f"clearing {venue}: {str(error) or repr(error)}")
            return [f"{venue}/?"]

    def _still(self, era: int) -> None:
        if era != self._era:
            raise CancelledError

    def _sleep(self, seconds: float) -> Deferred[Any]:
        return deferLater(self.floor.clock.reactor, seconds)

    def pause(self) -> Deferred[Any]:
        """Wait until it makes sense to ask again."""
        return self._sleep(AGAIN)
