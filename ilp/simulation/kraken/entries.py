"""The ledger as the simulated Kraken tells it: one entry for what the core books as amount and fee, with its parent's id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from attrs import define, field, frozen

from ilp.simulation.records import (
    DepositChanged,
    Event,
    Filled,
    Posted,
    Posting,
    PostingType,
    TransferStatus,
    WithdrawalChanged,
)

from .ids import printed

__all__ = ["Entries", "Entry", "deposit_reference", "fill_id", "withdrawal_reference"]


def fill_id(trade_id: int, order_number: int) -> str:
    """The id of one order's half of a match."""
    return printed("T", trade_id * 1_000_003 + order_number)


def deposit_reference(number: int) -> str:
    """The id of a deposit."""
    return printed("Q", number)


def withdrawal_reference(number: int) -> str:
    """The id of a withdrawal."""
    return printed("A", number)


@frozen
class Entry:
    """One line: *amount* is signed, *fee* is taken besides, *balance* is what is there after both."""

    id: str
    reference: str
    time: datetime
    type: str
    asset: str
    amount: int
    fee: int
    balance: int


_TYPES = {
    PostingType.TRADE: "trade",
    PostingType.DEPOSIT: "deposit",
    PostingType.WITHDRAWAL: "withdrawal",
    PostingType.TRANSFER: "withdrawal",  # a withdrawal that comes back
    PostingType.CLEARING: "settled",
}


@define(eq=False)
class Entries:
    """Ledgers of the accounts that have keys."""

    accounts: set[str] = field(factory=set)
    _entries: dict[str, list[Entry]] = field(factory=lambda: defaultdict(list))
    _pending: dict[str, list[Posting]] = field(factory=lambda: defaultdict(list))
    _last: int = 0

    def open(self, account: str, postings: Iterable[Posting]) -> None:
        """Follow an account; *postings* is what was booked before."""
        self.accounts.add(account)
        self._pending[account].extend(postings)
        self._flush(account, "")

    def take(self, event: Event) -> tuple[str, list[Entry]]:
        """The account whose ledger grew by an event, and the new entries."""
        match event:
            case Posted(posting) if posting.account in self.accounts:
                before = self._flush(posting.account, "") if self._is_apart(posting) else []
                self._pending[posting.account].append(posting)
                return posting.account, before
            case Filled(fill) if fill.account in self.accounts:
                return fill.account, self._flush(fill.account, fill_id(fill.trade_id, fill.order_id))
            case WithdrawalChanged(one) if one.account in self.accounts:
                if one.status is not TransferStatus.DONE:
                    return one.account, self._flush(one.account, withdrawal_reference(one.id))
            case DepositChanged(one) if one.account is not None and one.account in self.accounts:
                return one.account, self._flush(one.account, deposit_reference(one.id))
            case _:
                pass
        return "", []

    def _is_apart(self, posting: Posting) -> bool:
        """Whether a posting has nothing to do with those that wait; a withdrawal's fee is booked before its amount."""
        waiting = self._pending[posting.account]
        if not waiting or waiting[-1].booking == posting.booking:
            return False
        return not (waiting[-1].type is posting.type is PostingType.WITHDRAWAL and waiting[-1].is_fee)

    def of(self, account: str) -> list[Entry]:
        """All entries, oldest first."""
        self._flush(account, "")
        return list(self._entries[account])

    def _flush(self, account: str, reference: str) -> list[Entry]:
        """Make entries of what was booked since; a fee goes with the amount in the same asset."""
        postings, self._pending[account] = self._pending[account], []
        amounts = [p for p in postings if not p.is_fee and p.quantity]
        fees: dict[str, list[Posting]] = defaultdict(list)
        for posting in postings:
            if posting.is_fee and posting.quantity:
                fees[posting.contract].append(posting)
        fresh = []
        for posting in amounts:
            charged = fees.pop(posting.contract, [])
            fresh.append(self._entry(posting, reference, [posting, *charged], charged))
        for charged in fees.values():
            fresh.append(self._entry(charged[0], reference, charged, charged))
        self._entries[account] += fresh
        return fresh

    def _entry(self, posting: Posting, reference: str, lines: list[Posting], charged: list[Posting]) -> Entry:
        self._last += 1
        latest = max(lines, key=lambda line: (line.booked, line.created, line.booking))
        return Entry(
            printed("L", self._last),
            reference or printed("R", self._last),
            posting.booked,
            _TYPES[posting.type],
            posting.contract,
            0 if posting in charged else posting.signed,
            -sum(line.signed for line in charged),
            latest.balance,
        )
