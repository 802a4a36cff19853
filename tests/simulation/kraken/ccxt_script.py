"""What a user of ccxt's Kraken class does, told to stand against another address; prints what it saw as one JSON line.

Run as a process of its own, because the library brings its own event loop: `ccxt_script.py REST WS KEY SECRET`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import ccxt.pro


def exchange(rest: str, wire: str, key: str, secret: str) -> Any:
    """The class as it is; only its addresses are others."""
    kraken = ccxt.pro.kraken({"apiKey": key, "secret": secret, "rateLimit": 20})
    kraken.urls["api"]["public"] = kraken.urls["api"]["private"] = rest
    private = wire.replace("/v2", "/auth/v2")
    kraken.urls["api"]["ws"] |= {"publicV2": wire, "privateV2": private}
    return kraken


async def play(kraken: Any) -> dict[str, Any]:
    """REST and streams."""
    markets = await kraken.load_markets()
    book = await kraken.fetch_order_book("BTC/USD")
    order = await kraken.create_order("BTC/USD", "limit", "buy", 0.02, 50000, {"clientOrderId": "mine"})
    resting = await kraken.fetch_open_orders("BTC/USD")
    streamed = list((await kraken.watch_order_book("BTC/USD", 10))["asks"][0][:2])  # the book itself goes on changing
    orders = asyncio.ensure_future(kraken.watch_orders())
    await asyncio.sleep(0.3)
    second = await kraken.create_order_ws("BTC/USD", "limit", "sell", 0.01, 69999)
    await asyncio.wait_for(orders, 3)
    await kraken.cancel_order(order["id"], "BTC/USD")
    filled = await kraken.create_order("BTC/USD", "market", "buy", 0.01)
    await asyncio.sleep(0.1)
    try:
        await kraken.create_order("BTC/USD", "limit", "sell", 1000, 70000)
        refused = ""
    except ccxt.InsufficientFunds:
        refused = "InsufficientFunds"
    return {
        "precision": markets["BTC/USD"]["precision"],
        "limits": markets["BTC/USD"]["limits"]["amount"]["min"],
        "ask": book["asks"][0][:2],
        "streamed": streamed,
        "open": [(row["clientOrderId"], row["price"], row["status"]) for row in resting],
        "second": second["id"].startswith("O"),
        "looked_up": (await kraken.fetch_order(order["id"]))["status"],
        "filled": (await kraken.fetch_order(filled["id"]))["status"],
        "trades": [(row["amount"], row["fee"]["currency"]) for row in await kraken.fetch_my_trades("BTC/USD")],
        "balance": (await kraken.fetch_balance())["BTC"],
        "bars": len(await kraken.fetch_ohlcv("BTC/USD", "1m")),
        "public_trades": len(await kraken.fetch_trades("BTC/USD")),
        "address": bool((await kraken.create_deposit_address("BTC"))["address"]),
        "ledger": sorted({row["type"] for row in await kraken.fetch_ledger()}),
        "refused": refused,
        "cancelled": len(await kraken.cancel_all_orders()),
    }


async def main() -> None:
    """All of it."""
    kraken = exchange(*sys.argv[1:5])
    try:
        told = await play(kraken)
    finally:
        await kraken.close()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
