"""Play the operator against the demo, from outside: one line PASS or FAIL for each promise.

Clones the repository, starts the demo there with its journal in a file, and asks nothing but the JSON interface, the admin
addresses of the venues, and the commands that read a journal.

usage: python -m tests.tools.accept [--short]
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "ilp_example_config/demo.ini"
RACE = 1.0  # seconds on the wall for which a worse book may have been known when a fill outran our cancel
SPEED = 60  # of the demo's world
ACCOUNT = "pool"
T = TypeVar("T")


class Failed(AssertionError):
    """A promise was not kept; says what was seen instead."""


def fetch(address: str, document: Any = None, headers: dict[str, str] | None = None) -> Any:
    """The JSON answer of a GET, or of a POST where there is a *document*; errors come back as `{"status", "body"}`."""
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode(errors="replace")}


class Kept(NamedTuple):
    """What the journal has: fills by `venue/key`, and the links that say what closed them."""

    fills: dict[str, Any]
    links: list[Any]


class Demo:
    """The demo as a child process: what it said at its start, and its doors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "accept.log"
        self.config = "ilp_example_config/accept.ini"
        text = (folder / CONFIG).read_text()
        for before, after in (("port = 8888", "port = 0"), ("url = sqlite://", "url = sqlite:///accept.sqlite")):
            check(text.count(before) == 1, f"{CONFIG} has not the one line {before!r}")
            text = text.replace(before, after)
        (folder / self.config).write_text(text)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "ilp.py", "--config", self.config],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.admin: dict[str, str] = {}
        self.url = self.authorization = ""
        self._read_greeting()

    def _read_greeting(self) -> None:
        for line in self.process.stdout or ():
            if line.startswith("{"):
                document = json.loads(line)
                self.admin[document["venue"]] = document["admin"]
            elif found := re.match(r"Console: (\S+?)/?$", line):
                self.url = found[1]
            elif found := re.match(r"Log in as (\S+) with the password (\S+)", line):
                credentials = base64.b64encode(f"{found[1]}:{found[2]}".encode()).decode()
                self.authorization = f"Basic {credentials}"
            elif line.startswith("Nothing trades"):
                return
        raise Failed(f"the demo ended before it was ready:\n{self.log.read_text()[-2000:]}")

    def api(self, path: str, document: Any = None) -> Any:
        """`/api/path`."""
        return fetch(f"{self.url}/api/{path}", document, {"Authorization": self.authorization})

    def venue(self, name: str, path: str, document: Any = None) -> Any:
        """A venue's own truth."""
        return fetch(f"{self.admin[name]}/{path}", document)

    def update(self) -> Any:
        """The whole picture."""
        return self.api("update")

    def orders(self, venue: str) -> list[Any]:
        """What rests of ours, in the venue's own words."""
        return [order for order in self.venue(venue, "orders")["orders"] if order["account"] == ACCOUNT]

    def exposure(self) -> Decimal:
        """What the daemon says is open now, in base; negative when short."""
        return Decimal(self.update()["trader"]["exposure"]["BTC"]["quantity"])

    def run(self, *command: str) -> str:
        """What a command of `ilp.py` prints; `Failed` where it did not end well."""
        run = subprocess.run(
            [sys.executable, "ilp.py", *command], cwd=self.folder, capture_output=True, text=True, check=False
        )
        check(run.returncode == 0, f"{command[0]}: {run.stdout[-500:]}{run.stderr}")
        return run.stdout

    def journal(self, action: str) -> str:
        """What a command prints of the journal, as it is now."""
        return self.run("journal", action, "--config", self.config)

    def kept(self) -> Kept:
        """Every fill and every link since the start: the picture shows the newest only."""
        kept = Kept({}, [])
        for line in map(json.loads, self.journal("export").splitlines()):
            entry = line["entry"]
            if line["kind"] == "fill":
                kept.fills[f"{entry['venue']}/{entry['key']}"] = entry
            elif line["kind"] == "hedge":
                kept.links.append(entry)
        return kept

    def until(self, what: Callable[[], T], seconds: float, promise: str) -> T:
        """The first true answer of *what* within so many seconds."""
        end = time.monotonic() + seconds
        while True:
            found = what()
            if found:
                return found
            if time.monotonic() > end:
                raise Failed(f"{promise}: not within {seconds:g} s")
            time.sleep(0.1)


