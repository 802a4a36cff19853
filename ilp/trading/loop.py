"""One turn of the trader: from the picture to what is sent, in the order of urgency.

Cancels that protect go first, then hedges, then new quotes, then plans.  A move of the source's book alone takes the fast
path: the references are derived from the last optimum, no optimisation stands between the book and the cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from time import perf_counter

from attrs import define, field

from clients.exchange import Book, Side
from ilp.pool.answer import answer_document
from ilp.pool.certificate import Invalid, verify
from ilp.pool.document import pool_document
from ilp.settings import Parameters
from ilp.trading.floor import Floor
from ilp.trading.hedger import Hedger
from ilp.trading.machine import State
from ilp.trading.market import Rate
from ilp.trading.permissions import Act, Leave
from ilp.trading.planner import Planner, plan_entry
from ilp.trading.quotes import Quoter
from ilp.trading.rehearsal import Rehearsal
from ilp.trading.sides import same_front
from ilp.trading.strategy import Need, Optimum, Reference, Strategy, edges, traded_back
from ilp.trading.view import View

__all__ = ["Loop"]

ZERO = Decimal(0)
PAUSE = 0.02  # reactor seconds between two optimisations that nothing but the mark asks for
IDLE = 0.05  # reactor seconds without anything sent, after which it is computed what a fill would ask for


@define(eq=False)
class Loop:
    """Decides and sends, a turn at a time.

    :ivar optimum: the last one; what the console shows as the three columns.
    :ivar optimised_at: reactor seconds of it.
    :ivar solve_seconds: how long the last one took; `solved` is told of each, `priced` of finding prices of quotes.
    """

    floor: Floor
    strategy: Strategy
    quoter: Quoter
    hedger: Hedger
    planner: Planner
    optimum: Optimum | None = None
    optimised_at: float = 0.0
    pausing_until: float | None = None
    solve_seconds: float = 0.0
    solved: Callable[[float], None] = lambda seconds: None
    priced: Callable[[float], None] = lambda seconds: None
    references: dict[Side, Reference] = field(factory=dict)
    rehearsal: Rehearsal = field(init=False)
    _rehearse_at: float | None = None
    _rehearsed_for: tuple[int, Optimum | None] = -1, None  # the desk's number, and what what was rehearsed follows from
    _lacking: Need = Need.NOTHING  # what the last optimum is used without
    _sound: bool = False  # nothing kept the last turn from quoting both sides
    _seen: Book | None = None  # the source's book, if it differs from that of the last decision by nothing that counts
    # What that decision was made from besides.
    _decided: tuple[Optimum, Rate | None, Parameters, list[Side]] | None = None

    def __attrs_post_init__(self) -> None:
        self.rehearsal = Rehearsal(self.strategy)

    def turn(self, state: State) -> bool:
        """Look at the picture once and act on it; whether something is left for another turn, right after this one.

        What was handed to a socket leaves when the turn is over: an optimisation must not hold back a cancel or a hedge.
        """
        sent = self.floor.desk.sequence
        self.hedger.look()
        if not self._hedging():
            self.floor.recorder.flush()  # nobody has to wait for it
        view = self.floor.view()
        trouble = self.floor.inputs_trouble()  # nothing is told before the hedge, which must not wait for it twice
        reasons = self._reasons(state, view, trouble)
        self._sound = not any(reasons.values())
        self.quoter.pull({side: reason for side, reason in reasons.items() if reason})
        computing = state in (State.READY, State.TRADING)  # elsewhere nothing is wanted, and nothing may go wrong
        open_sides = [side for side, reason in reasons.items() if not reason]
        decided = self.optimum if computing and view is not None else None
        # Cancels that protect go first.  But they come from the same prices as those of the last decision where a fill is
        # all that is new: then the hedge need not wait for them to be found once more.
        hedging = decided is not None and view is not None and self._known(view, decided, open_sides)
        nets = state is State.TRADING and not trouble and self._nets(view)
        hedging = hedging and nets
        if decided is not None and view is not None and not hedging:
            self._decide(view, decided, open_sides)
            if self.floor.desk.sequence != sent and nets:
                return True
        self._hedge(view, nets)
        if self.floor.desk.sequence == sent:
            self.floor.recorder.flush()  # what follows goes by the day's loss, which does not know yet what is held
        if not computing or view is None:
            return False
        if self.floor.desk.sequence != sent:
            return True
        known = 0 if decided is None else decided.answers
        optimum = self._optimise(view)
        if hedging or optimum is not decided or optimum.answers != known:
            self._decide(view, optimum, open_sides)
        if self._lacking in (Need.NOTHING, Need.PLAN):  # else a price could be further off than is allowed
            self.quoter.place()
        if state is State.TRADING and not self.floor.inputs_trouble():  # anew: what was just sent had to be journalled
            # A plan may not count on money that a quote holds which was just placed: it is computed anew then.
            if self._lacking is Need.NOTHING and self.floor.desk.sequence == sent:
                self.planner.act(optimum)
            self._rehearse(view)
        return False

    def unmoved(self, before: Book) -> bool:
        """Whether the source's book differs from *before* only where no quote's hedge, no mark and no reason comes from."""
        floor, same = self.floor, False
        now = floor.book(floor.layout.source)
        if self._sound and not self.hedger.closable():  # a hedge may wait for any depth
            same = same_front(before, now, floor.parameters.quote_size)
        self._seen = now if same and before is self._seen else None
        return same

    def hedge_now(self, by: Leave) -> str:
        """Close what is open because an operator says so; returns why that is not possible, empty when it was sent."""
        if not self.hedger.closable():
            return f"nothing to hedge: {self.floor.exposure.net} {self.floor.layout.base} is below the source's minimum"
        self.hedger.act(ZERO, lambda: "", by)
        return self.hedger.reason

    def due(self) -> list[float]:
        """Reactor seconds at which something here waits for time."""
        now = self.floor.seconds()
        times = [self.quoter.due(), self.hedger.due(), self.planner.due(), self.pausing_until, self._rehearse_at]
        times.append(self.optimised_at + self.floor.settings.timing.period)
        return [time for time in times if time is not None and time > now]

    def forget(self) -> None:
        """Parameters or variances changed: what was computed from the old ones is void."""
        self.optimum = None
        self.rehearsal.forget()

    # ------------------------------------------------------------------------------------------------------- details

    def _reasons(self, state: State, view: View | None, trouble: str) -> dict[Side, str]:
        """Why a side may not be quoted at all, the first reason that applies; empty when it may."""
        common = ""
        if state is not State.TRADING:
            common = f"{state}: quotes need TRADING"
        elif paused := self.floor.paused(Act.QUOTE):
            common = paused
        elif trouble:
            common = trouble
        elif view is None:
            common = "variances are not known"
        reasons = dict.fromkeys(Side, common)
        stopped = self.hedger.stopped_side()
        if not common and stopped is not None:
            reasons[stopped[0]] = stopped[1]
        return reasons

    def _known(self, view: View, optimum: Optimum, sides: list[Side]) -> bool:
        """Whether no price is other than when it was last decided what may rest."""
        return (
            self._decided is not None
            and self._decided[0] is optimum
            and self._decided[1:] == (view.rate, view.parameters, sides)
            and self.floor.book(self.floor.layout.source) is self._seen
        )

    def _decide(self, view: View, optimum: Optimum, sides: list[Side]) -> None:
        self._seen = self.floor.book(self.floor.layout.source)
        self._decided = optimum, view.rate, view.parameters, sides
        known, began = optimum.answers, perf_counter()
        bid, ask = self.strategy.references(view, optimum)
        self._found(optimum, known, began)
        self.references = {Side.BUY: bid, Side.SELL: ask}
        self.quoter.decide({side: self.references[side] for side in sides}, edges(view))
        for side, reference in self.references.items():
            if side not in sides:
                self.quoter.show(reference, edges(view))

    def _hedge(self, view: View | None, nets: bool) -> None:
        if not self.hedger.closable():
            return
        back = ZERO
        if view is not None and nets:
            since = self.floor.seconds() - self.floor.settings.timing.period
            if not self.rehearsal.keeps_nothing(view, since):
                back = self._back(view)
        self.hedger.act(back, self._keeping)

    def _rehearse(self, view: View) -> None:
        """Once nothing has happened for a moment, find out what a fill of each quote would ask for, one a turn."""
        now, present = self.floor.seconds(), (self.floor.desk.sequence, self.optimum)
        if present != self._rehearsed_for:
            self._rehearsed_for, self._rehearse_at = present, now + IDLE
        if self._rehearse_at is None or now < self._rehearse_at or self.hedger.closable() or self.hedger.orders():
            return
        began = perf_counter()
        if self.rehearsal.prepare(view, self.quoter.resting(), now):
            self.solved(perf_counter() - began)
            self._rehearse_at = now + PAUSE
        else:
            self._rehearse_at = None

    def _nets(self, view: View | None) -> bool:
        """Whether a hedge is due from which the plan may keep something, where it may trade at all."""
        return view is not None and self._hedging()

    def _hedging(self) -> bool:
        """Whether the next thing to send is a hedge."""
        return bool(self.hedger.closable()) and not self.hedger.orders()

    def _outdated(self, view: View, *, at_once: bool = False) -> bool:
        """Whether a new optimum is due for *view*.

        Where the last one lacks something, but nothing that has changed prices besides the mark, it is kept a little longer:
        cancels come from it meanwhile, but nothing that it does not serve for.
        """
        now, last = self.floor.seconds(), self.optimum
        self.pausing_until, self._lacking = None, Need.NOTHING
        if last is None or now >= self.optimised_at + self.floor.settings.timing.period:
            return True
        known, began = last.answers, perf_counter()
        need = self.strategy.needs(view, last)
        self._found(last, known, began)
        if need is Need.NOTHING:
            return False
        if at_once or need is Need.PRICES or now >= self.optimised_at + PAUSE:
            return True
        self.pausing_until, self._lacking = self.optimised_at + PAUSE, need
        return False

    def _optimise(self, view: View, *, at_once: bool = False) -> Optimum:
        """The optimum that serves for *view*: the last one, or a new one where it no longer does."""
        if self._outdated(view, at_once=at_once) or self.optimum is None:
            began = perf_counter()  # shown to people only: nothing is decided by it
            self.optimum, self.optimised_at = self.strategy.optimise(view), self.floor.seconds()
            self.solve_seconds = perf_counter() - began
            self.solved(self.solve_seconds)
        return self.optimum

    def _found(self, optimum: Optimum, known: int, began: float) -> None:
        """Tell how long it took to find prices that were not known."""
        if optimum.answers != known:
            self.priced(perf_counter() - began)

    def _back(self, view: View) -> Decimal:
        """What the plan would trade back of what is open; nothing where nobody else can follow that it is the best plan."""
        optimum = self._optimise(view, at_once=True)
        back = traded_back(optimum)
        if back:
            try:
                verify(pool_document(optimum.pool), answer_document(optimum.pool, optimum.solution))
            except Invalid as error:
                self.floor.alarm(
                    "plan", f"the plan keeps nothing of what was filled, its certificate does not hold: {error}"
                )
                return ZERO
        return back

    def _keeping(self) -> str:
        """Journal the plan that keeps an exposure, once, and name it."""
        assert self.optimum is not None  # a plan keeps something only after it was computed
        entry = plan_entry(self.floor.ids(), self.floor, self.optimum, acted=False)
        self.floor.recorder.record(entry)
        return entry.id
