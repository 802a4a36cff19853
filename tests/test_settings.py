"""The configuration file: what is read, what is refused, and how the operator hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.settings import AlarmRules, Cost
from ilp.settings_file import ConfigurationError, Loaded, Problem, load
from tests.configurations import MINIMAL, bent, written


class _Case(SynchronousTestCase):
    def loaded(self, text: str = MINIMAL, **environ: str) -> Loaded:
        return load(written(self.mktemp(), text), environ)

    def problems(self, text: str, **environ: str) -> tuple[Problem, ...]:
        return self.assertRaises(ConfigurationError, self.loaded, text, **environ).problems

    def assert_one_problem(self, text: str, section: str, key: str, *words: str) -> None:
        problems = self.problems(text)
        self.assertEqual([(p.section, p.key) for p in problems], [(section, key)], problems)
        for word in words:
            self.assertIn(word, str(problems[0]))


class ReadingTests(_Case):
    """A file that is in order becomes settings."""

    def test_amounts_become_exact_decimals(self) -> None:
        self.assertEqual(self.loaded().settings.parameters.quote_size, Decimal("0.1"))

    def test_a_cost_has_a_fixed_and_a_proportional_part(self) -> None:
        parameters = self.loaded().settings.parameters
        self.assertEqual(parameters.fiat_exchange_cost, Cost(Decimal(150), Decimal("0.1")))

    def test_a_coin_fee_may_be_a_single_amount(self) -> None:
        self.assertEqual(self.loaded().settings.parameters.btc_fee, Cost(Decimal("0.0001"), Decimal(0)))

    def test_target_balances_are_known_by_venue_and_asset(self) -> None:
        targets = self.loaded().settings.parameters.targets
        self.assertEqual(targets["target", "HUF"], Decimal(1626000))

    def test_a_holding_without_a_target_balance_has_target_zero(self) -> None:
        targets = self.loaded(bent(("HUF = 1626000\n", ""))).settings.parameters.targets
        self.assertEqual(targets["target", "HUF"], Decimal(0))

    def test_edge_to_drop_mirrors_the_band_by_default(self) -> None:
        self.assertEqual(self.loaded().settings.parameters.edge_to_drop, Decimal(3))

    def test_minima_follow_quote_size_and_fixed_charge(self) -> None:
        parameters = self.loaded().settings.parameters
        self.assertEqual(
            (parameters.min_coin_transfer, parameters.min_fiat_transfer, parameters.min_payout),
            (Decimal("0.5"), Decimal(1500), Decimal(1500)),
        )

    def test_limits_follow_quote_size_by_default(self) -> None:
        self.assertEqual(self.loaded().settings.limits.largest_order, Decimal(2))

    def test_a_span_of_time_may_carry_a_unit(self) -> None:
        text = bent(("btc_fee = 0.0001", "btc_fee = 0.0001\nbtc_delay = 90 m"))
        self.assertEqual(self.loaded(text).settings.transfers.btc_delay, 5400)

    def test_a_window_in_words_is_turned_into_periods(self) -> None:
        text = bent(("btc_fee = 0.0001", "btc_fee = 0.0001\nvariance_period = day\nvariance_window = quarter"))
        self.assertEqual(self.loaded(text).settings.variance.window, 91)

    def test_the_rate_feed_needs_no_connection_section(self) -> None:
        self.assertEqual(self.loaded().settings.connections["fiat"].endpoint, "")

    def test_the_journal_lies_beside_the_configuration_by_default(self) -> None:
        settings = self.loaded().settings
        self.assertEqual(settings.database_url, f"sqlite:///{settings.file.resolve().with_suffix('.sqlite')}")

    def test_the_pictures_past_lies_with_the_journal_and_in_memory_when_that_is(self) -> None:
        def past(url: str) -> Path | None:
            return self.loaded(bent(extra=f"\n[database]\nurl = {url}\n")).settings.web.history

        settings = self.loaded().settings
        self.assertEqual(settings.web.history, settings.file.resolve().with_suffix(".history"))
        self.assertEqual(past("sqlite:////var/lib/ilp/pool.sqlite"), Path("/var/lib/ilp/pool.history"))
        self.assertIsNone(past("sqlite://"))
        beside = past("postgresql+psycopg:///ilp")
        assert beside is not None
        self.assertEqual(beside.suffix, ".history")

    def test_the_pictures_past_may_be_kept_elsewhere(self) -> None:
        loaded = self.loaded(bent(extra="\n[webserver]\nhistory = past.sqlite\n"))
        self.assertEqual(loaded.settings.web.history, loaded.settings.file.parent / "past.sqlite")

    def test_a_value_may_come_from_the_environment(self) -> None:
        loaded = self.loaded(bent(("secret = wonderland", "secret = env:SOURCE_SECRET")), SOURCE_SECRET="hidden")
        self.assertEqual(loaded.settings.connections["source"].secret, "hidden")

    def test_a_value_may_come_from_a_file_beside_the_configuration(self) -> None:
        file = written(self.mktemp(), bent(("secret = wonderland", "secret = file:secret.txt")))
        (file.parent / "secret.txt").write_text("hidden\n")
        self.assertEqual(load(file).settings.connections["source"].secret, "hidden")

    def test_a_connection_may_set_options_that_its_client_has(self) -> None:
        text = bent(("secret = wonderland", "secret = wonderland\ncall_timeout = 3"))
        self.assertEqual(self.loaded(text).settings.connections["source"].options, {"call_timeout": "3"})

    def test_an_option_that_is_a_path_is_relative_to_the_configuration(self) -> None:
        def nonces(text: str) -> tuple[str, Path]:
            loaded = self.loaded(bent(("secret = wonderland", f"secret = wonderland\nnonce_file = {text}"))).settings
            return loaded.connections["source"].options["nonce_file"], loaded.file.parent

        given, folder = nonces("keys/kraken.nonce")
        self.assertEqual(given, str(folder / "keys" / "kraken.nonce"))
        self.assertEqual(nonces("/var/lib/ilp/kraken.nonce")[0], "/var/lib/ilp/kraken.nonce")
        self.assertEqual(nonces("")[0], "")

    def test_the_file_of_a_feed_is_relative_to_the_configuration(self) -> None:
        settings = self.loaded(
            bent(
                ("fiat = tests.configurations.Feed", "fiat = rates.Fixed"),
                extra="\n[fiat_connection]\nendpoint = eurofxref.csv\n",
            )
        ).settings
        self.assertEqual(settings.connections["fiat"].endpoint, str(settings.file.parent / "eurofxref.csv"))

    def test_a_simulation_starts_at_a_time_of_its_own(self) -> None:
        text = bent(extra="\n[simulation]\nstart = 2019-06-24T08:00:00+02:00\nspeed = 60\n")
        simulation = self.loaded(text).settings.simulation
        assert simulation is not None
        self.assertEqual((simulation.start, simulation.speed), (datetime(2019, 6, 24, 6, tzinfo=UTC), 60.0))

    def test_converting_lanes_are_manual_unless_named(self) -> None:
        self.assertEqual(self.loaded().settings.transfers.automatic, frozenset())

    def test_an_automatic_lane_names_asset_sender_and_receiver(self) -> None:
        loaded = self.loaded(bent(extra="\n[transfers]\nautomatic = USD source -> target\n"))
        self.assertEqual(loaded.settings.transfers.automatic, {("USD", "source", "target")})

    def test_a_hash_sign_inside_a_secret_is_part_of_it(self) -> None:
        loaded = self.loaded(bent(("secret = wonderland", "secret = won#der ;land")))
        self.assertEqual(loaded.settings.connections["source"].secret, "won#der ;land")

    def test_the_effective_configuration_tells_where_each_value_came_from(self) -> None:
        effective = self.loaded().effective
        self.assertIn(("trader", "quote_size", "0.1", "file"), effective)
        self.assertIn(("trader", "period", "5", "default"), effective)


class SecretTests(_Case):
    """No secret is shown by anything that a configuration is turned into."""

    def test_the_effective_configuration_masks_secrets(self) -> None:
        text = str(self.loaded().effective)
        self.assertNotIn("wonderland", text)
        self.assertNotIn("a-long-password", text)

    def test_secrets_among_a_clients_own_options_are_masked_too(self) -> None:
        options = "totp_secret = hush-hush\ncookie = hush-crumb\n"
        text = MINIMAL.replace("source = tests.configurations.Venue", "source = sputnik.Sputnik")
        text = text.replace("[source_connection]\n", f"[source_connection]\n{options}")
        loaded = self.loaded(text + "[database]\nurl = postgresql://ilp:hush-db@db.example.org/ilp\n")
        self.assertNotIn("hush", str(loaded.effective))
        self.assertIn(("database", "url", "postgresql://ilp:********@db.example.org/ilp", "file"), loaded.effective)
        self.assertIn("hush-db", loaded.settings.database_url)

    def test_a_secret_whose_key_is_misspelt_is_not_shown(self) -> None:
        for old, new in (
            ("secret = wonderland", "secert = wonderland"),
            ("[users]", "[alarms]\ntelegram_tokn = wonderland\n[users]"),
        ):
            with self.assertRaisesRegex(ConfigurationError, "did you mean") as caught:
                self.loaded(MINIMAL.replace(old, new))
            self.assertNotIn("wonderland", str(caught.exception))

    def test_whoever_is_not_listed_has_no_role_of_their_own(self) -> None:
        text = MINIMAL + "vera = a-longer-password\n\n[roles]\nvera = viewer\n"
        self.assertEqual(self.loaded(text).settings.web.roles, {"vera": "viewer"})

    def test_alarms_are_off_unless_a_channel_has_an_address(self) -> None:
        self.assertEqual(self.loaded().settings.alarms, AlarmRules())

    def test_quiet_hours_may_pass_midnight(self) -> None:
        rules = self.loaded(MINIMAL + "\n[alarms]\nquiet_hours = 22:00-07:00\n").settings.alarms
        self.assertEqual(rules.quiet_hours, (time(22), time(7)))

    def test_the_secrets_of_alarms_are_masked(self) -> None:
        loaded = self.loaded(MINIMAL + "\n[alarms]\ntelegram_token = hush\ntelegram_chat = 7\n")
        self.assertNotIn("hush", repr(loaded.effective))
        self.assertNotIn("hush", repr(loaded.settings))

    def test_the_settings_do_not_print_secrets(self) -> None:
        text = repr(self.loaded().settings)
        self.assertNotIn("wonderland", text)
        self.assertNotIn("a-long-password", text)

    def test_a_problem_with_a_secret_does_not_show_it(self) -> None:
        error = self.assertRaises(ConfigurationError, self.loaded, bent(("anna = a-long-password", "admin = admin")))
        self.assertNotIn("= admin", str(error))


class RefusalTests(_Case):
    """Each fault is named with section, key, value and what is allowed."""

    def test_an_unknown_key_names_the_nearest_known_one(self) -> None:
        self.assert_one_problem(
            bent(("quote_size = 0.1", "quote_size = 0.1\nperiode = 5")), "trader", "periode", "period?"
        )

    def test_an_unknown_section_names_the_nearest_known_one(self) -> None:
        self.assert_one_problem(bent(extra="\n[limit]\n"), "limit", "", "limits?")

    def test_an_unknown_key_of_a_connection_is_refused(self) -> None:
        text = bent(("secret = wonderland", "secret = wonderland\ncall_timeot = 3"))
        self.assert_one_problem(text, "source_connection", "call_timeot", "call_timeout?")

    def test_a_missing_key_is_named_with_what_it_must_be(self) -> None:
        self.assert_one_problem(bent(("quote_size = 0.1\n", "")), "trader", "quote_size", "missing", "decimal number")

    def test_all_problems_are_reported_at_once(self) -> None:
        text = bent(("quote_size = 0.1", "quote_size = many"), ("risk_aversion = 0.01", "risk_aversion = -1"))
        self.assertEqual([p.key for p in self.problems(text)], ["risk_aversion", "quote_size"])

    def test_not_a_number_is_refused(self) -> None:
        for word in ("nan", "inf", "-inf", "1e999", "0x10", "1,5", ""):
            with self.subTest(word):
                self.assert_one_problem(bent(("quote_size = 0.1", f"quote_size = {word}")), "trader", "quote_size")

    def test_a_cost_of_everything_is_refused(self) -> None:
        self.assert_one_problem(bent(("[0, 0.01]", "[0, 1]")), "data", "source_fee", "below 1")

    def test_edges_must_ascend(self) -> None:
        text = bent(("edge_to_leave = 1", "edge_to_leave = 2"))
        self.assert_one_problem(text, "trader", "edge_to_leave", "below edge_to_enter")

    def test_edge_to_drop_must_be_above_edge_to_enter(self) -> None:
        text = bent(("edge_to_leave = 1", "edge_to_leave = 1\nedge_to_drop = 2"))
        self.assert_one_problem(text, "trader", "edge_to_drop", "above edge_to_enter")

    def test_a_quote_larger_than_the_largest_order_is_refused(self) -> None:
        self.assert_one_problem(bent(extra="\n[limits]\nlargest_order = 0.05\n"), "trader", "quote_size", "0.05")

    def test_a_window_of_fewer_than_twelve_periods_is_refused(self) -> None:
        text = bent(("btc_fee = 0.0001", "btc_fee = 0.0001\nvariance_window = 11"))
        self.assert_one_problem(text, "data", "variance_window", "at least 12")

    def test_a_pair_that_does_not_trade_the_base_is_refused(self) -> None:
        self.assert_one_problem(
            bent(("target = BTC/HUF", "target = ETH/HUF")).replace("BTC = 6\n\n[val", "\n[val"),
            "tickers",
            "target",
            "must trade BTC",
        )

    def test_a_target_balance_of_an_asset_not_held_is_refused(self) -> None:
        self.assert_one_problem(bent(("USD = 6000", "EUR = 6000")), "target_balance_source", "EUR", "USD")

    def test_an_override_of_another_pair_is_refused(self) -> None:
        self.assert_one_problem(bent(extra="\n[variance_overrides]\nETH/USD = 1\n"), "variance_overrides", "ETH/USD")

    def test_a_class_that_does_not_exist_is_refused(self) -> None:
        text = bent(("source = tests.configurations.Venue", "source = sputnick.Sputnik"))
        self.assertEqual([p.key for p in self.problems(text)], ["source"])

    def test_admin_with_password_admin_is_refused(self) -> None:
        self.assert_one_problem(bent(("anna = a-long-password", "admin = admin")), "users", "admin", "always")

    def test_a_role_of_nobody_is_refused(self) -> None:
        self.assert_one_problem(MINIMAL + "\n[roles]\nana = viewer\n", "roles", "ana", "did you mean anna")

    def test_a_role_that_does_not_exist_is_refused(self) -> None:
        self.assert_one_problem(MINIMAL + "\n[roles]\nanna = king\n", "roles", "anna", "one of viewer, operator")

    def test_half_a_channel_of_alarms_is_refused(self) -> None:
        self.assert_one_problem(MINIMAL + "\n[alarms]\ntelegram_token = x\n", "alarms", "telegram_chat", "needs it")

    def test_quiet_hours_that_are_no_hours_are_refused(self) -> None:
        self.assert_one_problem(MINIMAL + "\n[alarms]\nquiet_hours = 22\n", "alarms", "quiet_hours", "22:00-07:00")

    def test_a_webhook_that_is_no_address_is_refused_without_being_shown(self) -> None:
        text = MINIMAL + "\n[alarms]\nwebhook = ftp://hush\n"
        self.assert_one_problem(text, "alarms", "webhook", "http")
        self.assertNotIn("hush", str(self.problems(text)[0]))

    def test_a_console_without_users_is_refused(self) -> None:
        self.assert_one_problem(bent(("anna = a-long-password\n", "")), "users", "", "passwd")

    def test_a_fault_elsewhere_does_not_hide_one_between_parameters(self) -> None:
        text = bent(("edge_to_leave = 1\n", "edge_to_leave = 3\n"), extra="\n[webserver]\nport = x\n")
        self.assertEqual(
            {(p.section, p.key) for p in self.problems(text)}, {("webserver", "port"), ("trader", "edge_to_leave")}
        )

    def test_a_user_whose_password_cannot_be_read_is_not_called_nobody(self) -> None:
        text = bent(("anna = a-long-password\n", "anna = env:NOT_THERE\n"))
        self.assert_one_problem(text, "users", "anna", "is not set")

    def test_listening_beyond_loopback_without_tls_is_refused(self) -> None:
        self.assert_one_problem(bent(extra="\n[webserver]\nhost = 0.0.0.0\n"), "webserver", "host", "loopback")

    def test_listening_beyond_loopback_without_tls_works_when_asked_for_in_so_many_words(self) -> None:
        text = bent(extra="\n[webserver]\nhost = 0.0.0.0\nallow_plain_http = yes\n")
        self.assertEqual(self.loaded(text).settings.web.host, "0.0.0.0")

    def test_tls_without_a_certificate_is_refused(self) -> None:
        problems = self.problems(bent(extra="\n[webserver]\nssl = yes\n"))
        self.assertEqual([p.key for p in problems], ["ssl_key", "ssl_cert"])

    def test_an_environment_variable_that_is_not_set_is_named(self) -> None:
        text = bent(("secret = wonderland", "secret = env:NOWHERE"))
        self.assert_one_problem(text, "source_connection", "secret", "env:NOWHERE", "not set")

    def test_a_key_given_twice_is_refused_with_its_line(self) -> None:
        text = bent(("quote_size = 0.1", "quote_size = 0.1\nquote_size = 0.2"))
        self.assert_one_problem(text, "trader", "quote_size", "twice")

    def test_a_section_given_twice_is_refused(self) -> None:
        self.assert_one_problem(bent(extra="\n[trader]\n"), "trader", "", "twice")

    def test_a_line_that_is_no_key_is_refused(self) -> None:
        self.assert_one_problem(bent(("quote_size = 0.1", "quote_size 0.1")), "", "", "key = value")

    def test_a_file_that_is_not_there_is_named(self) -> None:
        problem = self.assertRaises(ConfigurationError, load, written(self.mktemp()).with_name("other.ini")).problems[0]
        self.assertIn("other.ini: cannot be read: No such file", str(problem))

    def test_a_simulation_without_start_is_refused(self) -> None:
        self.assert_one_problem(bent(extra="\n[simulation]\nspeed = 2\n"), "simulation", "start", "zone")

    def test_a_start_without_a_time_zone_is_refused(self) -> None:
        text = bent(extra="\n[simulation]\nstart = 2019-06-24T08:00:00\n")
        self.assert_one_problem(text, "simulation", "start", "zone")