class Watcher(threading.Thread):
    """Looks at the picture all the time, so that a promise about every moment can be checked."""

    def __init__(self, demo: Demo) -> None:
        super().__init__(daemon=True)
        self.demo = demo
        self.exposures: list[tuple[float, Decimal, Decimal]] = []  # when, exposure, the source's minimum
        self.resting: Decimal = Decimal(0)
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            trader = self.demo.update().get("trader")
            if trader is None:
                continue
            exposure = trader["exposure"]["BTC"]
            minimum = Decimal(exposure["minimum"] or 0)
            self.exposures.append((time.monotonic(), abs(Decimal(exposure["quantity"])), minimum))
            for side in ("BUY", "SELL"):
                mine = [order for order in self.demo.orders("target") if order["side"] == side]
                self.resting = max(self.resting, sum((Decimal(o["quantity_left"]) for o in mine), Decimal(0)))

    def longest_exposure(self) -> float:
        """Longest time, in seconds, for which exposure was seen at or above the source's minimum without a break."""
        longest, since = 0.0, None
        for at, exposure, minimum in self.exposures:
            if exposure < minimum or not minimum:
                since = None
            else:
                since = at if since is None else since
                longest = max(longest, at - since)
        return longest


class Acceptance:
    """The promises, in the order in which an operator meets them."""

    def __init__(self, demo: Demo, seconds: float) -> None:
        self.demo = demo
        self.seconds = seconds
        self.total_before: dict[str, Decimal] = {}
        self.watcher = Watcher(demo)
        self.kept = Kept({}, [])
        self.left: dict[str, Decimal] = {}
        self.told = Decimal(0)
        self.started = 0.0

    def promises(self) -> Iterator[tuple[str, Callable[[], str | None]]]:
        """Each with what checks it."""
        yield "the daemon becomes READY by itself", self.ready
        yield "a parameter edit changes the plan and places nothing", self.edit
        yield "START is obeyed", self.start
        yield "quotes rest at the venue as the API says", self.quotes
        yield "fills by both kinds of takers", self.fills
        yield "transfers of the plan go out and arrive, one waits for the operator", self.transfers
        yield "every fill is closed by hedges, by the plan or by an opposite fill", self.closed
        yield (
            "edge after fees at least edge_to_leave, by the last source book that a quote could be judged by",
            self.edge,
        )
        yield "exposure below the source's minimum 2 s after each fill", self.exposure
        yield "never more than quote_size rests on a side, in the venue's own book", self.size
        yield "the journalled plan, solved again with its pool, comes out again", self.replay
        yield "no warning and no error in the log so far", self.quiet
        yield "the operator approves the transfer that waited, and it leaves", self.approve
        yield "the source is killed: quotes on the target are gone at once, and come back", self.kill_source
        yield "STOP: zero orders, confirmed by both venues' own ledgers", self.stop
        yield "the journal is sound, has each fill that the venue has, and nothing is open that is not told", self.books
        yield "money is conserved: ledgers, houses, bank and chain", self.conserved
        yield "SIGTERM: exit status 0", self.terminate

    # ------------------------------------------------------------------------------------------------------- promises

    def ready(self) -> str:
        began = time.monotonic()

        def looked() -> bool:
            document = self.demo.update()
            return bool(document.get("trader", {}).get("state") == "READY" and document["valuation"]["rounded"])

        self.demo.until(looked, 60, "READY")
        self.total_before = self.totals()
        return f"after {time.monotonic() - began:.1f} s"

    def edit(self) -> str:
        document = self.demo.update()
        before = moves(document["valuation"])
        edits = {"target_balance.source.BTC": "9", "target_balance.target.BTC": "9"}
        preview = self.demo.api("preview", {"parameters": edits})
        answer = self.demo.api("update", {"version": document["version"], "parameters": edits})
        check("version" in answer, f"the edit was refused: {answer}")
        after = self.demo.until(
            lambda: found if (found := moves(self.demo.update()["valuation"])) != before else None, 10, "another plan"
        )
        check(moves(preview["valuation"]) != before, "the preview showed the old plan")
        check(not self.demo.orders("source") and not self.demo.orders("target"), "something was placed")
        stale = self.demo.api("update", {"version": document["version"], "parameters": edits})
        check(stale.get("status") == 409, f"an edit of an old version was not refused: {stale}")
        back = {"target_balance.source.BTC": "6", "target_balance.target.BTC": "6"}
        self.demo.api("update", {"version": answer["version"], "parameters": back})
        self.demo.until(lambda: moves(self.demo.update()["valuation"]) == before, 10, "the plan of before")
        return f"{len(before)} moves became {len(after)}, and again {len(before)}"

    def start(self) -> str:
        answer = self.demo.api("start", {})
        self.started = time.monotonic()
        self.watcher.start()
        check(answer.get("state") == "TRADING", f"START: {answer}")
        return str(answer["state"])

    def quotes(self) -> str:
        def agree() -> str | None:
            sides = self.demo.update()["trader"]["quotes"]["target"]["BTC/HUF"]
            said = {(side, quote["price"], quote["size"]) for side, quote in sides.items() if quote["resting"]}
            there = {
                ("bid" if order["side"] == "BUY" else "ask", trimmed(order["price"]), trimmed(order["quantity_left"]))
                for order in self.demo.orders("target")
            }
            return str(sorted(said)) if said == there and len(said) == 2 else None

        return self.demo.until(agree, 30, "both sides rest, and the API agrees with the venue")

    def fills(self) -> str:
        def takers() -> set[str]:
            rows = self.demo.venue("target", "matches")["matches"]
            return {row["aggressor"] for row in rows if row["resting"] == ACCOUNT}

        self.demo.until(lambda: {"customers", "insiders"} <= takers(), self.seconds, "fills by both kinds of takers")
        return ", ".join(sorted(takers()))

    def transfers(self) -> str:
        def looked() -> dict[str, str] | None:
            transfers = self.demo.update()["state"]["transfers"]
            arrived = {t["asset"]: t["id"] for t in transfers if t["state"] == "ARRIVED"}
            waiting = [t for t in transfers if t["state"] == "PROPOSED"]
            return arrived if {"BTC", "USD"} <= set(arrived) and waiting else None

        found = self.demo.until(looked, max(60.0, self.seconds), "a BTC and a fiat transfer arrived, one proposed")
        waited = self.seconds - (time.monotonic() - self.started)
        if waited > 0:
            time.sleep(waited)  # let fills add up for what is checked next
        return ", ".join(f"{asset} {id}" for asset, id in found.items())

    def closed(self) -> str:
        def agreed() -> bool:
            """Whether journal and picture tell the same; between two looks fills may come in, and are closed."""
            self.kept = self.demo.kept()
            self.left, self.told = unclosed(*self.kept), self.demo.exposure()
            return sum(self.left.values()) == self.told

        try:
            self.demo.until(agreed, 30, "every fill closed but for the exposure that is told")
        except Failed as failed:
            raise Failed(f"{failed}: {self.told} is told, open are {self.left}") from None
        pairs = sum(link["closed_by"].startswith("netted:") for link in self.kept.links)
        return f"{len(quoted(self.kept.fills))} fills, {pairs} closed by opposite ones, {self.told} is open"

    def edge(self) -> str:
        document = self.demo.update()
        leave = Decimal(document["trader"]["parameters"]["edge_to_leave"]["value"])
        fee, fills = Decimal(document["data"]["fees"]["source"][1]), quoted(self.kept.fills)
        # What closed a fill of a quote at a price of the source: not two fills that cancelled out, which have the market's
        # move between them, nor a hedge that such a pair made too many and that went back.
        hedges = [
            hedge
            for hedge in self.kept.links
            if hedge["fill_key"] in fills and not hedge["closed_by"].startswith("netted:")
        ]
        edges = [Decimal(hedge["edge"]) for hedge in hedges if hedge["edge"] is not None]
        check(bool(edges), "no fill has an edge")
        slips = sorted(Decimal(h["slippage"]) for h in hedges if h["slippage"] is not None)
        total = sum(
            (Decimal(h["slippage"]) * Decimal(h["quantity"]) for h in hedges if h["slippage"] is not None), Decimal(0)
        )
        raced = outran(hedges, fills, leave, fee)
        slippage = f"slippage p50 {share(slips, 0.5)}, p99 {share(slips, 0.99)} USD/BTC, {total:.2f} USD in all"
        others = share(sorted(edge for edge in edges if edge >= leave), 0)
        return "; ".join(
            [f"{len(edges)} closes, {len(raced)} outran a cancel, the others at least {others}, {slippage}", *raced]
        )

    def exposure(self) -> str:
        longest = self.watcher.longest_exposure()
        check(longest <= 2.0, f"it was above for {longest:.2f} s")
        return f"at most {longest:.2f} s at or above it"

    def size(self) -> str:
        size = Decimal(self.demo.update()["trader"]["parameters"]["quote_size"]["value"])
        check(self.watcher.resting <= size, f"{self.watcher.resting} rested, allowed {size}")
        return f"at most {self.watcher.resting} of {size}"

    def replay(self) -> str:
        plans = self.demo.api("plans")["plans"]
        check(bool(plans), "no plan was journalled")
        for plan in plans[:5]:
            file = self.demo.folder / "plan.json"
            file.write_text(json.dumps(plan["pool"]))
            again = json.loads(self.demo.run("solve", "--pool", str(file)))["optimized"]
            before = plan["answer"]["optimized"]
            check(again["moves"] == before["moves"], f"plan {plan['id']}: {before['moves']} became {again['moves']}")
        return f"{len(plans[:5])} of {len(plans)} plans solved again"

    def quiet(self) -> str:
        loud = [
            line
            for line in self.demo.log.read_text().splitlines()
            if re.match(r"\d\d:\d\d:\d\d (warn|error|critical)", line)
        ]
        check(not loud, f"{len(loud)} lines, the first: {loud[:1]}")
        return "nothing"

    def approve(self) -> str:
        waiting = [t for t in self.demo.update()["state"]["transfers"] if t["state"] == "PROPOSED"]
        check(bool(waiting), "nothing waits any more")
        id = waiting[0]["id"]
        answer = self.demo.api("transfer", {"id": id, "action": "approve", "note": "accepted by the script"})
        check("status" not in answer, f"approve: {answer}")

        def left() -> str | None:
            state = next(t["state"] for t in self.demo.update()["state"]["transfers"] if t["id"] == id)
            return state if state in ("SENT", "ARRIVED") else None

        return f"{id} {self.demo.until(left, 30, 'the approved transfer leaves')}"

    def kill_source(self) -> str:
        self.demo.until(lambda: self.demo.orders("target"), 30, "quotes before")
        began = time.monotonic()
        self.demo.venue("source", "fault", {"down": True})
        self.demo.until(lambda: not self.demo.orders("target"), 2, "quotes gone")
        gone = time.monotonic() - began
        self.demo.venue("source", "fault", {"down": False})
        began = time.monotonic()
        self.demo.until(lambda: self.demo.orders("target"), 60, "quotes back")
        return f"gone after {gone:.2f} s, back {time.monotonic() - began:.1f} s after the source"

    def stop(self) -> str:
        self.watcher.over.set()
        self.watcher.join()
        self.demo.api("stop", {})
        self.demo.until(lambda: self.demo.update()["trader"]["state"] == "READY", 20, "READY after STOP")
        rest = self.demo.orders("source") + self.demo.orders("target")
        check(not rest, f"still there: {rest}")
        confirmed = self.demo.update()["trader"]["confirmation"]
        check(confirmed["at"] is not None and not confirmed["remaining"], f"not confirmed: {confirmed}")
        return f"confirmed {confirmed['at']}"

    def books(self) -> str:
        told = self.demo.journal("verify").strip()
        fills, links = self.demo.kept()
        matches = self.demo.venue("target", "matches")["matches"]
        there = sum(Decimal(row["quantity"]) for row in matches if row["resting"] == ACCOUNT)
        here = sum(Decimal(fill["quantity"]) for fill in quoted(fills).values())
        check(here == there, f"{there} BTC of quotes traded, {here} are in the journal")
        left, exposure = unclosed(fills, links), self.demo.exposure()
        check(sum(left.values()) == exposure, f"{exposure} is told, open are {left}")
        return f"{told}, {len(quoted(fills))} fills of {here:f} BTC, {exposure} is open"

    def conserved(self) -> str:
        after = self.totals()
        check(after == self.total_before, f"{self.total_before} became {after}")
        return ", ".join(f"{asset} {total:f}" for asset, total in after.items())

    def terminate(self) -> str:
        self.demo.process.send_signal(signal.SIGTERM)
        try:
            status = self.demo.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failed("it still runs after 20 s") from None
        check(status == 0, f"exit status {status}")
        return "in order"

    # -------------------------------------------------------------------------------------------------------- helpers

    def totals(self) -> dict[str, Decimal]:
        """By asset, all that venues owe to users and house, and what bank and chain hold, less what conversions added."""
        sums: dict[str, Decimal] = {}

        def add(asset: str, amount: str, sign: int = 1) -> None:
            sums[asset] = sums.get(asset, Decimal(0)) + sign * Decimal(amount)

        ledgers = [self.demo.venue(name, "ledger") for name in ("source", "target")]
        for ledger in ledgers:
            for held in ledger["accounts"].values():
                for asset, amounts in held.items():
                    add(asset, amounts["total"])
            for name, held in ledger["house"].items():
                for asset, amount in held.items():
                    if name != "house.cash":  # what the venue has; all else is what it owes
                        add(asset, amount)
        for asset, amounts in ledgers[0]["bank"].items():
            for part in ("under_way", "charged", "paid_out"):
                add(asset, amounts[part])
            add(asset, amounts["converted"], -1)
        return {asset: amount.normalize() for asset, amount in sums.items()}


