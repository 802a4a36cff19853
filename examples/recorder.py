"""Write every book and every trade of a market to a file, one JSON line each.

python examples/recorder.py ws://127.0.0.1:8880/ws BTC/USD market.jsonl
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.sputnik import Sputnik


async def record(reactor, endpoint, ticker, name):
    def write(kind, told):
        line = {"at": datetime.now(UTC), "kind": kind, **told}
        file.write(json.dumps(line, default=str) + "\n")

    venue = Sputnik(endpoint=endpoint, reactor=reactor, tickers=ticker)
    venue.on("book", lambda ticker, book: write("book", book))
    venue.on("trade", lambda trade: write("trade", trade))
    venue.on("disconnect", lambda venue: write("gap", {}))  # what happened until the next book is not in the file
    reactor.addSystemEventTrigger("before", "shutdown", venue.disconnect)
    with Path(name).open("a", buffering=1) as file:
        await venue.connect()
        await Deferred()  # until Ctrl-C


if __name__ == "__main__":
    react(lambda reactor, *given: Deferred.fromCoroutine(record(reactor, *given)), sys.argv[1:])
