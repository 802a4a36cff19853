"""Double entry: accounts, bookings and their postings.  Decides nothing about orders, fees or permissions.

Accounts of users and most of the house are what the venue *owes* (credit is more); `house.cash` is what it *has* (debit is
more).  A booking whose debits and credits differ in any currency is refused, so what is had always equals what is owed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from attrs import frozen

from ilp.simulation.records import Direction, Posting, PostingType

__all__ = ["CASH", "CLEARING", "FEES", "UNCLAIMED", "WITHDRAWALS", "Ledger", "Leg", "credit", "debit"]

HOUSE = "house."
CASH = "house.cash"
FEES = "house.fees"
WITHDRAWALS = "house.withdrawals"
UNCLAIMED = "house.unclaimed"
CLEARING = "house.clearing"


@frozen
class Leg:
    """One half of a booking to be made."""

    account: str
    currency: str
    direction: Direction
    quantity: int
    note: str = ""
    is_fee: bool = False


def credit(account: str, currency: str, quantity: int, note: str = "", *, is_fee: bool = False) -> Leg:
    """More for a user."""
    return Leg(account, currency, Direction.CREDIT, quantity, note, is_fee)


def debit(account: str, currency: str, quantity: int, note: str = "", *, is_fee: bool = False) -> Leg:
    """Less for a user."""
    return Leg(account, currency, Direction.DEBIT, quantity, note, is_fee)


class Ledger:
    """All accounts of one venue, in smallest units.

    :param now: the world's time.
    :param history: how many postings an account remembers.
    """

    def __init__(self, now: Callable[[], datetime], history: int) -> None:
        self._now = now
        self._balances: dict[str, dict[str, int]] = defaultdict(dict)
        self._history: dict[str, deque[Posting]] = defaultdict(lambda: deque(maxlen=history))
        self._bookings = 0

    def limit(self, account: str, history: int) -> None:
        """Remember so many postings of one account."""
        self._history[account] = deque(self._history[account], maxlen=history)

    def book(self, type_: PostingType, legs: Sequence[Leg]) -> list[Posting]:
        """Make a booking, all of it or none; ValueError when it does not balance."""
        _check_balanced(legs)
        self._bookings += 1
        booked = self._now()
        return [self._post(leg, type_, booked) for leg in legs]

    def _post(self, leg: Leg, type_: PostingType, booked: datetime) -> Posting:
        more = (leg.direction is Direction.DEBIT) == is_asset(leg.account)
        holdings = self._balances[leg.account]
        balance = holdings.get(leg.currency, 0) + (leg.quantity if more else -leg.quantity)
        holdings[leg.currency] = balance
        posting = Posting(
            self._bookings,
            leg.account,
            leg.currency,
            type_,
            leg.direction,
            leg.quantity,
            leg.note,
            balance,
            booked,
            self._now(),
            leg.is_fee,
        )
        self._history[leg.account].append(posting)
        return posting

    def balance(self, account: str, currency: str) -> int:
        """What an account holds; 0 for what it never held."""
        return self._balances[account].get(currency, 0) if account in self._balances else 0

    def balances(self, account: str) -> Mapping[str, int]:
        """Everything an account ever held, zeros included."""
        return dict(self._balances[account]) if account in self._balances else {}

    def accounts(self) -> Iterable[str]:
        """Every account that was ever booked on, the house's included."""
        return tuple(self._balances)

    def history(self, account: str) -> Sequence[Posting]:
        """Postings of an account, oldest first."""
        return tuple(self._history[account]) if account in self._history else ()

    def owed(self, currency: str) -> int:
        """Σ of what the venue owes, users and house."""
        return sum(held.get(currency, 0) for name, held in self._balances.items() if not is_asset(name))

    def had(self, currency: str) -> int:
        """Σ of what the venue has."""
        return sum(held.get(currency, 0) for name, held in self._balances.items() if is_asset(name))


def is_asset(account: str) -> bool:
    """Whether a debit is more for this account."""
    return account == CASH


def _check_balanced(legs: Sequence[Leg]) -> None:
    sums: dict[str, int] = {}
    for leg in legs:
        signed = leg.quantity if leg.direction is Direction.CREDIT else -leg.quantity
        sums[leg.currency] = sums.get(leg.currency, 0) + signed
    for currency, total in sums.items():
        if total:
            raise ValueError(f"the booking does not balance: credits exceed debits by {total} units of {currency}")
