"""How fast an `orderBookL2` stream is decoded and applied: our book beside the clients of others, in one run.

    python benchmarks/feeds.py [--messages N] [--seconds S] [--read N]

The stream is generated (a book of 9000 levels, then changes near its best prices as the recordings have them: three updates
for an insert and a delete) and is the same for everybody.  It comes as a socket gives it to a busy client, in reads of
64 kB, of which the texts or octets that each client's own WebSocket hands on have just been made.  Ours takes the book
messages of a read together, as `clients.bitmex_live` does, and tells its best prices after each; the others have a call
for each message.  Messages a second are of processor time.  A message's latency runs from the read until the message is in
the book, so the last of a read waits for all before it.  `--read 1` measures messages that come one by one.

Each client gets at most S seconds; those that are not installed are left out.  With `bitmex-ws`, `ccxt` (4.5.83 or older)
and `bitmex-trio-websocket` it compares.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.bitmex_book import L2Book
from clients.bitmex_tables import Storage, read_message

Apply = Callable[[str], Any]
LEVELS = 4500  # on each side, as the recording of XBTUSD has them
_HEADER = 4  # octets that a WebSocket adds to a message of such a length
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


@define
class Reads:
    """The stream as it comes: the partial, then blocks of 64 kB (line breaks between messages), read *size* at a time."""

    partial: bytes
    blocks: list[bytes]
    size: int

    @classmethod
    def of(cls, texts: Sequence[str], size: int) -> Reads:
        """Cut *texts* into reads of *size* messages, or of what 64 kB hold."""
        octets = [text.encode() for text in texts]
        whole = int(2**16 / (sum(map(len, octets[1:])) / (len(octets) - 1) + _HEADER))
        blocks = [b"\n".join(octets[at : at + whole]) for at in range(1, len(octets), whole)]
        return cls(octets[0], blocks, size or whole)


@define
class Taken:
    """What a client did: messages, seconds of processor time for them, and the latency of each by the wall clock."""

    messages: int = 0
    processor: float = 0.0
    latencies: list[float] = field(factory=list)


# ------------------------------------------------------------------------------------------------------------ clients


class OurBook:
    """The book of the client for trading: what comes in a read is taken together."""

    def __init__(self) -> None:
        self.book = L2Book("XBTUSD")

    def take(self, frames: Sequence[bytes]) -> None:
        """What `clients.bitmex_live.Live.take_books` does with a read, and what it tells."""
        taken = self.book.take(frames)
        assert taken.done == len(frames), taken.gap
        self.book.best_bid(), self.book.best_ask()


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


def of_trio() -> Any:
    """The storage of bitmex-trio-websocket, which wants to be pumped; its JSON decoder is orjson."""
    try:
        import orjson
        import trio
        from bitmex_trio_websocket.storage import Storage as TrioStorage
    except ImportError:
        return None

    class Pumped:
        """One storage and where its messages come from."""

        def __init__(self) -> None:
            self.storage = TrioStorage()

        async def _output(self, _: Any) -> None:
            return None

        def partial(self, octets: bytes) -> None:
            """Take the whole book."""

            async def messages() -> AsyncIterator[Any]:
                yield orjson.loads(octets)

            trio.run(self.storage.pump, messages(), self._output)

        def run(self, reads: Reads, seconds: float, timed: bool) -> Taken:
            """Take read after read; the time for cutting them into texts is not counted."""
            taken = Taken()

            async def messages() -> AsyncIterator[Any]:
                end = time.perf_counter() + seconds
                for block in reads.blocks:
                    texts = block.decode().split("\n")
                    began = time.thread_time()
                    for at in range(0, len(texts), reads.size):
                        read = time.perf_counter()
                        for text in texts[at : at + reads.size]:
                            yield orjson.loads(text)
                            if timed:
                                taken.latencies.append(time.perf_counter() - read)
                    taken.processor += time.thread_time() - began
                    taken.messages += len(texts)
                    if time.perf_counter() > end:
                        return

            trio.run(self.storage.pump, messages(), self._output)
            return taken

    return Pumped


# ---------------------------------------------------------------------------------------------------------- measuring


@define
class Client:
    """One that takes messages singly (*apply*) or reads as a whole (*take*)."""

    apply: Apply | None = None
    take: Callable[[Sequence[bytes]], None] | None = None

    def partial(self, octets: bytes) -> None:
        """Take the whole book."""
        if self.take is not None:
            self.take([octets])
        elif self.apply is not None:
            self.apply(octets.decode())

    def run(self, reads: Reads, seconds: float, timed: bool) -> Taken:
        """Take as many reads as fit into *seconds*; the time for cutting them into messages is not counted."""
        taken, clock = Taken(), time.perf_counter
        end = clock() + seconds
        for block in reads.blocks:
            frames = block.split(b"\n")
            texts = block.decode().split("\n")
            began = time.thread_time()
            for at in range(0, len(frames), reads.size):
                read = clock()
                if self.take is not None:
                    self.take(some := frames[at : at + reads.size])
                    if timed:
                        taken.latencies += [clock() - read] * len(some)
                elif self.apply is not None:
                    for text in texts[at : at + reads.size]:
                        self.apply(text)
                        if timed:
                            taken.latencies.append(clock() - read)
            taken.processor += time.thread_time() - began
            taken.messages += len(frames)
            if clock() > end:
                break
        return taken


def measure(name: str, make: Callable[[], Any], reads: Reads, seconds: float, base: float | None) -> float:
    """Run a client twice, for its speed and for its latencies, and for its memory; print and return messages a second."""
    found = []
    for timed in (False, True):
        client = make()
        client.partial(reads.partial)
        found.append(client.run(reads, seconds, timed))
    rate = found[0].messages / found[0].processor
    ordered = sorted(found[1].latencies)
    p50, p99 = (ordered[int(len(ordered) * part)] * 1e6 for part in (0.5, 0.99))
    ratio = "" if base is None else f"{base / rate:8.1f} ×"
    held = memory(make, reads)
    print(f"{name:<28} {rate:>12,.0f} /s   p50 {p50:>9.1f} µs   p99 {p99:>9.1f} µs   {held:>6.1f} MB {ratio}")
    return rate


def memory(make: Callable[[], Any], reads: Reads) -> float:
    """MB that a client holds after the first 64 kB."""
    first = Reads(reads.partial, reads.blocks[:1], reads.size)
    tracemalloc.start()
    client = make()
    client.partial(first.partial)
    client.run(first, 60.0, False)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 2**20


def main() -> None:
    """Run everybody."""
    parser = argparse.ArgumentParser(description="Decode and apply an orderBookL2 stream.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--read", type=int, default=0, help="messages of one read; default: what 64 kB hold")
    options = parser.parse_args()
    texts = list(stream(options.messages))
    reads = Reads.of(texts, options.read)
    print(f"{len(texts) - 1} messages in reads of {reads.size} after a partial of {2 * LEVELS} levels; "
          f"the last column: how much faster ours is")  # fmt: skip
    makers: list[tuple[str, Callable[[], Any] | None]] = [
        ("ours (book)", lambda: Client(take=OurBook().take)),
        ("ours (tables for data)", lambda: Client(our_storage())),
    ]
    for name, single in (("bitmex-ws", official), ("ccxt.pro", of_ccxt)):
        makers.append((name, None if single() is None else lambda single=single: Client(single())))
    makers.append(("bitmex-trio-websocket", of_trio()))
    base = None
    for name, make in makers:
        if make is None:
            print(f"{name:<28} not installed")
        else:
            rate = measure(name, make, reads, options.seconds, base)
            base = base or rate


if __name__ == "__main__":
    main()
