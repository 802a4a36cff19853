"""Events: which, to whom, with what in them, and in which order."""

from __future__ import annotations

from typing import Any

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import START, Wire, order, user_topic

NOW = int(START.timestamp()) * 10**6
MARKET = ("book", "trades", "safe_prices", "ohlcv")
USER = ("orders", "fills", "transactions")


def market_topics(*kinds: str) -> list[str]:
    return [f"feeds.market.{kind}.btc_huf" for kind in kinds or MARKET]


def user_topics(username: str, *kinds: str) -> list[str]:
    return [user_topic(kind, username) for kind in kinds or USER]


def brief(topic: str, payload: Any) -> tuple[Any, ...]:
    """The kind of an event and what matters of it."""
    kind = topic.split(".")[2]
    keys = {
        "orders": ("id", "quantity_left", "is_cancelled"),
        "fills": ("id", "side", "price", "quantity", "fees"),
        "transactions": ("contract", "direction", "quantity", "note"),
        "trades": ("price", "quantity"),
    }
    if kind == "book":
        return (kind, *([(row["price"], row["quantity"]) for row in payload[side]] for side in ("bids", "asks")))
    if kind == "ohlcv":
        return (kind, payload["period"], payload["open_timestamp"])
    if kind == "safe_prices":
        return (kind, payload)
    return (kind, *(payload[key] for key in keys[kind]))


async def briefs(wire: Wire, count: int) -> list[tuple[Any, ...]]:
    """What matters of the next events; fails when there are more."""
    found = [brief(*await wire.event()) for _ in range(count)]
    await wire.quiet()
    return found


class SequenceTests(VenueTestCase):
    """The order in which things are told."""

    @asynchronous
    async def test_one_order_that_meets_three_of_one_price_is_told_as_in_the_description(self) -> None:
        for quantity in (1000000, 2000000, 3000000):
            self.world.place("alice", "BTC/HUF", "SELL", 6100000, quantity)
        bob = await self.world.login("bob")
        await bob.subscribe(*user_topics("bob"))
        id = await bob.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6200000, 4000000))
        expected: list[tuple[Any, ...]] = [("orders", id, 4000000, False)]
        for quantity, cash, fee, left in [
            (1000000, 61000, 610, 3000000),
            (2000000, 122000, 1220, 1000000),
            (1000000, 61000, 610, 0),
        ]:
            expected += [
                ("transactions", "HUF", "debit", cash, f"Aggressive order: {id}"),
                ("transactions", "BTC", "credit", quantity, f"Aggressive order: {id}"),
                ("transactions", "HUF", "debit", fee, "Fee"),
                ("orders", id, left, False),
                ("fills", id, "BUY", 6100000, quantity, {"HUF": fee}),
            ]
        self.assertEqual(await briefs(bob, len(expected)), expected)
        open_orders = self.world.core.open_orders("alice")
        self.assertEqual([resting.quantity_left for resting in open_orders], [2000000])

    @asynchronous
    async def test_fills_and_trades_of_one_sweep_carry_the_aggressors_time(self) -> None:
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        self.clock.advance(5)
        bob = await self.world.login("bob")
        await bob.subscribe(*user_topics("bob", "fills"), *market_topics("trades"))
        await bob.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 2000000))
        stamps = [payload["timestamp"] for _, payload in await bob.events(4)]
        self.assertEqual(stamps, [NOW + 5_000_000] * 4)

    @asynchronous
    async def test_the_answer_comes_first_and_every_match_and_the_rest_are_seen_in_the_book(self) -> None:
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        self.world.place("alice", "BTC/HUF", "SELL", 6110000, 1000000)
        bob = await self.world.login("bob")
        await bob.subscribe(*market_topics("book"))
        bob.put(48, 900, {}, "rpc.trader.place_order", [order("BTC/HUF", "BUY", 6200000, 3000000)])
        self.assertEqual((await bob.next())[:2], [50, 900])
        expected = [
            ("book", [], [(6110000, 1000000)]),
            ("book", [], []),
            ("book", [(6200000, 1000000)], []),
        ]
        self.assertEqual(await briefs(bob, 3), expected)

    @asynchronous
    async def test_book_and_safe_price_come_before_the_trade(self) -> None:
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        bob = await self.world.login("bob")
        await bob.subscribe(*market_topics(), *user_topics("bob"))
        await bob.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 1000000))
        kinds = [found[0] for found in await briefs(bob, 9)]
        own = ["orders", "transactions", "transactions", "transactions", "orders", "fills"]
        self.assertEqual(kinds, ["book", "safe_prices", *own, "trades"])

    @asynchronous
    async def test_a_trade_of_ones_own_tells_the_aggressive_half_first(self) -> None:
        alice = await self.world.login("alice")
        resting = self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        await alice.subscribe(*user_topics("alice", "fills", "orders"))
        id = await alice.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 1000000))
        found = [event[:2] for event in await briefs(alice, 5)]
        halves = [("orders", id), ("fills", id), ("orders", resting), ("fills", resting)]
        self.assertEqual(found, [("orders", id), *halves])

    @asynchronous
    async def test_a_cancel_is_told_before_it_is_answered(self) -> None:
        alice = await self.world.login("alice")
        id = self.world.place("alice", "BTC/HUF", "BUY", 6100000, 1000000)
        await alice.subscribe(*market_topics("book"), *user_topics("alice", "orders"))
        alice.put(48, 900, {}, "rpc.trader.cancel_order", [id])
        first = await alice.events(2)
        self.assertEqual([brief(*event) for event in first], [("book", [], []), ("orders", id, 1000000, True)])
        self.assertEqual(await alice.next(), [50, 900, {}, [{"success": True, "result": True}]])

    @asynchronous
    async def test_a_cancel_that_came_too_late_still_marks_the_order(self) -> None:
        alice = await self.world.login("alice")
        id = self.world.place("alice", "BTC/HUF", "BUY", 6100000, 1000000)
        self.world.place("bob", "BTC/HUF", "SELL", 6100000, 1000000)
        await alice.subscribe(*user_topics("alice", "orders"))
        self.assertIs(await alice.result("rpc.trader.cancel_order", id), False)
        self.assertEqual(await briefs(alice, 1), [("orders", id, 0, True)])


