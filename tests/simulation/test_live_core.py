"""Our orders against a live book that does not know of them: examples, and laws that no sequence of events may break."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Book, Market, Side
from ilp.simulation.live_core import OWN, LiveCore, live_core
from ilp.simulation.records import Event, Filled
from ilp.simulation.rejections import BelowMinimum, InsufficientFunds, WouldCross

D = Decimal
T = "BTC/EUR"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEE = D("0.004")
MARKETS: dict[str, Market] = {
    T: {
        "contract": T,
        "kind": "pair",
        "base": "BTC",
        "quote": "EUR",
        "tick_size": D("0.5"),
        "lot_size": D("0.001"),
        "min_quantity": D("0.002"),
        "min_notional": D("0.1"),
    }
}


def book(bids: dict[str, str], asks: dict[str, str]) -> Book:
    """A book of prices and quantities."""
    return {
        "contract": T,
        "bids": [{"price": D(p), "quantity": D(q)} for p, q in sorted(bids.items(), key=lambda row: -D(row[0]))],
        "asks": [{"price": D(p), "quantity": D(q)} for p, q in sorted(asks.items(), key=lambda row: D(row[0]))],
    }


class Bench:
    """A core in front of a live market, in human units."""

    def __init__(self, btc: str = "10", eur: str = "10000") -> None:
        self.now = NOON
        balances = {"BTC": D(btc), "EUR": D(eur)}
        self.core: LiveCore = live_core(
            lambda: self.now, MARKETS, {T: FEE}, balances, NOON - timedelta(days=1), venue="dry"
        )
        self.pair = self.core.pairs[T]
        self.fills: list[Any] = []
        self.core.subscribe(self._heard)

    def _heard(self, event: Event) -> None:
        if isinstance(event, Filled) and event.fill.account == OWN:
            self.fills.append(event.fill)

    def follow(self, bids: dict[str, str], asks: dict[str, str]) -> None:
        """The live book changes."""
        self.core.follow(book(bids, asks))

    def place(self, side: Side, quantity: str, price: str, **more: Any) -> int:
        """Place an order of ours; its number."""
        return self.core.place(OWN, T, side, self.pair.wire_price(price), self.pair.wire_quantity(quantity), **more).id

    def printed(self, price: str, quantity: str, later: float = 1.0) -> None:
        """Somebody trades with somebody."""
        self.now += timedelta(seconds=later)
        self.core.printed(T, D(price), D(quantity), self.now)

    def ahead(self, number: int) -> Decimal:
        """What stands before an order."""
        return self.pair.quantity(self.core.ahead(number))

    def filled(self, number: int) -> Decimal:
        """What of an order is filled."""
        order = self.core.order(number)
        return self.pair.quantity(order.quantity - order.quantity_left)

    def prices(self) -> list[tuple[Decimal, Decimal]]:
        """Price and quantity of each fill of ours."""
        return [(self.pair.price(fill.price), self.pair.quantity(fill.quantity)) for fill in self.fills]


class TakingTests(SynchronousTestCase):
    """Orders that cross."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.follow({"99": "1"}, {"100": "0.5", "101": "0.5"})

    def test_it_takes_what_is_shown_best_first_and_the_rest_rests(self) -> None:
        number = self.bench.place(Side.BUY, "1.2", "101")
        self.assertEqual(self.bench.prices(), [(D(100), D("0.5")), (D(101), D("0.5"))])
        self.assertEqual(self.bench.filled(number), 1)
        self.assertEqual([order.id for order in self.bench.core.open_orders(OWN)], [number])

    def test_immediate_or_cancel_leaves_nothing(self) -> None:
        self.bench.place(Side.BUY, "1.2", "100", immediate=True)
        self.assertEqual(self.bench.prices(), [(D(100), D("0.5"))])
        self.assertEqual(self.bench.core.open_orders(OWN), [])

    def test_what_was_taken_is_not_there_a_second_time_though_the_live_book_still_shows_it(self) -> None:
        self.bench.place(Side.BUY, "0.4", "100", immediate=True)
        self.bench.follow({"99": "1"}, {"100": "0.5", "101": "0.5"})
        self.bench.place(Side.BUY, "0.4", "100", immediate=True)
        self.assertEqual(self.bench.prices(), [(D(100), D("0.4")), (D(100), D("0.1"))])

    def test_what_is_shown_besides_is_there_to_be_taken(self) -> None:
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        self.bench.follow({"99": "1"}, {"100": "0.7", "101": "0.5"})
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        self.assertEqual(self.bench.prices()[1:], [(D(100), D("0.2"))])

    def test_a_price_that_went_and_came_back_is_new(self) -> None:
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        self.bench.follow({"99": "1"}, {"101": "0.5"})
        self.bench.follow({"99": "1"}, {"100": "0.3", "101": "0.5"})
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        self.assertEqual(self.bench.prices()[1:], [(D(100), D("0.3"))])

    def test_post_only_that_would_cross_is_refused_and_takes_nothing(self) -> None:
        with self.assertRaises(WouldCross):
            self.bench.place(Side.BUY, "0.4", "100", post_only=True)
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        self.assertEqual(self.bench.prices(), [(D(100), D("0.5"))])

    def test_the_fee_is_charged_in_the_quote_currency(self) -> None:
        self.bench.place(Side.BUY, "0.5", "100", immediate=True)
        left = self.bench.core.currency("EUR").amount(self.bench.core.balance(OWN, "EUR"))
        self.assertEqual(left, D(10_000) - 50 - 50 * FEE)

    def test_nothing_is_bought_that_cannot_be_paid_for(self) -> None:
        with self.assertRaises(InsufficientFunds):
            self.bench.place(Side.BUY, "101", "100")

    def test_the_venue_minima_hold_for_our_orders(self) -> None:
        with self.assertRaises(BelowMinimum):
            self.bench.place(Side.BUY, "0.001", "99")

    def test_prices_between_two_steps_are_rounded_against_us(self) -> None:
        self.bench.follow({"98.7": "1"}, {"100.1": "1"})
        self.bench.place(Side.BUY, "0.1", "101", immediate=True)
        self.bench.place(Side.SELL, "0.1", "98", immediate=True)
        self.assertEqual(self.bench.prices(), [(D("100.5"), D("0.1")), (D("98.5"), D("0.1"))])


