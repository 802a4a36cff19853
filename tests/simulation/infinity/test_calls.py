"""Calls without a socket: error codes, orders and their states, lists and paging, positions, money, curves, history."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from clients.infinity_signing import decode_key, sign
from ilp.simulation.infinity.errors import ApiError, StatusError
from ilp.simulation.infinity.parameters import Parameters
from tests.simulation.infinity.world import ALICE, BOB, KEY, OTHER_KEY, World

DAY = 86_400.0
BTC = "WBTC-2023-12-29"
LIMIT = {"instrumentId": "ETH-SPOT", "accountId": 302, "side": 0, "orderType": 2, "passive": 0}

GETS = [
    "/private/deposit",
    "/private/get_withdraw_status",
    "/private/get_withdraws",
    "/public/get_blockchain_info",
    "/private/get_market_mtms",
    "/private/get_market_summaries",
    "/public/get_all_markets",
    "/public/get_all_order_buckets",
    "/public/get_bba",
    "/public/get_all_fixed_details",
    "/public/get_all_floating_details",
    "/public/get_fixed_details",
    "/public/get_floating_details",
    "/public/get_fixed_fees",
    "/public/get_fixed_history",
    "/public/get_floating_history",
    "/public/get_fixed_orderbook",
    "/public/get_floating_orderbook",
    "/public/get_fixed_rate",
    "/public/get_floating_rate",
    "/public/get_fixed_trades",
    "/public/get_floating_trades",
    "/public/get_24h_snapshot",
    "/public/get_historical_rates",
    "/public/get_historical_total_value",
    "/public/get_historical_yield_curve",
    "/public/get_yield_curve",
    "/private/get_token_mtms",
    "/public/get_token_details",
    "/public/get_tokens",
    "/private/get_fixed_orders",
    "/private/get_floating_orders",
    "/private/aggregate_orders_by_rate",
    "/private/get_floating_positions",
    "/private/get_floating_trades",
    "/private/get_fixed_trades",
    "/private/get_all_positions",
    "/private/get_positions_and_dv01",
    "/private/get_user_info",
    "/private/get_accounts",
    "/private/get_account_info",
    "/private/get_max_borrow",
    "/private/get_all_account_tx",
    "/private/get_account_tx",
]
POSTS = [
    "/login",
    "/verify_login",
    "/refresh_login",
    "/logout",
    "/private/withdraw",
    "/public/get_underlying_tokens",
    "/private/create_fixed_order",
    "/private/create_floating_order",
    "/api/trade/cancel-order",
    "/api/trade/cancel-batch-orders",
    "/private/cancel_fixed_order",
    "/private/cancel_floating_order",
    "/private/transfer_token",
    "/private/transfer_floating_position",
    "/private/update_account_name",
]
PATHS = {("GET", path) for path in GETS} | {("POST", path) for path in POSTS}
"""Fifty-three calls, three of the login, three that are known and not used."""


class CallCase(SynchronousTestCase):
    """Alice is logged in; bob quotes the books of the conformance calls."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.world = World(self.reactor)
        self.venue = self.world.venue
        self.tokens = {"alice": self.login(ALICE, KEY), "bob": self.login(BOB, OTHER_KEY)}
        self.number = 0

    def login(self, address: str, key: str) -> str:
        access = self.venue.access
        nonce = access.challenge(address, "11155111")["nonceHash"]
        document = access._nonces[nonce].document
        return access.verify(address, nonce, sign(document, decode_key(key))).token

    def get(self, path: str, who: str = "alice", **query: Any) -> Any:
        lists = {
            name: [str(v) for v in (value if isinstance(value, list) else [value])] for name, value in query.items()
        }
        return self.venue.gateway.serve("GET", path, self.tokens[who], Parameters(lists))

    def post(self, path: str, body: Any = None, who: str = "alice", **query: Any) -> Any:
        lists = {name: [str(value)] for name, value in query.items()}
        return self.venue.gateway.serve("POST", path, self.tokens[who], Parameters(lists, body))

    def order(self, fixed: bool = False, **changes: Any) -> Any:
        self.number += 1
        given = {**LIMIT, "quantity": "1", "rate": "0.05", "clientOrderId": f"n{self.number}", **changes}
        given = {name: value for name, value in given.items() if value is not ...}
        return self.post(f"/private/create_{'fixed' if fixed else 'floating'}_order", given)

    def code(self, call: Any, *arguments: Any, **named: Any) -> int:
        return int(self.assertRaises(ApiError, call, *arguments, **named).code)


