"""What the Sputnik client does beyond the contract of all clients, against the simulated venue over loopback sockets."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import (
    InsufficientFunds,
    NotAuthorised,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Side,
    UnknownOrder,
    Unreachable,
)
from clients.sputnik import Sputnik
from tests.clients.bench import DAY, Bench, ContractCase, Recorder, asynchronous, eventually, pause
from tests.clients.test_sputnik_contract import QUICK, SputnikBench
from tests.simulation.sputnik.world import make_world, order, user_topic

reactor: Any = _reactor
D = Decimal
SECRET = "JBSWY3DPEHPK3PXP"


class SputnikCase(ContractCase, TestCase):
    """A venue with alice, who has a client, and bob."""

    bench: SputnikBench

    async def start_bench(self) -> Bench:
        return SputnikBench(await make_world(_reactor))

    def fault(self, **wanted: Any) -> None:
        """Have the venue misbehave."""
        self.bench.venue.faults.apply(wanted)

    def publish(self, topic: str, payload: Any) -> None:
        """Have the router send an event, whatever is in it."""
        self.bench.venue.feeds.realm.publish(topic, payload)

    def record_calls(self) -> list[str]:
        """Every procedure that is called from now on."""
        called: list[str] = []
        faults = self.bench.venue.faults
        take = faults.take

        def noting(procedure: str) -> Any:
            called.append(procedure)
            return take(procedure)

        self.patch(type(faults), "take", lambda _, procedure: noting(procedure))
        return called


class ClockTests(SputnikCase):
    """The challenge of a login tells the venue's time."""

    def off_by(self, seconds: list[float]) -> Sputnik:
        """A client whose clock is ahead by the last number of *seconds*."""
        now, venue = self.bench.now, self.bench.venue

        def ours() -> datetime:
            return now() + timedelta(seconds=seconds[-1])

        client = Sputnik(id="alice", secret="secret-alice", endpoint=venue.endpoint, reactor=reactor, now=ours, **QUICK)
        return self.made(client)

    async def told(self, client: Sputnik) -> float:
        """By how many seconds the told time differs from the venue's."""
        return abs((await client.getServerTime() - self.bench.now()).total_seconds())

    @asynchronous
    async def test_a_clock_that_differs_is_told_as_it_is(self) -> None:
        for off in (-30.0, 30.0):
            client = self.off_by([off])
            await client.connect()
            assert await self.told(client) < 1, off

    @asynchronous
    async def test_the_login_answers_without_another_question_while_clocks_agree(self) -> None:
        client = self.off_by([0.0])
        await client.connect()
        self.patch(client, "_dialled", lambda: self.fail("asked again"))
        assert await self.told(client) < 1

    @asynchronous
    async def test_a_clock_that_was_set_right_is_heard_although_the_session_goes_on(self) -> None:
        off = [30.0]
        client = self.off_by(off)
        await client.connect()
        off.append(0.0)
        assert await self.told(client) < 1
        assert (await client.getPositions())["BTC"]["position"] > 0  # the session was not touched

    @asynchronous
    async def test_without_a_login_nobody_tells_the_time(self) -> None:
        client = self.made(Sputnik(endpoint=self.bench.venue.endpoint, reactor=reactor, **QUICK))
        await client.connect()
        await self.failure(client.getServerTime(), NotImplementedError)


