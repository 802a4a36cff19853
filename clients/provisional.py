"""Orders that were sent and have no id yet, at venues where every order bears a client id.  Knows no venue.

The id is told by the answer, by a stream or by a lookup, whichever comes first.  Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from clients.calls import reported
from clients.exchange import OutcomeUnknown

__all__ = ["Provisional", "placed"]


@define(eq=False)
class Provisional:
    """An order that was sent and has no id yet.

    :ivar order_id: known as soon as anybody tells it.
    """

    client_id: str
    ticker: str
    order_id: str | None = None
    _waiting: list[Callable[[str | None], None]] = field(factory=list, init=False)

    def settle(self, order_id: str | None) -> None:
        """The id is told, or (None) the order was refused or its fate is unknown; an id that was told stays."""
        self.order_id = self.order_id or order_id
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell(self.order_id)

    def fate(self) -> Deferred[str | None]:
        """Fires when the order is settled, with the id, or with None where there will be none."""
        told: Deferred[str | None] = Deferred()
        self._waiting.append(lambda id: told.callback(id) if not told.called else None)
        return told

    def named(self) -> Deferred[str]:
        """Fires when the id is told; never where it is not, so whoever asks gives it its error."""
        told: Deferred[str] = Deferred()
        self._waiting.append(lambda id: told.callback(id) if id is not None and not told.called else None)
        return told


def placed(
    order: Provisional,
    sending: Coroutine[Deferred[Any], Any, None],
    settle: Callable[[Provisional, str | None], None],
    trouble: Callable[[Exception], None],
    done: Callable[[], None] = lambda: None,
) -> Deferred[str]:
    """Run *sending*, which sends *order* once and settles it; fires with the id as soon as anybody tells it.

    Cancelling the Deferred ends the waiting only: what was sent stays sent, and the order is told of by events.  An answer
    that never came is no failure where the id is known already.

    :param settle: called with None where *sending* fails.
    :param trouble: told of a failure that comes when the id has been told.
    :param done: called when *sending* is over, however it ended.
    """
    told = order.named()

    def failed(failure: Failure) -> Failure | None:
        if order.order_id is not None and isinstance(failure.value, OutcomeUnknown):
            return None
        settle(order, None)
        if told.called:
            return failure
        told.errback(failure)
        return None

    running = Deferred.fromCoroutine(sending).addErrback(failed)

    def over(result: Any) -> Any:
        done()
        return result

    running.addBoth(over)
    reported(running, trouble)
    return told
