"""Two pairs on one account: what the configuration makes of it."""

from __future__ import annotations

from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from ilp.settings import ACCOUNT, Settings
from ilp.settings_file import ConfigurationError, load
from ilp.trading.layout import Layout, Pair
from tests.configurations import bent, written

SAME = "[target_connection]\naccount = source\n"
EURO = (("BTC/HUF", "BTC/EUR"), ("HUF = 1626000\nBTC = 6", "EUR = 5000\nBTC = 2"))
AGAIN = "[target_connection]\nendpoint = ws://127.0.0.1:1/ws\nid = alice\nsecret = wonderland\n"


class OneAccount(SynchronousTestCase):
    """Configurations of two pairs on one account."""

    def loaded(self, *changes: tuple[str, str], extra: str = SAME) -> Settings:
        """What a configuration becomes."""
        return load(written(self.mktemp(), bent(*EURO, *changes, extra=extra))).settings

    def refused(self, *changes: tuple[str, str], extra: str = SAME) -> str:
        """Why a configuration is none."""
        return str(self.assertRaises(ConfigurationError, self.loaded, *changes, extra=extra))

    def test_both_pairs_have_one_connection_and_one_name(self) -> None:
        settings = self.loaded()
        self.assertEqual(dict(settings.accounts), {ACCOUNT: ("source", "target")})
        self.assertIs(settings.connections["source"], settings.connections["target"])
        self.assertEqual({settings.account_of(role) for role in ("source", "target")}, {ACCOUNT})

    def test_the_same_key_at_the_same_venue_is_the_same_account_without_saying_so(self) -> None:
        self.assertTrue(self.loaded(extra=AGAIN).one_account)

    def test_two_keys_at_the_same_venue_are_two_accounts(self) -> None:
        settings = self.loaded(extra=AGAIN.replace("alice", "bob"))
        self.assertEqual(list(settings.accounts), ["source", "target"])

    def test_where_the_secret_alone_says_who_it_is_the_same_one_is_the_same_account(self) -> None:
        def of(secret: str) -> Settings:
            return self.loaded(
                ("id = alice\n", ""), extra=AGAIN.replace("id = alice\n", "").replace("wonderland", secret)
            )

        self.assertTrue(of("wonderland").one_account)
        self.assertFalse(of("looking-glass").one_account)
        self.assertTrue(self.loaded(extra=AGAIN.replace("id = alice\n", "")).one_account)

    def test_the_same_key_at_the_same_address_written_another_way_is_the_same_account(self) -> None:
        self.assertTrue(self.loaded(extra=AGAIN.replace(":1/ws", ":1/ws/")).one_account)

    def test_a_reserve_on_an_account_that_is_traded_would_count_twice(self) -> None:
        named = ("[modules]\n", "[modules]\nreserve = tests.configurations.Venue\n")
        reserve = AGAIN.replace("target", "reserve")
        for extra, role in (
            (reserve, "source"),
            (f"{AGAIN.replace('alice', 'bob')}{reserve.replace('alice', 'bob')}", "target"),
        ):
            why = self.refused(named, extra=extra)
            self.assertIn(f"[reserve_connection] id = ********: is of the {role}'s account", why)
        self.assertEqual(self.loaded(named, extra=reserve.replace("alice", "carol")).reserves, ("BTC",))

    def test_there_is_one_holding_of_the_base_and_its_targets_add(self) -> None:
        targets = self.loaded().parameters.targets
        self.assertEqual(
            targets, {(ACCOUNT, "USD"): Decimal(6000), (ACCOUNT, "BTC"): Decimal(8), (ACCOUNT, "EUR"): Decimal(5000)}
        )

    def test_what_is_kept_of_the_base_adds_too(self) -> None:
        limits = self.loaded(extra=SAME + "[limits]\nkeep_source = BTC 1\nkeep_target = BTC 0.5, EUR 10\n").limits
        self.assertEqual([limits.kept(ACCOUNT, asset) for asset in ("BTC", "EUR", "USD")], [Decimal("1.5"), 10, 0])

    def test_more_kept_than_both_targets_is_refused(self) -> None:
        why = self.refused(extra=SAME + "[limits]\nkeep_source = BTC 5\nkeep_target = BTC 4\n")
        self.assertIn("BTC must be at most its target balance of 8", why)

    def test_the_same_pair_twice_is_refused(self) -> None:
        why = self.refused(("BTC/EUR", "BTC/USD"), ("EUR = 5000", "USD = 5000"))
        self.assertIn("[tickers] target = BTC/USD: is the source's pair on the source's account", why)

    def test_another_secret_for_the_same_key_is_refused_and_not_shown(self) -> None:
        why = self.refused(extra=AGAIN.replace("wonderland", "looking-glass"))
        self.assertIn("[target_connection] secret = ********: is another one than the source's", why)

    def test_further_keys_beside_the_account_are_refused(self) -> None:
        self.assertIn("must not stand beside account = source", self.refused(extra=SAME + "id = bob\n"))

    def test_another_word_than_source_is_refused(self) -> None:
        why = self.refused(extra=SAME.replace("= source", "= sauce"))
        self.assertIn("[target_connection] account = sauce: must be source", why)

    def test_another_class_on_the_same_account_is_refused(self) -> None:
        why = self.refused(("target = tests.configurations.Venue", "target = sputnik.Sputnik"))
        self.assertIn("must be tests.configurations.Venue", why)

    def test_lanes_of_one_account_are_named_by_the_account(self) -> None:
        lane = "[transfers]\nautomatic = USD account -> account\n"
        self.assertEqual(self.loaded(extra=SAME + lane).transfers.automatic, {("USD", ACCOUNT, ACCOUNT)})
        self.assertIn("account -> account", self.refused(extra=SAME + lane.replace("-> account", "-> target")))


class LayoutTests(SynchronousTestCase):
    """Names of books and holdings."""

    one = Layout(Pair(ACCOUNT, "BTC/USD"), Pair(ACCOUNT, "BTC/EUR"))
    two = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/EUR"))

    def test_one_account_has_one_holding_of_the_base(self) -> None:
        self.assertEqual(self.one.holdings, ((ACCOUNT, "USD"), (ACCOUNT, "BTC"), (ACCOUNT, "EUR")))
        self.assertEqual(len(self.two.holdings), 4)

    def test_books_of_one_account_are_told_apart(self) -> None:
        places = [self.one.place(pair) for pair in self.one.pairs]
        self.assertEqual(places, ["account BTC/USD", "account BTC/EUR"])
        self.assertEqual([self.two.place(pair) for pair in self.two.pairs], ["source", "target"])

    def test_money_of_one_account_becomes_the_other_currency(self) -> None:
        lanes = [(asset, ACCOUNT, ACCOUNT) for asset in ("USD", "EUR", "BTC")]
        self.assertEqual([self.one.arrives_as(lane) for lane in lanes], ["EUR", "USD", "BTC"])
        self.assertEqual(self.two.arrives_as(("USD", "source", "target")), "EUR")
        self.assertEqual(self.two.arrives_as(("USD", "source", "")), "USD")

    def test_one_pair_twice_is_no_pool(self) -> None:
        self.assertRaises(ValueError, Layout, Pair(ACCOUNT, "BTC/USD"), Pair(ACCOUNT, "BTC/USD"))
