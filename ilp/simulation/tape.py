"""What was traded: trades and bars of the markets, fills of the accounts.  Remembers; decides and books nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime

from clients.exchange import Period
from ilp.simulation.bars import Bars
from ilp.simulation.records import Bar, Fill, Trade

__all__ = ["Tape"]


class Tape:
    """The history of a venue's markets.

    :param history: how many trades of a market, and fills of an account, are remembered.
    """

    def __init__(self, contracts: Iterable[str], history: int) -> None:
        names = tuple(contracts)
        self._history = history
        self._bars = {name: Bars(name) for name in names}
        self._trades: dict[str, deque[Trade]] = {name: deque(maxlen=history) for name in names}
        self._fills: dict[str, deque[Fill]] = defaultdict(lambda: deque(maxlen=history))
        self._last_trade = 0

    def open(self, contract: str) -> None:
        """Begin the history of a market that was not there from the start."""
        self._bars[contract] = Bars(contract)
        self._trades[contract] = deque(maxlen=self._history)

    def close(self, contract: str) -> None:
        """The market is over: its trades and short bars are forgotten, its days stay."""
        self._trades.pop(contract, None)
        if contract in self._bars:
            self._bars[contract].keep("day")

    def limit(self, account: str, history: int) -> None:
        """Remember so many fills of one account."""
        self._fills[account] = deque(self._fills[account], maxlen=history)

    def next_trade_id(self) -> int:
        """A trade id that was never used."""
        self._last_trade += 1
        return self._last_trade

    def add_trade(self, trade: Trade) -> list[Bar]:
        """Remember a trade; returns the bars that are complete because of it."""
        self._trades[trade.contract].append(trade)
        return self._bars[trade.contract].add(trade)

    def add_fill(self, fill: Fill) -> None:
        """Remember a fill."""
        self._fills[fill.account].append(fill)

    def load_bar(self, bar: Bar) -> None:
        """Add a bar of a history from before the first trade."""
        self._bars[bar.contract].put(bar)

    def trades(self, contract: str, start: datetime, end: datetime) -> list[Trade]:
        """Trades of a market, both ends included, oldest first."""
        return [t for t in self._trades.get(contract, ()) if start <= t.timestamp <= end]

    def fills(self, account: str, start: datetime, end: datetime) -> list[Fill]:
        """Fills of an account, both ends included, oldest first."""
        return [f for f in self._fills.get(account, ()) if start <= f.timestamp <= end]

    def bars(self, contract: str, period: Period, start: datetime, end: datetime) -> list[Bar]:
        """Bars that overlap the interval, oldest first, the running one included."""
        return self._bars[contract].between(period, start, end) if contract in self._bars else []
