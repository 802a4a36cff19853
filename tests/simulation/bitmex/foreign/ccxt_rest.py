"""ccxt's BitMEX class over REST: `ccxt_rest.py PORT KEY SECRET`."""

import json
import sys

import ccxt


def main() -> None:
    port, key, secret = sys.argv[1:4]
    exchange = ccxt.bitmex({"apiKey": key, "secret": secret, "enableRateLimit": False})
    base = f"http://127.0.0.1:{port}"
    exchange.urls["api"] = {"public": base, "private": base, "ws": f"ws://127.0.0.1:{port}/realtime"}
    told: dict = {"markets": sorted(exchange.load_markets()), "balance": exchange.fetch_balance()["total"]}
    book = exchange.fetch_order_book("BTC/USD:BTC")
    told["best"] = [book["bids"][0][0], book["asks"][0][0]]
    placed = exchange.create_order("BTC/USD:BTC", "limit", "buy", 100, 50000)
    told["open"] = [order["id"] == placed["id"] for order in exchange.fetch_open_orders("BTC/USD:BTC")]
    told["amended"] = exchange.edit_order(placed["id"], "BTC/USD:BTC", "limit", "buy", 200, 50001)["price"]
    told["cancelled"] = exchange.cancel_order(placed["id"])["status"]
    try:
        exchange.cancel_order(placed["id"])
    except ccxt.OrderNotFound as error:
        told["twice"] = "existing state" in str(error)
    taken = exchange.create_order("BTC/USDT", "market", "buy", 0.01)
    told["taken"] = [taken["status"], taken["filled"]]
    told["fills"] = [fill["symbol"] for fill in exchange.fetch_my_trades()]
    told["trades"] = len(exchange.fetch_trades("BTC/USDT"))
    told["bars"] = len(exchange.fetch_ohlcv("BTC/USDT", "1m"))
    told["ticker"] = exchange.fetch_ticker("BTC/USD:BTC")["symbol"]
    told["ledger"] = sorted({row["type"] for row in exchange.fetch_ledger("BTC")})
    told["address"] = bool(exchange.fetch_deposit_address("BTC", {"network": "BTC"})["address"])
    exchange.create_order("BTC/USD:BTC", "limit", "sell", 100, 90000)
    told["all"] = len(exchange.cancel_all_orders())
    told["errors"] = []
    for order in (("BTC/USDT", "limit", "buy", 10**4, 50000), ("BTC/USD:BTC", "limit", "buy", 10**9, 50000)):
        try:
            exchange.create_order(*order)
        except ccxt.ExchangeError as error:
            told["errors"].append(type(error).__name__)
    told["withdrawal"] = exchange.withdraw(
        "BTC", 0.1, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", None, {"network": "BTC"}
    )["status"]
    exchange.create_order("BTC/USD:BTC", "market", "sell", 1000)
    told["positions"] = [[one["symbol"], one["contracts"]] for one in exchange.fetch_positions()]
    exchange.secret = "wrong"
    try:
        exchange.fetch_balance()
    except ccxt.AuthenticationError:
        told["stranger"] = True
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


main()