class RefusalTests(CallCase):
    def test_every_refusal_of_an_order_has_its_code(self) -> None:
        for changes, code in (
            ({"accountId": 303}, 102),
            ({"accountId": None}, 102),
            ({"accountId": "None"}, 102),
            ({"accountId": 301}, 102),
            ({"instrumentId": "ETH-2020-01-31"}, 114),
            ({"instrumentId": "NIL-SPOT"}, 114),
            ({"instrumentId": "nonsense"}, 114),
            ({"instrumentId": BTC}, 1001),
            ({"instrumentId": ...}, 1001),
            ({"side": 2}, 1001),
            ({"side": "lend"}, 1001),
            ({"orderType": 3}, 1001),
            ({"orderType": 0}, 1001),
            ({"rate": ...}, 1001),
            ({"rate": "0"}, 1001),
            ({"rate": "-0.01"}, 1001),
            ({"rate": "0.02005"}, 1001),
            ({"rate": "much"}, 1001),
            ({"rate": "NaN"}, 1001),
            ({"passive": 2}, 1001),
            ({"passive": 1, "orderType": 1}, 1001),
            ({"clientOrderId": "toolong99x"}, 122),
            ({"clientOrderId": ""}, 122),
            ({"clientOrderId": "a-b"}, 122),
            ({"clientOrderId": "ä"}, 122),
            ({"clientOrderId": ...}, 122),
            ({"quantity": "1e-05"}, 107),
            ({"quantity": "0"}, 107),
            ({"quantity": "-1"}, 107),
            ({"quantity": "1.000001"}, 120),
            ({"quantity": "1e-30"}, 107),
            ({"quantity": "1e-99"}, 1001),
            ({"quantity": "1e30"}, 1001),
            ({"quantity": "1.0000000000000000000000000000000001"}, 120),
            ({"rate": "1e30", "quantity": "101"}, 1002),
            ({"rate": "0.02000000000000000000000000000000001"}, 1001),
            ({"quantity": "1000000"}, 1001),
            ({"quantity": "some"}, 1001),
            ({"quantity": "101"}, 1002),
            ({"quantity": "1000", "side": 1}, 1002),
        ):
            assert self.code(self.order, **changes) == code, changes
        assert self.world.core.open_orders("alice/trading") == []

    def test_a_floating_market_is_refused_where_a_fixed_one_is_wanted(self) -> None:
        assert self.code(self.order, fixed=True) == 1001

    def test_the_account_is_checked_first_and_the_collateral_last(self) -> None:
        bad = {"accountId": 1, "instrumentId": "NIL-SPOT", "clientOrderId": "!", "quantity": "0", "rate": "0"}
        codes = []
        for name, good in (
            ("accountId", 302), ("instrumentId", "ETH-SPOT"), ("clientOrderId", "ok"), ("quantity", "10000"),
            ("rate", "0.05"),
        ):  # fmt: skip
            codes.append(self.code(self.order, **bad))
            bad[name] = good
        codes.append(self.code(self.order, **bad))
        assert codes == [102, 114, 122, 107, 1001, 1002]

    def test_a_client_id_is_taken_while_its_order_lives(self) -> None:
        id = self.order(clientOrderId="same")["order"]["orderId"]
        assert self.code(self.order, clientOrderId="same") == 122
        self.post("/api/trade/cancel-order", accountId=302, instrumentId="ETH-SPOT", orderId=id)
        assert self.order(clientOrderId="same")["order"]["orderId"] != id

    def test_another_user_sees_and_cancels_nothing_of_it(self) -> None:
        id = self.order()["order"]["orderId"]
        cancel = {"instrumentId": "ETH-SPOT", "orderId": id}
        assert self.code(self.post, "/api/trade/cancel-order", who="bob", accountId=302, **cancel) == 102
        assert self.code(self.post, "/api/trade/cancel-order", who="bob", accountId=304, **cancel) == 108
        assert self.code(self.get, "/private/get_floating_orders", who="bob", accountId=302) == 102

    def test_keys_of_refusals_are_the_documented_names(self) -> None:
        for changes, key in (
            ({"accountId": 1}, "INVALID_ACCOUNT"), ({"quantity": "0"}, "MINIMUM_QUANTITY_NOT_REACH"),
            ({"side": 5}, "validation_error"), ({"quantity": "101"}, "operation_failed"),
        ):  # fmt: skip
            assert self.assertRaises(ApiError, self.order, **changes).key == key

    def test_paths_that_do_not_exist_and_methods_that_do_not_fit_are_not_found(self) -> None:
        for method, path in (
            ("GET", "/private/nothing"),
            ("POST", "/public/get_tokens"),
            ("GET", "/login"),
            ("GET", "/"),
        ):
            error = self.assertRaises(StatusError, self.venue.gateway.serve, method, path, "", Parameters())
            assert error.status == 404

    def test_every_path_of_the_protocol_page_is_served(self) -> None:
        gateway = self.venue.gateway
        public, private = set(gateway.public), set(gateway.private)
        assert {(method, path) for method, path in PATHS if path.startswith("/public") or "login" in path} - {
            ("POST", "/refresh_login")
        } == public
        assert {pair for pair in PATHS if pair not in public} == private

    def test_every_private_path_wants_a_token(self) -> None:
        for method, path in self.venue.gateway.private:
            error = self.assertRaises(StatusError, self.venue.gateway.serve, method, path, "", Parameters())
            assert error.status == 401, path


