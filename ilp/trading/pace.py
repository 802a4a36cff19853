"""How fast the trader reacts, stage by stage: from the read that told something to what was handed to a socket for it.

Only measures, by the processor's clock and not the reactor's; nothing is decided by it.  A reaction counts from the oldest
book that no turn had seen yet, so that coalescing never makes it look faster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import perf_counter

from attrs import define, field

from clients import reading
from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.metrics import BOUNDS, Histogram, Metrics
from ilp.trading.gate import OrderRequest
from ilp.trading.own import OwnOrder

__all__ = ["Pace"]

SOLVING = (0.0001, 0.0002, *BOUNDS)  # an optimisation of a small pool is faster than the first of the usual bounds


@define(eq=False)
class Pace:
    """Told by the trader what happens; see the names of the histograms for what they mean.

    :ivar known: the own order with a venue's id.
    """

    metrics: Metrics
    known: Callable[[str, str], OwnOrder | None]
    _decode: Histogram = field(init=False)
    _wait: Histogram = field(init=False)
    _decide: Histogram = field(init=False)
    _turn: Histogram = field(init=False)
    _cancel: Histogram = field(init=False)
    _replace: Histogram = field(init=False)
    _quote: Histogram = field(init=False)
    _book_fill: Histogram = field(init=False)
    _fill_wait: Histogram = field(init=False)
    _close: Histogram = field(init=False)
    _hedge: Histogram = field(init=False)
    _solve: Histogram = field(init=False)
    _price: Histogram = field(init=False)
    _told: tuple[float, float] | None = None  # when the read began, and when its book was in the picture
    _turn_began: float | None = None
    _fill: float | None = None
    _booked: float | None = None  # when that fill was in the picture, until a turn looks at it
    _replacing: dict[Side, tuple[float, float]] = field(factory=dict)  # when the read began, when the cancel was sent

    def __attrs_post_init__(self) -> None:
        make = self.metrics.histogram
        self._decode = make("ilp_stage_decode_seconds", "Read of a source book to its place in the picture.")
        self._wait = make("ilp_stage_wait_seconds", "A source book in the picture to the turn that looks at it.")
        self._decide = make("ilp_stage_decide_seconds", "A turn's beginning to the cancel handed to the socket.")
        self._turn = make("ilp_turn_seconds", "Whole turns of the trader, an optimisation included.")
        self._cancel = make("ilp_update_to_cancel_seconds", "Read of a source book to the cancel handed to the socket.")
        self._quote = make("ilp_update_to_quote_seconds", "Read of a source book to the new quote that followed it.")
        self._replace = make(
            "ilp_stage_replace_seconds", "A cancel handed to the socket to the quote after its confirmation."
        )
        self._book_fill = make("ilp_stage_book_fill_seconds", "Read of a fill to its place in the picture.")
        self._fill_wait = make("ilp_stage_fill_wait_seconds", "A fill in the picture to the turn that looks at it.")
        self._close = make("ilp_stage_hedge_seconds", "A turn's beginning to the hedge handed to the socket.")
        self._hedge = make("ilp_fill_to_hedge_seconds", "Read of a fill to the hedge handed to the socket.")
        self._solve = make("ilp_optimizer_seconds", "Optimisations of the pool: its best plan.", SOLVING)
        self._price = make("ilp_prices_seconds", "Exact prices of quotes found, where they were not known.", SOLVING)

    def solved(self, seconds: float) -> None:
        """An optimisation took so long."""
        self._solve.observe(seconds)

    def priced(self, seconds: float) -> None:
        """It took so long to find prices of quotes that were not known."""
        self._price.observe(seconds)

    def book_told(self, moved: bool) -> None:
        """A source book is in the picture; *moved* tells whether a turn is going to look at it."""
        began, now = reading.began(), perf_counter()
        self._decode.observe(now - began)
        if self._told is None and moved:
            self._told = began, now

    def fill_told(self, due: bool) -> None:
        """A quote was filled; *due* tells whether a hedge must follow: what is below the source's minimum is carried."""
        if not due:
            self._fill = None
        elif self._fill is None:
            self._fill, self._booked = reading.began(), perf_counter()
            self._book_fill.observe(self._booked - self._fill)

    def turn_begins(self) -> None:
        """The trader looks at the picture."""
        self._turn_began = perf_counter()
        if self._told is not None:
            self._wait.observe(self._turn_began - self._told[1])
        if self._fill is not None and self._booked is not None:
            self._fill_wait.observe(self._turn_began - self._booked)
            self._booked = None

    def turn_ends(self, due: bool, replacing: Collection[Side] = ()) -> None:
        """What was told has been acted on.

        :param due: whether exposure is left to hedge: the plan may have kept it.
        :param replacing: sides where a cancel is under way or a quote is to follow: what comes on others replaces nothing.
        """
        if not due:
            self._fill = None
        self._replacing = {side: began for side, began in self._replacing.items() if side in replacing}
        if self._turn_began is not None:
            self._turn.observe(perf_counter() - self._turn_began)
        self._told = self._turn_began = None

    def cancel_sent(self, venue: str, id: str) -> None:
        """A cancel was handed to the socket; it counts where a book of the source brought it about for a quote."""
        order = self.known(venue, id)
        if self._told is None or self._turn_began is None or order is None or order.purpose is not Purpose.QUOTE:
            return
        now = perf_counter()
        self._decide.observe(now - self._turn_began)
        self._cancel.observe(now - self._told[0])
        self._replacing[order.side] = self._told[0], now

    def amend_sent(self, request: OrderRequest) -> None:
        """A change of an order was handed to the socket; that of a quote is its cancel and its new quote in one."""
        self._count()
        if request.purpose is Purpose.QUOTE and self._told is not None:
            self._quote.observe(perf_counter() - self._told[0])

    def order_sent(self, request: OrderRequest) -> None:
        """An order was handed to the socket."""
        self._count()
        if request.purpose is Purpose.QUOTE:
            replaced, now = self._replacing.pop(request.side, None), perf_counter()
            if replaced is not None:
                self._replace.observe(now - replaced[1])
                self._quote.observe(now - replaced[0])
        elif request.purpose is Purpose.HEDGE and self._fill is not None:
            now = perf_counter()
            if self._turn_began is not None:
                self._close.observe(now - self._turn_began)
            self._hedge.observe(now - self._fill)
            self._fill = None

    def _count(self) -> None:
        self.metrics.count("ilp_orders_sent_total", "Orders, and changes of orders, handed to a socket.")
