"""Which test holds each duty of a Sputnik client, and which keeps each bug of the first client from coming back.

The numbers are those of the protocol page, sections 8.1 (duties C1 to C14) and 8.2 (bugs B1 to B39).  The tests below make
sure that every number is in its table and that every test named here exists.
"""

from __future__ import annotations

from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase

WIRE = "test_sputnik_wire"
ACCOUNT = "test_sputnik_account"
LIVE = "test_sputnik_live"
SPUTNIK = "test_sputnik"
CONTRACT = "test_sputnik_contract.SputnikContract"
LINE = "test_sputnik_contract.SputnikConnectionContract"
HTTP = "test_sputnik_http"
REST = "test_sputnik_rest_contract.SputnikRestContract"
CALLS = "test_sputnik_calls.CallsContract"
DERIVATIVES = "test_sputnik_derivatives.DerivativesContract"

DUTIES: dict[str, tuple[str, ...]] = {
    "C1": (
        f"{SPUTNIK}.SubscriptionTests.test_markets_come_first_and_books_after_their_subscription",
        f"{SPUTNIK}.SubscriptionTests.test_everything_is_read_again_after_a_reconnection",
        f"{WIRE}.ContractsTests.test_a_pair_whose_cash_is_not_whole_is_left_out_and_named",
    ),
    "C2": (
        f"{LIVE}.BeginningTests.test_subscriptions_are_confirmed_before_anything_is_read",
        f"{SPUTNIK}.LoginTests.test_only_the_pairs_asked_for_are_followed",
    ),
    "C3": (
        f"{LIVE}.BeginningTests.test_the_name_of_the_feeds_is_the_routers",
        f"{SPUTNIK}.SubscriptionTests.test_connect_is_told_only_when_all_is_read",
    ),
    "C4": (
        f"{WIRE}.ExampleTests.test_prices_and_quantities_come_back_as_the_examples_say",
        f"{WIRE}.ExampleTests.test_what_lies_on_the_steps_goes_to_the_wire_as_the_examples_say",
        f"{WIRE}.ExampleTests.test_cash_converts_by_its_own_denominator",
        f"{WIRE}.RecordTests.test_a_fee_of_a_trade_has_its_own_type",
    ),
    "C5": (
        f"{WIRE}.RecordTests.test_book_rows_are_sorted_best_first_and_each_in_its_own_unit",
        f"{CONTRACT}.test_the_book_is_sorted_best_first",
    ),
    "C6": (
        f"{ACCOUNT}.ProvisionalTests.test_it_has_all_the_fields_but_the_id",
        f"{LIVE}.PlacingTests.test_answer_then_event",
        f"{LIVE}.PlacingTests.test_event_then_answer",
        f"{LIVE}.PlacingTests.test_a_refused_order_is_gone",
        f"{LIVE}.PlacingTests.test_no_answer_and_no_event_is_an_unknown_outcome_and_the_venue_is_asked",
        f"{CONTRACT}.test_orders_on_their_way_are_cancelled_too",
    ),
    "C7": (
        f"{ACCOUNT}.OrderTests.test_the_end_is_the_same_in_whatever_order_the_news_come",
        f"{CONTRACT}.test_cancelling_takes_the_order_off",
    ),
    "C8": (
        f"{LIVE}.FeedTests.test_bookings_are_followed_by_one_read_of_positions",
        f"{LIVE}.FeedTests.test_positions_are_read_every_minute_without_any_event",
        f"{DERIVATIVES}.test_a_future_tells_its_reference_price_and_none_before_it_is_traded",
        f"{ACCOUNT}.HoldingTests.test_bookings_add_up_with_their_sign",
    ),
    "C9": (
        f"{LINE}.test_a_lost_line_is_told_and_made_again",
        f"{LINE}.test_books_are_complete_again_after_a_gap",
        f"{SPUTNIK}.OrderTests.test_what_ended_while_we_were_away_is_told_with_its_fill",
        "test_reconnect.LifelineTests.test_waits_grow_and_stay_at_the_longest",
    ),
    "C10": (
        "test_wamp.CallTests.test_cancel_is_never_sent",
        f"{LINE}.test_an_order_without_an_answer_has_an_unknown_outcome_and_is_not_repeated",
        f"{LINE}.test_a_withdrawal_without_an_answer_has_an_unknown_outcome_and_is_not_repeated",
        f"{SPUTNIK}.OrderTests.test_a_time_out_inside_the_venue_leaves_the_outcome_open",
    ),
    "C11": (
        "test_wamp.JoinTests.test_hello_has_roles_without_features_and_one_method",
        f"{SPUTNIK}.LoginTests.test_a_server_that_throws_out_unknown_features_lets_us_in",
        f"{SPUTNIK}.LoginTests.test_the_unused_second_factor_is_an_empty_text",
    ),
    "C12": (
        f"{LINE}.test_a_venue_that_falls_silent_is_a_lost_line",
        "test_watching.SilenceTests.test_a_line_that_answers_no_ping_is_given_up_once",
    ),
    "C13": (
        "test_sputnik_errors.RowTests.test_the_table_has_every_row_and_no_other",
        f"{SPUTNIK}.OrderTests.test_the_codes_of_the_venue_travel_with_the_errors",
    ),
    "C14": (
        f"{SPUTNIK}.RoundingTests.test_neither_password_nor_second_factor_prints",
        f"{SPUTNIK}.LoginTests.test_the_refusal_tells_what_to_do_and_not_the_password",
        f"{LIVE}.BeginningTests.test_a_refusal_that_repeats_the_password_does_not_show_it",
        f"{HTTP}.SessionTests.test_neither_key_nor_secret_prints",
    ),
}

