"""What a Kraken key may do, found out by calls that change nothing, and what is missing in the words of the key dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from clients.exchange import ExchangeError, NotAuthorised, Refused
from clients.kraken_errors import About
from clients.kraken_markets import Pair
from clients.kraken_rest import Rest

__all__ = ["Missing", "missing_rights"]

_NO_ORDER = "OAAAAA-AAAAA-AAAAAA"


@frozen
class Missing:
    """A right that the key lacks.

    :ivar needed: without it there is no market to be made.
    """

    right: str
    purpose: str
    needed: bool = True

    def __str__(self) -> str:
        return f"the key lacks the right “{self.right}”, which {self.purpose} needs"


@frozen
class _Probe:
    right: str
    purpose: str
    method: str
    parameters: Mapping[str, Any]
    about: About = About.READ
    cost: int = 1
    needed: bool = True


def _probes(pair: Pair | None) -> list[_Probe]:
    probes = [
        _Probe("Orders and trades: Query open", "finding orders again", "OpenOrders", {}),
        _Probe("Orders and trades: Query closed", "finding fills", "TradesHistory", {"without_count": True}, cost=2),
        _Probe(
            "Orders and trades: Cancel & close", "taking quotes back", "CancelOrder", {"txid": _NO_ORDER},
            About.ORDER, cost=0,
        ),
        _Probe(
            "Data: Query ledger", "the transaction history", "Ledgers", {"without_count": True}, cost=2, needed=False
        ),
    ]  # fmt: skip
    if pair is not None:
        order = {
            "pair": pair.altname, "type": "buy", "ordertype": "limit", "validate": True, "oflags": "post",
            "price": pair.tick, "volume": pair.lot,
        }  # fmt: skip
        probes.append(_Probe("Orders and trades: Create & modify", "quoting", "AddOrder", order, About.OTHER, 0))
    return probes


async def missing_rights(rest: Rest, pair: Pair | None) -> list[Missing]:
    """The rights that a key which can read balances and has a session lacks besides.

    :param pair: some pair that is followed; its order is only checked by the venue, never placed.
    """
    missing = []
    for probe in _probes(pair):
        doing = f"checking the key's right to {probe.right}"
        try:
            await rest.private(doing, probe.method, probe.parameters, about=probe.about, cost=probe.cost)
        except NotAuthorised:
            missing.append(Missing(probe.right, probe.purpose, probe.needed))
        except Refused:
            continue  # refused for another reason: so the right is there
        except ExchangeError:
            if probe.about is About.READ:
                raise
    return missing
