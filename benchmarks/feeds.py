"""How fast an `orderBookL2` stream is decoded and applied: our book beside the clients of others, in one run.

    python benchmarks/feeds.py [--messages N] [--seconds S] [--rounds N] [--read N]

The stream is generated (a book of 9000 levels, then changes near its best prices as the recordings have them: three updates
for an insert and a delete) and is the same for everybody.  It comes as a socket gives it to a busy client, in reads of
64 kB, of which the texts or octets that each client's own WebSocket hands on have just been made.  Ours takes the book
messages of a read together, as `clients.bitmex_live` does, and tells its best prices after each; the others have a call
for each message.  Messages a second are of processor time.  A message's latency runs from the read until the message is in
the book, so the last of a read waits for all before it.  `--read 1` measures messages that come one by one.

The clients take turns, round by round, each with a new book and for a part of its S seconds; the figure of each is the
median of the rounds, and how much faster ours is the median of what it was within each round, so that a machine that is
slower for a while is slower for all.  What a garbage collection goes through is the client's own, and nothing is measured
before every client has been seen to end with the same book.  Those that are not installed are left out.  With
`bitmex-ws`, `ccxt` (4.5.83 or older) and `bitmex-trio-websocket` it compares.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.bitmex_book import L2Book
from clients.bitmex_tables import Storage, read_message

Apply = Callable[[str], Any]
Levels = dict[tuple[str, float], float]  # (side, price) → contracts
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
        assert taken.done == len(frames) and not taken.gap, taken.gap
        self.book.best_bid(), self.book.best_ask()

    def levels(self) -> Levels:
        """What the book holds."""
        return {(side, price): size for side in ("Buy", "Sell") for price, size in self.book.levels(side)}


def our_client() -> Client:
    """The book of the client for trading."""
    ours = OurBook()
    return Client(ours.levels, take=ours.take)


def our_storage() -> Client:
    """The tables of the feed for data, exact Decimals included."""
    storage = Storage()

    def levels() -> Levels:
        return by_price(storage.data["orderBookL2"].values())

    return Client(levels, lambda text: storage.apply(read_message(text)))


def by_price(rows: Iterable[Mapping[str, Any]]) -> Levels:
    """Rows of a table."""
    return {(row["side"], float(row["price"])): row["size"] for row in rows}


def official() -> Callable[[], Client] | None:
    """bitmex-ws."""
    try:
        from bitmex_websocket import BitMEXWebsocket
    except ImportError:
        return None
    import logging

    def make() -> Client:
        client = BitMEXWebsocket.__new__(BitMEXWebsocket)
        client.data, client.keys, client.exited, client.logger = {}, {}, False, logging.getLogger("bitmex-ws")
        handle = client._BitMEXWebsocket__on_message
        return Client(lambda: by_price(client.data["orderBookL2"]), lambda text: handle(None, text))

    return make


def of_ccxt() -> Callable[[], Client] | None:
    """ccxt.pro's handler of books."""
    try:
        import ccxt.pro
    except ImportError:
        return None
    market = {
        "id": "XBTUSD", "symbol": "BTC/USD:BTC", "base": "BTC", "quote": "USD", "settle": "BTC", "type": "swap",
        "spot": False, "swap": True, "future": False, "contract": True, "inverse": True, "linear": False,
        "precision": {"amount": 100, "price": 0.5}, "limits": {}, "info": {}, "active": True,
    }  # fmt: skip

    class Listener:
        """Where resolved futures would be."""

        def resolve(self, *_: Any) -> None:
            return None

    def make() -> Client:
        exchange = ccxt.pro.bitmex()
        exchange.set_markets([market])

        def levels() -> Levels:
            book, sides = exchange.orderbooks["BTC/USD:BTC"], (("Buy", "bids"), ("Sell", "asks"))
            return {(side, row[0]): row[1] for side, name in sides for row in book[name]}

        return Client(levels, lambda text: exchange.handle_order_book(Listener(), json.loads(text)))

    return make


def of_trio() -> Callable[[], Any] | None:
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

        def levels(self) -> Levels:
            """What the storage holds."""
            sides = self.storage.data["orderBookL2"]["XBTUSD"].values()
            return by_price(row for rows in sides for row in rows.values())

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
                    parts = in_parts(block.decode().split("\n"), reads.size)
                    began = time.thread_time()
                    for texts in parts:
                        read = time.perf_counter()
                        for text in texts:
                            yield orjson.loads(text)
                            if timed:
                                taken.latencies.append(time.perf_counter() - read)
                    taken.processor += time.thread_time() - began
                    taken.messages += sum(map(len, parts))
                    if time.perf_counter() > end:
                        return

            trio.run(self.storage.pump, messages(), self._output)
            return taken

    return Pumped


