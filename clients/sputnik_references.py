"""Reference prices of futures over time, and the prices of their fills, which the ledger tells only relative to them.

Pure.  A future's trade moves cash by the distance of its price from the holder's reference price (5.7 of the protocol);
that one is fixed by the first trade and moved by settlements, whose notes name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import define, field

from clients.sputnik_wire import Contracts, TransactionMessage

__all__ = ["References"]

_CLEARING = re.compile(r"Clearing transaction for (\S+) at price: \S+ / reference_price: (-?[0-9.]+)\Z")


@define
class References:
    """Wire reference prices by contract.

    :ivar current: those of the positions as they are now.
    """

    contracts: Contracts
    current: Mapping[str, int]
    _settled: dict[str, list[tuple[int, int]]] = field(init=False, factory=dict)

    def learn(self, history: Iterable[TransactionMessage]) -> References:
        """Take in what the settlements in *history* say; returns itself."""
        for row in sorted(history, key=lambda row: row.timestamp):
            note = _CLEARING.match(row.note or "") if row.type == "Clearing" else None
            if note and note[1] in self.contracts and self.contracts[note[1]].contract_type == "futures":
                wire = int(Decimal(note[2]) * self.contracts[note[1]].denominator)
                self._settled.setdefault(note[1], []).append((row.timestamp, wire))
        return self

    def value(self, ticker: str, timestamp: int, quantity: int, paid: int) -> int | None:
        """What *quantity* contracts were worth (for a fill's price and fee) when buying them cost *paid*.

        None where the reference price of that time is not known.
        """
        later = [reference for at, reference in self._settled.get(ticker, []) if at >= timestamp]
        reference = later[0] if later else self.current.get(ticker)
        if reference is None:
            return None
        return paid + self.contracts.cash(ticker, reference, quantity)
