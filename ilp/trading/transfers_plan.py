"""What a new plan means for transfers, lane by lane.  Pure: decides, sends nothing, stores nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from attrs import frozen

from ilp.journal.entries import FINAL_TRANSFER_STATES, TransferEntry, TransferState
from ilp.settings import TransferRules

__all__ = [
    "Lane",
    "Lanes",
    "Opening",
    "Revision",
    "WantedTransfer",
    "Withdrawal",
    "decide",
    "lane_of",
    "manual_because",
]

Lane = tuple[str, str, str]
"""(asset that leaves, from venue, to venue)."""

DAY = timedelta(days=1)
ZERO = Decimal(0)


@frozen
class WantedTransfer:
    """A transfer that a plan contains.

    :ivar to_venue: empty for a payout to the operator's bank.
    :ivar amount: what leaves the sender, charges included, in `asset`; for a payout more than what the bank receives.
    :ivar fee: all charges expected, in `asset`; `expected` what should arrive, in `to_asset`.
    """

    asset: str
    from_venue: str
    to_venue: str
    to_asset: str
    amount: Decimal
    fee: Decimal
    expected: Decimal

    @property
    def lane(self) -> Lane:
        """Where it travels."""
        return (self.asset, self.from_venue, self.to_venue)


@frozen
class Opening:
    """Begin a transfer: `manual` by the operator's hand, `waits` for a click, neither: at once.  `why` in words."""

    move: WantedTransfer
    manual: bool
    waits: bool
    why: str


@frozen
class Revision:
    """Change one that has not left yet to what the plan now wants, and decide anew how it goes."""

    entry: TransferEntry
    opening: Opening


@frozen
class Withdrawal:
    """Give up one that has not left yet, as the plan no longer wants it."""

    entry: TransferEntry


def lane_of(entry: TransferEntry) -> Lane:
    """Where *entry* travels."""
    return (entry.asset, entry.from_venue, entry.to_venue)


@frozen
class Lanes:
    """What each lane may carry now.

    :ivar entries: transfers of the last day or more, and all that are open.
    :ivar coins: assets to which the interval of coins applies; that of fiat applies to the others.
    :ivar per_day: how many may leave on a lane in 24 hours of the world.
    """

    entries: Sequence[TransferEntry]
    rules: TransferRules
    coins: frozenset[str]
    per_day: int
    now: datetime

    def revisable(self, lane: Lane) -> TransferEntry | None:
        """The one on *lane* that a new plan may still change."""
        for entry in self._open(lane):
            planned_by_machine = entry.state is TransferState.PLANNED and not entry.called and entry.by == "machine"
            proposed_by_plan = entry.state is TransferState.PROPOSED and (entry.by == "machine" or bool(entry.plan))
            if proposed_by_plan or planned_by_machine:
                return entry
        return None

    def occupied(self, lane: Lane) -> str:
        """Why *lane* carries nothing else now; empty when it is free, or when what is on it may still be changed."""
        for entry in self._open(lane):
            if entry.state is TransferState.UNCERTAIN:
                return f"transfer {entry.id} is UNCERTAIN: resolve it first"
            if entry is not self.revisable(lane):
                return f"transfer {entry.id} is under way"
        return ""

    def obstacle(self, lane: Lane) -> str:
        """Why no transfer may begin on *lane* now; empty when one may."""
        if occupied := self.occupied(lane):
            return occupied
        begun = [moment for e in self.entries if lane_of(e) == lane and (moment := self._begun(e)) is not None]
        seconds = self.rules.coin_interval if lane[0] in self.coins else self.rules.fiat_interval
        if begun and self.now - max(begun) < timedelta(seconds=seconds):
            again = max(begun) + timedelta(seconds=seconds)
            return f"one transfer in {seconds:g} s: the next may begin at {again:%Y-%m-%d %H:%M:%S} UTC"
        today = [begin for begin in begun if self.now - begin < DAY]
        if len(today) >= self.per_day:
            return f"{len(today)} transfers in 24 hours, allowed {self.per_day}"
        return ""

    def _open(self, lane: Lane) -> Iterable[TransferEntry]:
        return (e for e in self.entries if lane_of(e) == lane and e.state not in FINAL_TRANSFER_STATES)

    def _begun(self, entry: TransferEntry) -> datetime | None:
        """When it used up the lane's interval: when it left, or may have, or when the operator did not want it."""
        dropped = entry.state is TransferState.CANCELLED and entry.by != "machine"
        return entry.since if dropped else entry.departed


def decide(
    moves: Iterable[WantedTransfer], lanes: Lanes, marks: Mapping[str, Decimal], by_hand: Collection[Lane]
) -> tuple[Opening | Revision | Withdrawal, ...]:
    """What to do about *moves*; proposals of earlier plans that are not among them are given up.

    :param marks: value of one unit of each asset in numeraire.
    :param by_hand: lanes on which the client cannot send or receive by itself.
    """
    found: list[Opening | Revision | Withdrawal] = []
    wanted = {move.lane: move for move in moves if move.amount > 0 and (move.to_venue or lanes.rules.payout != "off")}
    waiting = [e for e in lanes.entries if e.state in (TransferState.PROPOSED, TransferState.PLANNED)]
    for entry in waiting:
        if lane_of(entry) not in wanted and lanes.revisable(lane_of(entry)) is entry:
            found.append(Withdrawal(entry))
    for lane, move in wanted.items():
        opening = _opening(move, lanes.rules, marks, lane in by_hand)
        earlier = lanes.revisable(lane)
        if earlier is not None:
            if _changes(earlier, opening) and not lanes.occupied(lane):
                found.append(Revision(earlier, opening))
        elif not lanes.obstacle(lane):
            found.append(opening)
    return tuple(found)


def _changes(entry: TransferEntry, opening: Opening) -> bool:
    move = opening.move
    same = (entry.amount, entry.expected, entry.fee, entry.manual) == (
        move.amount,
        move.expected,
        move.fee,
        opening.manual,
    )
    return not (same and (opening.manual or opening.waits) and entry.state is TransferState.PROPOSED)


def _opening(move: WantedTransfer, rules: TransferRules, marks: Mapping[str, Decimal], by_hand: bool) -> Opening:
    manual = manual_because(move, rules, by_hand)
    if manual:
        return Opening(move, manual=True, waits=True, why=manual)
    waits = _waits_because(move, rules, marks)
    return Opening(move, manual=False, waits=bool(waits), why=waits or "wanted by the plan")


def manual_because(move: WantedTransfer, rules: TransferRules, by_hand: bool) -> str:
    if by_hand:
        return "made by hand: the client cannot"
    if not move.to_venue:
        return "" if rules.out_address else "made by hand: no address to pay out to is configured"
    if move.asset != move.to_asset and move.lane not in rules.automatic:
        return (
            f"made by hand: it converts {move.asset} to {move.to_asset}, and [transfers] lists no automatic lane for it"
        )
    return ""


def _waits_because(move: WantedTransfer, rules: TransferRules, marks: Mapping[str, Decimal]) -> str:
    if not move.to_venue:
        return "waits for approval: a payout"
    value = move.amount * marks[move.asset]
    arriving = move.expected * marks[move.to_asset]
    if arriving < rules.min_arrival * value:
        return f"waits for approval: {arriving / value:.1%} of it would arrive, less than {rules.min_arrival:.1%}"
    if value > rules.approval_limit:
        return f"waits for approval: worth {value:.2f}, above the limit of {rules.approval_limit:f}"
    return ""