# ---------------------------------------------------------------------------------------------------------- measuring


@define
class Client:
    """One that takes messages singly (*apply*) or reads as a whole (*take*), and what its book holds."""

    levels: Callable[[], Levels]
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
        taken = Taken()
        end = time.perf_counter() + seconds
        for block in reads.blocks:
            if self.take is not None:
                self._take(in_parts(block.split(b"\n"), reads.size), self.take, taken, timed)
            elif self.apply is not None:
                self._apply(in_parts(block.decode().split("\n"), reads.size), self.apply, taken, timed)
            if time.perf_counter() > end:
                break
        return taken

    def _take(self, parts: list[list[bytes]], take: Callable[..., None], taken: Taken, timed: bool) -> None:
        began = time.thread_time()
        for frames in parts:
            read = time.perf_counter()
            take(frames)
            if timed:
                taken.latencies += [time.perf_counter() - read] * len(frames)
        taken.processor += time.thread_time() - began
        taken.messages += sum(map(len, parts))

    def _apply(self, parts: list[list[str]], apply: Apply, taken: Taken, timed: bool) -> None:
        began = time.thread_time()
        for texts in parts:
            read = time.perf_counter()
            for text in texts:
                apply(text)
                if timed:
                    taken.latencies.append(time.perf_counter() - read)
        taken.processor += time.thread_time() - began
        taken.messages += sum(map(len, parts))


def in_parts(messages: list[Any], size: int) -> list[list[Any]]:
    """What comes in one read, and in the next."""
    return [messages[at : at + size] for at in range(0, len(messages), size)]


@define
class Figures:
    """What was measured of a client.

    :ivar costs: seconds of processor time for a message, round by round.
    """

    make: Callable[[], Any]
    costs: list[float] = field(factory=list)
    latencies: list[float] = field(factory=list)

    def measure(self, reads: Reads, seconds: float, timed: bool) -> None:
        """One turn with a new book, for its speed or, *timed*, for its latencies."""
        gc.collect()
        gc.freeze()  # what others left is not gone through while this one is measured
        client = self.make()
        client.partial(reads.partial)
        taken = client.run(reads, seconds, timed)
        gc.unfreeze()
        if timed:
            self.latencies = sorted(taken.latencies)
        else:
            self.costs.append(taken.processor / taken.messages)

    def line(self, name: str, ours: Figures, held: float) -> str:
        """What is printed."""
        p50, p99 = (self.latencies[int(len(self.latencies) * part)] * 1e6 for part in (0.5, 0.99))
        ratios = [cost / base for cost, base in zip(self.costs, ours.costs, strict=True)]
        text = (
            f"{name:<28} {1 / statistics.median(self.costs):>12,.0f} /s   p50 {p50:>9.1f} µs   p99 {p99:>9.1f} µs"
            f"   {held:>6.1f} MB"
        )
        return (
            text
            if ours is self
            else f"{text} {statistics.median(ratios):8.1f} × ({min(ratios):.1f} to {max(ratios):.1f})"
        )


def compare(makers: Mapping[str, Callable[[], Any]], reads: Reads) -> None:
    """Have every client take the first blocks; stop where one does not end with the book that ours has."""
    first, wanted = Reads(reads.partial, reads.blocks[:2], reads.size), None
    for name, make in makers.items():
        client = make()
        client.partial(first.partial)
        client.run(first, 60.0, False)
        levels = client.levels()
        wanted = wanted or levels
        if levels != wanted:
            raise SystemExit(f"{name} ends with another book: {len(levels.items() ^ wanted.items())} levels differ")


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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--read", type=int, default=0, help="messages of one read; default: what 64 kB hold")
    options = parser.parse_args()
    texts = list(stream(options.messages))
    reads = Reads.of(texts, options.read)
    found = {
        "ours (book)": our_client,
        "ours (tables for data)": our_storage,
        "bitmex-ws": official(),
        "ccxt.pro": of_ccxt(),
        "bitmex-trio-websocket": of_trio(),
    }
    makers = {name: make for name, make in found.items() if make is not None}
    compare(makers, reads)
    figures = {name: Figures(make) for name, make in makers.items()}
    for _ in range(options.rounds):
        for client in figures.values():
            client.measure(reads, options.seconds / options.rounds, timed=False)
    for client in figures.values():
        client.measure(reads, options.seconds, timed=True)
    print(f"{len(texts) - 1} messages in reads of {reads.size} after a partial of {2 * LEVELS} levels, "
          f"{options.rounds} rounds; all end with the same book; the last column: how much faster ours is")  # fmt: skip
    for name, make in found.items():
        if make is None:
            print(f"{name:<28} not installed")
        else:
            print(figures[name].line(name, figures["ours (book)"], memory(make, reads)))


if __name__ == "__main__":
    main()
