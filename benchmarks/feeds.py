"""How fast an `orderBookL2` stream is decoded and applied: our book beside the clients of others, in one run.

    python benchmarks/feeds.py [--messages N] [--seconds S]

The stream is generated (a book of 9000 levels, then changes near its best prices as the recordings have them: three updates
for an insert and a delete) and is the same for everybody.  Each client gets at most S seconds; those that are not installed
are left out.  Needs nothing else; with `bitmex-ws`, `ccxt` (4.5.83 or older) and `bitmex-trio-websocket` it compares.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.bitmex_book import L2Book, decode_l2
from clients.bitmex_tables import Storage, read_message

Apply = Callable[[str], Any]
LEVELS = 4500  # on each side, as the recording of XBTUSD has them
STAMP = "2026-01-01T00:00:00.000Z"
RECORDED_AS = {
    "table": "orderBookL2",
    "action": "partial",
    "keys": ["symbol", "id", "side"],
    "types": {"symbol": "symbol", "id": "long", "side": "symbol", "size": "long", "price": "float"},
    "foreignKeys": {"symbol": "instrument", "side": "side"},
    "attributes": {"symbol": "parted", "id": "sorted"},
    "filter": {"symbol": "XBTUSD"},
}


def stream(count: int) -> Iterator[str]:
    """The partial and *count* changes, as texts."""
    draw = random.Random(1)
    levels = {n: ("Buy" if n < LEVELS else "Sell", 20000 + n * 0.5) for n in range(2 * LEVELS)}
    rows = [
        {"symbol": "XBTUSD", "id": 10**9 + n, "side": side, "size": draw.randint(1, 999) * 100, "price": price}
        for n, (side, price) in levels.items()
    ]
    yield json.dumps({**RECORDED_AS, "data": rows}, separators=(",", ":"))
    gone: list[int] = []
    for _ in range(count):
        yield json.dumps(change(draw, levels, gone), separators=(",", ":"))


def change(draw: random.Random, levels: dict[int, tuple[str, float]], gone: list[int]) -> dict[str, Any]:
    """One change near the best prices."""
    kind = draw.random()
    if kind < 0.2 and gone:
        n, action = gone.pop(draw.randrange(len(gone))), "insert"
    else:
        while (n := LEVELS + int(draw.gauss(0, 40))) in gone or n not in levels:
            pass
        action = "delete" if kind > 0.8 else "update"
    side, price = levels[n]
    row = {"symbol": "XBTUSD", "id": 10**9 + n, "side": side, "size": draw.randint(1, 999) * 100, "price": price}
    if action == "delete":
        gone.append(n)
        del row["size"]
    return {"table": "orderBookL2", "action": action, "data": [{**row, "timestamp": STAMP}]}


class Taken(NamedTuple):
    """Seconds that each message took by the wall clock, and all of them together by the processor's."""

    each: list[float]
    processor: float


# ------------------------------------------------------------------------------------------------------------ clients


def ours() -> Apply:
    """The book of the client for trading."""
    book = L2Book("XBTUSD")

    def apply(text: str) -> None:
        gap = book.apply(decode_l2(text))
        assert not gap, gap

    return apply


def our_storage() -> Apply:
    """The tables of the feed for data, exact Decimals included."""
    storage = Storage()
    return lambda text: storage.apply(read_message(text))


def official() -> Apply | None:
    """bitmex-ws."""
    try:
        from bitmex_websocket import BitMEXWebsocket
    except ImportError:
        return None
    import logging

    client = BitMEXWebsocket.__new__(BitMEXWebsocket)
    client.data, client.keys, client.exited, client.logger = {}, {}, False, logging.getLogger("bitmex-ws")
    handle = client._BitMEXWebsocket__on_message
    return lambda text: handle(None, text)


def of_ccxt() -> Apply | None:
    """ccxt.pro's handler of books."""
    try:
        import ccxt.pro
    except ImportError:
        return None
    exchange = ccxt.pro.bitmex()
    market = {
        "id": "XBTUSD", "symbol": "BTC/USD:BTC", "base": "BTC", "quote": "USD", "settle": "BTC", "type": "swap",
        "spot": False, "swap": True, "future": False, "contract": True, "inverse": True, "linear": False,
        "precision": {"amount": 100, "price": 0.5}, "limits": {}, "info": {}, "active": True,
    }  # fmt: skip
    exchange.set_markets([market])

    class Client:
        """Where resolved futures would be."""

        def resolve(self, *_: Any) -> None:
            return None

    client = Client()
    return lambda text: exchange.handle_order_book(client, json.loads(text))


