"""Print the README's table of what each venue's client supports, made from the clients themselves.

usage: python -m tests.tools.venue_table [--write]

A method is not supported where all that it ever does is to fail with `NotImplementedError`, or where the client says so in
its `features` or `periods`.  What the bridge to ccxt supports depends on the exchange behind it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import Clock

from clients.bitmex import BitMEX
from clients.ccxt import Exchange
from clients.exchange import IExchange
from clients.infinity import Infinity
from clients.kraken import Kraken
from clients.sputnik import Sputnik
from tests.tools.readme import Marked

YES, NO, PARTLY, BEHIND = "yes", "**no**", "partly", "as the exchange"

VENUES: Mapping[str, Callable[..., Any]] = {
    "Sputnik": lambda: Sputnik(endpoint="ws://127.0.0.1:1", reactor=Clock()),
    "BitMEX": lambda: BitMEX(reactor=Clock()),
    "Kraken": lambda: Kraken(reactor=Clock()),
    "Infinity": lambda: Infinity(reactor=Clock()),
}
FEATURES = {"amendOrder": "amend", "cancelAllAfter": "cancel_all_after"}
EXTRAS = {
    "placeOrder": {
        "post_only=True": "post_only",
        "immediate=True": "immediate_or_cancel",
        "client_id=…": "client_id",
    },
    "getOrder": {"client_id=…": "client_id"},
}
PERIODS = ("minute", "hour", "day")


def methods() -> list[str]:
    """Methods of the interface, in its order; those of event sources apart."""
    return [
        name
        for name, element in IExchange.namesAndDescriptions()
        if callable(getattr(element, "getSignatureInfo", None))
    ]


def always_fails(client: Any, method: str) -> bool:
    """Whether all that a method ever does is to raise."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(type(client), method))))
    (definition,) = ast.parse(source).body
    returns = any(isinstance(node, ast.Return) for node in ast.walk(definition))
    return isinstance(definition.body[-1], ast.Raise) and not returns


def cell(client: Any, method: str) -> str:
    """What a client makes of a method."""
    if always_fails(client, method):
        return NO
    if FEATURES.get(method, next(iter(client.features))) not in client.features:
        return NO
    if method == "getOrder" and "order_lookup" not in client.features:
        return PARTLY
    return YES


def rows() -> list[tuple[str, ...]]:
    """The table's rows: a call, and a cell for each venue."""
    clients = [make() for make in VENUES.values()]
    found: list[tuple[str, ...]] = []
    for method in sorted(methods(), key=_order):
        bridged = bridge_cell(method)
        found.append((f"`{method}`", *(cell(client, method) for client in clients), bridged))
        for keyword, feature in EXTRAS.get(method, {}).items():
            cells = (YES if feature in c.features else NO for c in clients)
            found.append((f"`{method}({keyword})`", *cells, BEHIND))
        if method == "getOHLCVHistory":
            for period in PERIODS:
                cells = (YES if period in getattr(c, "periods", PERIODS) else NO for c in clients)
                found.append((f"`{method}(period={period!r})`", *cells, bridged))
    return found


def bridge_cell(method: str) -> str:
    """What the bridge to ccxt makes of a method: whatever it first asks ccxt for depends on the exchange."""
    source = inspect.getsource(inspect.unwrap(getattr(Exchange, method)))
    asks = ("_ask(", "_histories.", "_wallet.", "features", "_cancel(")
    return BEHIND if any(one in source for one in asks) else YES


def _order(method: str) -> int:
    """As the interface's source has them."""
    return inspect.getsource(inspect.getmodule(IExchange) or IExchange).rindex(f"def {method}(")


def table() -> str:
    """The whole table."""
    head = ("call", *VENUES, "ccxt bridge")
    lines = "".join(f"| {' | '.join(line)} |\n" for line in [head, *rows()])
    first, rest = lines.split("\n", 1)
    return f"{first}\n{'|---' * len(head)}|\n{rest}"


PART = Marked("venues", "tests.tools.venue_table", table)

if __name__ == "__main__":
    PART.main(__doc__)