class RestingTests(SynchronousTestCase):
    """Orders that wait."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.follow({"99": "1"}, {"101": "1"})
        self.number = self.bench.place(Side.BUY, "0.5", "99")

    def test_it_stands_behind_everything_that_is_shown_at_its_price(self) -> None:
        self.assertEqual(self.bench.ahead(self.number), 1)

    def test_a_price_of_its_own_has_nobody_before_it(self) -> None:
        alone = self.bench.place(Side.BUY, "0.5", "99.5")
        self.assertEqual(self.bench.ahead(alone), 0)
        self.bench.printed("99.5", "0.2")
        self.assertEqual(self.bench.filled(alone), D("0.2"))

    def test_a_trade_at_its_price_brings_it_forward_and_then_fills_it(self) -> None:
        self.bench.printed("99", "0.6")
        self.assertEqual((self.bench.ahead(self.number), self.bench.filled(self.number)), (D("0.4"), 0))
        self.bench.printed("99", "0.6")
        self.assertEqual((self.bench.ahead(self.number), self.bench.filled(self.number)), (0, D("0.2")))
        self.assertEqual(self.bench.prices(), [(D(99), D("0.2"))])

    def test_a_trade_beyond_its_price_fills_it_at_its_own(self) -> None:
        self.bench.printed("98", "2")
        self.assertEqual(self.bench.prices(), [(D(99), D("0.5"))])

    def test_a_trade_on_the_other_side_is_none_of_its_business(self) -> None:
        self.bench.printed("101", "5")
        self.assertEqual((self.bench.ahead(self.number), self.bench.filled(self.number)), (1, 0))

    def test_a_trade_of_before_it_came_is_none_of_its_business(self) -> None:
        self.bench.core.printed(T, D(99), D(5), NOON - timedelta(seconds=1))
        self.assertEqual(self.bench.ahead(self.number), 1)

    def test_what_others_cancel_brings_it_nothing(self) -> None:
        self.bench.follow({"99": "0.1"}, {"101": "1"})
        self.assertEqual(self.bench.ahead(self.number), 1)

    def test_what_comes_later_stands_behind_it(self) -> None:
        self.bench.follow({"99": "9"}, {"101": "1"})
        self.bench.printed("99", "1.5")
        self.assertEqual(self.bench.filled(self.number), D("0.5"))

    def test_what_comes_to_rest_across_would_have_met_it_first_those_before_it(self) -> None:
        self.bench.follow({}, {"98.5": "1.2"})
        self.assertEqual((self.bench.ahead(self.number), self.bench.filled(self.number)), (0, D("0.2")))
        self.assertEqual(self.bench.prices(), [(D(99), D("0.2"))])

    def test_the_same_order_across_meets_it_once_only(self) -> None:
        for _ in range(3):
            self.bench.follow({}, {"98.5": "1.2"})
        self.assertEqual(self.bench.filled(self.number), D("0.2"))

    def test_two_orders_of_ours_share_one_trade(self) -> None:
        self.bench.follow({"99": "1"}, {"101": "1"})
        other = self.bench.place(Side.BUY, "0.5", "98")
        self.bench.printed("98", "1.7")
        self.assertEqual((self.bench.filled(self.number), self.bench.filled(other)), (D("0.5"), D("0.2")))

    def test_an_order_that_is_cancelled_takes_with_it_what_stood_before_it(self) -> None:
        self.bench.core.cancel(OWN, self.number)
        self.assertEqual(self.bench.core.open_orders(), [])
        again = self.bench.place(Side.BUY, "0.5", "99")
        self.assertEqual(self.bench.ahead(again), 1)

    def test_a_smaller_quantity_keeps_the_place_and_anything_else_loses_it(self) -> None:
        self.bench.printed("99", "0.6")
        self.bench.core.amend(OWN, self.number, quantity=self.bench.pair.wire_quantity("0.3"))
        self.assertEqual(self.bench.ahead(self.number), D("0.4"))
        self.bench.core.amend(OWN, self.number, quantity=self.bench.pair.wire_quantity("0.6"))
        self.assertEqual(self.bench.ahead(self.number), 1)
        self.bench.core.amend(OWN, self.number, price=self.bench.pair.wire_price("99.5"))
        self.assertEqual(self.bench.ahead(self.number), 0)

    def test_an_amendment_that_crosses_takes_what_is_shown(self) -> None:
        self.bench.core.amend(OWN, self.number, price=self.bench.pair.wire_price("101"))
        self.assertEqual(self.bench.prices(), [(D(101), D("0.5"))])


PRICES = st.integers(196, 206).map(lambda halves: D(halves) / 2)
SIZES = st.integers(2, 2000).map(lambda lots: D(lots) / 1000)


@st.composite
def books(draw: Any) -> Book:
    """Books that are not crossed."""
    middle = draw(st.integers(197, 205))
    below = draw(st.sets(st.integers(192, middle - 1), max_size=4))
    above = draw(st.sets(st.integers(middle, 210), max_size=4))
    return {
        "contract": T,
        "bids": [{"price": D(p) / 2, "quantity": draw(SIZES)} for p in sorted(below, reverse=True)],
        "asks": [{"price": D(p) / 2, "quantity": draw(SIZES)} for p in sorted(above)],
    }


EVENTS = st.one_of(
    st.tuples(st.just("book"), books()),
    st.tuples(st.just("print"), PRICES, SIZES),
    st.tuples(st.just("place"), st.sampled_from(Side), PRICES, SIZES, st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("amend"), st.integers(0, 5), PRICES, SIZES),
)


def shown_cost(rows: list[Any], quantity: Decimal) -> Decimal | None:
    """What *quantity* costs, or earns, on the shown rows from the best on; None where there is less."""
    total = D(0)
    for row in rows:
        taken = min(quantity, row["quantity"])
        total, quantity = total + taken * row["price"], quantity - taken
        if not quantity:
            return total
    return None


class LawTests(SynchronousTestCase):
    """Whatever happens in whichever order."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(EVENTS, max_size=25))
    def test_no_sequence_of_events_breaks_the_laws(self, events: list[Any]) -> None:
        bench = Bench(btc="1000", eur="1000000")
        live: Book = book({}, {})
        for event in events:
            before = {order.id: bench.core.ahead(order.id) for order in bench.core.open_orders(OWN)}
            left = {order.id: order.quantity_left for order in bench.core.open_orders(OWN)}
            bench.fills.clear()
            own = self._happens(bench, event)
            if event[0] == "book":
                live = event[1]
            self._queues(bench, event, live, before, left, own)
            self._prices(bench, live, own)
            for ticker in ("BTC", "EUR"):
                self.assertEqual(bench.core.owed(ticker), bench.core.had(ticker))
                self.assertGreaterEqual(bench.core.available(OWN, ticker), 0)

    def _happens(self, bench: Bench, event: tuple[Any, ...]) -> int | None:
        """Let it happen; the order of ours that it placed or moved, if any."""
        mine = bench.core.open_orders(OWN)
        match event:
            case ("book", live):
                bench.core.follow(live)
            case ("print", price, quantity):
                bench.printed(str(price), str(quantity))
            case ("place", side, price, quantity, immediate):
                across = [o for o in mine if o.side is not side]
                wire = bench.pair.wire_price(price)
                if any((wire >= o.price) if side is Side.BUY else (wire <= o.price) for o in across):
                    return None  # trading with oneself is no case: the trader never does
                return bench.place(side, str(quantity), str(price), immediate=immediate)
            case ("cancel", number) if mine:
                bench.core.cancel(OWN, mine[number % len(mine)].id)
            case ("amend", number, price, quantity) if mine:
                order = mine[number % len(mine)]
                wire = bench.pair.wire_price(price)
                across = [o for o in mine if o.side is not order.side]
                if any((wire >= o.price) if order.side is Side.BUY else (wire <= o.price) for o in across):
                    return None
                total = order.quantity_filled + bench.pair.wire_quantity(quantity)
                bench.core.amend(OWN, order.id, price=wire, quantity=total)
                return order.id
        return None

    def _queues(
        self, bench: Bench, event: Any, live: Book, before: dict[int, int], left: dict[int, int], own: int | None
    ) -> None:
        """Nobody comes forward, and nobody is filled, by more than was traded or came to rest across."""
        volume = 0
        if event[0] == "print":
            volume = bench.pair.wire_quantity(event[2])
        elif event[0] == "book":
            volume = sum(bench.pair.wire_quantity(row["quantity"]) for row in (*live["bids"], *live["asks"]))
        used = 0
        for number, ahead in before.items():
            order = bench.core.order(number)
            if number == own or order.is_cancelled:
                continue
            forward, filled = ahead - bench.core.ahead(number), left[number] - order.quantity_left
            self.assertGreaterEqual(forward, 0)
            if filled:
                self.assertEqual(bench.core.ahead(number), 0)  # those before it come first
            used += forward + filled
        self.assertLessEqual(used, volume)

    def _prices(self, bench: Bench, live: Book, own: int | None) -> None:
        """Who rests is filled at their own price; who takes pays at least what the book shows."""
        taken = [fill for fill in bench.fills if fill.order_id == own]
        for fill in bench.fills:
            if fill not in taken:
                self.assertEqual(fill.price, bench.core.order(fill.order_id).price)
        if not taken:
            return
        side = bench.core.order(taken[0].order_id).side
        quantity = sum((bench.pair.quantity(fill.quantity) for fill in taken), D(0))
        value = sum((bench.pair.quantity(fill.quantity) * bench.pair.price(fill.price) for fill in taken), D(0))
        best = shown_cost(live["asks"] if side is Side.BUY else live["bids"], quantity)
        assert best is not None, "more was taken than the book shows"
        if side is Side.BUY:
            self.assertGreaterEqual(value, best)
        else:
            self.assertLessEqual(value, best)


