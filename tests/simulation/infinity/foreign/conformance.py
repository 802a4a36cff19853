"""The twenty conformance calls of the protocol page, by the unmodified package python-infinity 0.0.7, and a few probes.

Runs in an environment of its own: `conformance.py REST WS ADMIN`.  Prints `PASS` or `FAIL` and one line for each call, in
their order, then for each probe of what the package makes of a venue that misbehaves; the exit status is the number of
failures.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from infinity.login.infinity_login import LoginClient
from infinity.rest_client.client_exceptions import (
    InputParameterError,
    InternalServerError,
    InvalidOrderQtyError,
    InvalidOrderTypeError,
    RequestErrorCodeError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnknownError,
)
from infinity.rest_client.rest_client import RestClient
from infinity.websocket_client.websocket_client import WebSocketClient

REST, WS, ADMIN = sys.argv[1:4]
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
WRONG_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
QUIET = logging.getLogger("quiet")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

CALLS: list[Callable[[], None]] = []
PROBES: list[Callable[[], None]] = []
STATE: dict[str, Any] = {}


def call(test: Callable[[], None]) -> Callable[[], None]:
    CALLS.append(test)
    return test


def probe(test: Callable[[], None]) -> Callable[[], None]:
    PROBES.append(test)
    return test


def admin(path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with OPENER.open(f"{ADMIN}/{path}", data, timeout=10) as answer:
        return json.loads(answer.read())


class Watch:
    """What the venue saw since."""

    def __init__(self) -> None:
        self.before = len(admin("requests")["requests"])

    def rows(self) -> list[Any]:
        return admin("requests")["requests"][self.before :]

    def rest(self) -> list[Any]:
        return [row for row in self.rows() if row["method"] != "WS"]

    def messages(self) -> list[Any]:
        return [row["message"] for row in self.rows() if row["method"] == "WS"]


def refused(code: int, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    try:
        function(*arguments, **named)
    except RequestErrorCodeError as error:
        assert error.error_code == code, f"error {error.error_code} {error.error_msg_key} instead of {code}"
        return
    raise AssertionError(f"error {code} was expected")


def raises(kind: type[Exception], function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    try:
        function(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def equal(found: Any, wanted: Any) -> None:
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def eventually(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 15
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within 15 s: {what}"
        time.sleep(0.01)
    return found


def rc() -> RestClient:
    return STATE["rc"]


def ether(account: int) -> dict[str, Any]:
    row = next(row for row in rc().get_accounts()["accounts"] if row["accountId"] == account)
    return next((token for token in row["tokens"] if token["tokenId"] == 1), {"quantity": "0", "lockedQuantity": "0"})


def levels(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["rate"], row["quantity"]) for row in rows]


# --------------------------------------------------------------------------------------------------------- the calls


@call
def login() -> None:
    watch = Watch()
    client = STATE["login"] = LoginClient(REST, "11155111", ADDRESS, KEY, logger=QUIET)
    assert client.is_login_success() is True and client.get_access_token()
    rows = watch.rest()
    equal([row["path"] for row in rows], ["/login", "/verify_login"])
    equal({row["content_type"] for row in rows}, {"application/x-www-form-urlencoded"})
    equal([row["authorized"] for row in rows], [False, False])


@call
def login_with_another_key_ends_the_process() -> None:
    program = (
        "import sys\nfrom infinity.login.infinity_login import LoginClient\n"
        "LoginClient(sys.argv[1], '11155111', sys.argv[2], sys.argv[3])\nprint('token issued')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, REST, ADDRESS, WRONG_KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    equal(done.returncode, 1)
    assert "token issued" not in done.stdout


@call
def rest_client_finds_its_trading_account() -> None:
    watch = Watch()
    STATE["rc"] = RestClient(REST, login=STATE["login"], logger=QUIET)
    rows = watch.rest()
    equal([(row["method"], row["path"], row["authorized"]) for row in rows], [("GET", "/private/get_accounts", True)])
    equal(rc().account_id, 302)


@call
def user_info() -> None:
    user = rc().get_user_info()["user"]
    equal(user["address"].lower(), ADDRESS.lower())
    equal([(row["accountId"], row["type"]) for row in user["accounts"]], [(301, 1), (302, 2)])


@call
def all_markets_without_login() -> None:
    watch = Watch()
    markets = RestClient(REST, logger=QUIET).get_all_markets()["markets"]
    equal([row["authorized"] for row in watch.rest()], [False])
    names = {row["instrumentId"] for row in markets}
    assert {f"{token}-SPOT" for token in ("ETH", "USDC", "USDT", "DAI", "WBTC")} <= names, names
    for row in markets:
        assert all(type(row[name]) is str for name in ("quantityStep", "minQuantity", "rateStep")), row
        assert type(row["enable"]) is bool, row


@call
def fixed_details() -> None:
    watch = Watch()
    assert len(rc().get_all_fixed_details()["markets"]) > 5
    bitcoin = rc().get_all_fixed_details(token_id=5)["markets"]
    equal([row["query"] for row in watch.rest()], ["", "tokenId=5"])
    equal({row["tokenId"] for row in bitcoin}, {5})
    row = next(row for row in bitcoin if row["instrumentId"] == "WBTC-2023-12-29")
    equal((row["maturityDate"], row["daysToMaturity"]), (1703836800000, 9))


@call
def order_book() -> None:
    book = rc().get_floating_orderbook("ETH-SPOT")
    equal([row["rate"] for row in book["bids"]], ["0.018", "0.0175"])
    equal([row["rate"] for row in book["asks"]], ["0.021", "0.02"])
    book = rc().get_floating_orderbook("ETH-SPOT", limit=1)
    equal((levels(book["bids"]), levels(book["asks"])), ([("0.018", "5")], [("0.02", "4")]))


@call
def best_bid_and_ask() -> None:
    watch = Watch()
    best = rc().get_bba(1, fixed_rate_instrument_ids=[])
    (row,) = watch.rest()
    assert row["query"].endswith("&"), row
    equal((best["ir"]["bid"], best["ir"]["ask"], best["ir"]["bidStepSize"]), ("0.018", "0.02", "0"))
    assert best["fr"]
    equal({(row["bid"], row["ask"]) for row in best["fr"]}, {("0", "0")})


@call
def limit_order_to_lend() -> None:
    watch = Watch()
    order = rc().create_floating_order("ETH-SPOT", 2, 0, 1, "lend0001", rate=0.0205)["order"]
    body = watch.rest()[0]["body"]
    equal([body[name] for name in ("side", "quantity", "rate", "accountId")], [0, "1", "0.0205", 302])
    equal((order["status"], order["fulfilled"]), ("on_book", "0"))
    STATE["lend"] = order["orderId"]
    equal(rc().get_client_order_id_from_order_id(order["orderId"]), "lend0001")
    assert ("0.0205", "1") in levels(rc().get_floating_orderbook("ETH-SPOT")["asks"])
    equal(ether(302)["lockedQuantity"], "1")


@call
def limit_order_to_borrow_that_matches() -> None:
    before = ether(302)["quantity"]
    order = rc().create_floating_order("ETH-SPOT", 2, 1, 2, "brw00001", rate=0.02)["order"]
    equal((order["status"], order["fulfilled"]), ("done", "2"))
    assert ("0.02", "2") in levels(rc().get_floating_orderbook("ETH-SPOT")["asks"])
    trade = rc().get_floating_trades("ETH-SPOT")["trxs"][0]
    equal((trade["rate"], trade["quantity"], trade["side"]), ("0.02", "2", True))
    equal(int(ether(302)["quantity"]) - int(before), 2)
    (position,) = [row for row in rc().get_positions()["accountPositions"] if row["instrumentId"] == "ETH-SPOT"]
    equal(position["quantity"], "-2")
    equal([row["clientOrderId"] for row in rc().get_private_floating_trades()["trxs"]], ["brw00001"])


@call
def market_order_to_borrow_at_a_fixed_rate() -> None:
    watch = Watch()
    order = rc().create_fixed_order("WBTC-2023-12-29", 1, 1, 0.5, "mkt00001")["order"]
    assert "rate" not in watch.rest()[0]["body"]
    equal(order["status"], "done")
    equal([row["trade_rate"] for row in rc().get_private_fixed_trades()["trxs"]], ["0.045"])
    rows = [row for row in rc().get_positions()["accountPositions"] if row["instrumentId"] == "WBTC-2023-12-29"]
    equal([row["quantity"] for row in rows], ["-0.5"])


@call
def passive_order_that_would_match() -> None:
    def public() -> Any:
        return rc().get_floating_orderbook("ETH-SPOT"), rc().get_floating_trades("ETH-SPOT")

    before = public()
    order = rc().create_floating_order("ETH-SPOT", 2, 1, 1, "pas00001", rate=0.03, passive=1)["order"]
    equal((order["status"], order["fulfilled"]), ("auto_cancelled", "0"))
    equal(public(), before)


@call
def quantities_below_the_minimum_and_off_the_step() -> None:
    watch = Watch()
    refused(107, rc().create_floating_order, "ETH-SPOT", 2, 0, 0.00001, "q1", rate=0.05)
    equal(watch.rest()[0]["body"]["quantity"], "1e-05")
    refused(120, rc().create_floating_order, "ETH-SPOT", 2, 0, 1.000001, "q2", rate=0.05)


@call
def bad_client_ids_and_matured_markets() -> None:
    refused(122, rc().create_floating_order, "ETH-SPOT", 2, 0, 1, "toolong99x", rate=0.05)
    refused(114, rc().create_fixed_order, "ETH-2020-01-31", 2, 0, 1, "old00001", rate=0.05)


@call
def what_the_package_refuses_itself() -> None:
    watch = Watch()
    raises(InvalidOrderQtyError, rc().create_floating_order, "ETH-SPOT", 2, 0, 0, "bad00001", rate=0.05)
    raises(InvalidOrderTypeError, rc().create_floating_order, "ETH-SPOT", 3, 0, 1, "bad00002", rate=0.05)
    raises(InvalidOrderTypeError, rc().create_floating_order, "ETH-SPOT", 2, 0, 1, "bad00003")
    raises(InputParameterError, rc().cancel_order, "ETH-SPOT")
    raises(InputParameterError, rc().batch_cancel_orders, "ETH-SPOT", client_order_ids=["a"], order_ids=[1])
    equal(watch.rest(), [])


@call
def lists_of_orders() -> None:
    watch = Watch()
    pending = rc().get_floating_orders(pending_only=True)["orders"]
    assert "pending=True" in watch.rest()[0]["query"]
    equal([row["orderId"] for row in pending], [STATE["lend"]])
    done = rc().get_floating_orders(done_only=True)["orders"]
    equal([row["clientOrderId"] for row in done], ["pas00001", "brw00001"])


@call
def cancelling() -> None:
    equal(rc().cancel_order("ETH-SPOT", order_id=STATE["lend"]), {})
    refused(109, rc().cancel_order, "ETH-SPOT", order_id=STATE["lend"])
    refused(108, rc().cancel_order, "ETH-SPOT", client_order_id="zzz")
    ids = [
        rc().create_floating_order("ETH-SPOT", 2, 0, 1, f"batch00{n}", rate=0.05)["order"]["orderId"] for n in range(2)
    ]
    equal(rc().batch_cancel_orders("ETH-SPOT", order_ids=ids), {})
    rows = {row["orderId"]: row["status"] for row in rc().get_floating_orders(done_only=True)["orders"]}
    equal([rows[id] for id in ids], ["manually_cancelled"] * 2)
    equal(ether(302)["lockedQuantity"], "0")


@call
def transfers_and_withdrawals() -> None:
    before = float(ether(301)["quantity"]), float(ether(302)["quantity"])
    rc().transfer_token(302, 301, 1, 2.5)
    equal((float(ether(301)["quantity"]) - before[0], float(ether(302)["quantity"]) - before[1]), (2.5, -2.5))
    types = {row["accountId"]: row["type"] for row in rc().get_all_account_tx(limit=2)["trxs"]}
    equal(types, {302: 7, 301: 6})
    rc().withdraw(1, 3)
    assert [row for row in rc().get_withdraws()["requests"] if row["quantity"] == "3"]
    refused(10012, rc().withdraw, 1, 10**6)


@call
def websocket() -> None:
    watch = Watch()
    ws = STATE["ws"] = WebSocketClient(WS, login=STATE["login"], auto_reconnect_retries=1, logger=QUIET)
    ws.run_all()
    assert ws.is_public_connected() and ws.is_private_connected()
    logins = [message for message in watch.messages() if message["method"] == "LOGIN"]
    equal([message["id"] for message in logins], [1])
    ws.subscribe_orderbook("ETH-SPOT")
    ws.subscribe_public_trades("ETH-SPOT")
    ws.subscribe_user_order("ETH-SPOT")
    ws.subscribe_user_trade("ETH-SPOT")
    first = eventually(lambda: ws.get_received_data("orderBook"), "a snapshot of the book")
    equal(list(first["asks"].items())[-1], (0.02, 2.0))
    eventually(lambda: len([m for m in watch.messages() if m["method"] == "SUBSCRIBE"]) == 4, "four subscriptions")
    rc().create_floating_order("ETH-SPOT", 2, 1, 2, "brw00002", rate=0.02)
    trade = eventually(lambda: ws.get_received_data("userTrade"), "an own trade")
    equal((trade["side"], float(trade["rate"])), ("borrow", 0.02))
    order = eventually(lambda: ws.get_received_data("userOrder"), "an own order")
    equal((order["order_status"], float(order["acc_fill_size"])), ("done", float(order["quantity"])))
    public = eventually(lambda: ws.get_received_data("recentTrades"), "a public trade")
    equal((public["side"], float(public["rate"])), ("borrow", 0.02))
    book = eventually(lambda: ws.get_received_data("orderBook"), "a new book")
    equal(list(book["asks"].items())[-1][0], 0.021)
    again = Watch()
    ws.re_connect(is_private=False)
    messages = eventually(again.messages, "a subscription after the reconnect")
    channels = ["ETH-SPOT@orderBook", "ETH-SPOT@recentTrades"]
    equal([(message["method"], sorted(message["params"])) for message in messages], [("SUBSCRIBE", channels)])


@call
def tokens_are_refreshed_and_revoked() -> None:
    client = STATE["login"]
    old = client.get_access_token()
    client.refresh_access_token()
    assert client.get_access_token() not in (None, old)
    rc().get_user_info()
    admin("fault", {"revoke_tokens": True})
    try:
        rc().get_user_info()
    except UnauthorizedError as error:
        equal(error.status_code, 401)
        return
    raise AssertionError("UnauthorizedError was expected")


@probe
def statuses_have_their_exceptions() -> None:
    for status, kind in (
        (500, InternalServerError),
        (503, ServiceUnavailableError),
        (429, UnknownError),
        (404, UnknownError),
    ):
        admin("fault", {"status": {"call": "get_tokens", "status": status}})
        raises(kind, rc().get_tokens)
    assert rc().get_tokens()["tokens"]


@probe
def data_that_is_no_object_fails_its_call_alone() -> None:
    for odd in ("list", "null"):
        admin("fault", {"odd_answer": {"call": "get_tokens", "odd": odd}})
        raises(Exception, rc().get_tokens)
    assert rc().get_tokens()["tokens"]


@probe
def a_text_in_success_counts_as_success() -> None:
    admin("fault", {"odd_answer": {"call": "get_tokens", "odd": "text"}})
    assert rc().get_tokens()["tokens"]


@probe
def a_frame_that_is_no_json_does_not_end_the_connection() -> None:
    ws = STATE["ws"]
    while ws.get_received_data("orderBook"):
        pass
    admin("fault", {"garbage": True})
    admin("trade", {"ticker": "ETH-SPOT", "side": "BUY", "quantity": "1"})
    eventually(lambda: ws.get_received_data("orderBook"), "a book after the garbage")
    assert ws.is_public_connected() and ws.is_private_connected()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    failed = 0
    named = [(f"{number:2}", test) for number, test in enumerate(CALLS, 1)] + [("probe", test) for test in PROBES]
    for label, test in named:
        what = f"{label} {test.__name__.replace('_', ' ')}"
        try:
            test()
        except Exception as problem:  # noqa: BLE001 - one call that fails does not keep the others from being tried
            failed += 1
            say(f"FAIL {what}: {type(problem).__name__}: {problem}")
        else:
            say(f"PASS {what}")
    say(f"{len(named) - failed} passed, {failed} failed")
    # The package keeps threads that nothing ends.
    os._exit(min(failed, 100))


main()