class OrderTests(CallCase):
    def test_an_order_that_rests_is_told_in_the_documented_shape(self) -> None:
        assert self.order(quantity="1e0", rate="2.05e-2", clientOrderId="lend0001") == {
            "order": {
                "orderId": 700007, "marketId": 1, "instrumentId": "ETH-SPOT", "accountId": 302, "side": False,
                "orderType": 2, "quantity": "1", "fulfilled": "0", "rate": "0.0205", "status": 1,
                "clientOrderId": "lend0001", "passive": False, "orderDate": 1703073600000, "source": 1,
            }
        }  # fmt: skip

    def test_a_fill_in_part_rests_with_what_is_filled_and_counts_up(self) -> None:
        order = self.order(side=1, quantity="6", rate="0.02")
        assert (order["order"]["status"], order["order"]["fulfilled"]) == (1, "4")
        assert order["trxs"] == [{"rate": "0.02", "quantity": "4"}] and order["trxDropped"] is False
        self.world.place("bob", "ETH-SPOT", Side.SELL, "0.02", "2")
        (row,) = self.get("/private/get_floating_orders", accountId=302)["orders"]
        assert (row["status"], row["fulfilled"], row["averageTradeRate"]) == (10, "6", "0.02")
        assert [trade["quantity"] for trade in row["trades"]] == ["4", "2"]

    def test_a_market_order_walks_the_book_and_drops_what_it_does_not_get(self) -> None:
        for given, status, filled, dropped in (
            ({"quantity": "6"}, 10, "6", False),
            ({"quantity": "50"}, 13, "6", True),
            ({"quantity": "1"}, 12, "0", True),
        ):
            told = self.order(side=1, orderType=1, rate=..., **given)
            order = told["order"]
            assert (order["status"], order["fulfilled"], told["trxDropped"]) == (status, filled, dropped)
            assert "rate" not in order
        assert self.get("/public/get_floating_orderbook", instrumentId="ETH-SPOT")["asks"] == []

    def test_a_market_order_with_a_rate_stops_at_that_rate(self) -> None:
        told = self.order(side=1, orderType=1, quantity="10", rate="0.0205")
        assert (told["order"]["status"], told["order"]["fulfilled"], told["order"]["rate"]) == (13, "4", "0.0205")

    def test_lists_tell_pending_or_done_newest_first_and_go_on_from_an_id(self) -> None:
        ids = [self.order()["order"]["orderId"] for _ in range(5)]
        self.post("/api/trade/cancel-order", accountId=302, instrumentId="ETH-SPOT", orderId=ids[1])

        def listed(**query: Any) -> list[int]:
            rows = self.get("/private/get_floating_orders", accountId=302, **query)["orders"]
            return [row["orderId"] for row in rows]

        assert listed() == ids[::-1]
        assert listed(pending="True") == [ids[4], ids[3], ids[2], ids[0]]
        assert listed(done="True") == [ids[1]]
        assert listed(limit=2) == [ids[4], ids[3]]
        assert listed(startId=ids[2], limit=2) == [ids[2], ids[1]]
        assert listed(instrumentId="WBTC-SPOT") == []
        assert self.get("/private/get_fixed_orders", accountId=302) == {"orders": []}

    def test_cancelling_wants_one_id_and_the_right_instrument(self) -> None:
        id = self.order(clientOrderId="mine")["order"]["orderId"]

        def cancel(**query: Any) -> Any:
            return self.post("/api/trade/cancel-order", accountId=302, **query)

        assert self.code(cancel, instrumentId="ETH-SPOT") == 1001
        assert self.code(cancel, instrumentId="ETH-SPOT", orderId=id, clientOrderId="mine") == 1001
        assert self.code(cancel, instrumentId="WBTC-SPOT", orderId=id) == 108
        assert self.code(cancel, instrumentId="ETH-SPOT", orderId=1) == 108
        assert cancel(instrumentId="ETH-SPOT", clientOrderId="mine") == {}
        assert self.code(cancel, instrumentId="ETH-SPOT", clientOrderId="mine") == 109

    def test_a_batch_cancels_what_it_can(self) -> None:
        ids = [self.order()["order"]["orderId"] for _ in range(3)]
        body = {"accountId": 302, "instrumentId": "ETH-SPOT", "orderIds": [ids[0], 5, ids[2]]}
        assert self.post("/api/trade/cancel-batch-orders", body) == {}
        assert [order.id for order in self.world.core.open_orders("alice/trading")] == [ids[1] - 700_000]
        both = body | {"clientOrderIds": ["n1"]}
        assert self.code(self.post, "/api/trade/cancel-batch-orders", both) == 1001
        byname = {"accountId": 302, "instrumentId": "ETH-SPOT", "clientOrderIds": ["n2", "zzz"]}
        assert self.post("/api/trade/cancel-batch-orders", byname) == {}
        assert self.world.core.open_orders("alice/trading") == []

    def test_the_obsolete_cancels_work_by_id_alone(self) -> None:
        id = self.order()["order"]["orderId"]
        assert self.post("/private/cancel_floating_order", orderId=id) == {}
        assert self.code(self.post, "/private/cancel_fixed_order", orderId=id) == 109

    def test_an_order_that_ends_with_its_market_is_cancelled_by_the_venue_or_expired_where_that_is_wanted(self) -> None:
        for true_statuses, status in ((False, 12), (True, 14)):
            self.setUp()
            self.venue.fault({"true_statuses": true_statuses})
            self.order(fixed=True, instrumentId=BTC)
            self.reactor.advance(9 * DAY)
            self.tokens["alice"] = self.login(ALICE, KEY)
            (row,) = self.get("/private/get_fixed_orders", accountId=302)["orders"]
            assert (row["status"], row["daysToMaturity"]) == (status, 0)

    def test_own_orders_by_rate_are_added_up(self) -> None:
        for _ in range(2):
            self.order(rate="0.05", quantity="1.5")
        self.order(rate="0.06")
        told = self.get("/private/aggregate_orders_by_rate", floatRateInstrumentId="ETH-SPOT", accountId=302)
        assert [(row["rate"], row["quantity"], row["side"]) for row in told["ir"]] == [
            ("0.05", "3", False),
            ("0.06", "1", False),
        ]
        assert self.code(self.get, "/private/aggregate_orders_by_rate") == 1001

    def test_own_trades_have_their_mixed_names(self) -> None:
        self.order(side=1, quantity="2", rate="0.03", clientOrderId="brw00001")
        (row,) = self.get("/private/get_floating_trades", accountId=302)["trxs"]
        assert {name: row[name] for name in row if name not in ("trxId", "date")} == {
            "marketId": 1, "instrumentId": "ETH-SPOT", "order_type": 2, "order_side": True, "order_rate": "0.03",
            "trade_rate": "0.02", "order_quantity": "2", "trade_quantity": "2", "orderId": 700007,
            "clientOrderId": "brw00001",
        }  # fmt: skip
        assert self.get("/private/get_fixed_trades", accountId=302) == {"trxs": []}