class ContentTests(VenueTestCase):
    """What the payloads say."""

    @asynchronous
    async def test_transactions_are_told_as_booked_without_a_balance(self) -> None:
        carol = await self.world.login("carol")
        self.world.core.account("carol").factors = type(self.world.core.account("carol").factors)(-50, -50)
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        await carol.subscribe(*user_topics("carol", "transactions"))
        await carol.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 1000000))
        payloads = [payload for _, payload in await carol.events(3)]
        keys = {"contract", "type", "direction", "quantity", "note", "timestamp"}
        self.assertEqual([set(payload) for payload in payloads], [keys] * 3)
        rebate = payloads[2]
        self.assertEqual((rebate["type"], rebate["direction"], rebate["quantity"]), ("Trade", "debit", -305))
        history = await carol.result("rpc.trader.get_transaction_history")
        self.assertEqual((history[-1]["direction"], history[-1]["quantity"]), ("credit", 305))

    @asynchronous
    async def test_a_fee_of_nothing_is_told_too(self) -> None:
        carol = await self.world.login("carol")
        self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
        await carol.subscribe(*user_topics("carol", "transactions", "fills"))
        await carol.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 1000000))
        found = await briefs(carol, 4)
        self.assertEqual(found[2:], [
            ("transactions", "HUF", "debit", 0, "Fee"),
            ("fills", 2, "BUY", 6100000, 1000000, {"HUF": 0}),
        ])  # fmt: skip

    @asynchronous
    async def test_withdrawals_are_told_as_fee_and_rest(self) -> None:
        alice = await self.world.login("alice")
        await alice.subscribe(*user_topics("alice"))
        await alice.result("rpc.trader.request_withdrawal", "BTC", 20000, "somewhere", "")
        expected = [
            ("transactions", "BTC", "debit", 0, "Fee"),
            ("transactions", "BTC", "debit", 20000, "somewhere"),
        ]
        self.assertEqual(sorted(await briefs(alice, 2)), expected)
        self.world.core.complete_withdrawal(1, "chain id")
        await alice.quiet()

    @asynchronous
    async def test_a_cancelled_withdrawal_comes_back_as_a_transfer(self) -> None:
        alice = await self.world.login("alice")
        self.world.core.withdraw("alice", "BTC", 20000, "somewhere")
        await alice.subscribe(*user_topics("alice"))
        self.world.core.cancel_withdrawal(1, "admin")
        _, payload = await alice.event()
        payload.pop("timestamp")
        expected = {"contract": "BTC", "type": "Transfer", "direction": "credit", "quantity": 20000}
        self.assertEqual(payload, expected | {"note": "somewhere: cancel (admin)"})

    @asynchronous
    async def test_deposits_are_told_as_amount_and_fee(self) -> None:
        alice = await self.world.login("alice")
        address = await alice.result("rpc.trader.get_current_address", "BTC")
        await alice.subscribe(*user_topics("alice"))
        self.world.core.deposit("BTC", 50000, address)
        expected = [
            ("transactions", "BTC", "credit", 50000, address),
            ("transactions", "BTC", "debit", 0, "Fee"),
        ]
        self.assertEqual(await briefs(alice, 2), expected)

    @asynchronous
    async def test_others_do_not_hear_of_it(self) -> None:
        alice, bob = await self.world.login("alice"), await self.world.login("bob")
        await bob.subscribe(*user_topics("bob"))
        await alice.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6100000, 1000000))
        await bob.quiet()