class LoginTests(SputnikCase):
    """Who may come in, and how it is told when one may not."""

    @asynchronous
    async def test_without_an_id_there_is_market_data_and_nothing_private_is_sent(self) -> None:
        client = self.made(Sputnik(endpoint=self.bench.venue.endpoint, reactor=reactor, **QUICK))
        called = self.record_calls()
        await client.connect()
        assert client.features == frozenset({"public_only"})
        assert (await client.getOrderBook("BTC/HUF"))["bids"] == []
        await self.failure(client.getPositions(), NotAuthorised)
        await self.failure(client.placeOrder("BTC/HUF", D("0.01"), D(50000), "BUY"), NotAuthorised)
        assert not [procedure for procedure in called if procedure.startswith("rpc.trader")]

    @asynchronous
    async def test_a_server_that_throws_out_unknown_features_lets_us_in(self) -> None:
        self.fault(strict_features=True)
        await self.connected()

    @asynchronous
    async def test_the_refusal_tells_what_to_do_and_not_the_password(self) -> None:
        client = self.made(self.bench._client("not-the-password", self.bench.venue.endpoint))
        error = await self.failure(client.connect(), NotAuthorised)
        assert "user name or password is wrong" in str(error)
        assert "not-the-password" not in str(error)

    def second_factor(self) -> None:
        """Alice's account wants one-time codes."""
        login = self.bench.venue.members["alice"].login
        login.totp, login.totp_active = SECRET, True

    @asynchronous
    async def test_a_missing_second_factor_is_named(self) -> None:
        self.second_factor()
        error = await self.failure(self.made(self.bench.client()).connect(), NotAuthorised)
        assert "totp_secret" in str(error)

    @asynchronous
    async def test_one_time_codes_log_in_and_withdraw_and_none_is_used_twice(self) -> None:
        self.second_factor()
        client, _ = await self.connected(totp_secret=SECRET)
        await client.requestWithdrawal("BTC", D("0.1"), "somewhere")
        error = await self.failure(client.requestWithdrawal("BTC", D("0.1"), "somewhere"), RateLimited)
        assert 0 < error.retry_after <= 30

    @asynchronous
    async def test_a_wrong_second_factor_is_not_authorised(self) -> None:
        self.second_factor()
        client = self.made(self.bench.client(totp_secret="AAAAAAAAAAAAAAAA"))
        await self.failure(client.connect(), NotAuthorised)

    @asynchronous
    async def test_the_unused_second_factor_is_an_empty_text(self) -> None:
        self.fault(strict_totp=True)
        client, _ = await self.connected()
        await client.requestWithdrawal("BTC", D("0.1"), "somewhere")

    @asynchronous
    async def test_a_path_that_is_no_websocket_is_unreachable_with_the_servers_answer(self) -> None:
        client = self.made(
            self.bench._client(
                "secret-alice", self.bench.venue.endpoint.removesuffix("/ws") + "/other", connect_deadline=0.3
            )
        )
        error = await self.failure(client.connect(), Unreachable)
        assert "403" in str(error)

    @asynchronous
    async def test_a_pair_that_does_not_exist_is_named_with_those_that_do(self) -> None:
        client = self.made(self.bench.client(tickers="BTC/NIL", connect_deadline=0.3))
        error = await self.failure(client.connect(), Unreachable)
        assert "BTC/NIL" in str(error)
        assert "BTC/HUF" in str(error)

    @asynchronous
    async def test_only_the_pairs_asked_for_are_followed(self) -> None:
        _, recorder = await self.connected(tickers="BTC/HUF")
        assert {book["contract"] for book in recorder.of("book")} == {"BTC/HUF"}

    @asynchronous
    async def test_credentials_refused_at_a_reconnection_end_the_tries(self) -> None:
        client, recorder = await self.connected()
        self.second_factor()  # as good as a changed password: the next login is refused
        self.bench.drop_line()
        await recorder.until("error", lambda error: isinstance(error, NotAuthorised))
        recorder.clear()
        await pause(0.2)
        assert recorder.names() == []
        await self.failure(client.getPositions(), Unreachable)

    @asynchronous
    async def test_leaving_while_the_venue_does_not_answer_the_login_leaves_nothing(self) -> None:
        self.fault(freeze=True)
        client = self.made(self.bench.client())
        connecting = client.connect()
        await pause(0.05)
        await client.disconnect()
        await self.failure(connecting, Unreachable)
        self.fault(freeze=False)

    @asynchronous
    async def test_a_venue_that_falls_silent_during_the_login_is_left_and_tried_again(self) -> None:
        self.fault(freeze=True)
        client = self.made(self.bench.client())
        connecting = client.connect()
        await pause(0.6)
        self.fault(freeze=False)
        await connecting

    @asynchronous
    async def test_a_listener_of_connect_may_disconnect(self) -> None:
        client = self.made(self.bench.client())
        recorder = Recorder(client)
        left: list[Any] = []
        client.on("connect", lambda _: client.disconnect().addCallback(left.append))
        connecting = client.connect()
        connecting.addErrback(lambda _: None)
        await eventually(lambda: left, "disconnected")
        assert recorder.names()[-1] == "disconnect"
        await pause(0.1)
        assert recorder.names().count("connect") == 1

    @asynchronous
    async def test_it_says_that_it_is_alive_at_most_twice_a_second(self) -> None:
        _, recorder = await self.connected(ping_interval=0.05)
        await pause(0.8)
        assert 1 <= recorder.names().count("alive") <= 3

    @asynchronous
    async def test_nothing_reads_the_terminal(self) -> None:
        await self.connected()
        assert sys.__stdin__ is not None
        assert all(reader.fileno() != 0 for reader in reactor.getReaders())


