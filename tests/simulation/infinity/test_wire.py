"""The simulated Infinity on real sockets: HTTP as old clients speak it, WebSocket frames, the order of events, faults."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from clients.exchange import Side
from ilp.simulation.bodies import BadRequest
from tests.clients.bench import asynchronous, eventually, pause
from tests.simulation.infinity.talk import Http, Socket, dial
from tests.simulation.infinity.world import BOB, OTHER_KEY, World, make_world

FORM = "application/x-www-form-urlencoded"
BOOK, TRADES, ORDERS, OWN = (f"ETH-SPOT@{name}" for name in ("orderBook", "recentTrades", "userOrder", "userTrade"))


class WireCase(TestCase):
    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world: World = await make_world(reactor)
        self.http = Http(reactor, self.world.venue.rest)
        self.sockets: list[Socket] = []

    @asynchronous
    async def tearDown(self) -> None:
        for socket in self.sockets:
            if socket.closed is None:
                socket.transport.abortConnection()
        await eventually(lambda: all(socket.closed for socket in self.sockets), "their ends")
        await self.http.stop()
        await self.world.stop()

    async def dial(self, path: str = "/ws", login: bool = False) -> Socket:
        socket = await dial(reactor, self.world.venue.port, path)
        self.sockets.append(socket)
        if login:
            socket.say("LOGIN", {"accessToken": self.http.token or await self.http.login()}, id=100)
            await socket.answer(100)
        return socket

    def order(self, **changes: Any) -> bytes:
        body = {
            "instrumentId": "ETH-SPOT", "accountId": 302, "side": 1, "orderType": 2, "quantity": "2", "rate": "0.02",
            "clientOrderId": "brw00001", "passive": 0,
        }  # fmt: skip
        return json.dumps(body | changes).encode()

    def place(self, **changes: Any) -> Any:
        return self.http.ask("POST", "/private/create_floating_order", self.order(**changes))


class HttpTests(WireCase):
    @asynchronous
    async def test_answers_and_refusals_are_envelopes(self) -> None:
        status, told = await self.http.ask("GET", "/public/get_floating_orderbook?instrumentId=ETH-SPOT&limit=1")
        assert status == 200 and told["success"] is True and set(told) == {"success", "data"}
        status, told = await self.http.ask("GET", "/public/get_floating_orderbook?instrumentId=NIL")
        assert (status, told) == (200, {"success": False, "errorCode": 1001, "errorMsgKey": "validation_error"})

    @asynchronous
    async def test_statuses_are_401_without_a_token_404_for_paths_and_400_for_what_cannot_be_read(self) -> None:
        assert (await self.http.ask("GET", "/private/get_user_info"))[0] == 401
        assert (await self.http.ask("GET", "/private/get_user_info", token="wrong"))[0] == 401
        assert (await self.http.ask("GET", "/nothing/here"))[0] == 404
        await self.http.login()
        for body in (b"{", b"\xff", b"nonsense"):
            assert (await self.http.ask("POST", "/private/create_floating_order", body))[0] == 400
        status, told = await self.http.ask("POST", "/private/create_floating_order", b'"text"')
        assert (status, told["errorCode"]) == (200, 1001)

    @asynchronous
    async def test_habits_of_old_clients_are_tolerated(self) -> None:
        await self.http.login()
        status, told = await self.http.ask("GET", "/public/get_bba?tokenId=1&minBidNAskSize=0&")
        assert status == 200 and told["success"]
        status, told = await self.http.ask("GET", "/private/get_account_info?accountId=None")
        assert (status, told["errorCode"], told["errorMsgKey"]) == (200, 102, "INVALID_ACCOUNT")
        status, told = await self.http.ask("POST", "/private/update_account_name?accountId=302&name=Rates%20x", b"")
        assert told["data"]["account"]["name"] == "Rates x"
        ids = "fixedRateInstrumentIds=ETH-2023-12-29&fixedRateInstrumentIds=ETH-2023-12-22"
        _, told = await self.http.ask("GET", f"/public/get_bba?tokenId=1&{ids}")
        assert len(told["data"]["fr"]) == 2

    @asynchronous
    async def test_a_token_sent_with_a_login_is_ignored(self) -> None:
        self.http.token = "of yesterday"
        assert await self.http.login()

    @asynchronous
    async def test_login_by_forms_and_refresh_by_the_token_itself(self) -> None:
        old = await self.http.login()
        status, told = await self.http.ask("POST", "/refresh_login", f"refreshToken={old}".encode(), FORM)
        assert status == 200 and told["data"]["accessToken"]["token"] != old
        status, told = await self.http.ask("POST", "/refresh_login", f"refreshToken={old}".encode(), FORM, token="x")
        assert status == 401

    @asynchronous
    async def test_money_is_text_and_dollars_are_numbers(self) -> None:
        await self.http.login()
        _, told = await self.http.ask("GET", "/private/get_accounts")
        account = told["data"]["accounts"][1]
        assert isinstance(account["tokens"][0]["quantity"], str)
        assert all(isinstance(account[name], int | float) for name in ("healthScore", "asset", "liability"))

    @asynchronous
    async def test_neither_signature_nor_token_is_among_what_was_seen(self) -> None:
        token = await self.http.login()
        socket = await self.dial(login=True)
        await self.http.ask("POST", "/refresh_login", f"refreshToken={token}".encode(), FORM)
        text = json.dumps(self.world.venue.seen.document())
        assert token not in text and "0x" not in text
        assert socket.frames[0]["data"]["user"]["userId"] == 71


class SocketTests(WireCase):
    @asynchronous
    async def test_login_answers_with_the_wallet_and_a_bad_token_with_1000(self) -> None:
        socket = await self.dial()
        socket.say("LOGIN", {"accessToken": "nonsense"}, id=1)
        assert await socket.answer(1) == {
            "id": 1, "success": False, "errorCode": 1000, "errorMsgKey": "permission_denied", "data": {},
        }  # fmt: skip
        socket.say("LOGIN", {"accessToken": await self.http.login()}, id=2)
        user = (await socket.answer(2))["data"]["user"]
        assert user == {"userId": 71, "address": self.world.alice.address.lower()}

    @asynchronous
    async def test_each_reply_tells_the_complete_list_and_a_book_comes_at_once(self) -> None:
        socket = await self.dial()
        socket.say("SUBSCRIBE", [BOOK], id=1)
        assert (await socket.answer(1))["data"] == {"subscriptions": [BOOK]}
        (book,) = await eventually(lambda: socket.events("orderBook"), "a snapshot")
        assert (book["s"], book["m"]) == ("ETH-SPOT", 1)
        assert book["P"]["b"] == [{"p": "0.018", "q": "5"}, {"p": "0.0175", "q": "10"}]
        socket.say("SUBSCRIBE", [TRADES, TRADES], id=2)
        assert (await socket.answer(2))["data"] == {"subscriptions": [BOOK, TRADES]}
        socket.say("UNSUBSCRIBE", [BOOK], id=3)
        assert (await socket.answer(3))["data"] == {"subscriptions": [TRADES]}
        socket.say("LIST_SUBSCRIPTIONS", id=4)
        assert (await socket.answer(4))["data"] == {"subscriptions": [TRADES]}
        socket.say("SUBSCRIBE", [], id=5)
        assert (await socket.answer(5))["data"] == {"subscriptions": [TRADES]}

    @asynchronous
    async def test_what_there_is_not_is_left_out_and_refused_when_nothing_is_left(self) -> None:
        socket = await self.dial()
        socket.say("SUBSCRIBE", [BOOK, "ETH-2020-01-31@orderBook", "ETH-SPOT@candles"], id=1)
        assert (await socket.answer(1))["data"] == {"subscriptions": [BOOK]}
        for id, params in enumerate((["NIL@orderBook"], "text", [5], {}), 2):
            socket.say("SUBSCRIBE", params, id=id)
            assert (await socket.answer(id))["errorCode"] == 1001

    @asynchronous
    async def test_nonsense_is_answered_and_the_connection_survives(self) -> None:
        socket = await self.dial()
        for frame in (b"nonsense", b"[]", b"null", b'{"id":7}', b'{"method":"DANCE","id":8}'):
            socket.sendMessage(frame)
        await eventually(lambda: len(socket.frames) == 5, "five answers")
        assert {frame["errorCode"] for frame in socket.frames} == {1001}
        assert all(isinstance(frame["data"], dict) for frame in socket.frames)
        socket.say("LIST_SUBSCRIPTIONS", id=9)
        assert (await socket.answer(9))["success"]

    @asynchronous
    async def test_a_trade_is_told_as_fill_order_public_trade_and_book_in_that_order(self) -> None:
        socket = await self.dial(login=True)
        socket.say("SUBSCRIBE", [BOOK, TRADES, ORDERS, OWN], id=1)
        await socket.answer(1)
        await eventually(lambda: socket.events("orderBook"), "the snapshot")
        socket.frames.clear()
        await self.place()
        await eventually(lambda: socket.events("orderBook"), "the new book")
        assert socket.told() == ["userTrade", "userOrder", "recentTrades", "orderBook"]
        trade, order, public, book = socket.frames
        assert {name: trade["P"][name] for name in "Ipqwso"} == {
            "I": "ETH-SPOT", "p": "0.02", "q": "2", "w": 302, "s": True, "o": 700007,
        }  # fmt: skip
        assert {name: order["P"][name] for name in "ImpqawsioOMS"} == {
            "I": "ETH-SPOT", "m": 1, "p": "0.02", "q": "2", "a": "2", "w": 302, "s": True, "i": "brw00001",
            "o": 700007, "O": 2, "M": 1, "S": 10,
        }  # fmt: skip
        assert [(row["p"], row["q"], row["s"]) for row in public["P"]] == [("0.02", "2", True)]
        assert book["P"]["a"][0] == {"p": "0.02", "q": "2"}
        assert not any("data" in frame for frame in socket.frames)

    @asynchronous
    async def test_user_events_are_for_their_user_alone_and_only_after_login(self) -> None:
        mine, theirs, nobody = await self.dial(login=True), await self.dial(), await self.dial()
        theirs.say("LOGIN", {"accessToken": await Http(reactor, self.http.base).login(BOB, OTHER_KEY)}, id=1)
        await theirs.answer(1)
        for socket in (mine, theirs, nobody):
            socket.say("SUBSCRIBE", [OWN, ORDERS, TRADES], id=2)
            await socket.answer(2)
        await self.place()
        for socket in (mine, theirs, nobody):
            await eventually(lambda socket=socket: socket.events("recentTrades"), "the public trade")
        assert [event["P"]["w"] for event in mine.events("userTrade")] == [302]
        assert [event["P"]["w"] for event in theirs.events("userTrade")] == [304]
        assert theirs.events("userOrder")[0]["P"]["S"] == 1
        assert nobody.events("userTrade") == nobody.events("userOrder") == []

    @asynchronous
    async def test_a_user_channel_may_be_asked_for_before_the_login_unless_the_venue_is_strict(self) -> None:
        early = await self.dial()
        early.say("SUBSCRIBE", [ORDERS], id=1)
        assert (await early.answer(1))["data"] == {"subscriptions": [ORDERS]}
        early.say("LOGIN", {"accessToken": await self.http.login()}, id=2)
        await early.answer(2)
        await self.place()
        await eventually(lambda: early.events("userOrder"), "the order")
        self.world.venue.fault({"login_first": True})
        late = await self.dial()
        late.say("SUBSCRIBE", [ORDERS, BOOK], id=1)
        assert (await late.answer(1))["errorCode"] == 2
        late.say("LIST_SUBSCRIPTIONS", id=2)
        assert (await late.answer(2))["data"] == {"subscriptions": []}

    @asynchronous
    async def test_any_path_serves_and_pings_are_answered(self) -> None:
        for path in ("/ws", "/", "/ws/user", "/deep/er"):
            socket = await self.dial(path)
            socket.sendPing(b"hello")
            await eventually(lambda socket=socket: socket.pongs, "a pong")

    @asynchronous
    async def test_a_connection_that_comes_of_age_is_closed_with_4000(self) -> None:
        self.world.venue.access.life = timedelta(seconds=0.2)
        socket = await self.dial()
        await eventually(lambda: socket.closed, "its end")
        assert socket.closed == (True, 4000)

    @asynchronous
    async def test_a_new_login_lengthens_the_life_of_a_connection(self) -> None:
        self.world.venue.access.life = timedelta(minutes=1)
        socket = await self.dial()
        (connection,) = self.world.venue._sockets.open

        def left() -> float:
            return connection._end.getTime() - reactor.seconds()

        assert left() <= 60
        self.world.venue.access.life = timedelta(hours=1)
        socket.say("LOGIN", {"accessToken": await self.http.login()}, id=1)
        await socket.answer(1)
        assert left() > 3500

    @asynchronous
    async def test_rates_and_indices_of_a_market_can_be_followed(self) -> None:
        socket = await self.dial()
        socket.say("SUBSCRIBE", ["ETH-SPOT@marketInfo"], id=1)
        await socket.answer(1)
        self.world.place("alice", "ETH-SPOT", Side.BUY, "0.02", "1")
        (event,) = await eventually(lambda: socket.events("marketInfo"), "the market")
        assert (event["P"]["p"], event["P"]["d"], event["P"]["b"]) == ("0.02", True, "1")


class FaultTests(WireCase):
    def fault(self, **wanted: Any) -> Any:
        return self.world.venue.fault(wanted)

    @asynchronous
    async def test_statuses_refusals_and_odd_answers_are_given_as_often_as_wanted(self) -> None:
        path = "/public/get_tokens"
        for wanted, status, told in (
            ({"status": {"call": "get_tokens", "status": 500}}, 500, None),
            ({"status": {"call": "get_tokens", "status": 429}}, 429, None),
            ({"refuse": {"call": "get_tokens", "code": 1002}}, 200, {"success": False, "errorCode": 1002,
              "errorMsgKey": "operation_failed"}),
            ({"garble_answer": {"call": "get_tokens"}}, 200, b'{"success":true,"data":{'),
            ({"odd_answer": {"call": "get_tokens", "odd": "list"}}, 200, {"success": True, "data": []}),
            ({"odd_answer": {"call": "get_tokens", "odd": "null"}}, 200, {"success": True, "data": None}),
            ({"odd_answer": {"call": "get_tokens", "odd": "empty"}}, 204, b""),
        ):  # fmt: skip
            self.fault(**wanted)
            found = await self.http.ask("GET", path)
            assert found[0] == status and told in (None, found[1]), wanted
            assert (await self.http.ask("GET", path))[0] == 200
        self.fault(odd_answer={"call": "get_tokens", "odd": "text"})
        assert (await self.http.ask("GET", path))[1]["success"] == "False"

    @asynchronous
    async def test_a_lost_answer_leaves_an_order_behind_unless_it_is_to_have_no_effect(self) -> None:
        await self.http.login()
        for effect, orders in ((False, 0), (True, 1)):
            self.fault(lose_answer={"call": "create_floating_order", "effect": effect})
            waiting: Deferred[Any] = Deferred.fromCoroutine(self.place(rate="0.01"))
            await eventually(lambda: not self.world.venue.faults.calls, "the call came")
            assert not waiting.called
            waiting.addErrback(lambda _: None)
            waiting.cancel()
            assert len(self.world.core.open_orders("alice/trading")) == orders

    @asynchronous
    async def test_events_can_be_dropped_and_repeated(self) -> None:
        socket = await self.dial()
        socket.say("SUBSCRIBE", [TRADES], id=1)
        await socket.answer(1)
        for wanted, count in (("drop_events", 0), ("repeat_events", 2)):
            self.fault(clear=True)
            self.fault(**{wanted: "recentTrades"})
            socket.frames.clear()
            self.world.place("alice", "ETH-SPOT", Side.BUY, "0.02", "1")
            socket.say("LIST_SUBSCRIPTIONS", id=9)
            await socket.answer(9)
            assert len(socket.events("recentTrades")) == count

    @asynchronous
    async def test_connections_can_be_closed_dropped_and_refused(self) -> None:
        for code in (1011, 4000):
            socket = await self.dial()
            self.fault(close=code)
            await eventually(lambda socket=socket: socket.closed, "its end")
            assert socket.closed == (True, code)
        socket = await self.dial()
        self.fault(disconnect=True)
        await eventually(lambda: socket.closed, "its end")
        assert socket.closed == (False, 1006)
        self.fault(down=True)
        try:
            await self.http.ask("GET", "/public/get_tokens")
        except Exception:  # noqa: BLE001 - however it shows
            self.fault(down=False)
        assert (await self.http.ask("GET", "/public/get_tokens"))[0] == 200

    @asynchronous
    async def test_a_login_of_the_socket_can_be_refused_and_garbage_sent(self) -> None:
        socket = await self.dial()
        token = await self.http.login()
        self.fault(refuse={"call": "LOGIN", "code": 2}, garbage=True)
        socket.say("LOGIN", {"accessToken": token}, id=1)
        assert (await socket.answer(1))["errorCode"] == 2
        assert socket.frames[0] == b"\x00 no JSON"
        socket.say("LOGIN", {"accessToken": token}, id=2)
        assert (await socket.answer(2))["success"]

    @asynchronous
    async def test_a_frozen_venue_says_nothing_and_then_everything(self) -> None:
        socket = await self.dial()
        socket.say("SUBSCRIBE", [TRADES], id=1)
        await socket.answer(1)
        self.fault(freeze=True)
        self.world.place("alice", "ETH-SPOT", Side.BUY, "0.02", "1")
        await pause(0.1)
        assert socket.events("recentTrades") == []
        self.fault(freeze=False)
        await eventually(lambda: socket.events("recentTrades"), "what was held back")

    @asynchronous
    async def test_answers_can_be_late(self) -> None:
        self.fault(delay_answers=0.15)
        before = reactor.seconds()
        assert (await self.http.ask("GET", "/public/get_tokens"))[0] == 200
        assert reactor.seconds() - before >= 0.14

    @asynchronous
    async def test_faults_that_do_not_exist_are_named(self) -> None:
        error = self.assertRaises(BadRequest, self.fault, explode=True)
        assert "revoke_tokens" in str(error)
        self.assertRaises(BadRequest, self.fault, close=7)
        self.assertRaises(BadRequest, self.fault, refuse={"code": "x"})
        assert self.fault(clear=True)["calls"] == []

    @asynchronous
    async def test_all_orders_can_be_cancelled_uninvited(self) -> None:
        self.fault(cancel_all=True)
        assert self.world.core.open_orders() == []
        assert self.world.cash("bob") == Decimal(1000)
