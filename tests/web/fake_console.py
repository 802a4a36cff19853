"""A console without a daemon: scripted documents, and acts that change them as the daemon would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from ilp.operator import Declined, Document
from tests.web.scenes import at, insight, quotes, scene, transfers

__all__ = ["FakeConsole"]

PAGE = 3  # lines of the audit log


class FakeConsole:
    """Implements `ilp.operator.Console`.  `calls` lists what was asked; set `answer` to answer differently once."""

    def __init__(self, name: str = "ready") -> None:
        self.document = scene(name)
        self.calls: list[tuple[Any, ...]] = []
        self.past: list[Document] = []  # the audit log, newest first
        self.answer: Deferred[Document] | None = None
        self.subscribers: list[Callable[[], None]] = []

    def snapshot(self) -> Document:
        return self.document

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.subscribers.append(changed)
        return lambda: self.subscribers.remove(changed)

    def pool(self) -> Document:
        if self.document["valuation"]["base"] is None:
            raise Declined(503, {"reasons": ["there is no pool yet"]})
        return {"numeraire": "USD", "marks": {"USD": "1", "BTC": "67776.5", "HUF": "0.002745"}, "holdings": []}

    def fills(self) -> Document:
        return {"fills": list(reversed(self.document["trader"]["fills"]))}

    def export(self, name: str) -> Deferred[str]:
        return succeed(f"time,number\n2024-03-04T09:00:00Z,{name}\n")

    def audit(self, until: datetime) -> Deferred[Document]:
        self.calls.append(("audit", until))
        older = [line for line in self.past if datetime.fromisoformat(line["at"]) <= until]
        return succeed({"lines": older[:PAGE], "more": len(older) > PAGE})

    def plans(self) -> Document:
        return {"plans": []}

    def change(self, *path: str, value: Any) -> None:
        """Set a value of the document and tell everybody."""
        parent = self.document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
        self.notify()

    def notify(self) -> None:
        """Something has changed."""
        for changed in tuple(self.subscribers):
            changed()

    # ----------------------------------------------------------------------------------------------------- acts

    def start(self, user: str) -> Deferred[Document]:
        failed = [check["message"] for check in self._trader["checks"] if not check["ok"]]
        if self._trader["state"] != "READY":
            failed.append(f"START is possible in READY, the state is {self._trader['state']}")
        if failed:
            return self._answer(("start", user), Declined(409, {"reasons": failed}))
        d = self._answer(("start", user), {"state": "TRADING"})
        traded = scene("trading")
        self._go("TRADING", user, "start", True)
        self._trader["quotes"] = traded["trader"]["quotes"]
        self.document["state"] |= {"orders": traded["state"]["orders"], "transfers": traded["state"]["transfers"]}
        self.document["needs_you"] = traded["needs_you"]
        self.notify()
        return d

    def stop(self, user: str) -> Deferred[Document]:
        self._go("READY", user, "stop: 0 live orders, confirmed by both venues", False)
        return self._answer(("stop", user), {"state": "READY"})

    def halt(self, user: str, reason: str) -> Deferred[Document]:
        self._go("HALTED", user, reason, False)
        return self._answer(("halt", user, reason), {"state": "HALTED"})

    def reset(self, user: str, note: str) -> Deferred[Document]:
        if self._trader["state"] != "HALTED":
            return self._answer(("reset", user, note), Declined(409, {"reasons": ["nothing is halted"]}))
        self._go("READY", user, f"reset: {note}", False)
        return self._answer(("reset", user, note), {"state": "READY"})

    def preview(self, parameters: Mapping[str, Any]) -> Deferred[Document]:
        declined = self._check(parameters)
        if declined is not None:
            return self._answer(("preview", dict(parameters)), declined)
        tried = scene("ready")
        plan, offered = tried["valuation"], tried["trader"]["quotes"]
        if parameters:
            plan["rounded"]["value"], plan["rounded"]["moves"][0]["amount"] = "811612.07", "0.5012"
            offered["target"]["BTC/HUF"]["bid"] |= {"price": "24581000", "size": parameters.get("quote_size", "0.1")}
        return self._answer(("preview", dict(parameters)), {"valuation": plan, "quotes": offered})

    def update(self, user: str, version: int, parameters: Mapping[str, Any]) -> Deferred[Document]:
        call = ("update", user, version, dict(parameters))
        if version != self.document["version"]:
            theirs = {name: self._parameters[name]["value"] for name in parameters if name in self._parameters}
            both = {name: {"yours": parameters[name], "theirs": value, "by": "bela"} for name, value in theirs.items()}
            reasons = [f"somebody else changed parameters: version is {self.document['version']}, yours {version}"]
            document = {"reasons": reasons, "version": self.document["version"], "conflicts": both}
            return self._answer(call, Declined(409, document))
        declined = self._check(parameters)
        if declined is not None:
            return self._answer(call, declined)
        for name, value in parameters.items():
            self._parameters[name] |= {"value": value, "origin": "console"}
        self.document["version"] += 1
        self.notify()
        return self._answer(call, {"version": self.document["version"]})

    def transfer(self, user: str, id: str, action: str, amount: str | None, note: str | None) -> Deferred[Document]:
        call = ("transfer", user, id, action, amount, note)
        found = [t for t in self.document["state"]["transfers"] if t["id"] == id]
        if not found or action not in found[0]["actions"]:
            return self._answer(call, Declined(409, {"reasons": [f"{action} is not possible for {id} now"]}))
        state = {"approve": "PLANNED", "sent": "SENT", "arrived": "ARRIVED", "cancel": "CANCELLED", "resolve": "SENT"}[
            action
        ]
        found[0].update(
            state=state, by=user, since=at(), note=note or "", actions=["arrived"] if state == "SENT" else []
        )
        self.notify()
        return self._answer(call, found[0])

    def propose(self, user: str, asset: str, way: tuple[str, str], amount: str, note: str | None) -> Deferred[Document]:
        call = ("propose", user, asset, way, amount, note)
        if asset not in ("BTC", "USD", "HUF"):
            return self._answer(call, Declined(400, {"errors": [{"field": "asset", "message": f"{asset} is unknown"}]}))
        more = {"asset": asset, "from": way[0], "to": way[1], "amount": amount, "expected": amount, "fee": "0"}
        entry = transfers()[0] | {
            "id": "hand-1",
            "state": "PROPOSED",
            "note": f"proposed by {user}",
            "by": user,
            **more,
        }
        entry["actions"] = ["approve", "cancel"]
        self.document["state"]["transfers"].insert(0, entry)
        self.notify()
        return self._answer(call, entry)

    def pause(self, user: str, what: str, on: bool) -> Deferred[Document]:
        paused = set(self._trader.get("paused", ()))
        self._trader["paused"] = sorted(paused | {what} if on else paused - {what})
        self.notify()
        return self._answer(("pause", user, what, on), {"paused": self._trader["paused"]})

    def test_alarms(self, user: str) -> Deferred[Document]:
        found = [{"name": one["name"], "ok": True, "message": "taken"} for one in self.document["alarms"]["channels"]]
        return self._answer(("test_alarms", user), {"channels": found})

    def insight(self) -> Deferred[Document]:
        return self._answer(("insight",), insight())

    def flow(self, user: str, key: str, text: str) -> Deferred[Document]:
        call = ("flow", user, key, text)
        found = [flow for flow in self.document["state"].setdefault("flows", []) if flow["key"] == key]
        if not found:
            return self._answer(call, Declined(409, {"reasons": [f"there is no external flow {key}"]}))
        found[0].update(classified=text, by=user)
        self.notify()
        return self._answer(call, found[0])

    def hedge(self, user: str) -> Deferred[Document]:
        return self._answer(("hedge", user), {"state": self._trader["state"]})

    def cancel(
        self, user: str, venue: str, id: str | None, side: str | None, ticker: str | None = None
    ) -> Deferred[Document]:
        call = ("cancel", user, venue, id, side) if ticker is None else ("cancel", user, venue, id, side, ticker)
        if venue not in self.document["state"]["orders"]:
            return self._answer(call, Declined(400, {"errors": [{"field": "venue", "message": f"{venue} is unknown"}]}))
        mine = self.document["state"]["orders"][venue]
        gone = [key for key, order in mine.items() if id in (None, key) and side in (None, order["side"])]
        for key in gone:
            del mine[key]
        self.notify()
        return self._answer(call, {"cancelled": gone})

    # --------------------------------------------------------------------------------------------------- inside

    @property
    def _trader(self) -> Document:
        trader: Document = self.document["trader"]
        return trader

    @property
    def _parameters(self) -> Document:
        known: Document = self._trader["parameters"]
        return known

    def _go(self, state: str, user: str, reason: str, wanted: bool) -> None:
        self._trader.update(
            {"state": state, "by": user, "reason": reason, "since": self.document["time"], "wanted": wanted}
        )
        if state != "TRADING":
            self._trader["quotes"] = quotes(f"{state}: nothing is placed", f"{state}: nothing is placed")
            self.document["state"]["orders"] = {"source": {}, "target": {}}
        self.notify()

    def _check(self, parameters: Mapping[str, Any]) -> Declined | None:
        errors = [
            {"field": name, "message": message}
            for name, value in parameters.items()
            if (message := self._wrong(name, value))
        ]
        return Declined(400, {"errors": errors}) if errors else None

    def _wrong(self, name: str, value: Any) -> str:
        known = self._parameters.get(name)
        if known is None:
            return f"{name} is unknown"
        if isinstance(value, list) != isinstance(known["value"], list):
            return "a cost is a list of two, fixed and proportional; anything else is one number"
        try:
            numbers = [Decimal(part) for part in (value if isinstance(value, list) else [value])]
        except InvalidOperation:
            return f"{value} is not a number"
        low, high = (bound if isinstance(bound, str) else None for bound in (known["min"], known["max"]))
        if any((low and n < Decimal(low)) or (high and n > Decimal(high)) for n in numbers):
            return f"{value} is outside {low} to {high or 'any'}"
        return ""

    def _answer(self, call: tuple[Any, ...], result: Document | Declined) -> Deferred[Document]:
        self.calls.append(call)
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        return fail(result) if isinstance(result, Declined) else succeed(result)