class SubscriptionTests(SputnikCase):
    """What is read and subscribed, and when."""

    @asynchronous
    async def test_markets_come_first_and_books_after_their_subscription(self) -> None:
        called = self.record_calls()
        await self.connected()
        assert called[0] == "rpc.market.get_markets"
        assert sorted(called[1:3]) == ["rpc.market.get_order_book"] * 2
        assert called[3:5] == ["rpc.trader.get_open_orders", "rpc.trader.get_positions"]

    @asynchronous
    async def test_everything_is_read_again_after_a_reconnection(self) -> None:
        _, recorder = await self.connected()
        called = self.record_calls()
        self.bench.drop_line()
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        assert {"rpc.market.get_markets", "rpc.trader.get_open_orders", "rpc.trader.get_positions"} <= set(called)

    @asynchronous
    async def test_connect_is_told_only_when_all_is_read(self) -> None:
        self.fault(delay_answers=0.02)
        client = self.made(self.bench.client())
        recorder = Recorder(client)
        called = self.record_calls()
        client.on("connect", lambda _: called.append("connect"))
        await client.connect()
        assert called[-1] == "connect"
        assert recorder.names()[0] == "connect"

    @asynchronous
    async def test_a_change_while_the_books_are_read_is_not_lost(self) -> None:
        self.fault(delay_answers=0.1)
        client = self.made(self.bench.client())
        recorder = Recorder(client)
        connecting = client.connect()
        await pause(0.18)  # markets are read, feeds subscribed, books on their way
        self.bench.trade(Side.BUY, D("0.01"), D(50000))
        await connecting
        assert await recorder.until("book", lambda book: book["contract"] == "BTC/HUF" and book["bids"])

    @asynchronous
    async def test_an_unreadable_book_is_read_again(self) -> None:
        self.bench.trade(Side.BUY, D("0.01"), D(50000))
        _, recorder = await self.connected()
        recorder.clear()
        self.publish("feeds.market.book.btc_huf", {"contract": "BTC/HUF", "bids": "garbage"})
        await recorder.until("error")
        book = await recorder.until("book")
        assert book["bids"]

    @asynchronous
    async def test_an_unreadable_order_event_leads_to_a_read_of_all(self) -> None:
        _, recorder = await self.connected()
        called = self.record_calls()
        self.publish(user_topic("orders", "alice"), {"id": "garbage"})
        await recorder.until("error")
        await eventually(lambda: "rpc.trader.get_open_orders" in called, "open orders are read")

    @asynchronous
    async def test_an_unreadable_booking_leads_to_a_read_of_positions(self) -> None:
        _, recorder = await self.connected()
        called = self.record_calls()
        self.publish(user_topic("transactions", "alice"), [])
        await recorder.until("error")
        await eventually(lambda: "rpc.trader.get_positions" in called, "positions are read")

    @asynchronous
    async def test_an_order_in_something_else_than_a_cash_pair_is_told_of_once_and_let_go(self) -> None:
        client, recorder = await self.connected()
        event = {
            "id": 7, "contract": "NETS", "side": "BUY", "price": 500, "quantity": 1, "quantity_left": 1,
            "is_cancelled": False, "timestamp": 1420070400000000,
        }  # fmt: skip
        self.publish(user_topic("orders", "alice"), event)
        self.publish(user_topic("orders", "alice"), event)
        error = await recorder.until("error")
        assert "NETS" in str(error)
        assert len(recorder.of("error")) == 1
        assert await client.getOpenOrders() == {}


