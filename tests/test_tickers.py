"""What a ticker says of base, quote and holdings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ilp.tickers import held, is_rate, parts


class Tickers(SynchronousTestCase):
    def test_a_pair_has_base_and_quote_and_holds_both(self) -> None:
        self.assertEqual(parts("BTC/USD"), ("BTC", "USD"))
        self.assertEqual(held("BTC/USD"), ("BTC", "USD"))
        self.assertFalse(is_rate("BTC/USD"))

    def test_a_market_of_rates_is_priced_in_interest_and_holds_its_token(self) -> None:
        for ticker in ("ETH-SPOT", "ETH-2023-12-29"):
            self.assertEqual(parts(ticker), ("ETH", "ETH%"))
            self.assertEqual(held(ticker), ("ETH",))
            self.assertTrue(is_rate(ticker))

    def test_anything_else_is_refused_by_name(self) -> None:
        for ticker in ("", "BTC", "BTC/BTC", "btc/usd", "BTC/", "ETH-", "ETH-FIXED", "ETH-2023", "BTC/USD/EUR", "A/B"):
            self.assertIn(repr(ticker), str(self.assertRaises(ValueError, parts, ticker)))
