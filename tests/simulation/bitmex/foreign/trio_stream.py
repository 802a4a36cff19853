"""bitmex-trio-websocket: `trio_stream.py PORT KEY SECRET`; its fixed address is turned to the port, nothing else."""

import json
import sys

import bitmex_trio_websocket.websocket as package
import trio
from async_generator import aclosing


async def main() -> None:
    port, key, secret = sys.argv[1:4]
    connect = package.Websocket
    package.Websocket = lambda url, **more: connect(f"ws://127.0.0.1:{port}/realtime", **more)
    told: dict = {}
    async with package.open_bitmex_websocket("testnet", key, secret, dead_mans_switch=True) as socket:
        async with aclosing(socket.listen("orderBookL2", "XBTUSD")) as rows:
            async for _ in rows:
                break
        async with aclosing(socket.listen("margin")) as rows:
            async for row in rows:
                told["margin"] = row["marginBalance"]
                break
        async with aclosing(socket.listen("trade", "XBTUSD")) as rows:
            async for row in rows:
                told["trade"] = row["price"]
                break
        told["levels"] = sum(len(side) for side in socket.storage.data["orderBookL2"]["XBTUSD"].values())
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


trio.run(main)
