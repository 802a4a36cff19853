"""Executes plans, one at a time: at most once a period, when everything of the one before is final and balances were read.

What a plan contains is the strategy's; transfers go their own way once they are begun (`ilp.trading.transfers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, FirstError

from clients.exchange import ExchangeError
from ilp.journal.entries import OrderEntry, OrderState, PlanEntry, Purpose, TransferEntry
from ilp.journal.interface import JournalError
from ilp.pool.answer import answer_document
from ilp.pool.certificate import Invalid, verify
from ilp.pool.document import pool_document
from ilp.trading.floor import Floor
from ilp.trading.gate import OrderRequest
from ilp.trading.own import OwnOrder
from ilp.trading.permissions import Act, Leave
from ilp.trading.strategy import Optimum, planned_trade, rounding_of, transfers
from ilp.trading.transfers_plan import WantedTransfer

__all__ = ["Mover", "Planner", "plan_entry"]

ZERO = Decimal(0)


class Mover(Protocol):
    """What the planner asks of transfers."""

    def wanted(
        self, plan: str, moves: Iterable[WantedTransfer], marks: Mapping[str, Decimal]
    ) -> Deferred[tuple[TransferEntry, ...]]:
        """Begin, revise or give up transfers as a plan wants; fires after every call to a venue was answered."""


def plan_entry(id: str, floor: Floor, optimum: Optimum, *, acted: bool = True) -> PlanEntry:
    """The plan for the journal, with the pool that it was computed from; *acted* tells whether its moves are executed."""
    answer = answer_document(optimum.pool, optimum.solution)
    answer.pop("solve_ms")
    rounded: tuple[Mapping[str, Any], ...] = tuple(
        {"move": move.move, "direction": move.direction, "amount": str(move.amount)}
        for move in (optimum.rounded.moves if acted else ())
    )
    return PlanEntry(
        id, floor.now(), pool_document(optimum.pool), answer, rounded, rounding_of(optimum) if acted else {}
    )


@define(eq=False)
class Planner:
    """The plan's way to the venues.

    :ivar read: reads balances and transfers of every venue as of now.
    :ivar wake: asks for another turn.
    :ivar executed_at: reactor seconds of the last execution, an empty plan's included.
    :ivar last: the last plan that did something.
    :ivar reason: why the present plan is not executed now.
    """

    floor: Floor
    money: Mover
    read: Callable[[], Deferred[bool]]
    wake: Callable[[], None]
    executed_at: float | None = None
    last: PlanEntry | None = None
    reason: str = ""
    _busy: Deferred[None] | None = None
    _fresh: bool = False

    def due(self) -> float | None:
        """Reactor seconds at which the next plan may be executed; None while one is being executed."""
        if self._busy is not None:
            return None
        if self.executed_at is None:
            return self.floor.seconds()
        return self.executed_at + self.floor.settings.timing.period

    def reset(self) -> None:
        """The trader begins to trade: the first plan may follow at once."""
        self.executed_at, self._fresh = None, False

    def act(self, optimum: Optimum) -> None:
        """Execute the plan of *optimum* if it is time; balances are read first."""
        self.reason = self._hindrance() or self._beyond(optimum)
        if self.reason:
            return
        if not self._fresh:
            self._begin(self._refresh())
            return
        self._fresh, self.executed_at = False, self.floor.seconds()
        self._begin(self._execute(optimum))

    def close(self) -> None:
        """Let go of what is on its way."""
        if self._busy is not None:
            self._busy.cancel()

    # ------------------------------------------------------------------------------------------------------- details

    def _hindrance(self) -> str:
        floor, due = self.floor, self.due()
        source = floor.layout.source
        if not floor.permit(Act.PLAN_TRADE, source.venue, Leave.MACHINE):
            return floor.paused(Act.PLAN_TRADE) or "plans may not be executed in this state"
        if self._busy is not None or due is None:
            return "balances are being read, or transfers requested"
        if floor.seconds() < due:
            return f"executed; the next may follow within {floor.settings.timing.period:g} s"
        if self._orders():
            return "an order on the source is not final"
        if abs(floor.exposure.net) >= floor.hedge_minimum() > 0 and floor.exposure.net:
            return f"{floor.exposure.net} {floor.layout.base} are to be hedged first"
        return ""

    def _beyond(self, optimum: Optimum) -> str:
        """Which limit the plan's trade would come too near to: what quotes still bring has to be hedged within it, too."""
        floor, trade = self.floor, planned_trade(optimum)
        if trade is None:
            return ""
        limits = floor.limits
        turnover = floor.committed_turnover() + min(trade.quantity, limits.largest_order)
        if turnover > limits.turnover_per_day:
            return (
                f"turnover of the day would be {turnover} with fills of both quotes, allowed {limits.turnover_per_day}"
            )
        return floor.gate.full(floor.layout.source.venue, spare=1)

    def _orders(self) -> list[OwnOrder]:
        source = self.floor.layout.source
        live = self.floor.desk.live(source.venue, source.ticker)
        quotes = [order for order in self.floor.desk.live() if order.purpose is Purpose.PLAN]
        return [*live, *quotes]

    async def _execute(self, optimum: Optimum) -> None:
        """Check and journal the plan and its order, durably, then send.

        After a crash no trade of a plan passes for a hedge; and no amount of money moves on an answer that another piece of
        code, which shares nothing with the optimizer, cannot follow.
        """
        floor, moves, id = self.floor, transfers(optimum), self.floor.ids()
        request = self._request(optimum)
        try:
            if optimum.rounded.moves:
                plan = plan_entry(id, floor, optimum)
                verify(plan.pool, plan.answer)
                await floor.recorder.durable(plan, *([] if request is None else [self._intended(request)]))
                self.last = plan
        except Invalid as error:
            floor.alarm("plan", f"plan {id} is not executed, its certificate does not hold: {error}")
            return
        except JournalError as error:
            floor.alarm("plan", f"plan {id} is not executed: {error}")
            return
        if request is not None and floor.permit(Act.PLAN_TRADE, request.venue, Leave.MACHINE):
            floor.desk.place(request, expires_in=floor.settings.timing.order_timeout)
        await self._move(id, moves, optimum.view.marks)

    def _request(self, optimum: Optimum) -> OrderRequest | None:
        trade, source = planned_trade(optimum), self.floor.layout.source
        if trade is None:
            return None
        quantity = min(trade.quantity, self.floor.limits.largest_order)
        return OrderRequest(
            self.floor.ids(), source.venue, source.ticker, trade.side, quantity, trade.price, Purpose.PLAN
        )

    def _intended(self, request: OrderRequest) -> OrderEntry:
        """The order as the journal has it before it is sent."""
        now = self.floor.now()
        return OrderEntry(
            request.venue,
            request.key,
            None,
            request.purpose,
            request.ticker,
            request.side,
            request.price,
            request.quantity,
            ZERO,
            OrderState.SENDING,
            now,
            changed=now,
        )

    async def _refresh(self) -> None:
        self._fresh = await self.read()
        if not self._fresh:
            self.executed_at = self.floor.seconds()  # not before another period: the venue did not answer

    async def _move(self, id: str, moves: tuple[WantedTransfer, ...], marks: Mapping[str, Decimal]) -> None:
        if self.floor.paused(Act.TRANSFER):
            return  # proposals of before wait, too: an empty plan would give them up
        try:
            await self.money.wanted(id, moves, marks)
        except (JournalError, ExchangeError) as error:
            self.floor.alarm("transfer", f"transfers of plan {id}: {error}")

    def _begin(self, work: Any) -> None:
        busy: Deferred[None] = Deferred.fromCoroutine(work)
        self._busy = busy
        busy.addBoth(self._ended)
        if busy.called:
            self._busy = None

    def _ended(self, result: Any) -> None:
        self._busy = None
        error = getattr(result, "value", None)
        while isinstance(error, FirstError):  # readings of several venues go together
            error = error.subFailure.value
        if isinstance(error, CancelledError):
            return
        if isinstance(error, BaseException):
            self.floor.alarm("plan", f"executing a plan failed in an unexpected way: {error!r}")
        self.wake()