def check(holds: bool, otherwise: str) -> None:
    """Raise `Failed` unless it holds."""
    if not holds:
        raise Failed(otherwise)


def quoted(fills: Mapping[str, Any]) -> dict[str, Any]:
    """Fills of quotes."""
    return {key: fill for key, fill in fills.items() if fill["purpose"] == "quote"}


def unclosed(fills: Mapping[str, Any], links: Iterable[Any]) -> dict[str, Decimal]:
    """What is open of each fill that no links account for entirely, in base; positive when bought.

    A link takes as much from the fill that is closed as from the hedge, or the opposite fill, that closes it: what a hedge
    closed too much is open itself.  What a plan keeps is taken from the former only, and its own fills close nothing.
    `Failed` where links have more of a fill than there was, and where parts of both signs are open.
    """
    brought = {key: received(fill) for key, fill in fills.items() if fill["purpose"] != "plan"}
    left = {key: abs(quantity) for key, quantity in brought.items()}
    for link in links:
        closing = [] if link["closed_by"].startswith("plan:") else [link["closed_by"].removeprefix("netted:")]
        for key in (link["fill_key"], *closing):
            check(key in left, f"{key} is linked and no fill")
            left[key] -= Decimal(link["quantity"])
            check(left[key] >= 0, f"{key} brought {brought[key]}, links have {-left[key]} more")
    found = {key: quantity.copy_sign(brought[key]) for key, quantity in left.items() if quantity}
    check(len({quantity > 0 for quantity in found.values()}) < 2, f"open both ways: {found}")
    return found


