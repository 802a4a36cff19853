"""What a user of python-kraken-sdk does, told to stand against another address; prints what it saw as one JSON line.

Run as a process of its own, because the library blocks and brings its own event loop: `sdk_script.py REST WS KEY SECRET`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from kraken.exceptions import KrakenInsufficientFundsError, KrakenUnknownOrderError
from kraken.spot import Funding, Market, SpotWSClient, Trade, User


def reads(rest: str, key: str, secret: str) -> dict[str, Any]:
    """Plain REST calls."""
    market, user = Market(url=rest), User(key=key, secret=secret, url=rest)
    trade, funding = Trade(key=key, secret=secret, url=rest), Funding(key=key, secret=secret, url=rest)
    placed = trade.create_order(
        ordertype="limit", side="buy", pair="XBTUSD", volume="0.02", price="50000", oflags=["post"], truncate=False
    )
    (id,) = placed["txid"]
    open_orders = user.get_open_orders()["open"]
    amended = trade.amend_order(extra_params={"txid": id, "limit_price": "49999.9"})
    found = user.get_orders_info(txid=id)
    cancelled = trade.cancel_order(txid=id)
    refusals = []
    for call in (
        lambda: trade.cancel_order(txid=id),
        lambda: trade.create_order(
            ordertype="limit", side="sell", pair="XBTUSD", volume="1000000", price="70000", truncate=False
        ),
    ):
        try:
            call()
        except (KrakenUnknownOrderError, KrakenInsufficientFundsError) as error:
            refusals.append(type(error).__name__)
    market_order = trade.create_order(ordertype="market", side="buy", pair="XBTUSD", volume="0.01", truncate=False)
    return {
        "pairs": sorted(market.get_asset_pairs()),
        "status": market.get_system_status()["status"],
        "ask": market.get_order_book(pair="XBTUSD")["XXBTZUSD"]["asks"][0][:2],
        "balances": user.get_account_balance(),
        "open": [row["descr"]["price"] for row in open_orders.values()],
        "amended": bool(amended["amend_id"]),
        "price": found[id]["descr"]["price"],
        "cancelled": cancelled["count"],
        "refusals": refusals,
        "market": bool(market_order["txid"]),
        "trades": [row["vol"] for row in user.get_trades_history()["trades"].values()],
        "ledger": sorted({row["type"] for row in user.get_ledgers_info()["ledger"].values()}),
        "methods": [row["method"] for row in funding.get_deposit_methods(asset="XBT")],
        "fees": sorted(user.get_trade_volume(pair="XBTUSD")["fees"]),
    }


async def streams(rest: str, wire: str, key: str, secret: str) -> dict[str, Any]:
    """Subscriptions and an order over the WebSocket."""
    seen: list[dict[str, Any]] = []

    async def remember(message: dict[str, Any]) -> None:
        seen.append(message)

    host = wire.removesuffix("/v2")
    client = SpotWSClient(
        key=key, secret=secret, callback=remember, rest_url=rest, ws_url=host, auth_ws_url=f"{host}/auth"
    )
    async with client:
        await client.subscribe(params={"channel": "executions", "snap_orders": True})
        await client.subscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]})
        await asyncio.sleep(0.3)
        await client.send_message(
            {
                "method": "add_order",
                "params": {
                    "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000.1,
                    "symbol": "BTC/USD",
                },
            }
        )  # fmt: skip
        await asyncio.sleep(0.3)
        await client.send_message({"method": "cancel_all"})
        await asyncio.sleep(0.3)
    executions = [row for message in seen if message.get("channel") == "executions" for row in message["data"]]
    return {
        "answers": [m["success"] for m in seen if m.get("method") in ("add_order", "cancel_all")],
        "executions": [row["exec_type"] for row in executions],
        "ticker": any(message.get("channel") == "ticker" for message in seen),
    }


def main() -> None:
    """All of it."""
    rest, wire, key, secret = sys.argv[1:5]
    told = reads(rest, key, secret)
    told |= asyncio.run(streams(rest, wire, key, secret))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