class MoneyTests(CallCase):
    def test_positions_tell_interest_worth_and_sensitivity(self) -> None:
        self.order(side=1, quantity="2", rate="0.02")
        self.order(fixed=True, instrumentId=BTC, side=1, orderType=1, rate=..., quantity="0.5")
        self.reactor.advance(DAY / 6)
        floating, fixed = self.get("/private/get_all_positions", accountId=302)["accountPositions"]
        assert (floating["quantity"], floating["dv01"], floating["rollOverHour"]) == ("-2", "0", 8)
        assert Decimal(floating["accruedInterest"]) < 0 and "maturityDate" not in floating
        assert Decimal(floating["netPositions"]) == -2 + Decimal(floating["accruedInterest"])
        assert (fixed["quantity"], fixed["rate"], fixed["maturityDate"]) == ("-0.5", "0.045", 1703836800000)
        assert Decimal("0.00000115") < Decimal(fixed["dv01"]) < Decimal("0.00000125")
        for row in (floating, fixed):
            assert Decimal(row["pv"]) == Decimal(row["netPositions"]) + Decimal(row["mtm"])

    def test_a_floating_position_has_the_index_of_its_entry(self) -> None:
        self.reactor.advance(100 * DAY)
        self.tokens["alice"] = self.login(ALICE, KEY)
        self.order(side=1, quantity="2", rate="0.02")
        (row,) = self.get("/private/get_floating_positions", accountId=302)["positions"]
        market = self.get("/public/get_floating_rate", instrumentId="ETH-SPOT")["marketInfo"]
        assert row["priceIndex"] == market["borrowPriceIndex"] > market["lendPriceIndex"] > "1"
        assert (row["quantity"], market["priceIndexDate"] % 60_000) == ("-2", 0)

    def test_the_identities_of_an_accounts_figures_hold(self) -> None:
        self.order(side=1, quantity="2", rate="0.02")
        self.order(side=0, quantity="7", rate="0.05")
        self.order(fixed=True, instrumentId=BTC, side=1, orderType=1, rate=..., quantity="0.5")
        self.reactor.advance(DAY / 2)
        for row in self.get("/private/get_max_borrow", accountId=302)["accountTokenPositions"]:
            figures = {name: Decimal(value) for name, value in row.items() if isinstance(value, str)}
            assert figures["pv"] == figures["netPositions"] + figures["mtm"]
            assert figures["netAssetValue"] == figures["cash"] + figures["pv"]
            assert figures["maxWithdraw"] <= figures["cashAvailable"] <= figures["cash"]
        ether = self.get("/private/get_max_borrow", accountId=302)["accountTokenPositions"][0]
        assert (ether["cash"], ether["cashAvailable"]) == ("102", "95")

    def test_health_falls_with_debts_and_is_full_without(self) -> None:
        def account() -> Any:
            return self.get("/private/get_account_info", accountId=302)["account"]

        before = account()
        assert (before["healthScore"], before["liability"]) == (10000, 0)
        assert before["assetLtv"] == before["asset"] * 0.8
        self.order(side=1, quantity="4", rate="0.02")
        after = account()
        assert 39 < after["healthScore"] < 41 and after["liability"] == 8842

    def test_collateral_that_is_needed_cannot_leave(self) -> None:
        self.world.place("bob", "USDC-SPOT", Side.SELL, "0.05", "900000")
        self.order(instrumentId="USDC-SPOT", side=1, quantity="900000", rate="0.05")
        move = {"fromAccountId": 302, "toAccountId": 301}
        assert self.code(self.post, "/private/transfer_token", tokenId=5, quantity="5", **move) == 1002
        assert self.post("/private/transfer_token", tokenId=5, quantity="1", **move) == {}

    def test_transfers_stay_between_own_accounts(self) -> None:
        for giver, taker, quantity, code in (
            (302, 303, "1", 102), (303, 301, "1", 102), (302, 302, "1", 1002), (302, 301, "101", 1002),
            (302, 301, "0", 1002), (302, 301, "1e-19", 1001),
        ):  # fmt: skip
            given = {"fromAccountId": giver, "toAccountId": taker, "tokenId": 1, "quantity": quantity}
            assert self.code(self.post, "/private/transfer_token", **given) == code
        given = {"fromAccountId": 302, "toAccountId": 301, "tokenId": 1, "quantity": "2.5"}
        assert self.post("/private/transfer_token", **given) == {}
        rows = self.get("/private/get_all_account_tx", limit=2)["trxs"]
        assert [(row["accountId"], row["type"], row["quantity"], row["balance"]) for row in rows] == [
            (301, 6, "2.5", "12.5"),
            (302, 7, "-2.5", "97.5"),
        ]
        (row,) = self.get("/private/get_account_tx", accountId=301, type=6)["trxs"]
        assert row["tokenId"] == 1
        assert self.get("/private/get_account_tx", accountId=301, startId=row["trxId"] - 1)["trxs"][0]["type"] == 8

    def test_a_floating_position_can_move_to_another_account(self) -> None:
        self.order(side=1, quantity="2", rate="0.02")
        given = {"fromAccountId": 302, "toAccountId": 301, "instrumentId": "ETH-SPOT", "quantity": "0.5"}
        assert self.post("/private/transfer_floating_position", **given) == {}
        (row,) = self.get("/private/get_floating_positions", accountId=301)["positions"]
        assert row["quantity"] == "-0.5"
        assert self.code(self.post, "/private/transfer_floating_position", **(given | {"quantity": "9"})) == 1002
        assert self.code(self.post, "/private/transfer_floating_position", **(given | {"instrumentId": BTC})) == 1001

    def test_withdrawals_leave_the_current_account_and_are_done_after_a_while(self) -> None:
        def withdraw(**changes: Any) -> Any:
            return self.post("/private/withdraw", {"tokenId": 1, "quantity": 3, "chainId": 1, **changes})

        assert self.code(withdraw, tokenId=77) == 10011
        assert self.code(withdraw, quantity=11) == 10012
        assert self.code(withdraw, chainId=5) == 1001
        assert self.code(withdraw, quantity=0) == 1002
        id = withdraw()["requestId"]
        (row,) = self.get("/private/get_withdraws", limit=20)["requests"]
        assert (row["requestId"], row["status"], row["fee"], row["txHash"]) == (id, 1, "0.01", None)
        assert row["toAddress"] == ALICE
        self.reactor.advance(61)
        (row,) = self.get("/private/get_withdraw_status", requestIds=[id, 1])["requests"]
        assert row["status"] == 2 and row["txHash"].startswith("0x")
        assert self.world.cash("alice", "ETH", "current") == 7

    def test_deposits_come_from_the_wallet_and_are_listed_by_block(self) -> None:
        self.world.core.deposit("ETH", 10**18, ALICE.lower(), "0xabc")
        self.reactor.advance(1200)
        self.world.core.deposit("WBTC", 10**7, ALICE)
        newest, first = self.get("/private/deposit", limit=20)["deposits"]
        assert (first["quantity"], first["tokenId"], first["txHash"]) == ("1", 1, "0xabc")
        assert newest["blockId"] - first["blockId"] == 100
        assert self.get("/private/deposit", startBlockId=first["blockId"])["deposits"] == [first]
        assert self.world.cash("alice", "ETH", "current") == 11

    def test_an_account_can_be_renamed(self) -> None:
        told = self.post("/private/update_account_name", accountId=302, name="Rates & more")["account"]
        assert told["name"] == "Rates & more" and "tokens" not in told
        assert self.get("/private/get_accounts")["accounts"][1]["name"] == "Rates & more"
        assert self.code(self.post, "/private/update_account_name", accountId=302, name="x" * 41) == 1001

    def test_marks_add_up_by_token(self) -> None:
        self.order(fixed=True, instrumentId=BTC, side=1, orderType=1, rate=..., quantity="0.5")
        (one,) = self.get("/private/get_market_mtms", accountId=302)["mtm"]
        (sum_,) = self.get("/private/get_token_mtms", accountId=302)["mtm"]
        # Borrowed at 0.045 where the middle is 0.044: 0.5 · 0.001 · T / (1 + 0.044 · T), with T = 8 5/6 days.
        assert Decimal(one["mtm"]) == Decimal(sum_["mtm"]).quantize(Decimal("1e-8")) == Decimal("-0.00001209")
        summary = self.get("/private/get_market_summaries", tokenId=5, minBidNAskSize=0)
        (row,) = [row for row in summary["fr"] if row["instrumentId"] == BTC]
        assert (row["position"], summary["summary"]["position"]) == ("-0.5", "-0.5")
        assert abs(Decimal(row["dv01"]) - Decimal(row["pv01Series"]) * Decimal("0.5")) < Decimal("1e-12")


