"""A console to look at, without a daemon: `python -m tests.web.serve [--port 8100] [--scene trading] [--still]`.

Signs in as `anna` or `bela` with the password `ilp`.
"""

from __future__ import annotations

import argparse
import copy
import random
from datetime import datetime, timedelta
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner, textFileLogObserver

from ilp.operator import Document
from ilp.settings import Web
from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES
from web.history import History, sample
from web.service import WebService
from web.sessions import Role


def live(console: FakeConsole, chance: random.Random) -> None:
    """Half a second passes: time and prices go on."""
    later = datetime.fromisoformat(console.document["time"]) + timedelta(seconds=0.5)
    console.document["time"] = later.isoformat().replace("+00:00", "Z")
    for input_ in console.document["state"].get("inputs", ()):
        if input_["ok"]:
            input_["age"] = round(chance.random() * 3, 1)
    quotes = console.document["trader"]["quotes"]["target"]["BTC/HUF"]
    step = chance.randint(-9000, 9000)
    for side in quotes.values():
        for key in ("price", "reference", "hedge"):
            side[key] = side[key] and str(int(side[key]) + step)
    for side in quotes.values():
        if side["edge"]:
            side["edge"] = f"{float(side['edge']) + chance.uniform(-1, 1):.2f}"
    for book in (book for books in console.document["state"]["books"].values() for book in books.values()):
        factor = 1 + chance.uniform(-2e-4, 2e-4)
        for side in ("bid", "ask"):
            book[side] = book[side] and str(round(float(book[side]) * factor))
    _earn(console.document.get("pnl"), chance)
    console.notify()


def _earn(pnl: Document | None, chance: random.Random) -> None:
    """Now and then a fill earns something, and the mark moves."""
    if not pnl or not pnl["opened"]:
        return
    steps = {"base revaluation": chance.uniform(-8, 8)}
    if chance.random() < 0.05:
        steps |= {"spread": 7.8, "hedge slippage": -0.6, "trade fees": -3.1}
    steps["trading"] = sum(step for name, step in steps.items() if name != "base revaluation")
    for name, step in steps.items():
        pnl["since"][name] = f"{float(pnl['since'][name]) + step:.2f}"


def lived(console: FakeConsole, history: History, chance: random.Random, moments: int = 600) -> None:
    """Give the pictures a past that ends now."""
    now = datetime.fromisoformat(console.document["time"])
    document = copy.deepcopy(console.document)
    past = FakeConsole()
    past.document = document
    for n in range(moments):
        live(past, chance)
        document["time"] = (now - timedelta(seconds=2 * (moments - n))).isoformat().replace("+00:00", "Z")
        history.put(sample(document))
    for key in ("trader", "state", "pnl"):
        console.document[key] = document[key]


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--scene", choices=sorted(SCENES), default="trading")
    parser.add_argument("--still", action="store_true", help="nothing changes by itself")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    console = FakeConsole(options.scene)
    service = WebService(console, {"anna": "ilp", "bela": "ilp", "vera": "ilp"}, reactor, {"vera": Role.VIEWER})
    if options.log:
        globalLogBeginner.beginLoggingTo([textFileLogObserver(options.log.open("w"))])
    web = Web(
        host="127.0.0.1", port=options.port, ssl=False, ssl_key=None, ssl_cert=None, ssl_cert_chain=None, users={}
    )
    service.listen(web).addErrback(lambda f: print(f.value))  # noqa: T201 - a tool for a terminal
    if not options.still:
        lived(console, service.history, random.Random(2))
        LoopingCall(live, console, random.Random(1)).start(0.5)
    reactor.addSystemEventTrigger("before", "shutdown", service.stop)
    reactor.run()


if __name__ == "__main__":
    main()
