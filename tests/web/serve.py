"""A console to look at, without a daemon: `python -m tests.web.serve [--port 8100] [--scene trading] [--still]`.

Signs in as `anna` or `bela` with the password `ilp`.
"""

from __future__ import annotations

import argparse
import random
from datetime import datetime, timedelta
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner, textFileLogObserver

from ilp.settings import Web
from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES
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
    console.notify()


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
        LoopingCall(live, console, random.Random(1)).start(0.5)
    reactor.addSystemEventTrigger("before", "shutdown", service.stop)
    reactor.run()


if __name__ == "__main__":
    main()
