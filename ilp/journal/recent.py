"""A journal that also remembers the newest entries in memory, for screens that must not wait for a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from twisted.internet.defer import Deferred

from ilp.journal.entries import ActEntry, Entry, FillEntry, HedgeEntry, ParameterEntry, PlanEntry, StateEntry
from ilp.journal.interface import Journal

__all__ = ["RecentJournal"]

_KEPT: dict[type, int] = {
    FillEntry: 500,
    HedgeEntry: 500,
    PlanEntry: 50,
    StateEntry: 200,
    ParameterEntry: 200,
    ActEntry: 200,
}


class RecentJournal:
    """Passes everything on to a journal; what was recorded, or loaded at the start, can be asked for at once.

    An entry is shown as soon as it was handed in: whether it is durable is the business of who recorded it.  One that could
    not be written and is handed in again is the same one, and shown once.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: dict[type, dict[int, Any]] = {kind: {} for kind in _KEPT}  # by the entry's identity, oldest first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def record(self, *entries: Entry) -> Deferred[None]:
        """See `Journal.record`."""
        self._keep(entries)
        return self._journal.record(*entries)

    def load(self, now: datetime, back: timedelta) -> Deferred[None]:
        """Take up what was recorded in the time before *now*."""
        return Deferred.fromCoroutine(self._load(now - back))

    async def _load(self, since: datetime) -> None:
        for kind, most in _KEPT.items():
            self._keep(await self._journal.latest(kind, since, most))

    def _keep(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            kind = type(entry)
            kept = self._kept.get(kind)
            if kept is not None:
                kept[id(entry)] = entry
                if len(kept) > _KEPT[kind]:
                    del kept[next(iter(kept))]

    def fills_kept(self) -> tuple[FillEntry, ...]:
        """The newest fills, oldest first."""
        return tuple(self._kept[FillEntry].values())

    def hedges_kept(self) -> tuple[HedgeEntry, ...]:
        """The newest links between fills and what closed them, oldest first."""
        return tuple(self._kept[HedgeEntry].values())

    def plans_kept(self) -> tuple[PlanEntry, ...]:
        """The newest plans, oldest first; those that only kept an exposure have no rounded moves."""
        return tuple(self._kept[PlanEntry].values())

    def states_kept(self) -> tuple[StateEntry, ...]:
        """The newest changes of state, oldest first."""
        return tuple(self._kept[StateEntry].values())

    def acts_kept(self) -> tuple[ActEntry, ...]:
        """What people did of late, oldest first."""
        return tuple(self._kept[ActEntry].values())

    def edits_kept(self) -> tuple[ParameterEntry, ...]:
        """The newest edits of parameters, oldest first."""
        return tuple(self._kept[ParameterEntry].values())
