"""Print the best prices of a market whenever they change.

python examples/ticker.py ws://127.0.0.1:8880/ws BTC/USD
"""

import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.sputnik import Sputnik


def show(ticker, book):
    bid, ask = (str(side[0]["price"]) if side else "-" for side in (book["bids"], book["asks"]))
    print(ticker, bid, ask, flush=True)


async def follow(reactor, endpoint, ticker):
    venue = Sputnik(endpoint=endpoint, reactor=reactor, tickers=ticker)
    venue.on("book", show)
    venue.on("error", lambda error: print(error, file=sys.stderr))
    reactor.addSystemEventTrigger("before", "shutdown", venue.disconnect)
    await venue.connect()
    await Deferred()  # until Ctrl-C


if __name__ == "__main__":
    react(lambda reactor, *given: Deferred.fromCoroutine(follow(reactor, *given)), sys.argv[1:])