BUGS: dict[str, tuple[str, ...]] = {
    "B1": (f"{WIRE}.RecordTests.test_book_rows_are_sorted_best_first_and_each_in_its_own_unit",),
    "B2": (
        f"{WIRE}.RoundingTests.test_lots_that_binary_floats_would_lose_are_kept",
        f"{CONTRACT}.test_floats_are_refused",
    ),
    "B3": (
        f"{CONTRACT}.test_what_is_off_the_steps_is_rejected_and_not_rounded",
        f"{WIRE}.RoundingTests.test_zero_negative_and_no_number_are_refused",
    ),
    "B4": (
        f"{DERIVATIVES}.test_markets_tell_steps_of_every_kind",
        f"{WIRE}.ExampleTests.test_what_is_off_the_steps_is_refused_and_rounds_down_as_the_examples_say",
    ),
    "B5": (f"{WIRE}.RoundingTests.test_a_tick_that_is_no_power_of_ten_is_kept",),
    "B6": (f"{WIRE}.ExampleTests.test_a_withdrawal_goes_by_the_lot_of_its_currency",),
    "B7": (f"{DERIVATIVES}.test_a_future_tells_its_reference_price_and_none_before_it_is_traded",),
    "B8": (
        f"{CALLS}.test_safe_prices_are_in_human_units",
        f"{DERIVATIVES}.test_the_safe_price_of_a_future_is_an_event",
    ),
    "B9": (f"{CONTRACT}.test_a_placed_order_rests_and_is_told",),
    "B10": (f"{CONTRACT}.test_every_refusal_is_told_by_its_class",),
    "B11": (f"{LIVE}.PlacingTests.test_the_order_is_sent_with_exactly_four_keys",),
    "B12": (
        f"{CALLS}.test_safe_prices_are_in_human_units",
        "test_sputnik_calls.WampTests.test_a_forgotten_password_is_replaced_with_a_token",
        f"{CALLS}.test_the_exchange_tells_who_it_is",
    ),
    "B13": (f"{DERIVATIVES}.test_the_safe_price_of_a_future_is_an_event",),
    "B14": (
        f"{CALLS}.test_a_new_pair_of_keys_signs_requests",
        f"{SPUTNIK}.LoginTests.test_the_unused_second_factor_is_an_empty_text",
    ),
    "B15": (f"{LINE}.test_a_read_without_an_answer_is_unreachable",),
    "B16": ("test_sputnik_errors.CodeTests.test_the_error_may_be_a_bare_text",),
    "B17": (f"{LIVE}.BeginningTests.test_a_refused_subscription_is_no_silent_success",),
    "B18": (f"{WIRE}.TopicAndTimeTests.test_no_microsecond_is_lost_on_the_way",),
    "B19": (
        f"{LIVE}.PlacingTests.test_final_event_then_answer_leaves_no_phantom",
        f"{ACCOUNT}.ProvisionalTests.test_no_phantom_stays_when_the_first_event_is_final",
    ),
    "B20": (f"{CONTRACT}.test_the_id_is_known_before_the_order_is_told",),
    "B21": (f"{ACCOUNT}.ProvisionalTests.test_a_list_of_open_orders_does_not_drop_what_is_on_its_way",),
    "B22": (f"{CONTRACT}.test_orders_on_their_way_are_cancelled_too",),
    "B23": (f"{SPUTNIK}.OrderTests.test_a_final_event_that_was_lost_is_made_up_for_after_a_cancel",),
    "B24": (
        f"{LIVE}.BeginningTests.test_subscriptions_are_confirmed_before_anything_is_read",
        f"{SPUTNIK}.SubscriptionTests.test_a_change_while_the_books_are_read_is_not_lost",
    ),
    "B25": (
        f"{SPUTNIK}.HoldingTests.test_bookings_whose_events_are_lost_are_found_by_the_next_read",
        f"{SPUTNIK}.HoldingTests.test_a_fill_is_booked_once_however_it_is_told",
    ),
    "B26": (f"{CONTRACT}.test_the_book_is_sorted_best_first",),
    "B27": (
        f"{CONTRACT}.test_an_unknown_ticker_is_refused",
        f"{CONTRACT}.test_calls_before_connect_are_unreachable",
    ),
    "B28": (f"{REST}.test_positions_after_a_fill_add_up",),
    "B29": (f"{SPUTNIK}.LoginTests.test_nothing_reads_the_terminal",),
    "B30": (f"{LINE}.test_a_venue_that_falls_silent_is_a_lost_line",),
    "B31": (
        f"{SPUTNIK}.LoginTests.test_a_path_that_is_no_websocket_is_unreachable_with_the_servers_answer",
        "test_websocket.DialTests.test_a_server_that_refuses_the_handshake_tells_why",
        "test_websocket.TlsTests.test_a_certificate_of_another_authority_is_refused",
    ),
    "B32": (
        f"{CONTRACT}.test_wrong_credentials_are_not_authorised_and_not_tried_again",
        f"{SPUTNIK}.LoginTests.test_credentials_refused_at_a_reconnection_end_the_tries",
    ),
    "B33": (f"{LINE}.test_while_the_venue_is_down_calls_are_unreachable_and_it_comes_back",),
    "B34": (f"{WIRE}.TopicAndTimeTests.test_a_name_that_is_not_ascii_has_a_topic_too",),
    "B35": ("test_websocket.TlsTests.test_a_certificate_of_another_name_is_refused",),
    "B36": (f"{HTTP}.NonceTests.test_listeners_may_be_registered_before_anything_else",),
    "B37": (f"{HTTP}.SessionTests.test_the_reason_is_read_whatever_the_status",),
    "B38": (
        f"{HTTP}.SessionTests.test_signed_requests_go_one_at_a_time_in_the_order_of_their_nonces",
        f"{HTTP}.NonceTests.test_fifty_calls_at_once_are_all_answered",
    ),
    "B39": (
        f"{HTTP}.SessionTests.test_each_request_has_its_own_payload_with_the_names_of_its_parameters",
        f"{HTTP}.SessionTests.test_no_answer_in_time_is_an_unknown_outcome_and_the_next_call_goes_on",
        f"{REST}.test_cancelling_takes_the_order_off",
    ),
}


class TableTests(SynchronousTestCase):
    """The tables themselves."""

    def test_every_duty_has_a_test(self) -> None:
        self.assertEqual(set(DUTIES), {f"C{n}" for n in range(1, 15)})

    def test_every_bug_has_a_test(self) -> None:
        self.assertEqual(set(BUGS), {f"B{n}" for n in range(1, 40)})

    def test_every_test_named_here_exists(self) -> None:
        for number, names in (DUTIES | BUGS).items():
            for name in names:
                module, case, test = name.split(".")
                found = getattr(import_module(f"tests.clients.{module}"), case)
                self.assertTrue(callable(getattr(found, test, None)), f"{number}: {name}")
