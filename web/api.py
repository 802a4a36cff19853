"""The JSON API under `/api/` ("Public JSON" in `docs/architecture.md`): from a body to a call of the console and back.

Knows who is asking only as a name; admission is `web.access`, routing is `web.site`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from attrs import frozen

from ilp.operator import Console, Declined, Document
from web.bodies import Cancel, Empty, Flow, Halt, Pause, Preview, Propose, Reset, TransferAct, Update, parse
from web.replies import Refused

__all__ = ["ACTS", "READ_ONLY_ACTS", "Api"]

Act = Callable[[str, bytes], Awaitable[Document]]

ACTS = (
    "start",
    "stop",
    "halt",
    "reset",
    "preview",
    "update",
    "transfer",
    "propose",
    "flow",
    "pause",
    "hedge",
    "cancel",
    "test_alarms",
)
READ_ONLY_ACTS = frozenset({"preview"})  # they change nothing, so whoever may look may do them


EXPORTS = ("pnl", "pairs")  # downloads, as CSV


@frozen
class Api:
    """Each act of `ACTS` is a method taking the user's name and the body, answering with the document to send."""

    console: Console

    def snapshot(self) -> Document:
        """Everything of `GET /api/update`."""
        return self.console.snapshot()

    def pool(self) -> Document:
        """The present pool as `ilp.py solve` reads it."""
        return _asked(self.console.pool)

    def plans(self) -> Document:
        """The newest executed plans with the pools they were computed from."""
        return _asked(self.console.plans)

    def fills(self) -> Document:
        """Own fills of the past."""
        return _asked(self.console.fills)

    async def export(self, name: str) -> str:
        """The ledger (`pnl`), or fills and what closed them (`pairs`), as CSV."""
        try:
            return await self.console.export(name)
        except Declined as declined:
            raise Refused(declined.status, _told(declined)) from None

    async def audit(self, until: datetime) -> Document:
        """What was done until then, newest first."""
        try:
            return await self.console.audit(until)
        except Declined as declined:
            raise Refused(declined.status, _told(declined)) from None

    async def insight(self) -> Document:
        """What would change the plan."""
        try:
            return await self.console.insight()
        except Declined as declined:
            raise Refused(declined.status, _told(declined)) from None

    async def act(self, name: str, user: str, body: bytes) -> Document:
        """Do the act *name* of `ACTS`; what the console declines becomes a refusal."""
        act: Act = getattr(self, name)
        try:
            return await act(user, body)
        except Declined as declined:
            raise Refused(declined.status, _told(declined)) from None

    async def start(self, user: str, body: bytes) -> Document:
        """Wish to trade."""
        parse(body, Empty)
        return await self.console.start(user)

    async def stop(self, user: str, body: bytes) -> Document:
        """Stop trading, cancel, stay stopped."""
        parse(body, Empty)
        return await self.console.stop(user)

    async def halt(self, user: str, body: bytes) -> Document:
        """Cancel everything at once and stay halted."""
        return await self.console.halt(user, parse(body, Halt).reason)

    async def reset(self, user: str, body: bytes) -> Document:
        """Acknowledge a halt."""
        return await self.console.reset(user, parse(body, Reset).note)

    async def preview(self, user: str, body: bytes) -> Document:
        """What the plan and the quotes would be."""
        return await self.console.preview(parse(body, Preview).parameters)

    async def update(self, user: str, body: bytes) -> Document:
        """Apply all edits or none."""
        form = parse(body, Update)
        return await self.console.update(user, form.version, form.parameters)

    async def transfer(self, user: str, body: bytes) -> Document:
        """What the operator says of a transfer."""
        form = parse(body, TransferAct)
        return await self.console.transfer(user, form.id, form.action, form.amount, form.note)

    async def propose(self, user: str, body: bytes) -> Document:
        """A transfer by hand."""
        form = parse(body, Propose)
        return await self.console.propose(user, form.asset, (form.sender, form.receiver), form.amount, form.note)

    async def pause(self, user: str, body: bytes) -> Document:
        """Pause quotes, hedges or transfers, wind down, or go on."""
        form = parse(body, Pause)
        return await self.console.pause(user, form.what, form.on)

    async def flow(self, user: str, body: bytes) -> Document:
        """What the operator says an external flow was."""
        form = parse(body, Flow)
        return await self.console.flow(user, form.key, form.text)

    async def hedge(self, user: str, body: bytes) -> Document:
        """Close the open exposure now."""
        parse(body, Empty)
        return await self.console.hedge(user)

    async def test_alarms(self, user: str, body: bytes) -> Document:
        """Send a test alarm by every channel."""
        parse(body, Empty)
        return await self.console.test_alarms(user)

    async def cancel(self, user: str, body: bytes) -> Document:
        """Cancel one order, a side, or all of a venue."""
        form = parse(body, Cancel)
        of_pair = () if form.ticker is None else (form.ticker,)
        return await self.console.cancel(user, form.venue, form.id, form.side, *of_pair)


def _asked(read: Callable[[], Document]) -> Document:
    try:
        return read()
    except Declined as declined:
        raise Refused(declined.status, _told(declined)) from None


def _told(declined: Declined) -> dict[str, Any]:
    # Callers may rely on one of the two keys, whatever else the document tells.
    if "errors" in declined.document or "reasons" in declined.document:
        return declined.document
    return {"reasons": [str(declined)], **declined.document}