class PublicationTests(VenueTestCase):
    """What is published without an order."""

    @asynchronous
    async def test_subscribing_sends_no_snapshot(self) -> None:
        self.world.place("alice", "BTC/HUF", "BUY", 6100000, 1000000)
        wire = await self.world.join()
        await wire.subscribe(*market_topics())
        await wire.quiet()

    @asynchronous
    async def test_books_and_safe_prices_are_published_again_every_ten_minutes_of_the_world(self) -> None:
        self.world.place("alice", "BTC/HUF", "BUY", 6100000, 1000000)
        wire = await self.world.join()
        await wire.subscribe(*market_topics())
        self.clock.advance(599)
        await wire.quiet()
        for pause in (1, 600):
            self.clock.advance(pause)
            expected = [("book", [(6100000, 1000000)], []), ("safe_prices", 42)]
            self.assertEqual(await briefs(wire, 2), expected)

    @asynchronous
    async def test_a_bar_is_told_when_the_first_trade_of_the_next_period_comes_and_never_after_a_gap(self) -> None:
        wire = await self.world.join()
        await wire.subscribe(*market_topics("ohlcv", "trades"))

        async def trade_after(seconds: float, *bars: tuple[Any, ...]) -> None:
            self.clock.advance(seconds)
            self.world.place("alice", "BTC/HUF", "SELL", 6100000, 1000000)
            self.world.place("bob", "BTC/HUF", "BUY", 6100000, 1000000)
            expected = [*bars, ("trades", 6100000, 1000000)]
            self.assertEqual(await briefs(wire, len(expected)), expected)

        await trade_after(0)
        await trade_after(60, ("ohlcv", "minute", NOW))
        await trade_after(120)
        await trade_after(60 * 57, ("ohlcv", "hour", NOW))

    @asynchronous
    async def test_a_trade_among_strangers_moves_the_safe_price_too(self) -> None:
        wire = await self.world.join()
        await wire.subscribe(*market_topics("trades", "safe_prices"))
        for price in (6100000, 6100000):
            self.world.core.print_trade("BTC/HUF", price, 1000000)
            expected = [("safe_prices", 6100000), ("trades", 6100000, 1000000)]
            self.assertEqual(await briefs(wire, 2), expected)

    @asynchronous
    async def test_rows_of_the_feed_are_shuffled_the_same_way_for_the_same_seed(self) -> None:
        seen = []
        for _ in range(2):
            wire = await self.world.join()
            await wire.subscribe(*market_topics("book"))
            for step in range(6):
                self.world.place("alice", "BTC/HUF", "BUY", 6000000 + 100 * step, 1000000)
            seen.append([row["price"] for _, payload in await wire.events(6) for row in payload["bids"]])
            await self.world.stop()
            await type(self).setUp(self)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0][-6:], sorted(seen[0][-6:]))
