"""`ilp.py status`: the essentials of a running daemon in a terminal, read from its own console.  Changes nothing."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TextIO
from urllib.parse import urlunsplit

from ilp.settings import Web
from ilp.tickers import parts

__all__ = ["CannotAsk", "lines", "main"]

TIMEOUT = 10.0  # seconds
EVERY = 2.0  # seconds between two looks of --watch
ENOUGH = 20  # rows of a list

Document = Mapping[str, Any]


class CannotAsk(Exception):
    """The daemon did not answer; the message says why in one sentence."""


def main(
    web: Web,
    user: str,
    password: str,
    watch: bool,
    out: TextIO,
    *,
    port: int | None = None,
    pause: Callable[[float], None] = time.sleep,  # a command of its own, not the daemon: it may wait
) -> int:
    """Print the status once, or again and again until it is interrupted; 1 where nobody answers.

    :param port: where the daemon listens, when the configuration leaves that open.
    """
    try:
        while True:
            document = _asked(web, user, password, port)
            if watch and out.isatty():
                print("\x1b[H\x1b[2J", end="", file=out)
            print("\n".join(lines(document)), file=out, flush=True)
            if not watch:
                return 0
            pause(EVERY)
    except CannotAsk as error:
        sys.stderr.write(f"ilp: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def _asked(web: Web, user: str, password: str, port: int | None) -> Document:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(web.host, web.host)
    where = f"[{host}]:{port or web.port}" if ":" in host else f"{host}:{port or web.port}"
    url = urlunsplit(("https" if web.ssl else "http", where, "/api/update", "", ""))
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {credentials}"})
    try:
        with _opener(web).open(request, timeout=TIMEOUT) as answer:
            found: Document = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise CannotAsk(f"{url} answered {error.code}: {_reason(error)}") from None
    except urllib.error.URLError as error:
        raise CannotAsk(f"nobody answers at {url}: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise CannotAsk(f"{url} gave no whole answer: {error}") from None


def _opener(web: Web) -> urllib.request.OpenerDirector:
    # never through a proxy: the password is for the daemon alone
    direct = urllib.request.ProxyHandler({})
    return urllib.request.build_opener(direct, urllib.request.HTTPSHandler(context=_context(web)))


def _context(web: Web) -> ssl.SSLContext | None:
    if not web.ssl:
        return None
    # The daemon's own certificate is the authority: who has the file may trust it, also where it names another host.
    context = ssl.create_default_context(cafile=None if web.ssl_cert is None else str(web.ssl_cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return "; ".join(json.load(error)["reasons"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


# ------------------------------------------------------------------------------------------------------------- words


def lines(document: Document) -> Iterator[str]:
    """The essentials of the console's document, a line each."""
    yield from _state(document)
    yield from _needs(document)
    yield from _quotes(document)
    yield from _inputs(document)
    yield from _holdings(document)
    yield from _orders(document)
    yield from _transfers(document)
    yield from _plan(document)
    yield from _profit(document)


def _state(document: Document) -> Iterator[str]:
    trader = document["trader"]
    age = _age(document["time"], trader["since"])
    yield f"{document['mode'].upper()}  {trader['state']} for {age}, by {trader['by']}: {trader['reason']}"
    yield f"as of {document['time']}"
    if trader.get("paused"):
        yield f"PAUSED: {', '.join(trader['paused'])}"
    for asset, open_ in trader["exposure"].items():
        value = "" if open_["value"] is None else f" ({open_['value']} {_numeraire(document)})"
        why = f": {open_['reason']}" if open_.get("reason") else ""
        yield f"Unhedged: {open_['quantity']} {asset}{value}, limit {open_['limit']}{why}"


def _needs(document: Document) -> Iterator[str]:
    for need in document.get("needs_you", ()):
        yield f"NEEDS YOU: {need['text']}"


def _quotes(document: Document) -> Iterator[str]:
    for venue, tickers in document["trader"]["quotes"].items():
        for ticker, sides in tickers.items():
            for side, quote in sides.items():
                name = f"{side.capitalize()} {ticker} on {venue}"
                if quote["resting"]:
                    yield f"{name}: {quote['size']} at {quote['price']}, edge {quote['edge']}"
                else:
                    yield f"{name}: none: {quote['reason']}"


def _inputs(document: Document) -> Iterator[str]:
    found = []
    for one in document["state"].get("inputs", ()):
        age = "waiting" if one["age"] is None else f"{one['age']:g} s"
        found.append(f"{one['name']} {age}{'' if one['ok'] else ' STALE'}")
    if found:
        yield "Inputs: " + ", ".join(found)


def _holdings(document: Document) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("holding", "free", "held", "in transit", "total", "target")]
    for one in document["state"]["holdings"]:
        amounts = (one[key] or "-" for key in ("available", "held", "in_transit", "total", "target"))
        rows.append((f"{one['venue']} {one['asset']}", *amounts))
    yield from _table(rows)


def _orders(document: Document) -> Iterator[str]:
    orders = [(venue, one) for venue, found in document["state"]["orders"].items() for one in found.values()]
    yield f"Orders: {len(orders)}"
    for venue, one in orders[:ENOUGH]:
        flag = f"  ! {one['flag']}" if one.get("flag") else ""
        what = f"{one['side']} {one['quantity_left']} {one['contract']} at {one['price']} on {venue}"
        yield f"  {what} {one.get('purpose', '')}{flag}"


def _transfers(document: Document) -> Iterator[str]:
    final = ("ARRIVED", "FAILED", "CANCELLED")
    open_ = [one for one in document["state"]["transfers"] if one["state"] not in final]
    yield f"Transfers under way: {len(open_)}"
    for one in open_[:ENOUGH]:
        late = " OVERDUE" if one["overdue"] else ""
        yield f"  {one['id']} {one['state']}{late}: {one['amount']} {one['asset']} {one['from']} -> {one['to']}"


def _plan(document: Document) -> Iterator[str]:
    rounded, base = document["valuation"]["rounded"], document["valuation"]["base"]
    if rounded is None or base is None:
        yield "Plan: none yet"
        return
    moves = "; ".join(f"{move.get('label', move['move'])}: {move['amount']}" for move in rounded["moves"])
    yield f"Value: {base['value']} {_numeraire(document)}, with the plan {rounded['value']}"
    yield f"Plan: {moves or rounded.get('withheld') or 'nothing'}"


def _profit(document: Document) -> Iterator[str]:
    pnl = document.get("pnl")
    if pnl and pnl["opened"] is not None:
        today, loss = pnl["today"], pnl["loss"]
        yield f"Earned by trading today: {today['trading']} {pnl['numeraire']}; loss {loss['today']} of {loss['limit']}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells)


def _numeraire(document: Document) -> str:
    return parts(str(document["data"]["source_ticker"]))[1]


def _age(now: str, then: str) -> str:
    seconds = int((datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds())
    hours, rest = divmod(max(0, seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"
