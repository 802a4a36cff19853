"""Infinity's long lists, read back to a time: fills, transfers, transactions.  Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred

from clients.exchange import Fill, Transaction, Transfer
from clients.infinity_account import fill_of_trade
from clients.infinity_history import deposit_record, transaction_line, withdrawal_record
from clients.infinity_markets import Markets
from clients.infinity_private import Calls
from clients.infinity_private_records import Deposit, OwnTrade, Withdrawal
from clients.infinity_private_records import Transaction as Row

__all__ = ["Lists", "back_to"]

T = TypeVar("T")

_PAGE, _MOST_PAGES = 100, 1000


@frozen
class Lists:
    """The lists of one user; times are milliseconds, both ends belong to the interval."""

    api: Calls
    markets: Markets

    async def fills(self, since: int, until: int) -> list[Fill]:
        """Own trades of floating and fixed markets, oldest first."""

        def key(row: OwnTrade) -> tuple[int, int]:
            return row.trx_id, row.date

        rows = await back_to(since, lambda start: self.api.get_private_floating_trades(None, start, _PAGE), key)
        rows += await back_to(since, lambda start: self.api.get_private_fixed_trades(None, start, _PAGE), key)
        wanted = sorted((row for row in rows if since <= row.date <= until), key=lambda row: (row.date, row.trx_id))
        return [fill_of_trade(row) for row in wanted]

    async def transfers(self, since: int, until: int) -> list[Transfer]:
        """Withdrawals and deposits, oldest first."""

        def paid(row: Withdrawal) -> tuple[int, int]:
            return row.request_id, row.create_date or 0

        def received(row: Deposit) -> tuple[int, int]:
            return row.id, row.create_date or 0

        out = await back_to(since, lambda start: self.api.get_withdraws(_PAGE, start), paid)
        # This one goes on from a block, and several deposits may be in one: the last block is read again.
        back = await back_to(since, lambda block: self.api.deposit(_PAGE, block), received, lambda row: row.block_id)
        found = [withdrawal_record(self.markets, row) for row in out if since <= paid(row)[1] <= until]
        found += [deposit_record(self.markets, row) for row in back if since <= received(row)[1] <= until]
        return sorted(found, key=lambda transfer: transfer["timestamp"])

    async def transactions(self, since: int, until: int) -> list[Transaction]:
        """What changed the cash of any account, oldest first."""

        def key(row: Row) -> tuple[int, int]:
            return row.trx_id, row.create_date

        rows = await back_to(since, lambda start: self.api.get_all_account_tx(_PAGE, None, start), key)
        wanted = sorted((row for row in rows if since <= row.create_date <= until), key=lambda row: row.trx_id)
        return [transaction_line(self.markets, row) for row in wanted]


async def back_to(
    since: int,
    read: Callable[[int | None], Deferred[tuple[T, ...]]],
    key: Callable[[T], tuple[int, int]],
    place: Callable[[T], int | None] | None = None,
) -> list[T]:
    """Rows from the newest back to a time, page after page.

    How the venue pages is not documented: rows are told apart by their id, and a page without a new one is the end.

    :param key: id and time of a row.
    :param place: what the next page starts at, where that is not the id.
    """
    found: dict[int, T] = {}
    start: int | None = None
    for _ in range(_MOST_PAGES):
        page = await read(start)
        fresh = {key(row)[0]: row for row in page if key(row)[0] not in found}
        found.update(fresh)
        if not fresh or len(page) < _PAGE or any(key(row)[1] < since for row in fresh.values()):
            break
        start = min((at for row in page if (at := place(row)) is not None), default=None) if place else min(found)
    return list(found.values())
