"""The page on the Infinity client names what is there, and the table of the old package's calls leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import IExchange
from clients.infinity import Infinity

PAGE = Path(__file__).resolve().parents[2] / "docs" / "infinity.md"
# The public methods of python-infinity 0.0.7 that reach the venue, or that its users override and ask.
OLD = {
    "LoginClient": """do_login re_login refresh_access_token is_login_success get_access_token account_address
        close_session""",
    "RestClient": """deposit get_withdraw_status get_withdraws withdraw get_blockchain_info get_market_mtms
        get_market_summaries get_all_markets get_all_order_buckets get_bba get_all_fixed_details get_all_floating_details
        get_fixed_details get_floating_details get_fixed_fees get_fixed_history get_floating_history get_fixed_orderbook
        get_floating_orderbook get_fixed_rate get_floating_rate get_fixed_trades get_floating_trades get_historical_mid
        get_historical_rates get_historical_total_value get_historical_yield_curve get_yield_curve get_token_mtms
        get_token_details get_tokens get_underlying_tokens create_fixed_order create_floating_order cancel_order
        batch_cancel_orders get_fixed_orders get_floating_orders aggregate_orders_by_rate get_floating_positions
        get_private_floating_trades get_private_fixed_trades get_positions get_positions_and_dv01 get_user_info
        get_accounts get_account_info get_max_borrow get_all_account_tx get_account_tx transfer_token
        transfer_floating_position update_account_name account_id get_account_id generate_client_order_id
        get_client_order_id_from_order_id login_success""",
    "WebSocketClient": """run_all is_public_connected is_private_connected subscribe_orderbook subscribe_public_trades
        subscribe_user_order subscribe_user_trade unsubscribe_orderbook unsubscribe_public_trades unsubscribe_user_order
        unsubscribe_user_trade get_subscription resubscribe_channels re_connect re_connect_on_unexpected private_ws_login
        disconnect_all_ws_connection get_received_data process_orderbook_data process_public_trade process_user_order
        process_user_trade""",
}


class Page(SynchronousTestCase):
    def setUp(self) -> None:
        text = PAGE.read_text()
        table = text.split("<!-- calls -->")[1].split("<!-- end of calls -->")[0]
        self.rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
        self.client = Infinity(reactor=Clock())

    def test_every_call_of_the_old_package_is_there(self) -> None:
        for kind, names in OLD.items():
            told = " ".join(row[0] for row in self.rows if row[0].startswith(f"`{kind}"))
            for name in names.split():
                self.assertRegex(told, rf"\b{name}\b")

    def test_every_call_of_ours_that_it_names_exists(self) -> None:
        for row in self.rows:
            for name in re.findall(r"`api\.(\w+)`", row[1]):
                self.assertTrue(hasattr(self.client.api, name), name)

    def test_every_method_of_the_interface_that_it_names_exists(self) -> None:
        known = set(IExchange.names(all=True))
        for row in self.rows:
            for name in re.findall(r"`(\w+)`", row[2]):
                if not row[2].startswith("event") and name != "auto_transfer":
                    self.assertIn(name, known)

    def test_every_rest_call_of_ours_is_the_counterpart_of_one(self) -> None:
        told = {name for row in self.rows for name in re.findall(r"`api\.(\w+)`", row[1])}
        ours = {name for name in dir(self.client.api) if name.startswith(("get_", "create_", "cancel_", "transfer_"))}
        self.assertEqual(ours - told, set())
