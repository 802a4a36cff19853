"""The order in which a venue tells what happened: the sequences of the Sputnik page, 7.2 to 7.7."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.records import Event, Filled, OrderChanged, Traded
from tests.simulation.world import Time, line, record, venue


class PlacingTests(SynchronousTestCase):
    """What one order sets off."""

    def test_an_order_that_rests_is_accepted_then_in_the_book_then_placed(self) -> None:
        core = venue()
        events = record(core)
        core.place("alice", "BTC/HUF", Side.SELL, 6_200_000, 4_000_000)
        self.assertEqual(
            [line(e) for e in events],
            ["accepted 1 left 4000000", "book () ((6200000, 4000000),)", "order 1 placed left 4000000"],
        )

    def test_a_sale_that_matches_and_rests_tells_the_annotated_transcript(self) -> None:
        core = venue()
        core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 4_000_000)
        events = record(core)
        core.place("alice", "BTC/HUF", Side.SELL, 6_150_000, 5_000_000)
        self.assertEqual(
            [line(e) for e in events],
            [
                "accepted 2 left 5000000",
                "match 4000000@6200000",
                "book () ()",
                "book () ((6150000, 1000000),)",
                "order 2 placed left 5000000",
                "alice HUF credit 248000 Aggressive order: 2",
                "alice BTC debit 4000000 Aggressive order: 2",
                "alice HUF debit 2480 Fee",
                "order 2 filled left 1000000",
                "alice fill 2 4000000@6200000 fee 2480",
                "trade 4000000@6200000",
                "bob HUF debit 248000 Passive order: 1",
                "bob BTC credit 4000000 Passive order: 1",
                "bob HUF debit 2480 Fee",
                "order 1 filled left 0",
                "bob fill 1 4000000@6200000 fee 2480",
            ],
        )

    def test_a_sweep_of_three_asks_is_told_one_by_one_to_the_buyer(self) -> None:
        core = venue()
        for quantity in (1_000_000, 2_000_000, 3_000_000):
            core.place("alice", "BTC/HUF", Side.SELL, 6_100_000, quantity)
        events = record(core)
        core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 4_000_000)
        to_bob = [line(e) for e in events if "bob" in line(e) or line(e).startswith("order 4")]
        self.assertEqual(
            to_bob,
            [
                "order 4 placed left 4000000",
                "bob HUF debit 61000 Aggressive order: 4",
                "bob BTC credit 1000000 Aggressive order: 4",
                "bob HUF debit 610 Fee",
                "order 4 filled left 3000000",
                "bob fill 4 1000000@6100000 fee 610",
                "bob HUF debit 122000 Aggressive order: 4",
                "bob BTC credit 2000000 Aggressive order: 4",
                "bob HUF debit 1220 Fee",
                "order 4 filled left 1000000",
                "bob fill 4 2000000@6100000 fee 1220",
                "bob HUF debit 61000 Aggressive order: 4",
                "bob BTC credit 1000000 Aggressive order: 4",
                "bob HUF debit 610 Fee",
                "order 4 filled left 0",
                "bob fill 4 1000000@6100000 fee 610",
            ],
        )
        self.assertEqual(core.order(3).quantity_left, 2_000_000)

    def test_all_fills_and_trades_of_a_sweep_carry_the_aggressors_time(self) -> None:
        time = Time()
        core = venue(time)
        for price in (6_100_000, 6_110_000):
            core.place("alice", "BTC/HUF", Side.SELL, price, 1_000_000)
        time.pass_(5)
        events = record(core)
        order = core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 2_000_000)
        stamps = {e.fill.timestamp for e in events if isinstance(e, Filled)}
        stamps |= {e.trade.timestamp for e in events if isinstance(e, Traded)}
        self.assertEqual(stamps, {order.timestamp})

    def test_an_order_that_meets_its_own_account_pays_both_fees_aggressive_side_first(self) -> None:
        core = venue()
        core.place("alice", "BTC/HUF", Side.SELL, 6_100_000, 1_000_000)
        events = record(core)
        core.place("alice", "BTC/HUF", Side.BUY, 6_100_000, 1_000_000)
        fills = [e.fill for e in events if isinstance(e, Filled)]
        self.assertEqual([(f.order_id, f.aggressive, f.fee) for f in fills], [(2, True, 610), (1, False, 610)])
        self.assertEqual(core.balance("alice", "HUF"), 10_000_000 - 2 * 610)

    def test_an_immediate_order_ends_cancelled_with_what_did_not_match(self) -> None:
        core = venue()
        core.place("alice", "BTC/HUF", Side.SELL, 6_100_000, 1_000_000)
        events = record(core)
        core.place("bob", "BTC/HUF", Side.BUY, 6_100_000, 3_000_000, immediate=True)
        self.assertEqual(line(events[-1]), "order 2 cancelled left 2000000")
        self.assertEqual(core.book("BTC/HUF").bids, ())


class CancellingTests(SynchronousTestCase):
    """Taking an order off."""

    def test_cancelling_tells_the_book_before_the_order(self) -> None:
        core = venue()
        core.place("alice", "BTC/HUF", Side.SELL, 6_200_000, 4_000_000)
        events = record(core)
        self.assertTrue(core.cancel("alice", 1))
        self.assertEqual([line(e) for e in events], ["book () ()", "order 1 cancelled left 4000000"])


class DeliveryTests(SynchronousTestCase):
    """Who is told what, when."""

    def test_a_listener_that_acts_is_told_of_its_act_after_what_it_was_told_first(self) -> None:
        core = venue()

        def cancel_at_once(event: Event) -> None:
            if isinstance(event, OrderChanged) and not event.order.final:
                core.cancel("alice", event.order.id)

        core.subscribe(cancel_at_once)
        events = record(core)
        core.place("alice", "BTC/HUF", Side.SELL, 6_200_000, 4_000_000)
        self.assertEqual(
            [line(e).split(" (")[0] for e in events],
            [
                "accepted 1 left 4000000",
                "book",
                "order 1 placed left 4000000",
                "book",
                "order 1 cancelled left 4000000",
            ],
        )

    def test_who_stopped_listening_is_told_nothing_more(self) -> None:
        core = venue()
        events: list[Event] = []
        stop = core.subscribe(events.append)
        stop()
        core.place("alice", "BTC/HUF", Side.SELL, 6_200_000, 4_000_000)
        self.assertEqual(events, [])
