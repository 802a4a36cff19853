"""What is real has to be said."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.settings import Settings
from ilp.settings_file import ConfigurationError, load
from tests.configurations import bent, written

EXAMPLES = Path(__file__).resolve().parents[1] / "ilp_example_config"
ELSEWHERE = ("ws://127.0.0.1:1/ws", "wss://source.example.org/ws")


def said(mode: str) -> tuple[str, str]:
    """The change that says it."""
    return "[trader]\n", f"[trader]\nmode = {mode}\n"


class ModeTests(SynchronousTestCase):
    """`[trader] mode`."""

    def loaded(self, *changes: tuple[str, str], extra: str = "") -> Settings:
        """What a configuration becomes."""
        return load(written(self.mktemp(), bent(*changes, extra=extra))).settings

    def test_a_venue_that_may_be_real_needs_the_mode_and_both_ways_are_named(self) -> None:
        why = str(self.assertRaises(ConfigurationError, self.loaded, ELSEWHERE))
        self.assertIn("[trader] mode", why)
        for word in ("live (orders are sent)", "dry-run (real data"):
            self.assertIn(word, why)

    def test_a_client_that_knows_its_venue_needs_the_mode_without_an_address(self) -> None:
        changes = (
            ("source = tests.configurations.Venue", "source = kraken.Kraken"),
            ("endpoint = ws://127.0.0.1:1/ws", ""),
        )
        self.assertIn("[trader] mode", str(self.assertRaises(ConfigurationError, self.loaded, *changes)))

    def test_said_it_is_what_was_said(self) -> None:
        for mode in ("live", "dry-run"):
            self.assertEqual(self.loaded(ELSEWHERE, said(mode)).mode, mode)

    def test_venues_on_this_machine_need_no_word(self) -> None:
        self.assertEqual(self.loaded().mode, "live")

    def test_another_word_is_refused(self) -> None:
        why = str(self.assertRaises(ConfigurationError, self.loaded, said("wet-run")))
        self.assertIn("[trader] mode = wet-run: must be one of live, dry-run", why)

    def test_a_simulation_is_paper_and_cannot_be_live(self) -> None:
        world = "[simulation]\nstart = 2019-08-01T17:00:00+00:00\n"
        self.assertEqual(self.loaded(extra=world).mode, "paper")
        why = str(self.assertRaises(ConfigurationError, self.loaded, said("live"), extra=world))
        self.assertIn("is for real venues, and [simulation] is none", why)

    def test_a_simulation_with_a_venue_that_may_be_real_is_no_paper(self) -> None:
        world = "[simulation]\nstart = 2019-08-01T17:00:00+00:00\n"
        why = str(self.assertRaises(ConfigurationError, self.loaded, ELSEWHERE, extra=world))
        self.assertIn("[source_connection] endpoint = wss://source.example.org/ws: may be a real venue", why)
        self.assertNotIn("target_connection", why)
        known = ("target = tests.configurations.Venue", "target = kraken.Kraken")
        why = str(self.assertRaises(ConfigurationError, self.loaded, known, extra=world))
        self.assertIn("[target_connection] endpoint: may be a real venue", why)
        self.assertEqual(self.loaded(ELSEWHERE, said("dry-run"), extra=world).mode, "dry-run")

    def test_an_embedded_venue_needs_a_simulation_to_be_in(self) -> None:
        embedded = ("endpoint = ws://127.0.0.1:1/ws", "endpoint = embedded")
        why = str(self.assertRaises(ConfigurationError, self.loaded, embedded))
        self.assertIn("[source_connection] endpoint = embedded: needs a section [simulation]", why)

    def test_demonstrations_are_paper_and_examples_for_real_venues_say_what_they_are(self) -> None:
        dry = {"kraken-bitso.ini", "kraken-kraken.ini"}
        environ = {"ILP_KRAKEN_SECRET": "c2VjcmV0"}
        for file in EXAMPLES.glob("*.ini"):
            text = file.read_text()
            names = {word.split()[0].rstrip(":") for word in text.split("env:")[1:]}
            settings = load(file, dict.fromkeys(names, "value") | environ).settings
            real = "dry-run" if file.name in dry else "live"
            self.assertEqual(settings.mode, "paper" if "\n[simulation]" in text else real, file.name)

    def test_a_dry_run_never_touches_the_journal_of_what_is_real(self) -> None:
        database = "[database]\nurl = sqlite:///real.sqlite\n"
        dry = self.loaded(said("dry-run"), extra=database + "[webserver]\nhistory = real.history\n")
        self.assertEqual((dry.database_url, dry.web.history), ("sqlite://", None))
        own = database + "[dry_run]\ndatabase = sqlite:///dry.sqlite\n"
        self.assertEqual(self.loaded(said("dry-run"), extra=own).database_url, "sqlite:///dry.sqlite")
        self.assertEqual(self.loaded(extra=own).database_url, "sqlite:///real.sqlite")

    def test_a_dry_run_cannot_write_what_a_live_daemon_would_take_for_real(self) -> None:
        real = "[database]\nurl = sqlite:///real.sqlite\n"
        for database, extra in (
            ("sqlite:///real.sqlite", real),
            (f"sqlite:///{Path('real.sqlite').resolve()}", real),
            ("postgresql://ilp@db/ilp", "[database]\nurl = postgresql://ilp@db/ilp\n"),
        ):
            text = f"{extra}[dry_run]\ndatabase = {database}\n"
            why = str(self.assertRaises(ConfigurationError, self.loaded, said("dry-run"), extra=text))
            self.assertIn("is the journal of what is real; a dry run keeps its own", why)
            self.assertEqual(self.loaded(extra=text).mode, "live")
        file = written(self.mktemp())
        beside = f"[dry_run]\ndatabase = sqlite:///{file.with_suffix('.sqlite').resolve()}\n"
        file.write_text(bent(said("dry-run"), extra=beside))
        self.assertIn("is the journal of what is real", str(self.assertRaises(ConfigurationError, load, file)))
        in_memory = self.loaded(said("dry-run"), extra="[database]\nurl = sqlite://\n")
        self.assertEqual(in_memory.database_url, "sqlite://")

    def test_a_dry_run_begins_with_what_the_venues_hold(self) -> None:
        why = self.assertRaises(ConfigurationError, self.loaded, extra="[dry_run]\ntarget_balances = USD 5\n")
        self.assertIn("USD is not held there; the target holds BTC and HUF", str(why))
