"""What the choices of the wire cost, each on its own: `python -m benchmarks.wire`.

JSON decoders on a book of 20 levels a side as a Sputnik exchange sends it, its UTF-8 checked once more, the same frame
inflated (what permessage-deflate would add), a frame skipped because a newer one follows, and TCP_NODELAY on loopback.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
import zlib
from collections.abc import Callable
from random import Random

import msgspec
from autobahn.websocket.utf8validator import Utf8Validator

from clients.sputnik_wire import BookMessage

ROUNDS = 2000


def frame(random: Random) -> bytes:
    """An EVENT with a book."""

    def rows(first: int, step: int) -> list[dict[str, int]]:
        found = [{"price": first + step * n, "quantity": random.randrange(10**6, 10**9)} for n in range(20)]
        random.shuffle(found)
        return found

    book = {"contract": "BTC/USD", "bids": rows(99_999_500, -500), "asks": rows(100_000_500, 500)}
    return json.dumps([36, 123_456, 1_234_567_890, {}, [book]], separators=(",", ":")).encode()


def measured(f: Callable[[], object]) -> float:
    """Microseconds of one call: the median of many."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        f()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def two_writes(no_delay: bool) -> float:
    """Milliseconds until an answer to a message that leaves in two writes has come."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        line, _ = server.accept()
        got = 0
        while octets := line.recv(4096):
            got += len(octets)
            if got % 20 == 0:
                line.sendall(b"done")

    threading.Thread(target=answer, daemon=True).start()
    client = socket.create_connection(server.getsockname())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(no_delay))
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        client.sendall(b"0123456789")
        client.sendall(b"0123456789")
        client.recv(4)
        taken.append(time.perf_counter() - began)
    client.close()
    server.close()
    return statistics.median(taken) * 1e3


def main() -> None:
    """Measure and print."""
    octets = frame(Random(1))
    typed = msgspec.json.Decoder(tuple[int, int, int, dict[str, object], tuple[BookMessage]])
    raw = msgspec.json.Decoder(list[msgspec.Raw])
    packed = zlib.compressobj(wbits=-15)
    deflated = packed.compress(octets) + packed.flush(zlib.Z_SYNC_FLUSH)
    validator = Utf8Validator()

    def validate() -> None:
        validator.reset()
        validator.validate(octets)

    print(f"a book of {len(octets)} bytes, {len(deflated)} deflated; median of {ROUNDS}, µs")
    for name, f in (
        ("msgspec into structs", lambda: typed.decode(octets)),
        ("msgspec into dictionaries", lambda: msgspec.json.decode(octets)),
        ("json of the standard library", lambda: json.loads(octets)),
        ("envelope only, as for a superseded frame", lambda: raw.decode(octets)),
        ("UTF-8 checked by autobahn", validate),
        ("inflating", lambda: zlib.decompressobj(wbits=-15).decompress(deflated)),
    ):
        print(f"  {name:42}{measured(f):8.1f}")
    for no_delay in (True, False):
        print(
            f"  TCP_NODELAY {'on' if no_delay else 'off':4} a message in two writes, answered: {two_writes(no_delay):.2f} ms"
        )


if __name__ == "__main__":
    main()
