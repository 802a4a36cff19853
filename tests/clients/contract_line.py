"""What every client must do against its venue, second part: lines that are cut, silent, slow, doubled or full of garbage."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

from twisted.internet.defer import Deferred

from clients.exchange import ExchangeError, OutcomeUnknown, RateLimited, Side, Unreachable
from tests.clients.bench import DAY, ContractCase, asynchronous, eventually, nothing_connects, pause, tells

__all__ = ["ConnectionContract", "WireContract"]


class ConnectionContract(ContractCase):
    """What may happen to a line between a client and its venue, and must not hurt."""

    @asynchronous
    async def test_a_lost_line_is_told_and_made_again(self) -> None:
        client, recorder = await self.connected()
        self.bench.drop_line()
        await recorder.until("disconnect")
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        id = await self.rest(client)
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_while_the_venue_is_down_calls_are_unreachable_and_it_comes_back(self) -> None:
        client, recorder = await self.connected()
        self.bench.down(True)
        await recorder.until("disconnect")
        await self.failure(client.getPositions(), Unreachable)
        await self.failure(client.getOrderBook(self.bench.pair), Unreachable)
        await pause(0.1)
        self.bench.down(False)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")

    @asynchronous
    async def test_books_are_complete_again_after_a_gap(self) -> None:
        _, recorder = await self.connected()
        bench = self.bench
        bench.trade(Side.BUY, bench.lot, bench.low)
        await recorder.until("book", lambda book: book["bids"])
        bench.down(True)
        await recorder.until("disconnect")
        recorder.clear()
        bench.trade(Side.BUY, 2 * bench.lot, bench.low + bench.tick)
        bench.down(False)
        book = await recorder.until("book", lambda book: book["contract"] == bench.pair and book["bids"])
        assert [row["price"] for row in book["bids"]] == [bench.low + bench.tick, bench.low]

    @asynchronous
    async def test_what_happened_to_orders_meanwhile_can_be_read(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        filled = await self.rest(client, Side.BUY, lots=2)
        kept = await self.rest(client, Side.SELL, lots=1)
        bench.down(True)
        await recorder.until("disconnect")
        recorder.clear()
        bench.trade(Side.SELL, 2 * bench.lot, bench.low)
        bench.down(False)
        await recorder.until("connect")
        assert list(await client.getOpenOrders()) == [kept]
        (fill,) = await client.getFills(bench.now() - DAY, bench.now() + DAY)
        assert (fill["order_id"], fill["quantity"], fill["price"]) == (filled, 2 * bench.lot, bench.low)

    @asynchronous
    async def test_a_venue_that_falls_silent_is_a_lost_line(self) -> None:
        _, recorder = await self.connected()
        self.bench.freeze(True)
        await recorder.until("disconnect")
        self.bench.freeze(False)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")

    @asynchronous
    async def test_an_order_under_way_when_the_line_is_lost_has_an_unknown_outcome(self) -> None:
        client, _ = await self.connected()
        self.bench.lose_answer("place", effect=False)
        placed = self.rest(client)
        await pause(0.05)
        self.bench.drop_line()
        await self.failure(placed, OutcomeUnknown)

    @asynchronous
    async def test_a_read_under_way_when_the_line_is_lost_is_unreachable(self) -> None:
        client, _ = await self.connected()
        self.bench.lose_answer("read", effect=True)
        read = client.getOpenOrders()
        await pause(0.05)
        self.bench.drop_line()
        await self.failure(read, Unreachable)

    @asynchronous
    async def test_an_order_without_an_answer_has_an_unknown_outcome_and_is_not_repeated(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.lose_answer("place", effect=False)
        await self.failure(self.rest(client), OutcomeUnknown)
        assert self.bench.orders_at_venue() == 0
        assert await client.getOpenOrders() == {}

    @asynchronous
    async def test_an_order_whose_answer_is_lost_is_found(self) -> None:
        client, _ = await self.connected(deadline=0.5)
        self.bench.lose_answer("place", effect=True)
        try:
            id = await self.rest(client)
        except OutcomeUnknown:
            id = None
        (found,) = await client.getOpenOrders()
        assert id in (None, found)
        assert self.bench.orders_at_venue() == 1

    @asynchronous
    async def test_a_withdrawal_without_an_answer_has_an_unknown_outcome_and_is_not_repeated(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        bench = self.bench
        bench.lose_answer("withdraw", effect=True)
        await self.failure(client.requestWithdrawal(bench.base, Decimal("0.25"), bench.destination), OutcomeUnknown)
        transfers = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        assert len([one for one in transfers if one["address"] == bench.destination]) == 1

    @asynchronous
    async def test_a_cancel_without_an_answer_has_an_unknown_outcome(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        id = await self.rest(client)
        self.bench.lose_answer("cancel", effect=False)
        await self.failure(client.cancelOrder(id), OutcomeUnknown)
        assert await client.cancelOrder(id) is True

    @asynchronous
    async def test_a_read_without_an_answer_is_unreachable(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.lose_answer("read", effect=True)
        await self.failure(client.getOpenOrders(), Unreachable)
        assert await client.getOpenOrders() == {}

    @asynchronous
    async def test_late_answers_do_no_harm(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.delay_answers(0.4)
        await self.failure(client.getPositions(), Unreachable)
        self.bench.delay_answers(0)
        await pause(0.2)
        assert await client.getPositions()

    @asynchronous
    async def test_answers_that_come_twice_do_no_harm(self) -> None:
        client, recorder = await self.connected()
        self.bench.repeat_answers()
        ids = [await self.rest(client, ticks=n) for n in range(3)]
        assert sorted(await client.getOpenOrders()) == sorted(ids)
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_what_lost_events_would_have_told_can_be_read(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        id = await self.rest(client, Side.BUY, lots=1)
        await recorder.until("order", lambda order: order["id"] == id)
        bench.drop_events(True)
        bench.trade(Side.SELL, bench.lot, bench.low)
        assert await client.getOpenOrders() == {}
        (fill,) = await client.getFills(bench.now() - DAY, bench.now() + DAY)
        assert (fill["order_id"], fill["quantity"]) == (id, bench.lot)

    @asynchronous
    async def test_events_that_come_twice_are_counted_once(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.repeat_events()
        id = await self.rest(client, Side.BUY, lots=2)
        bench.trade(Side.SELL, bench.lot, bench.low)
        bench.trade(Side.SELL, bench.lot, bench.low)
        done = {"quantity_filled": 2 * bench.lot, "average_price": bench.low, "final": True}
        order = await recorder.until("order", lambda order: order["id"] == id and tells(order, **done))
        assert order["quantity_left"] == 0
        assert all(order.get("quantity_filled", 0) <= 2 * bench.lot for order in recorder.of("order"))

    @asynchronous
    async def test_disconnecting_while_it_tries_to_connect_leaves_nothing(self) -> None:
        self.bench.down(True)
        client = self.made(self.bench.client())
        connecting = client.connect()
        await pause(0.05)
        await client.disconnect()
        await self.failure(connecting, Unreachable)

    @asynchronous
    async def test_disconnecting_ends_the_calls_under_way(self) -> None:
        """Those too that are still connecting: none leaves a timer behind."""
        client, _ = await self.connected()
        nothing_connects(self)
        calls: list[Deferred[Any]] = [client.getOpenOrders() for _ in range(8)]
        for call in calls:
            call.addErrback(lambda failure: failure.trap(ExchangeError))
        await client.disconnect()
        assert all(call.called for call in calls)


class WireContract(ContractCase):
    """What only clients with a real wire and a rate budget can meet."""

    @asynchronous
    async def test_an_unreadable_answer_leaves_an_order_unknown_and_a_read_to_be_repeated(self) -> None:
        client, _ = await self.connected()
        self.bench.garble_answer("read")
        await self.failure(client.getOpenOrders(), Unreachable)
        self.bench.garble_answer("place")
        with contextlib.suppress(OutcomeUnknown):  # unless the order's own event has told the id before
            await self.rest(client)
        assert len(await client.getOpenOrders()) == 1

    @asynchronous
    async def test_garbage_is_told_and_survived(self) -> None:
        client, recorder = await self.connected()
        self.bench.garbage()
        await recorder.until("error")
        await eventually(lambda: recorder.names().count("connect") == 1 + recorder.names().count("disconnect"), "up")
        id = await self.rest(client)
        assert list(await client.getOpenOrders()) == [id]

    @asynchronous
    async def test_calls_beyond_the_rate_are_limited_and_nothing_is_sent(self) -> None:
        client, _ = await self.connected(rate=0.5, burst=30, deadline=0.2)
        calls = [self.rest(client, lots=1) for _ in range(40)]
        outcomes: list[Any] = []
        for call in calls:
            call.addBoth(outcomes.append)
        await eventually(lambda: len(outcomes) == len(calls), "every call is answered")
        limited = [o.value for o in outcomes if not isinstance(o, str)]
        assert limited and all(type(error) is RateLimited and error.retry_after > 0 for error in limited)
        assert self.bench.orders_at_venue() == len(calls) - len(limited)

    @asynchronous
    async def test_events_before_the_answer_give_the_id_just_the_same(self) -> None:
        client, recorder = await self.connected()
        bench = self.bench
        bench.events_first()
        bench.trade(Side.SELL, bench.lot, bench.high)
        placed = client.placeOrder(bench.pair, 2 * bench.lot, bench.high, "BUY")
        placed.addCallback(lambda id: (recorder.events.append(("placed", id)), id)[1])
        id = await placed
        await recorder.until("order", lambda order: order["quantity_left"] == bench.lot)
        names = recorder.names()
        assert names.index("placed") < names.index("order")
        assert list(await client.getOpenOrders()) == [id]
        assert {order["id"] for order in recorder.of("order")} == {id}
