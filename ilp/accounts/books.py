"""The pool's own ledger: every booking, the balances that follow, and the terms of profit and loss.  Pure; sends nothing.

The law (`fault`): the change of equity, which is balances times marks, equals the sum of all terms plus what rounding them
took.  Neither side is computed from the other.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from attrs import define, field

from ilp.accounts import postings
from ilp.accounts.postings import FEES, OUTSIDE, TRANSIT, Account, Position, Term, own
from ilp.accounts.units import FINE, Marks, fixed, minor, units
from ilp.journal.entries import BookingEntry, FillEntry, FlowEntry, TransferEntry

__all__ = ["EXPOSED", "LOSS", "Books", "Result", "unvalued_fees"]

ZERO = Decimal(0)
NEVER = datetime.min.replace(tzinfo=UTC)
EXPOSED = "revaluation of exposure"  # of which, within the revaluation of base
LOSS = (Term.SPREAD, Term.HEDGES, Term.PLANS, Term.FEES, Term.TRANSFERS)  # the pool's own doing; exposure comes on top


@define
class Result:
    """Gains by term in minor units of the numeraire, what rounding them took in fine parts, and the exposure's share.

    :ivar unvalued: fees in assets that had no mark when they were booked, in minor units of each: they are in no term.
    """

    terms: dict[str, int] = field(factory=dict)
    rounding: int = 0
    unvalued: dict[str, int] = field(factory=dict, eq=False)  # sums that were kept before it was counted lack it

    def add(self, terms: Mapping[str, int], rounding: int, unvalued: Mapping[str, int] | None = None) -> None:
        """Add another result."""
        for asset, number in (unvalued or {}).items():
            self.unvalued[asset] = self.unvalued.get(asset, 0) + number
        for name, number in terms.items():
            self.terms[name] = self.terms.get(name, 0) + number
        self.rounding += rounding

    def term(self, name: str) -> int:
        """One of them."""
        return self.terms.get(name, 0)

    @property
    def total(self) -> int:
        """All terms, in fine parts with the rounding."""
        return sum(self.term(term) for term in Term) * FINE + self.rounding

    @property
    def own(self) -> int:
        """What trading earned, in minor units: not the revaluation of what the operator asked for, no flows."""
        return sum(self.term(term) for term in LOSS) + self.term(EXPOSED)

    @property
    def change(self) -> int:
        """What equity changed by, in minor units, but for what was brought or taken away."""
        return sum(self.term(term) for term in Term if term is not Term.EXTERNAL)


@define(eq=False)
class Books:
    """Balances, marks and results as of the last booking.

    :ivar base, numeraire: which asset is which; every other one is fiat.
    :ivar opened: time of the opening; None before it, and then nothing is booked.
    :ivar last: time of the last booking.
    :ivar since: all since the opening; `days`: the same by world day, see `day`.
    """

    base: str
    numeraire: str
    opened: datetime | None = None
    last: datetime = NEVER
    balances: dict[Account, int] = field(factory=dict)
    marks: dict[str, int] = field(factory=dict)
    exposure: Decimal = ZERO
    since: Result = field(factory=Result)
    days: dict[date, Result] = field(factory=dict)
    booked: dict[str, dict[Account, int]] = field(factory=dict)
    count: int = 0

    # ------------------------------------------------------------------------------------------------------- booking

    def open(
        self,
        at: datetime,
        balances: Mapping[Account, Decimal],
        transfers: Iterable[TransferEntry],
        marks: Mapping[str, Decimal],
        exposure: Decimal,
    ) -> list[BookingEntry]:
        """Begin with what there is; what is under way already counts as ours.

        It is as if it were still where it left, and is booked as leaving then: a later run finds it booked like any other.
        """
        lines: dict[Account, int] = {account: units(amount) for account, amount in balances.items()}
        leaving = []
        for entry in transfers:
            position = postings.transfer_position(entry)
            on_its_way = position.get((TRANSIT, entry.asset), 0)
            if on_its_way:
                _sum(lines, {(entry.from_venue, entry.asset): on_its_way})
                leaving.append(entry)
            else:
                self.booked[entry.id] = position
        for (_, asset), number in tuple(lines.items()):
            lines[OUTSIDE, asset] = lines.get((OUTSIDE, asset), 0) - number
        self.marks = fixed(marks)
        value = sum(number * self.marks.get(asset, 0) for (account, asset), number in lines.items() if own(account))
        opening = self._book("opening", "", at, lines, {Term.EXTERNAL: value}, exposure)
        return [opening, *(booking for entry in leaving if (booking := self.transfer(entry, at)) is not None)]

    def revalue(
        self, at: datetime, marks: Mapping[str, Decimal], exposure: Decimal, *, always: bool = False
    ) -> BookingEntry | None:
        """Take over new marks; None where they are the old ones, unless that is to be booked *always*."""
        new = fixed(marks)
        if new == self.marks and exposure == self.exposure and not always:
            return None
        gains = self.revaluation(new)
        self.marks = new
        return self._book("revaluation", "", at, {}, gains, exposure)

    def fill(self, entry: FillEntry, at: datetime, exposure: Decimal) -> BookingEntry | None:
        """Book a fill at the marks of now; None when it is booked already."""
        reference = f"{entry.venue}/{entry.key}"
        if reference in self.booked:
            return None  # a start meets fills again that were booked before, and a client may tell one twice
        position = postings.fill_position(entry)
        return self._book("trade", reference, at, position, postings.fill_terms(entry, self.marks), exposure)

    def transfer(self, entry: TransferEntry, at: datetime) -> BookingEntry | None:
        """Book what changed of a transfer; None when nothing that counts has."""
        return self._changed("transfer", entry.id, at, postings.transfer_position(entry))

    def flow(self, entry: FlowEntry, at: datetime) -> BookingEntry | None:
        """Book what changed of a flow; None when nothing that counts has."""
        return self._changed("flow", f"flow:{entry.key}", at, postings.flow_position(entry))

    def has(self, entry: FillEntry | TransferEntry | FlowEntry) -> bool:
        """Whether *entry* is booked as it is, and booking it again would do nothing."""
        if isinstance(entry, FillEntry):
            return f"{entry.venue}/{entry.key}" in self.booked
        if isinstance(entry, TransferEntry):
            return not self._difference(entry.id, postings.transfer_position(entry))
        return not self._difference(f"flow:{entry.key}", postings.flow_position(entry))

    def day(self, at: datetime) -> date:
        """The day to which a booking of that time belongs: that of the clock, but never one before the latest booking's.

        A clock that is set back over midnight must not end the day: its losses would be forgotten, and come again with it.
        """
        return max(at, self.last).date()

    def take(self, entry: BookingEntry) -> None:
        """Take in a booking that was made before: of an earlier run, or just now."""
        if entry.kind == "opening":
            self.opened = entry.at
        self.count, self.last = max(self.count, int(entry.key)), max(self.last, entry.at)
        if entry.reference:
            before = self.booked.setdefault(entry.reference, {})
            if entry.kind != "trade":  # a fill is booked once; what it moved need not be remembered
                _sum(before, {(account, asset): number for account, asset, number in entry.lines})
        for account, asset, number in entry.lines:
            self.balances[account, asset] = self.balances.get((account, asset), 0) + number
        self.marks, self.exposure = dict(entry.marks), entry.exposure
        for result in (self.since, self.days.setdefault(self.day(entry.at), Result())):
            result.add(entry.terms, entry.rounding, unvalued_fees(entry))

    # --------------------------------------------------------------------------------------------------- remembering

    def sums(self, recent: Iterable[str]) -> dict[str, Any]:
        """All that follows from the bookings so far, as plain JSON that no later booking changes.

        :param recent: references of fills that a start may meet again; others need not be known to be booked.
        """
        fills = set(recent)
        return {
            "opened": None if self.opened is None else self.opened.isoformat(),
            "balances": [[account, asset, number] for (account, asset), number in sorted(self.balances.items())],
            "marks": dict(self.marks),
            "exposure": f"{self.exposure:f}",
            "since": _kept(self.since),
            "days": {day.isoformat(): _kept(result) for day, result in sorted(self.days.items())},
            "booked": {
                reference: [[account, asset, number] for (account, asset), number in sorted(lines.items())]
                for reference, lines in sorted(self.booked.items())
                if lines or reference in fills
            },
        }

    def forget(self, recent: Container[str]) -> None:
        """Forget which fills are booked but for the *recent* ones; a start takes up no others either, see `sums`."""
        self.booked = {reference: lines for reference, lines in self.booked.items() if lines or reference in recent}

    def resume(self, number: int, last: datetime, sums: Mapping[str, Any]) -> None:
        """Begin where `sums` was taken, after booking *number*, instead of with the first one."""
        self.count, self.last = number, last
        self.opened = None if sums["opened"] is None else datetime.fromisoformat(sums["opened"])
        self.balances = {(account, asset): units for account, asset, units in sums["balances"]}
        self.marks, self.exposure = dict(sums["marks"]), Decimal(sums["exposure"])
        self.since = _taken_up(sums["since"])
        self.days = {date.fromisoformat(day): _taken_up(kept) for day, kept in sums["days"].items()}
        self.booked = {
            reference: {(account, asset): units for account, asset, units in lines}
            for reference, lines in sums["booked"].items()
        }

    # ------------------------------------------------------------------------------------------------------- reading

    def equity(self, marks: Marks | None = None) -> int:
        """What all that is ours is worth, in fine parts; at the ledger's own marks by default."""
        at = self.marks if marks is None else marks
        return sum(number * at.get(asset, 0) for (account, asset), number in self.balances.items() if own(account))

    def revaluation(self, marks: Marks) -> dict[str, int]:
        """What a change to *marks* gains, in fine parts: base and fiat apart, the exposure's share besides."""
        gains: dict[str, int] = {Term.BASE: 0, Term.FIAT: 0, EXPOSED: 0}
        for (account, asset), number in self.balances.items():
            if own(account):
                term = Term.BASE if asset == self.base else Term.FIAT
                gains[term] += number * (marks.get(asset, 0) - self.marks.get(asset, 0))
        gains[EXPOSED] = units(self.exposure) * (marks.get(self.base, 0) - self.marks.get(self.base, 0))
        return gains

    def moved(self, account: str, asset: str) -> int:
        """How many transfers and flows changed that balance: each was rounded by half a minor unit at most."""
        return sum((account, asset) in lines for lines in self.booked.values())

    def result(self, day: date, marks: Mapping[str, Decimal] | None = None) -> Result:
        """The result of a world day, with what has not been booked yet of a revaluation to *marks*."""
        return self._with(self.days.get(day), marks)

    def total(self, marks: Mapping[str, Decimal] | None = None) -> Result:
        """The result since the opening, likewise."""
        return self._with(self.since, marks)

    def _with(self, result: Result | None, marks: Mapping[str, Decimal] | None) -> Result:
        found = Result()
        if result is not None:
            found.add(result.terms, result.rounding, result.unvalued)
        if marks is not None and self.opened is not None:
            found.add(*_rounded(self.revaluation(fixed(marks))))
        return found

    def fault(self) -> str:
        """Where the ledger contradicts itself, in a sentence; empty when it does not."""
        sums: dict[str, int] = {}
        for (_, asset), number in self.balances.items():
            sums[asset] = sums.get(asset, 0) + number
        for asset, number in sorted(sums.items()):
            if number:
                return f"{number} minor units of {asset} came from nowhere"
        if (left := self.equity() - self.since.total) != 0:
            return f"equity and the sum of the terms differ by {left} fine parts of a minor unit"
        return ""

    # ------------------------------------------------------------------------------------------------------- details

    def _changed(self, kind: str, reference: str, at: datetime, position: Position) -> BookingEntry | None:
        """Book the difference to what is booked of the same thing, at the marks of now."""
        lines = self._difference(reference, position)
        if not lines:
            return None
        return self._book(kind, reference, at, lines, postings.moved_terms(lines, self.marks), self.exposure)

    def _difference(self, reference: str, position: Position) -> dict[Account, int]:
        """What is missing between what is booked of that thing and where it is."""
        lines = dict(position)
        _sum(lines, {account: -number for account, number in self.booked.get(reference, {}).items()})
        return {account: number for account, number in lines.items() if number}

    def _book(
        self, kind: str, reference: str, at: datetime, lines: Position, gains: Mapping[str, int], exposure: Decimal
    ) -> BookingEntry:
        terms, rounding = _rounded(gains)
        entry = BookingEntry(
            f"{self.count + 1:010d}",
            at,
            kind,
            reference,
            tuple((account, asset, number) for (account, asset), number in sorted(lines.items()) if number),
            terms,
            rounding,
            self.marks,
            exposure,
        )
        self.take(entry)
        return entry


def _rounded(gains: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Gains in fine parts as whole minor units, and the fine parts that rounding the terms took."""
    terms: dict[str, int] = {}
    left = 0
    for name, fine in gains.items():
        whole, rest = minor(fine)
        if whole:
            terms[str(name)] = whole
        left += rest if name != EXPOSED else 0  # its share is part of the revaluation of base, not a term besides
    return terms, left


def unvalued_fees(entry: BookingEntry) -> dict[str, int]:
    """The fees of a booking that its terms cannot contain: nobody knows what the asset is worth."""
    return {asset: number for account, asset, number in entry.lines if account == FEES and asset not in entry.marks}


def _kept(result: Result) -> list[Any]:
    """A result as plain JSON."""
    return [dict(result.terms), result.rounding, *([dict(result.unvalued)] if result.unvalued else [])]


def _taken_up(kept: list[Any]) -> Result:
    return Result(dict(kept[0]), kept[1], dict(*kept[2:]))


def _sum(into: dict[Account, int], lines: Position) -> None:
    for account, number in lines.items():
        into[account] = into.get(account, 0) + number
