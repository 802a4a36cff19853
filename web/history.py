"""How things went lately: a sample of the console's figures every so often, for the pictures of the page.

Owns a ring of samples in memory; the journal is the record, this is only what a page needs that was opened late.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ilp.operator import Console, Document
from web.reading import read

__all__ = ["EVERY", "KEPT", "History", "sample"]

EVERY = 2.0  # seconds of the reactor between two samples
KEPT = 900  # samples: half an hour
TERMS = ("cash", "costs", "risk", "deviation")
PARTS = ("spread", "hedge slippage", "plan slippage", "trade fees", "transfer costs", "trading")


def sample(document: Document) -> Document:
    """The figures of *document* that pictures show, as they are written there.

    `quotes` maps `VENUE TICKER SIDE` to `[resting price, reference]`, `books` maps `VENUE TICKER` to `[bid, ask]`,
    `holdings` maps `VENUE ASSET` to `[total, target]`; `exposure` and `value` are single figures; `profit` has the parts of
    today's profit and loss and `terms` those of the pool's value now, each by name, or None.
    """
    trader, state, base = document["trader"], document["state"], document["valuation"]["base"]
    return {
        "at": document["time"],
        "quotes": {
            f"{venue} {ticker} {side}": [quote["price"] if quote["resting"] else None, quote["reference"]]
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
    """Today's parts that trading is answerable for."""
    if pnl is None or pnl["opened"] is None:
        return None
    return {name: pnl["today"][name] for name in PARTS}


@define(eq=False)
class History:
    """Samples the console from `start` to `stop`."""

    console: Console
    clock: IReactorTime
    _samples: deque[Document] = field(factory=lambda: deque(maxlen=KEPT), init=False, repr=False)
    _loop: LoopingCall | None = field(default=None, init=False)
    _log = Logger(namespace="web.history")

    def start(self) -> None:
        """Begin to sample."""
        self._loop = LoopingCall(self._take)
        self._loop.clock = self.clock
        self._loop.start(EVERY, now=False).addErrback(lambda f: self._log.failure("sampling ended", f))

    def stop(self) -> None:
        """End it; nothing is left behind."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def document(self) -> Document:
        """`{"every": seconds, "samples": [...]}`, oldest first."""
        return {"every": EVERY, "samples": list(self._samples)}

    def _take(self) -> None:
        document = read(self.console)
        if document is not None:
            self._samples.append(sample(document))
