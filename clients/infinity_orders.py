"""Own orders as Infinity lists them: what is open, one by its id or client id, and the matches of one.

The venue has no lookup of one order, and how it pages is not documented: rows are told apart by their id, and a page without
a new one is the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import frozen

from clients.infinity_lists import back_to
from clients.infinity_private import Calls
from clients.infinity_private_records import MyOrder, OrderFill, OwnTrade
from clients.infinity_terms import Instrument

__all__ = ["OrderLists"]

_PAGE, _MOST_PAGES = 100, 20
_CLOCKS_DIFFER_MS = 60_000


@frozen
class OrderLists:
    """The lists of the Trading account; floating and fixed markets have a list each."""

    api: Calls

    async def open(self) -> list[MyOrder]:
        """Every order that may still trade."""
        return [row for floating in (True, False) for row in await self._pages(floating, pending=True)]

    async def by_ids(self, ids: Collection[int], floating: bool) -> list[MyOrder]:
        """Those of *ids* that the list has."""
        until = _down_to(min(ids))
        rows = await self._pages(floating, start=max(ids) + 1, until=until)
        if not set(ids) <= {row.order_id for row in rows}:  # then pages do not go down from where they start
            rows = await self._pages(floating, until=until)
        return [row for row in rows if row.order_id in ids]

    async def by_id(self, id: int, instrument: str | None = None) -> MyOrder | None:
        """One order; None when the venue never had it."""
        for floating in _families(instrument):
            for start in (id + 1, None):  # one more, because the start itself may be left out
                rows = await self._pages(floating, start=start, until=_down_to(id))
                found = next((row for row in rows if row.order_id == id), None)
                if found is not None:
                    return found
                if any(row.order_id < id for row in rows):
                    break  # pages go down from the start: it is not there
        return None

    async def by_client_id(
        self, client_id: str, instrument: str | None = None, like: Callable[[MyOrder], bool] = lambda row: True
    ) -> MyOrder | None:
        """The newest order with that client id that is *like* what is wanted; None when it is not among the last ones."""

        def fits(row: MyOrder) -> bool:
            return row.client_order_id == client_id and like(row)

        for floating in _families(instrument):
            matching = [row for row in await self._pages(floating, instrument=instrument, until=fits) if fits(row)]
            if matching:
                return max(matching, key=lambda row: row.order_id)
        return None

    async def matches(self, order: MyOrder) -> tuple[OrderFill, ...]:
        """What an order was filled with, by the list of own trades."""

        def key(row: OwnTrade) -> tuple[int, int]:
            return row.trx_id, row.date

        id = order.instrument_id
        floating = Instrument.parse(id).floating
        read = self.api.get_private_floating_trades if floating else self.api.get_private_fixed_trades
        since = (order.order_date or 0) - _CLOCKS_DIFFER_MS
        rows = await back_to(since, lambda start: read(id, start, _PAGE), key)
        mine = sorted((row for row in rows if row.order_id == order.order_id), key=key)
        return tuple(OrderFill(rate=row.trade_rate, quantity=row.trade_quantity) for row in mine)

    async def _pages(
        self,
        floating: bool,
        *,
        pending: bool = False,
        instrument: str | None = None,
        start: int | None = None,
        until: Callable[[MyOrder], bool] = lambda row: False,
    ) -> list[MyOrder]:
        """Rows, newest first, page after page; ends with the page of the first row that *until* is true of."""
        read = self.api.get_floating_orders if floating else self.api.get_fixed_orders
        found: dict[int, MyOrder] = {}
        for _ in range(_MOST_PAGES):
            page = await read(pending, False, instrument, start, _PAGE)
            fresh = [row for row in page if row.order_id not in found]
            found.update({row.order_id: row for row in fresh})
            if not fresh or len(page) < _PAGE or any(until(row) for row in fresh):
                break
            start = min(row.order_id for row in page)
        return list(found.values())


def _families(instrument: str | None) -> tuple[bool, ...]:
    return (True, False) if instrument is None else (Instrument.parse(instrument).floating,)


def _down_to(id: int) -> Callable[[MyOrder], bool]:
    return lambda row: row.order_id <= id