class OrderTests(SputnikCase):
    """Orders whose news are lost, late, foreign or uninvited."""

    @asynchronous
    async def test_what_ended_while_we_were_away_is_told_with_its_fill(self) -> None:
        client, recorder = await self.connected()
        filled = await self.rest(client, Side.BUY, lots=2)
        cancelled = await self.rest(client, Side.SELL, lots=1)
        self.bench.down(True)
        await recorder.until("disconnect")
        recorder.clear()
        self.bench.trade(Side.SELL, D("0.02"), D(50000))
        self.bench.world.core.cancel("alice", int(cancelled))
        self.bench.down(False)
        told = await recorder.until("order", lambda order: order["id"] == filled)
        assert (told["final"], told["quantity_filled"], told["average_price"]) == (True, D("0.02"), D(50000))
        assert told["fees"] == {"HUF": D(10)}
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["quantity"], fill["price"]) == (filled, D("0.02"), D(50000))
        other = await recorder.until("order", lambda order: order["id"] == cancelled)
        assert (other["is_cancelled"], other["quantity_filled"]) == (True, 0)
        assert recorder.names().index("connect") < recorder.names().index("order")

    @asynchronous
    async def test_a_final_event_that_was_lost_is_made_up_for_after_a_cancel(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client, Side.BUY, lots=1)
        await recorder.until("order")
        self.fault(drop_events="feeds.user.")
        self.bench.trade(Side.SELL, D("0.01"), D(50000))
        assert await client.cancelOrder(id) is False
        told = await recorder.until("order", lambda order: order["final"])
        assert (told["id"], told["quantity_filled"]) == (id, D("0.01"))
        assert (await recorder.until("fill"))["order_id"] == id

    @asynchronous
    async def test_after_a_cancel_that_was_told_nothing_more_is_read(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client)
        await client.cancelOrder(id)
        await recorder.until("order", lambda order: order["final"])
        called = self.record_calls()
        await pause(0.3)
        assert called == []

    @asynchronous
    async def test_orders_of_another_session_are_followed(self) -> None:
        client, recorder = await self.connected()
        wire = await self.bench.world.login("alice")
        id = await wire.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 5000000, 1000000))
        told = await recorder.until("order")
        assert told["id"] == str(id)
        assert list(await client.getOpenOrders()) == [str(id)]

    @asynchronous
    async def test_an_uninvited_cancellation_is_told(self) -> None:
        client, recorder = await self.connected()
        id = await self.rest(client)
        self.fault(cancel_all="BTC/HUF")
        told = await recorder.until("order", lambda order: order["is_cancelled"])
        assert told["id"] == id

    @asynchronous
    async def test_two_orders_alike_at_once_get_their_own_ids(self) -> None:
        client, recorder = await self.connected()
        self.bench.events_first()
        ids = [await placed for placed in [self.rest(client), self.rest(client)]]
        assert len(set(ids)) == 2
        await eventually(lambda: {one["id"] for one in recorder.of("order")} == set(ids), "both are told of")

    @asynchronous
    async def test_an_answer_that_comes_after_the_deadline_changes_nothing(self) -> None:
        client, recorder = await self.connected(deadline=0.2)
        self.fault(drop_events="feeds.user.")
        self.fault(delay_answers=0.3)
        await self.failure(self.rest(client), OutcomeUnknown)
        self.fault(delay_answers=0)
        await pause(0.3)
        assert len(await client.getOpenOrders()) == 1
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_a_time_out_inside_the_venue_leaves_the_outcome_open(self) -> None:
        client, _ = await self.connected()
        self.fault(drop_events="feeds.user.")
        self.fault(time_out={"call": "rpc.trader.place_order", "effect": True})
        error = await self.failure(self.rest(client), OutcomeUnknown)
        assert error.code == "exceptions/zmq/call-timed-out"
        assert len(await client.getOpenOrders()) == 1

    @asynchronous
    async def test_an_order_of_unknown_outcome_holds_funds_until_the_venue_was_asked(self) -> None:
        client, _ = await self.connected()
        self.fault(time_out={"call": "rpc.trader.place_order", "effect": False})
        await self.failure(self.rest(client, Side.SELL, lots=5), OutcomeUnknown)
        assert (await client.getPositions())["BTC"]["available"] == D("4.95")
        await client.getOpenOrders()
        assert (await client.getPositions())["BTC"]["available"] == D(5)

    @asynchronous
    async def test_cancelling_the_waiting_leaves_an_order_that_is_told_of(self) -> None:
        client, recorder = await self.connected()
        self.fault(delay_answers=0.05)
        placed: Deferred[str] = self.rest(client)
        placed.addErrback(lambda _: None)
        placed.cancel()
        told = await recorder.until("order")
        assert list(await client.getOpenOrders()) == [told["id"]]
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_what_is_known_to_be_open_is_cancelled_even_when_the_list_cannot_be_read(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        await self.rest(client)
        self.bench.lose_answer("read", effect=True)
        await self.failure(client.cancelAllOrders(), Unreachable)
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_an_order_that_was_never_seen_cannot_be_looked_up(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.getOrder("12345"), NotImplementedError)
        await self.failure(client.getOrder(client_id="mine"), NotImplementedError)

    @asynchronous
    async def test_the_codes_of_the_venue_travel_with_the_errors(self) -> None:
        client, _ = await self.connected()
        error = await self.failure(client.placeOrder("BTC/HUF", D(4), D(10**9), "BUY"), InsufficientFunds)
        assert error.code == "exceptions/accountant/insufficient_margin"
        error = await self.failure(client.cancelOrder("4711"), UnknownOrder)
        assert error.code == "exceptions/accountant/no_order_found"

    @asynchronous
    async def test_hedges_go_before_quotes_and_cancels_before_both_when_calls_are_scarce(self) -> None:
        client, _ = await self.connected(rate=20, burst=10, quote_patience=5)
        ids = [await self.rest(client, lots=1)]
        called = self.record_calls()
        orders = self.bench.world.core.open_orders
        # On a busy machine a quote may lose its patience: what is shown is only who goes first.
        waiting = [self.rest(client, ticks=n).addErrback(lambda late: late.trap(RateLimited)) for n in range(1, 14)]
        hedge = client.placeOrder("BTC/HUF", D("0.01"), D(69000), "SELL", urgent=True)
        cancel = client.cancelOrder(ids[0])
        await cancel
        await hedge
        resting = [one.price for one in orders("alice") if one.side is Side.BUY]
        assert len(resting) < 13
        assert called.index("rpc.trader.cancel_order") < len(called) - 1
        for placed in waiting:
            await placed


class HoldingTests(SputnikCase):
    """Positions, read when something happened and now and then."""

    @asynchronous
    async def test_money_that_moves_is_told_without_being_asked_for(self) -> None:
        _, recorder = await self.connected()
        recorder.clear()
        self.bench.world.core.endow("alice", "USD", 10000, "a present")
        told = await recorder.until("position")
        assert (told["contract"], told["position"]) == ("USD", D(1000001))

    @asynchronous
    async def test_bookings_whose_events_are_lost_are_found_by_the_next_read(self) -> None:
        _, recorder = await self.connected(reread=0.2)
        self.fault(drop_events="feeds.user.transactions")
        recorder.clear()
        self.bench.world.core.endow("alice", "USD", 10000, "a present")
        told = await recorder.until("position")
        assert told["position"] == D(1000001)

    @asynchronous
    async def test_a_fill_is_booked_once_however_it_is_told(self) -> None:
        client, recorder = await self.connected()
        self.fault(repeat_events="feeds.user.transactions")
        await self.rest(client, Side.SELL, lots=1)
        self.bench.trade(Side.BUY, D("0.01"), D(70000))
        await recorder.until("fill")
        await pause(0.1)
        told = [position["position"] for position in recorder.of("position") if position["contract"] == "BTC"]
        assert told[-1] == D("4.99")

    @asynchronous
    async def test_a_buy_holds_the_fee_that_fills_have_shown(self) -> None:
        client, recorder = await self.connected()
        await self.rest(client, Side.BUY, lots=1)
        self.bench.trade(Side.SELL, D("0.01"), D(50000))
        await recorder.until("fill")
        before = (await client.getPositions())["HUF"]
        await self.rest(client, Side.BUY, lots=2)
        await pause(0.05)
        after = (await client.getPositions())["HUF"]
        assert after["position"] - after["available"] == D(1010)  # 2 lots at 50000 and 1 %
        assert before["position"] == after["position"]

    @asynchronous
    async def test_what_is_available_is_what_the_venue_accepts(self) -> None:
        client, recorder = await self.connected(fee="0.01")
        await self.rest(client, Side.BUY, lots=3)
        await self.rest(client, Side.SELL, lots=3)
        await eventually(lambda: len(recorder.of("order")) == 2, "both are told of")
        positions = await client.getPositions()
        most = client.round_quantity("BTC/HUF", positions["HUF"]["available"] / (D(50000) * D("1.01")))
        await self.failure(client.placeOrder("BTC/HUF", most + D("0.01"), D(50000), "BUY"), InsufficientFunds)
        await client.placeOrder("BTC/HUF", most, D(50000), "BUY")
        most = client.round_quantity("BTC/HUF", positions["BTC"]["available"])
        await self.failure(client.placeOrder("BTC/HUF", most + D("0.01"), D(70000), "SELL"), InsufficientFunds)
        await client.placeOrder("BTC/HUF", most, D(70000), "SELL")

    @asynchronous
    async def test_a_withdrawal_that_came_back_has_failed(self) -> None:
        client, _ = await self.connected()
        self.fault(hold_withdrawals=True)
        id = await client.requestWithdrawal("BTC", D("0.1"), "somewhere")
        now = self.bench.now()
        (pending,) = [t for t in await client.getTransfers(now - DAY, now + DAY) if t["direction"] == "withdrawal"]
        assert (pending["id"], pending["status"]) == (id, "done")
        self.fault(cancel_withdrawals=True)
        (failed,) = [t for t in await client.getTransfers(now - DAY, now + DAY) if t["direction"] == "withdrawal"]
        assert (failed["id"], failed["status"]) == (id, "failed")

    @asynchronous
    async def test_two_withdrawals_alike_have_different_ids(self) -> None:
        client, _ = await self.connected()
        ids = {await client.requestWithdrawal("BTC", D("0.1"), "somewhere") for _ in range(2)}
        assert len(ids) == 2

    @asynchronous
    async def test_a_withdrawal_stands_when_its_id_cannot_be_read(self) -> None:
        client, _ = await self.connected(deadline=0.3)
        self.bench.venue.faults.apply({"lose_answer": {"call": "rpc.trader.get_transaction_history"}})
        assert await client.requestWithdrawal("BTC", D("0.1"), "somewhere") == ""
        assert (await client.getPositions())["BTC"]["position"] == D("4.9")


class HistoryTests(SputnikCase):
    """Bars, trades and the ledger."""

    @asynchronous
    async def test_periods_that_do_not_exist_are_refused(self) -> None:
        client, _ = await self.connected()
        now = self.bench.now()
        await self.failure(client.getOHLCVHistory("BTC/HUF", "week", now - DAY, now), Refused)

    @asynchronous
    async def test_the_epoch_itself_may_be_asked_for(self) -> None:
        client, _ = await self.connected()
        self.bench.trade(Side.SELL, D("0.01"), D(60000))
        self.bench.trade(Side.BUY, D("0.01"), D(60000))
        epoch = self.bench.now().replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        trades = await client.getTradeHistory("BTC/HUF", epoch, self.bench.now() + timedelta(seconds=1))
        assert len(trades) == 1

    @asynchronous
    async def test_the_ledger_has_balances(self) -> None:
        client, _ = await self.connected()
        await client.requestWithdrawal("BTC", D("0.1"), "somewhere")
        now = self.bench.now()
        last = (await client.getTransactionHistory(now - DAY, now + DAY))[-1]
        assert last["balance"] == D("4.9")


class RoundingTests(SynchronousTestCase):
    """Plain values before there is a connection."""

    def client(self, **options: Any) -> Sputnik:
        return Sputnik(endpoint="ws://127.0.0.1:1", reactor=reactor, **options)

    def test_rounding_before_the_markets_are_read_is_refused(self) -> None:
        client = self.client()
        self.assertRaises(Refused, client.round_bid, "BTC/HUF", D(1))
        self.assertRaises(Refused, client.round_quantity, "BTC/HUF", D(1))

    def test_an_endpoint_that_is_none_is_refused_at_once(self) -> None:
        self.assertRaises(ValueError, Sputnik, endpoint="http://venue.example/api", reactor=reactor)

    def test_options_that_do_not_exist_are_refused_at_once(self) -> None:
        self.assertRaises(ValueError, self.client, deadlin=1)
        self.assertRaises(ValueError, self.client, tls_minimum="0.9")
        self.assertRaises(ValueError, self.client, burst="0.1")

    def test_neither_password_nor_second_factor_prints(self) -> None:
        client = Sputnik(id="alice", secret="hunter22", endpoint="ws://x", reactor=reactor, totp_secret=SECRET)
        shown = repr(vars(client))
        self.assertNotIn("hunter22", shown)
        self.assertNotIn(SECRET, shown)
