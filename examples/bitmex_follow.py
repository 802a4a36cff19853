"""Follow a market of a BitMEX: prints every trade and the best prices, and the balances when a key is given.

    python examples/bitmex_follow.py ENDPOINT [SYMBOL] [--key ID --secret SECRET] [--for SECONDS]

ENDPOINT is `mainnet`, `testnet`, or the `rest` address that `python ilp.py venue bitmex` prints.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.bitmex_feed import BitMEXFeed


def describe(item: dict[str, Any], symbol: str, table: str) -> str:
    """One line about a row."""
    match table:
        case "trade":
            return f"{symbol} traded {item['size']} at {item['price']} ({item['side']})"
        case "quote":
            return f"{symbol} {item['bidPrice']} / {item['askPrice']}"
        case "margin":
            return f"{item['currency']} margin balance {item['marginBalance']}"
        case "order":
            return f"order {item['orderID']} {item['ordStatus']}, {item['leavesQty']} left"
        case _:
            return f"{table} {symbol}"


async def follow(reactor: Any, options: argparse.Namespace) -> None:
    """Print until the time is over."""
    tables = "trade,quote" + (",margin,order" if options.key else "")
    feed = BitMEXFeed(
        options.symbol, endpoint=options.endpoint, id=options.key, secret=options.secret, reactor=reactor, tables=tables
    )
    feed.on("error", lambda error: print(f"! {error}", file=sys.stderr))
    reactor.callLater(options.seconds, feed.disconnect)
    async with aclosing(feed.start()) as changes:
        async for item, symbol, table, _action in changes:
            print(describe(item, symbol, table), flush=True)


def main(reactor: Any) -> Deferred[None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Follow a market of a BitMEX.")
    parser.add_argument("endpoint")
    parser.add_argument("symbol", nargs="?", default="XBTUSD")
    parser.add_argument("--key", default="")
    parser.add_argument("--secret", default="")
    parser.add_argument("--for", dest="seconds", type=float, default=60.0, metavar="SECONDS")
    return Deferred.fromCoroutine(follow(reactor, parser.parse_args()))


if __name__ == "__main__":
    react(main)