def of_trio(kept: list[Any]) -> Callable[[list[str], float], Taken] | None:
    """bitmex-trio-websocket's storage, which wants to be pumped; its JSON decoder is orjson.

    :param kept: takes the storage of each run, for who wants to know what it holds.
    """
    try:
        import orjson
        import trio
        from bitmex_trio_websocket.storage import Storage as TrioStorage
    except ImportError:
        return None

    def run(texts: list[str], seconds: float) -> Taken:
        taken: list[float] = []
        begun: list[float] = []  # when the partial, which is not measured, was done

        async def pump() -> None:
            end = time.perf_counter() + seconds

            async def messages() -> Any:
                before = time.perf_counter()
                for text in texts:
                    yield orjson.loads(text)
                    now = time.perf_counter()
                    if begun:
                        taken.append(now - before)
                    else:
                        begun.append(time.process_time())
                    before = now
                    if now > end:
                        return

            async def output(_: Any) -> None:
                return None

            kept.append(TrioStorage())
            await kept[-1].pump(messages(), output)

        trio.run(pump)
        return Taken(taken, time.process_time() - begun[0])

    return run


# ---------------------------------------------------------------------------------------------------------- measuring


def measure(apply: Apply, texts: list[str], seconds: float) -> Taken:
    """Apply as many messages as fit into *seconds*; the partial is not among them."""
    apply(texts[0])
    taken: list[float] = []
    begun = time.process_time()
    clock, end = time.perf_counter, time.perf_counter() + seconds
    before = clock()
    for text in texts[1:]:
        apply(text)
        now = clock()
        taken.append(now - before)
        before = now
        if now > end:
            break
    return Taken(taken, time.process_time() - begun)


def memory(make: Callable[[], Apply | None], texts: list[str]) -> float:
    """MB that a client holds after the first 500 messages."""
    tracemalloc.start()
    apply = make()
    assert apply is not None
    for text in texts[:500]:
        apply(text)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 2**20


def memory_of_run(run: Callable[[list[str], float], Taken], texts: list[str]) -> float:
    """The same of one that is pumped."""
    tracemalloc.start()
    run(texts[:500], 60.0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 2**20


def line(name: str, taken: Taken, base: float | None, held: float) -> float:
    """Print one client; its messages a second of processor time, which other programs of the machine do not disturb."""
    rate = len(taken.each) / taken.processor
    ordered = sorted(taken.each)
    p50, p99 = (ordered[int(len(ordered) * part)] * 1e6 for part in (0.5, 0.99))
    ratio = "" if base is None else f"{base / rate:8.1f} ×"
    print(f"{name:<28} {rate:>12,.0f} /s   p50 {p50:>8.1f} µs   p99 {p99:>8.1f} µs   {held:>6.1f} MB {ratio}")
    return rate


def main() -> None:
    """Run everybody."""
    parser = argparse.ArgumentParser(description="Decode and apply an orderBookL2 stream.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    texts = list(stream(options.messages))
    print(f"{len(texts) - 1} messages after a partial of {2 * LEVELS} levels; the last column: how much faster ours is")
    base = line("ours (book)", measure(ours(), texts, options.seconds), None, memory(ours, texts))
    line("ours (tables for data)", measure(our_storage(), texts, options.seconds), base, memory(our_storage, texts))
    for name, make in (("bitmex-ws", official), ("ccxt.pro", of_ccxt)):
        apply = make()
        if apply is None:
            print(f"{name:<28} not installed")
        else:
            line(name, measure(apply, texts, options.seconds), base, memory(make, texts))
    kept: list[Any] = []
    run = of_trio(kept)
    if run is None:
        print(f"{'bitmex-trio-websocket':<28} not installed")
    else:
        line("bitmex-trio-websocket", run(texts, options.seconds), base, memory_of_run(run, texts))


if __name__ == "__main__":
    main()
