"""Which test keeps each defect of python-infinity 0.0.7 from coming back.

The numbers are those of the protocol page's section on defects.  The tests below make sure that every number is in the
table, that every test named here exists, and what can be seen in the source is looked for there.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import clients
from clients.exchange import Refused, Unreachable
from clients.infinity import Infinity
from clients.infinity_account import Account
from clients.infinity_private_records import MyOrder
from clients.infinity_terms import Channel, OrderStatus, Quantity
from clients.remembered import REMEMBERED

LOGIN = "test_infinity_login"
CALLS = "test_infinity_calls"
CLIENT = "test_infinity"
CONTRACT = "test_infinity_contract.InfinityContract"
LINE = "test_infinity_contract.InfinityConnectionContract"
TERMS = "test_infinity_terms"
HERE = "test_infinity_defects"

DEFECTS: dict[int, tuple[str, ...]] = {
    # Process and threads
    1: (
        "test_infinity_conformance.Conformance.test_02_another_key_is_a_failure_and_ends_no_process",
        f"{LOGIN}.Beginning.test_a_refused_signature_is_a_failure_of_the_caller",
        f"{HERE}.Source.test_nothing_ends_the_process",
    ),
    2: (
        f"{LOGIN}.Weekly.test_after_a_week_everything_is_done_anew",
        f"{LOGIN}.Weekly.test_refreshes_go_on_after_it",
        f"{LOGIN}.Weekly.test_a_failed_one_keeps_the_token_and_is_tried_again",
    ),
    3: (f"{LOGIN}.Refreshing.test_a_refresh_without_token_keeps_the_good_one",),
    4: (f"{CLIENT}.Tokens.test_a_revoked_token_means_one_login_and_the_call_once_more",),
    5: (f"{LOGIN}.Stopping.test_no_timer_is_left", f"{HERE}.Source.test_there_is_no_thread_and_no_sleep"),
    6: (f"{HERE}.Source.test_there_is_no_thread_and_no_sleep",),
    7: (
        f"{CONTRACT}.test_nobody_there_is_unreachable_within_the_deadline",
        f"{CLIENT}.Connecting.test_a_login_without_reply_ends_by_its_deadline",
        f"{CLIENT}.Connecting.test_a_login_of_the_websocket_that_is_refused_for_good_is_not_authorised",
    ),
    8: (
        f"{LOGIN}.Asking.test_everybody_who_asks_waits_for_one_login",
        f"{HERE}.Source.test_there_is_no_thread_and_no_sleep",
    ),
    9: (f"{CLIENT}.Options.test_nothing_happens_when_it_is_made",),
    # WebSocket
    10: (f"{LINE}.test_a_lost_line_is_told_and_made_again",),
    11: (f"{CLIENT}.Connecting.test_each_reconnection_logs_in_before_it_subscribes",),
    12: ("test_infinity_contract.InfinityTwoSocketsConnectionContract.test_a_lost_line_is_told_and_made_again",),
    13: (f"{CLIENT}.Connecting.test_each_reconnection_logs_in_before_it_subscribes",),
    14: (
        f"{LOGIN}.Weekly.test_timers_do_not_multiply",
        f"{CLIENT}.Connecting.test_each_reconnection_logs_in_before_it_subscribes",
    ),
    15: (f"{CLIENT}.Connecting.test_a_close_of_the_venue_is_repaired_whatever_its_code",),
    16: ("test_reconnect.LifelineTests.test_waits_grow_and_stay_at_the_longest",),
    17: (
        f"{CLIENT}.Channels.test_what_was_left_does_not_come_back_with_a_reconnection",
        f"{CLIENT}.Channels.test_a_followed_channel_that_was_left_does_not_come_back_either",
    ),
    18: (f"{CLIENT}.Channels.test_what_was_subscribed_comes_back_with_a_reconnection",),
    19: (f"{HERE}.Calls.test_subscribing_before_the_start_is_a_clear_error",),
    20: (f"{CLIENT}.Shutdown.test_disconnecting_twice_and_without_key_is_no_error",),
    21: (f"{CLIENT}.Channels.test_a_queue_that_nobody_reads_stays_bounded_and_is_told_of_once",),
    22: (
        f"{CLIENT}.Channels.test_a_subscription_that_is_refused_fails_its_caller",
        f"{CLIENT}.Connecting.test_a_subscription_without_reply_ends_by_its_deadline",
    ),
    23: (
        f"{TERMS}.Codes.test_a_side_is_a_boolean_and_no_text",
        f"{CALLS}.Encoding.test_a_side_that_is_a_text_is_unreadable_and_not_believed",
    ),
    24: (
        f"{CLIENT}.Channels.test_an_unknown_status_does_not_keep_an_order_alive",
        f"{CLIENT}.Orders.test_an_order_that_ends_with_its_market_is_final",
    ),
    25: (f"{CLIENT}.Channels.test_a_message_that_cannot_be_read_harms_no_other",),
    26: (f"{CALLS}.Encoding.test_numbers_come_in_exactly", f"{CONTRACT}.test_a_placed_order_rests_and_is_told"),
    # REST
    27: (f"{LINE}.test_a_read_without_an_answer_is_unreachable",),
    28: (f"{CALLS}.Encoding.test_an_unknown_status_leaves_a_list_readable",),
    29: (f"{CALLS}.OddAnswers.test_a_list_or_nothing_in_place_of_an_object_is_unreachable",),
    30: (f"{CALLS}.Encoding.test_numbers_have_no_exponent", f"{TERMS}.Measures.test_floats_and_flags_are_refused"),
    31: (f"{CALLS}.Encoding.test_everything_is_escaped", f"{CALLS}.Acts.test_each_calls_its_own_path"),
    32: (
        f"{CALLS}.Reads.test_each_reads_its_own_path_and_its_answer_is_typed",
        f"{CALLS}.Acts.test_wrong_arguments_are_refused_before_anything_is_sent",
    ),
    33: (
        f"{CLIENT}.Orders.test_client_ids_are_checked_and_unique_among_open_orders",
        f"{HERE}.Calls.test_orders_that_are_over_are_forgotten_some_day",
    ),
    34: (f"{CONTRACT}.test_features_that_are_declared_are_there",),
    35: (f"{CLIENT}.Connecting.test_public_use_needs_no_key",),
    36: (f"{HERE}.Calls.test_without_an_account_nothing_is_sent",),
    37: (f"{HERE}.Source.test_certificates_are_verified_everywhere",),
    38: (
        f"{CLIENT}.Secrecy.test_neither_key_nor_token_is_in_a_log_an_error_or_a_repr",
        f"{HERE}.Source.test_it_poses_as_nobody_else",
    ),
    39: (f"{CALLS}.Reads.test_each_reads_its_own_path_and_its_answer_is_typed",),
    40: (f"{HERE}.Source.test_no_logger_of_others_is_touched",),
}


class Table(SynchronousTestCase):
    def test_every_defect_is_there(self) -> None:
        self.assertEqual(sorted(DEFECTS), list(range(1, 41)))

    def test_every_test_exists(self) -> None:
        for number, tests in DEFECTS.items():
            self.assertTrue(tests, number)
            for test in tests:
                module, case, method = test.split(".")
                found = getattr(import_module(f"tests.clients.{module}"), case)
                self.assertTrue(callable(getattr(found, method, None)), f"{number}: {test}")


class Source(SynchronousTestCase):
    """What can only be shown by its absence."""

    def setUp(self) -> None:
        folder = Path(clients.__path__[0])
        self.texts = {path.name: path.read_text() for path in folder.glob("infinity*.py")}

    def without(self, *patterns: str) -> None:
        self.assertGreater(len(self.texts), 15)
        for name, text in self.texts.items():
            for pattern in patterns:
                self.assertIsNone(re.search(pattern, text), f"{name}: {pattern}")

    def test_nothing_ends_the_process(self) -> None:
        self.without(r"\b_?exit\(", r"SystemExit", r"\bos\.", r"reactor\.stop")

    def test_there_is_no_thread_and_no_sleep(self) -> None:
        self.without(
            r"import (threading|queue|time)\b", r"from (threading|queue|time) ", r"\bsleep\(", r"deferToThread"
        )

    def test_certificates_are_verified_everywhere(self) -> None:
        self.without(r"verify_tls", r"VERIFY_NONE", r"insecure")

    def test_it_poses_as_nobody_else(self) -> None:
        self.without(r"Mozilla", r"Chrome")

    def test_no_logger_of_others_is_touched(self) -> None:
        self.without(r"import logging", r"getLogger", r"basicConfig", r"\bprint\(")


class Calls(SynchronousTestCase):
    def made(self) -> Infinity:
        return Infinity(secret="0x" + "5" * 64, reactor=Clock(), endpoint="http://127.0.0.1:1")

    def test_subscribing_before_the_start_is_a_clear_error(self) -> None:
        failure = self.failureResultOf(self.made().subscribe("ETH-SPOT", Channel.ORDER_BOOK), Unreachable)
        self.assertIn("not connected", str(failure.value))

    def test_without_an_account_nothing_is_sent(self) -> None:
        failure = self.failureResultOf(self.made().api.get_positions(), Refused)
        self.assertIn("which account?", str(failure.value))

    def test_orders_that_are_over_are_forgotten_some_day(self) -> None:
        account = Account()
        for id in range(REMEMBERED + 500):
            row = MyOrder(
                order_id=id, instrument_id="ETH-SPOT", side=True, quantity=Quantity(1), status=OrderStatus.DONE,
                fulfilled=Quantity(1),
            )  # fmt: skip
            account.take(row)
        self.assertEqual(len(account.orders), REMEMBERED)
