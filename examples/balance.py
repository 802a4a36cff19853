"""Print what an account has and what of it is free.

SPUTNIK_PASSWORD=… python examples/balance.py ws://127.0.0.1:8880/ws alice
"""

import os
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.exchange import ExchangeError
from clients.sputnik import Sputnik


async def balance(reactor, endpoint, user):
    venue = Sputnik(endpoint=endpoint, id=user, secret=os.environ["SPUTNIK_PASSWORD"], reactor=reactor)
    try:
        await venue.connect()
        for ticker, held in (await venue.getPositions()).items():
            print(f"{ticker:8} {held['position']:>18f} {held['available']:>18f}")
    except ExchangeError as error:
        sys.exit(str(error))
    finally:
        await venue.disconnect()


if __name__ == "__main__":
    react(lambda reactor, *given: Deferred.fromCoroutine(balance(reactor, *given)), sys.argv[1:])
