"""Compares our orders with the venue's own records: what rests, what became of those that are gone, what is not ours.

A reading proves something only about orders that nothing was done to since it began; the rest waits for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, succeed

from clients.exchange import ExchangeError, Fill, Order, UnknownOrder
from ilp.journal.entries import OrderState, Purpose
from ilp.trading.orders import MARGIN, Desk
from ilp.trading.own import OwnOrder, is_final, sum_fills
from ilp.trading.reader import Reader

__all__ = ["Audit", "Compared"]

AGAIN = 1.0  # seconds until the records are asked again
# Seconds after which fills are looked for once more of an order that was over as it rested no more, or left no trace at all:
# a venue's history may be written later than its book.
LATER = (20.0, 100.0)
ASKED = 3  # readings in which it is looked for what a fill really cost that was told without
LOST = 2.0  # seconds after which a request that left no trace in two readings has never arrived


@frozen
class Compared:
    """What the last reading of a venue's open orders told: when (world), which of ours it lacked, which were not ours.

    :ivar only_local: keys of own orders; :ivar only_venue: the venue's records.
    """

    at: datetime
    only_local: frozenset[str]
    only_venue: tuple[Order, ...]


@define(eq=False)
class Audit:
    """Reads the venues' records on behalf of a desk; one reading a venue at a time.

    :ivar compared: by venue, the last comparison.
    :ivar foreign: whether an order is not ours to cancel although it looks like one of ours.
    :ivar nobodys: whether an order with a name like ours is of no run that the journal knows.
    :ivar others: by venue, what rested there of such orders when it was looked for last.
    :ivar strays: venue and id of orders of ours that were cancelled and that nobody remembered: no entry of them was left.
    """

    desk: Desk
    compared: dict[str, Compared] = field(factory=dict)
    foreign: Callable[[Order], bool] = lambda record: False
    nobodys: Callable[[Order], bool] = lambda record: False
    others: dict[str, tuple[Order, ...]] = field(factory=dict)
    strays: set[tuple[str, str]] = field(factory=set)
    _reading: set[str] = field(factory=set)
    _unproven: list[tuple[OwnOrder, float]] = field(factory=list)  # and when their fills are to be looked for again

    def read(self, venue: str) -> Deferred[None]:
        """Compare now; fires when done, at once where a reading is already under way."""
        if venue in self._reading:
            return succeed(None)
        return self.desk.run(self._read(venue))

    async def clear(self, venue: str) -> int:
        """Cancel every order of ours at a venue, whoever remembers it; how many the venue still reports afterwards."""
        ours = await self.remaining(venue)
        self.strays |= {(venue, record["id"]) for record in ours if self._forgotten(venue, record)}
        if ours:
            await self._cancel_records(self.desk.venues[venue], ours, alone=not self.others.get(venue))
        left = await self.remaining(venue) if ours else []
        await self.read(venue)
        return len(left)

    async def _cancel_records(self, client: Reader, records: list[Order], *, alone: bool = True) -> None:
        """Take orders off the book by the venue's ids; pair by pair where everything there is ours and the venue can."""
        if alone and "client_id" not in client.features:
            try:
                for ticker in sorted({record["contract"] for record in records}):
                    await client.cancelAllOrders(ticker)
                return
            except NotImplementedError:
                pass  # one by one, then
        for record in records:
            try:
                await client.cancelOrder(record["id"])
            except UnknownOrder:
                continue  # gone by itself; the reading that follows tells how

    async def remaining(self, venue: str) -> list[Order]:
        """What the venue itself reports as resting of ours; everything, where it has no client ids."""
        client = self.desk.venues[venue]
        records = await client.getOpenOrders()
        self.desk.listener.orders_read(venue)
        known = [record for id, record in records.items() if self.desk.known(venue, id)]
        others = [record for record in records.values() if record not in known]
        if "client_id" in client.features:
            others = [record for record in others if (record.get("client_id") or "").startswith(self.desk.prefix)]
        self.others[venue] = tuple(filter(self.foreign, others))
        return known + [record for record in others if record not in self.others[venue]]

    def take_off(self, venue: str, id: str | None) -> int:
        """Cancel an order there that nobody here placed, or all that keep this run from starting: an operator says so."""
        others = {record["id"] for record in self.others.get(venue, ())}
        listed = {record["id"] for record in self.compared[venue].only_venue} if venue in self.compared else set()
        found = others if id is None else {id} & (others | listed)
        for one in sorted(found):
            self.desk.run(self._take_off(venue, one))
        return len(found)

    async def _take_off(self, venue: str, id: str) -> None:
        try:
            await self.desk.venues[venue].cancelOrder(id)
        except ExchangeError as error:
            self.desk.listener.report(f"{venue}: {id} could not be cancelled: {error}")
        await self.read(venue)

    def occupied(self) -> str:
        """Orders that keep this run from starting, in words."""
        return "; ".join(_in_words(venue, record) for venue, others in self.others.items() for record in others)

    def intruders(self) -> str:
        """Those, and others with a name like ours that no run of ours gave."""
        found: dict[tuple[str, str], Order] = {}
        for venue, compared in self.compared.items():
            named = (r for r in compared.only_venue if (r.get("client_id") or "").startswith(self.desk.prefix))
            for record in (*self.others.get(venue, ()), *filter(self.nobodys, named)):
                found[venue, record["id"]] = record
        return "; ".join(_in_words(venue, record) for (venue, _), record in found.items())

    async def adopt(self, venue: str, since: datetime, purpose: Purpose, ticker: str | None = None) -> None:
        """Take in fills since then of orders of ours that nobody remembers: their entries were lost with the process.

        :param ticker: of this pair only; of all by default.
        """
        client = self.desk.venues[venue]
        try:
            fills = await client.getFills(since, self.desk.now() + MARGIN)
        except NotImplementedError:
            return
        sums = sum_fills(fills)
        for fill in fills:
            id = fill["order_id"]
            if ticker not in (None, fill["contract"]):
                continue
            if id in sums and self._unknown(venue, id) and await self._is_ours(client, id):
                self.desk.adopt(venue, fill, *sums[id], purpose)

    def _forgotten(self, venue: str, record: Order) -> bool:
        """Whether no own order is this one, not even one of which the answer was lost before it had an id."""
        name = record.get("client_id")
        unnamed = (order for order in self.desk.live(venue) if order.order_id is None)
        return self.desk.known(venue, record["id"]) is None and not any(
            order.key == name if name else order.could_be(record) for order in unnamed
        )

    def _unknown(self, venue: str, order_id: str) -> bool:
        return self.desk.known(venue, order_id) is None and not self.desk.over(venue, order_id)

    async def _is_ours(self, client: Reader, order_id: str) -> bool:
        """Whether an order that nobody remembers is the daemon's: all are where the account is exclusive."""
        if "client_id" not in client.features:
            return True
        if "order_lookup" not in client.features:
            return False
        record = await client.getOrder(order_id)
        return (record.get("client_id") or "").startswith(self.desk.prefix)

    # ------------------------------------------------------------------------------------------------------- details

    async def _read(self, venue: str) -> None:
        self._reading.add(venue)
        try:
            await self._compare(venue)
        except ExchangeError as error:
            again = self.desk.seconds() + AGAIN
            for order in self.desk.live(venue):
                if order.check_at is not None:
                    order.check_at = again
            self.desk.listener.report(f"{venue}: own orders could not be read: {error}")
        finally:
            self._reading.discard(venue)

    async def _compare(self, venue: str) -> None:
        began, began_at = self.desk.sequence, self.desk.seconds()
        client = self.desk.venues[venue]
        resting = await client.getOpenOrders()
        self.desk.listener.orders_read(venue)
        strange = [record for id, record in resting.items() if self._present(venue, record, began) is None]
        missing = [
            order
            for order in self.desk.live(venue)
            if order.order_id not in resting
            and order.touched <= began
            and (order.state is not OrderState.SENDING or order.slow)
        ]
        local = frozenset(order.key for order in missing)
        self.compared[venue] = Compared(self.desk.now(), local, tuple(strange))
        unpriced = [
            order for order in self.desk.live(venue) if order.order_id in resting and order.unpriced > order.filled
        ]
        late = [order for order, at in self._unproven if order.venue == venue and at <= began_at]
        late += [order for order in self._unpriced(venue) if order not in late]
        if missing or unpriced or late:
            fills = await self._fills(client, [*missing, *unpriced, *late])
            sums = sum_fills(fills)
            for order in late:
                if order.order_id is None:
                    continue
                order.asked += 1
                if order.order_id in sums:
                    self.desk.told(order, *sums[order.order_id])
            for order in missing:
                if not order.final and order.touched <= began:
                    await self._absent(client, order, fills, began_at)
            for order in unpriced:
                self.desk.looked_up(order, sums)
            for order in late:  # what was given up comes last: a trace is rather of an order that is still in doubt
                if order.order_id is None:
                    await self._absent(client, order, fills, began_at)
            self._unproven = [one for one in self._unproven if one[0].venue != venue or one[1] > began_at]
        past = [record for record in strange if self.desk.is_past(venue, record)]
        for record in past:
            self.desk.run(self._cancel_past(venue, record["id"]))
        self._report_strange(venue, [record for record in strange if record not in past])

    async def _cancel_past(self, venue: str, id: str) -> None:
        """Cancel what rests though it was over so long ago that only its id is remembered; the next reading looks again."""
        self.desk.listener.report(f"{venue}: {id} was over long ago and rests: it is cancelled")
        try:
            await self.desk.venues[venue].cancelOrder(id)
        except ExchangeError as error:
            self.desk.listener.report(f"{venue}: {id} could not be cancelled: {error}")

    def _unpriced(self, venue: str) -> list[OwnOrder]:
        """Orders whose fills were booked at an expected price or fee, as an event that tells them was lost."""
        return [
            order
            for order in self.desk.recent()
            if order.venue == venue and order.order_id and order.asked < ASKED and (order.guessed or order.expected)
        ]

    def _present(self, venue: str, record: Order, began: int) -> OwnOrder | None:
        """Take an order that rests; one that was to be cancelled is cancelled again."""
        desk = self.desk
        order = desk.of(venue, record)
        if order is None:
            order = desk.claim(venue, record)
            if order is not None:
                desk.take(order, record)
            return order
        if order.touched > began:
            return order
        if order.final:
            if order.filled < order.quantity and not is_final(record):
                desk.reopen(order)
            return order
        wanted, order.cancel_wanted = order.cancel_wanted, False
        order.state, order.off_book, order.check_at, order.amending = OrderState.OPEN, False, None, None
        desk.take(order, record, read=True)
        if wanted:
            desk.cancel(order, order.note)
        return order

    async def _fills(self, client: Reader, missing: list[OwnOrder]) -> list[Fill]:
        since = min(order.at for order in missing) - MARGIN
        try:
            return await client.getFills(since, self.desk.now() + MARGIN)
        except NotImplementedError:
            return []

    async def _absent(self, client: Reader, order: OwnOrder, fills: list[Fill], began_at: float) -> None:
        """Settle an order that rests no more."""
        if "order_lookup" in client.features and await self._looked_up(client, order, fills):
            return
        by_name = {"order_lookup", "client_id"} <= client.features
        if order.order_id is None and not by_name:
            self._recognise(order, fills)
        if order.order_id is None:
            self._missed(order, began_at)
            return
        self._settle(order, sum_fills(fills))

    async def _looked_up(self, client: Reader, order: OwnOrder, fills: list[Fill]) -> bool:
        try:
            if order.order_id is not None:
                record = await client.getOrder(order.order_id)
            elif "client_id" in client.features:
                record = await client.getOrder(None, order.key)
            else:
                return False
        except UnknownOrder:
            return False
        if order.order_id is None:
            self.desk.name_by_fill(order, record["id"])
        self.desk.take(order, record, read=True)
        if order.unpriced > order.filled:
            self.desk.looked_up(order, sum_fills(fills))
            self.desk.take(order, record, read=True)
        if not order.final and not is_final(record):
            order.check_at = self.desk.seconds() + AGAIN
        return True

    def _recognise(self, order: OwnOrder, fills: list[Fill]) -> None:
        """Find the fills of an order whose answer was lost: of an order nobody knows, and such as this one could make.

        An answer that is outstanding may be about that very order, and names it better.
        """
        live = self.desk.live(order.venue)
        sending = [other for other in live if other.state is OrderState.SENDING and not other.slow]
        for fill in fills:
            if any(other.could_have_made(fill) for other in sending):
                continue
            unknown = self._unknown(order.venue, fill["order_id"])
            if unknown and fill["timestamp"] >= order.at - MARGIN and order.could_have_made(fill):
                self.desk.name_by_fill(order, fill["order_id"])
                return

    def _missed(self, order: OwnOrder, began_at: float) -> None:
        if order.final:
            return  # it was given up before, and has still left no trace
        if order.state is OrderState.SENDING:
            order.check_at = self.desk.seconds() + AGAIN  # late, not lost: its answer may still come
            return
        order.misses += 1
        if order.misses >= 2 and began_at - order.since_unknown >= LOST:
            order.lost = True
            self._look_later(order)
            self.desk.finish(order, OrderState.REFUSED, "left no trace in the venue's records")
        else:
            order.check_at = self.desk.seconds() + AGAIN

    def _settle(self, order: OwnOrder, sums: Mapping[str, tuple[Decimal, Decimal, dict[str, Decimal]]]) -> None:
        self.desk.looked_up(order, sums)
        if not order.final and order.filled < order.quantity:
            self._look_later(order)
        self.desk.finish(order, OrderState.FINAL)

    def _look_later(self, order: OwnOrder) -> None:
        self._unproven += [(order, self.desk.seconds() + later) for later in LATER]

    def _report_strange(self, venue: str, strange: list[Order]) -> None:
        """Tell of orders that nobody here placed, once no answer is outstanding that could explain them."""
        if any(order.order_id is None for order in self.desk.live(venue)):
            return
        for record in strange:
            if self.desk.known(venue, record["id"]) is None:
                self.desk.listener.order_strange(venue, record)


def _in_words(venue: str, record: Order) -> str:
    what = f"{record['side']} {record['quantity_left']} {record['contract']} at {record['price']}"
    placed = f"{record['timestamp']:%Y-%m-%d %H:%M:%S} UTC"
    return f"{venue}: order {record['id']} ({what}, placed {placed}) is of no run that this journal knows"
