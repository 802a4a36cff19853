"""The rows of `get_account_tx`: what was booked on a user's tokens, each with its type and the balance after it.

Made of the core's postings alone.  A fill is a row, or two where it turns a position round: what is given back first.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from attrs import define, field, frozen

from clients.infinity_terms import TransactionType
from ilp.simulation.infinity.listings import RateMarket
from ilp.simulation.infinity.members import Members
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.records import Event, Posted, Posting, PostingType

__all__ = ["Transaction", "Transactions"]

_FIRST = 555_001
_KEPT = 50_000


@frozen
class Transaction:
    """One row, in smallest units: *quantity* is signed, *balance* is what is there after it."""

    id: int
    account: str
    token: str
    type: TransactionType
    quantity: int
    balance: int
    at: datetime


@define(eq=False)
class Transactions:
    """The rows of all users' accounts, oldest first."""

    core: RateCore
    members: Members
    rows: dict[str, list[Transaction]] = field(factory=lambda: defaultdict(list))
    _balances: dict[tuple[str, str], int] = field(factory=lambda: defaultdict(int))
    _positions: dict[tuple[str, str], int] = field(factory=lambda: defaultdict(int))
    _turned: dict[str, tuple[RateMarket, int, int]] = field(factory=dict)
    _last: int = _FIRST - 1

    def take(self, event: Event) -> None:
        """Write down what an event of the core books."""
        if not isinstance(event, Posted) or event.posting.account not in self.members.by_key:
            return
        posting = event.posting
        market = self.core.market(posting.contract)
        if market is not None:
            key = posting.account, posting.contract
            before = self._positions[key]
            self._positions[key] = before + posting.signed
            self._turned[posting.account] = market, before, posting.signed
        elif posting.quantity:
            for type_, quantity in self._types(posting):
                self._write(posting, type_, quantity)

    def _types(self, posting: Posting) -> list[tuple[TransactionType, int]]:
        signed = posting.signed
        kind = TransactionType
        match posting.type:
            case PostingType.DEPOSIT:
                return [(kind.EXTERNAL_TRANSFER_IN, signed)]
            case PostingType.WITHDRAWAL:
                return [(kind.WITHDRAWAL_FEE if posting.is_fee else kind.EXTERNAL_TRANSFER_OUT, signed)]
            case PostingType.TRANSFER if posting.note == self.core.OWN_TRANSFER:
                return [(kind.TRANSFER_IN if signed > 0 else kind.TRANSFER_OUT, signed)]
            case PostingType.TRANSFER:  # a withdrawal that comes back
                return [(kind.EXTERNAL_TRANSFER_IN, signed)]
            case PostingType.CLEARING if posting.note.startswith(self.core.MATURITY):
                return [(kind.UNLEND if signed > 0 else kind.REPAY, signed)]
            case PostingType.CLEARING:
                return [(kind.INTEREST, signed)]
            case PostingType.TRADE if posting.is_fee:
                return [(kind.TRANSACTION_FEE, signed)]
            case PostingType.TRADE:
                return self._fill(posting)

    def _fill(self, posting: Posting) -> list[tuple[TransactionType, int]]:
        """The position, which was posted just before, says what the principal was for."""
        market, before, change = self._turned[posting.account]
        if market.maturity is not None:
            return [(TransactionType.TRADE, posting.signed)]
        closed = 0 if before * change >= 0 else min(abs(before), abs(change))
        opened = abs(change) - closed
        lends = change > 0
        back, out = (
            (TransactionType.REPAY, TransactionType.LEND) if lends else (TransactionType.UNLEND, TransactionType.BORROW)
        )
        sign = -1 if lends else 1
        return [(type_, sign * quantity) for type_, quantity in ((back, closed), (out, opened)) if quantity]

    def _write(self, posting: Posting, type_: TransactionType, quantity: int) -> None:
        key = posting.account, posting.contract
        self._balances[key] += quantity
        self._last += 1
        row = Transaction(self._last, *key, type_, quantity, self._balances[key], posting.booked)
        rows = self.rows[posting.account]
        rows.append(row)
        del rows[:-_KEPT]