def received(fill: Any) -> Decimal:
    """Base that a fill brought, a fee in base deducted; negative when it was given."""
    traded = Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
    return traded - Decimal(fill["fees"].get(fill["ticker"].partition("/")[0], 0))


def outran(hedges: list[Any], fills: dict[str, Any], leave: Decimal, fee: Decimal) -> list[str]:
    """The closes below *leave*, each with the evidence that the fill outran our cancel; `Failed` for one that did not.

    A taker may meet a quote between the arrival of a worse source book and that of our cancel.  Such a fill has to have had
    its edge by the book before, and the cancel must not have been long in coming; every other one has it by the last book.

    :param fee: the source's, a fraction.
    """
    found = []
    for hedge in hedges:
        fill = fills[hedge["fill_key"]]
        if hedge["edge"] is None or Decimal(hedge["edge"]) >= leave:
            continue
        told = f"{hedge['fill_key']} {fill['side']} at {fill['price']}: edge {hedge['edge']}"
        check(fill["raced"] is not None, f"{told}, and no worse book had come since the quote was judged")
        late, before = Decimal(fill["raced"]) / SPEED, quoted_edge(hedge, fill, fee)
        check(before >= leave, f"{told}, {before:.2f} by the book before, allowed {leave}")
        check(late <= RACE, f"{told}: the book had been worse for {late:.3f} s, allowed {RACE:g} s")
        found.append(f"{told}, {before:.2f} by the book {late * 1000:.0f} ms before")
    return found


