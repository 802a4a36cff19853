"""Keep the whole order book of a BitMEX market and look into it: the best levels, and a row found by its key.

    python examples/bitmex_book.py ENDPOINT [SYMBOL] [--for SECONDS]

ENDPOINT is `mainnet`, `testnet`, or the `rest` address that `python ilp.py venue bitmex` prints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.bitmex_feed import BitMEXFeed

LEVELS = 5


def show(feed: BitMEXFeed, symbol: str) -> None:
    """Print the best levels of both sides as they are in the storage now."""
    rows = [row for row in feed.storage.data.get("orderBookL2", {}).values() if row["symbol"] == symbol]
    asks = sorted((row for row in rows if row["side"] == "Sell"), key=lambda row: row["price"])[:LEVELS]
    bids = sorted((row for row in rows if row["side"] == "Buy"), key=lambda row: -row["price"])[:LEVELS]
    print(f"{symbol}: {len(rows)} levels")
    for row in [*reversed(asks), *bids]:
        print(f"  {row['side']:4} {row['price']:>12} {row['size']:>12}")
    if bids:
        best = bids[0]
        found = feed.storage.find("orderBookL2", symbol=symbol, id=best["id"], side=best["side"])
        print(f"  by its key {feed.storage.keys['orderBookL2']}: {found is best}", flush=True)


async def keep(reactor: Any, options: argparse.Namespace) -> None:
    """Show the book every second."""
    feed = BitMEXFeed(options.symbol, endpoint=options.endpoint, reactor=reactor, tables="orderBookL2")
    feed.on("error", lambda error: print(f"! {error}", file=sys.stderr))
    await feed.connect()
    try:
        for _ in range(max(1, int(options.seconds))):
            await deferLater(reactor, 1.0)
            show(feed, options.symbol.upper())
    finally:
        await feed.disconnect()


def main(reactor: Any) -> Deferred[None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Keep the whole order book of a BitMEX market.")
    parser.add_argument("endpoint")
    parser.add_argument("symbol", nargs="?", default="XBTUSD")
    parser.add_argument("--for", dest="seconds", type=float, default=10.0, metavar="SECONDS")
    return Deferred.fromCoroutine(keep(reactor, parser.parse_args()))


if __name__ == "__main__":
    react(main)