class MarketTests(CallCase):
    def test_the_best_quote_of_a_size_may_lie_deeper(self) -> None:
        best = self.get("/public/get_bba", tokenId=1, minBidNAskSize=6)["ir"]
        assert (best["bid"], best["ask"], best["askStepSize"]) == ("0.0175", "0.021", "6")
        assert self.get("/public/get_bba", tokenId=1, minBidNAskSize=100)["ir"]["bid"] == "0"
        chosen = self.get("/public/get_bba", tokenId=5, fixedRateInstrumentIds=[BTC, "WBTC-2023-12-22"])
        assert [row["instrumentId"] for row in chosen["fr"]] == ["WBTC-2023-12-22", BTC]

    def test_unknown_tokens_and_markets_are_validation_errors(self) -> None:
        for path, query in (
            ("/public/get_bba", {"tokenId": 99}), ("/public/get_bba", {"tokenId": 6}),
            ("/public/get_bba", {}), ("/public/get_token_details", {"tokenId": "x"}),
            ("/public/get_floating_orderbook", {"instrumentId": BTC}),
            ("/public/get_fixed_orderbook", {"instrumentId": "ETH-SPOT"}),
            ("/public/get_floating_rate", {}), ("/public/get_all_order_buckets", {"instrumentIds": ["NIL"]}),
            ("/public/get_blockchain_info", {"blockChainId": 2}),
            ("/public/get_floating_orderbook", {"instrumentId": "ETH-SPOT", "limit": 0}),
        ):  # fmt: skip
            assert self.code(self.get, path, **query) == 1001, path

    def test_bars_of_a_quarter_an_hour_a_day_and_a_week(self) -> None:
        market = self.world.core.market("ETH-SPOT")
        assert market is not None
        for minutes, rate in ((0, "0.021"), (20, "0.022"), (30, "0.0215"), (25 * 60, "0.023")):
            self.reactor.advance(minutes * 60)
            self.world.core.print_trade("ETH-SPOT", market.wire_price(rate), 10**18)
        self.tokens["alice"] = self.login(ALICE, KEY)

        def bars(interval: int, start: str = "20231220", end: str = "20231221") -> Any:
            query = {"instrumentId": "ETH-SPOT", "start": start, "end": end, "interval": interval}
            return self.get("/public/get_floating_history", **query)["data"]

        quarters = bars(900_000, end="20231220")
        assert [row["close"] for row in quarters] == ["0.021", "0.022", "0", "0.0215"]
        assert quarters[0]["date"] == 1703073600000
        assert [row["close"] for row in bars(3_600_000, end="20231220")] == ["0.0215"]
        days = bars(86_400_000)
        assert [(row["date"], row["open"], row["high"], row["close"]) for row in days] == [
            (20231220, "0.021", "0.022", "0.0215"),
            (20231221, "0.023", "0.023", "0.023"),
        ]
        assert [row["date"] for row in bars(7 * 86_400_000)] == [20231218]  # weeks begin on Mondays
        for wrong in (60_000, 1_000_000, 90_000_000, 0, -900_000):
            assert self.code(bars, wrong) == 1001
        assert self.code(bars, 900_000, "2023-12-20") == 1001
        assert self.code(bars, 900_000, "20231222", "20231220") == 1001

    def test_the_curve_runs_through_the_markets_and_between_them(self) -> None:
        told = self.get("/public/get_yield_curve", tokenId=5, fullYieldCurve="True")["interpolatedRates"]
        assert [row["daysToMaturity"] for row in told] == list(range(365))
        by_day = {row["daysToMaturity"]: row for row in told}
        assert by_day[9]["interpolatedPx"] == "0.044" and by_day[9]["enable"] is True
        assert by_day[3]["enable"] is False
        assert Decimal("0.02") < Decimal(by_day[4]["interpolatedPx"]) < Decimal("0.044")
        some = self.get("/public/get_yield_curve", tokenId=5, fullYieldCurve="False")["interpolatedRates"]
        assert len(some) == 10 and some[0]["instrumentId"] == "WBTC-SPOT"

    def test_rates_of_a_day_ago_and_of_past_days(self) -> None:
        market = self.world.core.market("ETH-SPOT")
        assert market is not None
        for rate in ("0.019", "0.021", "0.024"):
            self.world.core.print_trade("ETH-SPOT", market.wire_price(rate), 2 * 10**18)
            self.reactor.advance(DAY / 2)
        snapshot = self.get("/public/get_24h_snapshot")
        assert set(snapshot) == {"1", "2", "3", "4", "5"}
        spot, *dated = snapshot["1"]
        assert (spot["rate"], spot["rate24"], spot["rateDelta24"], spot["volume24"]) == ("0.024", "0.021", "0.003", "4")
        assert dated and all("maturityDate" in row for row in dated)
        told = self.get("/public/get_historical_rates", tokenId=1, daysToInclude=30)
        assert [(row["close"], row["numDaysAgo"], row["volume"]) for row in told["floating"]] == [
            ("0.019", 2, "2"),
            ("0.024", 1, "4"),
        ]
        curve = self.get("/public/get_historical_yield_curve", tokenId=1, daysToInclude=2)["historicalCurve"]
        assert [curve[day][0]["rate"] for day in sorted(curve)] == ["0.019", "0.024", "0.019"]

    def test_the_total_value_is_that_of_each_roll_over_and_of_now(self) -> None:
        self.reactor.advance(2 * DAY)
        rows = self.get("/public/get_historical_total_value", limit=365)["data"]
        assert len(rows) == 3 and {Decimal(row["totalValue"]) for row in rows} == {Decimal(7979155)}
        assert len(self.get("/public/get_historical_total_value", limit=1)["data"]) == 1

    def test_underlying_tokens_are_asked_for_with_a_list(self) -> None:
        told = self.post("/public/get_underlying_tokens", [{"tokenId": 6, "quantity": 1}])["tokens"]
        assert told[0]["underlyingAssets"] == [{"underlyingTokenId": 2, "underlyingTokenIndex": "1.1201"}]
        assert told[0]["tokenValuationProtocol"] == 1
        assert self.code(self.post, "/public/get_underlying_tokens", {"tokenId": 6}) == 1001

    def test_a_fee_is_estimated_by_the_markets_own_fee(self) -> None:
        told = self.get("/public/get_fixed_fees", instrumentId=BTC, orderQty="2")
        assert told == {"estimatedTrxFee": "0"}