def quoted_edge(hedge: Any, fill: Any, fee: Decimal) -> Decimal:
    """The edge of a close against the book by which its quote had last been found in its band."""
    bought = fill["side"] == "BUY"
    then, now = Decimal(fill["quoted"]), Decimal(fill["reference_bid" if bought else "reference_ask"])
    better = (then - now) * (1 - fee) if bought else (now - then) * (1 + fee)
    return Decimal(hedge["edge"]) + better


def trimmed(amount: str) -> str:
    """The amount without trailing zeros."""
    return f"{Decimal(amount).normalize():f}"


def moves(valuation: Any) -> list[tuple[int, str, str]]:
    """The rounded plan, to what an edit changes and the market does not: moves, directions, and leading digits."""
    rounded = valuation["rounded"]
    return [(move["move"], move["direction"], f"{float(move['amount']):.1e}") for move in rounded["moves"]]


def share(values: list[Decimal], part: float) -> str:
    """A quantile of sorted *values*."""
    return f"{values[min(len(values) - 1, int(len(values) * part))]:.2f}" if values else "none"


def cloned(folder: Path) -> Path:
    """A fresh clone of the repository's last commit, or, where there is no git, a copy."""
    target = folder / "ilp"
    run = subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], capture_output=True, check=False)
    if run.returncode != 0:
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".venv", ".git", "_trial_temp*"))
    return target


def main() -> int:
    """Run every promise; the exit status says whether all were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="watch for 40 s instead of 120")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="ilp-accept-") as folder:
        demo = Demo(cloned(Path(folder)))
        try:
            for promise, kept in Acceptance(demo, 40.0 if options.short else 120.0).promises():
                try:
                    print(f"PASS  {promise}: {kept()}", flush=True)
                except Exception as error:  # noqa: BLE001 - each promise stands for itself
                    failures += 1
                    print(f"FAIL  {promise}: {error or type(error).__name__}", flush=True)
            if failures:
                print("--- the end of the daemon's log")
                print(demo.log.read_text()[-4000:])
        finally:
            if demo.process.poll() is None:
                demo.process.kill()
    print(f"{failures} of the promises were broken" if failures else "every promise was kept")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
