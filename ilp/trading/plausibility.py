"""Whether what a venue says that we hold can be believed: told against expected.  Decides nothing and sends nothing.

Expected is what the pool's own ledger has, in which every fill, transfer and flow is the moment it is known; of a reserve,
which is in no ledger, what was believed last.  A figure far from that counts only when it has stood for a while: a venue
that says nothing is left, or ten times as much, is wrong more often than it is robbed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define, field

__all__ = ["AGAIN", "PATIENCE", "Plausibility"]

ZERO = Decimal(0)
AGAIN = 2.0  # reactor seconds between two readings of balances that are doubted: it may take many
PATIENCE = 5.0  # reactor seconds in which a fill that we have not heard of yet may explain what a venue reports

Holding = tuple[str, str]


@define
class _Odd:
    """A holding that is not what it should be.

    :ivar off: told less expected; `since`: reactor seconds of the first report of it; `first`: when anything was odd first.
    :ivar reports: how many agreed; `why`: empty as long as own orders may explain it.
    """

    off: Decimal
    since: float
    first: float
    reports: int = 0
    why: str = ""


@define(eq=False)
class Plausibility:
    """Judges the reported balance of each holding.

    :ivar jump: largest believable difference, a fraction of the larger of told and expected.
    :ivar settle: reactor seconds that a larger one has to stand, and `needed` in how many reports, before it counts.
    :ivar expected: what is expected of a holding; None where nobody can say.
    :ivar remembers: holdings that no ledger has: expected is what was believed last.
    :ivar fillable: what own orders, of now or of a moment ago, may have changed of a holding at most.
    :ivar moving: what transfers under way may have taken from a holding, and brought to it, at most.
    :ivar least: what is so little that nothing that is sent depends on it.
    :ivar owing: venues where a holding may be less than nothing.
    :ivar accepted: told of each difference (told less expected) that has stood long enough; from then on that is expected.
    """

    jump: Decimal
    settle: float
    needed: int
    seconds: Callable[[], float]
    remembers: frozenset[Holding] = frozenset()
    owing: frozenset[str] = frozenset()
    expected: Callable[[str, str], Decimal | None] = lambda venue, asset: None
    fillable: Callable[[str, str], Decimal] = lambda venue, asset: ZERO
    moving: Callable[[str, str], tuple[Decimal, Decimal]] = lambda venue, asset: (ZERO, ZERO)
    least: Callable[[str, str], Decimal] = lambda venue, asset: ZERO
    accepted: Callable[[str, str, Decimal], None] = lambda venue, asset, off: None
    _odd: dict[Holding, _Odd] = field(factory=dict)
    _believed: dict[Holding, Decimal] = field(factory=dict)  # of those to be remembered

    def judge(self, venue: str, asset: str, told: Decimal) -> None:
        """Take a report of a holding."""
        holding, at = (venue, asset), self.seconds()
        expected = self._expected(holding)
        if told < 0 and venue not in self.owing and told < -self.least(venue, asset):
            self._hold(holding, told - (expected or ZERO), f"{asset}: it reports {told}, less than nothing")
            return
        if expected is None:
            self._odd.pop(holding, None)
            self._believe(holding, told)
            return
        off, bar = told - expected, self.jump * max(abs(told), abs(expected))
        unexplained = ZERO
        if abs(off) > bar:  # which is rare: what may explain it takes longer to find out
            least, (taken, brought) = self.least(venue, asset), self.moving(venue, asset)
            unexplained, bar = abs(off) - (brought if off > 0 else taken), max(least, bar)
        if unexplained <= bar:
            self._odd.pop(holding, None)
            self._believe(holding, told)
            return
        odd = self._again(holding, off, max(least, self.jump * abs(off)))
        if not odd.why and at - odd.first <= PATIENCE and unexplained - self.fillable(venue, asset) <= bar:
            return
        if odd.why and odd.reports > self.needed and at - odd.since >= self.settle:
            del self._odd[holding]
            if holding in self.remembers:
                self._believed[holding] = told
            else:
                self.accepted(venue, asset, off)
            return
        odd.why = (
            f"{asset}: it reports {told:f}, {expected:f} is expected, and no fill, transfer or record explains the "
            f"difference; it counts once it has stood for {self.settle:g} s, {at - odd.since:.0f} s so far"
        )

    def refuse(self, venue: str, asset: str, figure: Decimal) -> None:
        """A report has a figure that is no number."""
        self._hold((venue, asset), ZERO, f"{asset}: it reports {figure}, which is no amount")

    def doubt(self, venue: str) -> str:
        """Why the balances of a venue do not count, the first reason; empty when they do."""
        return next((odd.why for (where, _), odd in self._odd.items() if where == venue and odd.why), "")

    def believed(self, venue: str, asset: str) -> Decimal | None:
        """What to go by instead of the report while that is doubted; None where the report counts, or is all there is."""
        odd = self._odd.get((venue, asset))
        return self._expected((venue, asset)) if odd is not None and odd.why else None

    def look_again(self, venue: str) -> float | None:
        """When what own orders may explain has to be explained (reactor seconds); None where nothing is open."""
        waiting = [odd.first + PATIENCE for (where, _), odd in self._odd.items() if where == venue and not odd.why]
        return min(waiting, default=None)

    def forget(self, venue: str) -> None:
        """The connection is lost: what it says next is judged afresh."""
        for holding in [one for one in self._odd if one[0] == venue]:
            del self._odd[holding]

    # ------------------------------------------------------------------------------------------------------- details

    def _expected(self, holding: Holding) -> Decimal | None:
        return self._believed.get(holding) if holding in self.remembers else self.expected(*holding)

    def _believe(self, holding: Holding, told: Decimal) -> None:
        if holding in self.remembers:
            self._believed[holding] = told

    def _again(self, holding: Holding, off: Decimal, alike: Decimal) -> _Odd:
        """What is odd of it, with this report: one that says something else again begins its time anew."""
        at = self.seconds()
        odd = self._odd.setdefault(holding, _Odd(off, at, at))
        if abs(off - odd.off) > alike:
            odd.off, odd.since, odd.reports = off, at, 0
        odd.reports += 1
        return odd

    def _hold(self, holding: Holding, off: Decimal, why: str) -> None:
        odd = self._again(holding, off, ZERO)
        odd.why, odd.since, odd.reports = why, self.seconds(), 0
