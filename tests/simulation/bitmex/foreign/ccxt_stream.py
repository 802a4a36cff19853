"""ccxt's BitMEX class over WebSocket: `ccxt_stream.py PORT KEY SECRET`."""

import asyncio
import json
import sys

import ccxt.pro


async def main() -> None:
    port, key, secret = sys.argv[1:4]
    exchange = ccxt.pro.bitmex({"apiKey": key, "secret": secret, "enableRateLimit": False})
    base = f"http://127.0.0.1:{port}"
    exchange.urls["api"] = {"public": base, "private": base, "ws": f"ws://127.0.0.1:{port}/realtime"}
    told: dict = {}
    try:
        await exchange.load_markets()
        book = await exchange.watch_order_book("BTC/USD:BTC")
        told["best"] = [book["bids"][0][0], book["asks"][0][0]]
        balance = await exchange.watch_balance()
        told["balance"] = balance["total"]["BTC"]
        watching = asyncio.ensure_future(exchange.watch_orders("BTC/USD:BTC"))
        raising = asyncio.ensure_future(exchange.watch_order_book("BTC/USD:BTC"))
        await asyncio.sleep(0.3)
        placed = await exchange.create_order("BTC/USD:BTC", "limit", "buy", 100, 59991)
        orders = await asyncio.wait_for(watching, 5)
        told["order"] = orders[-1]["id"] == placed["id"]
        told["raised"] = (await asyncio.wait_for(raising, 5))["bids"][0][0]
        lowering = asyncio.ensure_future(exchange.watch_order_book("BTC/USD:BTC"))
        await asyncio.sleep(0.1)
        await exchange.cancel_order(placed["id"])
        told["lowered"] = (await asyncio.wait_for(lowering, 5))["bids"][0][0]
        trading = asyncio.ensure_future(exchange.watch_trades("BTC/USD:BTC"))
        await asyncio.sleep(0.3)
        await exchange.create_order("BTC/USD:BTC", "market", "buy", 100)
        told["trade"] = (await asyncio.wait_for(trading, 5))[-1]["price"]
        told["ticker"] = (await asyncio.wait_for(exchange.watch_ticker("BTC/USD:BTC"), 5))["symbol"]
    finally:
        await exchange.close()
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


asyncio.run(main())
