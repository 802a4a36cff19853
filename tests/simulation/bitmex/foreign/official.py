"""The venue's own WebSocket client (`bitmex-ws`): `official.py PORT KEY SECRET`; reads `go` lines, prints its book."""

import json
import sys

from bitmex_websocket import BitMEXWebsocket


def main() -> None:
    port, key, secret = sys.argv[1:4]
    client = BitMEXWebsocket(
        endpoint=f"ws://127.0.0.1:{port}/realtime", symbol="XBTUSD", api_key=key or None, api_secret=secret or None
    )
    known = {
        "symbol": client.get_instrument()["symbol"],
        "ticker": client.get_ticker(),
        "margin": client.funds()["marginBalance"] if key else None,
        "trades": len(client.recent_trades()),
    }
    sys.stdout.write(json.dumps(known) + "\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        # The last trade is printed by the venue after the last change of the book, on the same connection.
        rows = sorted((row["side"], row["price"], row["size"], row["id"]) for row in client.market_depth())
        sys.stdout.write(
            json.dumps({"book": rows, "trades": [trade["size"] for trade in client.recent_trades()]}) + "\n"
        )
        sys.stdout.flush()
    client.exit()


main()
