"""How things went: a sample of the console's figures every so often, for the pictures of the page.

Owns a ring of the latest samples in memory and hands one of each minute to the archive; the journal is the record, this is
only what a page needs that was opened late.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ilp.operator import Console, Document
from web.archive import Archive
from web.reading import read
from web.replies import InWorker

__all__ = ["EVERY", "KEPT", "LONGEST", "PARTS", "SHORTEST", "History", "sample"]

EVERY = 2.0  # seconds of the reactor between two samples
KEPT = 900  # samples: half an hour
SHORTEST, LONGEST = 60.0, 400 * 86_400.0  # seconds of the world that may be asked for
TERMS = ("cash", "costs", "risk", "deviation")
PARTS = (
    "spread",
    "hedge slippage",
    "plan slippage",
    "trade fees",
    "transfer costs",
    "base revaluation",
    "fiat revaluation",
    "interest and funding",
    "trading",
)


def sample(document: Document) -> Document:
    """The figures of *document* that pictures show, as they are written there.

    `quotes` maps `VENUE TICKER SIDE` to `[resting price, reference, hedge price]`, `books` maps `VENUE TICKER` to
    `[bid, ask]`, `holdings` maps `VENUE ASSET` to `[total, target]`; `exposure` and `value` are single figures; `profit` has
    the parts of the profit and loss since the ledger opened and `terms` those of the value, each by name, or None.
    """
    trader, state, base = document["trader"], document["state"], document["valuation"]["base"]
    return {
        "at": document["time"],
        "quotes": {
            f"{venue} {ticker} {side}": [
                quote["price"] if quote["resting"] else None,
                quote["reference"],
                quote["hedge"],
            ]
            for venue, tickers in trader["quotes"].items()
            for ticker, sides in tickers.items()
            for side, quote in sides.items()
        },
        "books": {
            f"{venue} {ticker}": [book["bid"], book["ask"]]
            for venue, books in state["books"].items()
            for ticker, book in books.items()
        },
        "holdings": {f"{h['venue']} {h['asset']}": [h["total"], h["target"]] for h in state["holdings"]},
        "exposure": next((e["quantity"] for e in trader["exposure"].values()), None),
        "value": None if base is None else base["value"],
        "terms": None if base is None else {name: base[name] for name in TERMS},
        "profit": _profit(document.get("pnl")),
    }


def _profit(pnl: Document | None) -> Document | None:
    if pnl is None or pnl["opened"] is None:
        return None
    return {name: pnl["since"][name] for name in PARTS}


@define(eq=False)
class History:
    """Samples the console from `start` to `stop`.

    :ivar archive: keeps one sample of each minute.
    :ivar in_worker: runs what is slow off the reactor's thread; by default at once.
    """

    console: Console
    clock: IReactorTime
    archive: Archive = field(factory=Archive)
    in_worker: InWorker = maybeDeferred
    _samples: deque[bytes] = field(factory=lambda: deque(maxlen=KEPT), init=False, repr=False)
    _newest: str = field(default="", init=False)
    _loop: LoopingCall | None = field(default=None, init=False)
    _minute: str = field(default="", init=False)
    _keeping: Deferred[None] | None = field(default=None, init=False)
    _trouble: str = field(default="", init=False)
    _log = Logger(namespace="web.history")

    def start(self) -> None:
        """Begin to sample."""
        self._loop = LoopingCall(self._take)
        self._loop.clock = self.clock
        self._loop.start(EVERY, now=False).addErrback(lambda f: self._log.failure("sampling ended", f))

    async def stop(self) -> None:
        """End it; fires when nothing is being written any more."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        if self._keeping is not None:
            ended: Deferred[None] = Deferred()
            self._keeping.addBoth(ended.callback)
            await ended
        self.archive.close()

    def put(self, taken: Document) -> None:
        """Add the newest sample."""
        # As JSON: thousands of small lists and dicts would be gone through by every collection of garbage.
        self._newest = taken["at"]
        self._samples.append(msgspec.json.encode(taken))

    def latest(self) -> Document:
        """`{"every": seconds, "samples": [...]}` of the last half hour, oldest first; samples as JSON."""
        return {"every": EVERY, "samples": [msgspec.Raw(body) for body in self._samples]}

    async def past(self, span: float) -> Document:
        """The same of the last *span* seconds of the world, fewer and further apart; `every` is in seconds of the world."""
        samples: list[Any] = []
        if self._samples:
            try:
                samples = await self.in_worker(self.archive.samples, self._newest, span)
            except (sqlite3.Error, OSError) as error:
                self._cannot(error)
            samples = [*samples, msgspec.Raw(self._samples[-1])]
        return {"every": span / KEPT, "samples": samples}

    def _take(self) -> None:
        document = read(self.console)
        if document is None:
            return
        taken = sample(document)
        self.put(taken)
        minute = taken["at"][:16]
        if minute != self._minute and self._keeping is None:
            self._minute = minute
            self._keep(taken)

    def _keep(self, taken: Document) -> None:
        self._keeping = self.in_worker(self.archive.add, taken)
        self._keeping.addCallbacks(self._kept, self._not_kept)

    def _kept(self, _: None) -> None:
        self._keeping = None
        self._trouble = ""

    def _not_kept(self, failure: Failure) -> None:
        self._keeping = None
        if failure.check(sqlite3.Error, OSError):
            self._cannot(failure.value)
        elif not failure.check(CancelledError):
            self._log.failure("a sample could not be kept", failure)

    def _cannot(self, error: BaseException | None) -> None:
        """Say once what is wrong with the file: pictures are no reason to fill a log."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            where = self.archive.path or "memory"
            self._log.warn("pictures of the past in {where} cannot be used: {error}", where=where, error=error)