class MakingTests(SynchronousTestCase):
    """The core of a dry run."""

    def test_what_it_begins_with_came_before_anybody_looks(self) -> None:
        bench = Bench()
        self.assertTrue(all(d.timestamp < NOON - timedelta(hours=23) for d in bench.core.deposits(OWN)))
        self.assertEqual(bench.core.balance(OWN, "BTC"), bench.core.currency("BTC").units(10))

    def test_a_pair_that_the_venue_does_not_list_is_an_error_that_names_it(self) -> None:
        with self.assertRaisesRegex(ValueError, "dry lists no pair BTC/MXN"):
            live_core(lambda: NOON, MARKETS, {"BTC/MXN": FEE}, {}, NOON, venue="dry")

    def test_steps_of_any_fineness_are_counted_exactly(self) -> None:
        for tick, lot in (("0.1", "0.00000001"), ("0.00001", "0.001"), ("10", "0.0001"), ("0.25", "1")):
            row: Market = {
                **MARKETS[T],
                "tick_size": D(tick),
                "lot_size": D(lot),
                "min_quantity": D(lot),
                "min_notional": D(0),
            }
            core = live_core(lambda: NOON, {T: row}, {T: FEE}, {"EUR": D(10) ** 9}, NOON, venue="dry")
            price, quantity = D(tick) * 7, D(lot) * 3
            pair = core.pairs[T]
            number = core.place(OWN, T, Side.BUY, pair.wire_price(price), pair.wire_quantity(max(quantity, D("1")))).id
            self.assertEqual(pair.price(core.order(number).price), price)
