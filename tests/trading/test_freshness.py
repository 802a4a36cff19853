"""When one input counts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ilp.trading.freshness import OWED, Watch


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.watch = Watch("source book", 10.0, 3)

    def test_nothing_counts_before_the_first_word(self) -> None:
        self.assertEqual(self.watch.trouble(0.0), "source book: nothing received yet")
        self.assertIsNone(self.watch.expires())
        self.assertIsNone(self.watch.read_again())

    def test_the_first_word_counts_at_once(self) -> None:
        self.watch.good(5.0)
        self.assertEqual(self.watch.trouble(5.0), "")

    def test_it_counts_until_its_limit_and_not_after(self) -> None:
        self.watch.good(0.0)
        self.assertEqual(self.watch.trouble(10.0), "")
        self.assertEqual(self.watch.trouble(10.5), "source book: 10.5 s old, allowed 10 s")

    def test_a_confirmation_keeps_it_young(self) -> None:
        self.watch.good(0.0)
        self.watch.confirm(9.0)
        self.assertEqual(self.watch.trouble(18.0), "")
        self.assertEqual(self.watch.expires(), 19.0)

    def test_a_confirmation_of_nothing_is_nothing(self) -> None:
        self.watch.confirm(1.0)
        self.assertEqual(self.watch.trouble(1.0), "source book: nothing received yet")

    def test_after_being_too_old_it_owes_good_updates(self) -> None:
        self.watch.good(0.0)
        for at, owed in ((20.0, True), (21.0, True), (22.0, False)):
            self.watch.good(at)
            self.assertEqual(bool(self.watch.trouble(at)), owed, at)

    def test_what_it_owes_is_said_with_the_cause(self) -> None:
        self.watch.good(0.0)
        self.watch.good(20.0)
        self.assertEqual(self.watch.trouble(20.0), "source book: 1 of 3 good updates since: it was 20.0 s old")

    def test_confirmations_count_as_good_updates_after_being_too_old(self) -> None:
        self.watch.good(0.0)
        for at in (20.0, 21.0, 22.0):
            self.watch.confirm(at)
        self.assertEqual(self.watch.trouble(22.0), "")

    def test_something_insane_is_not_cleared_by_a_confirmation(self) -> None:
        self.watch.good(0.0)
        self.watch.insane(1.0, "crossed: bid 3, ask 2")
        for at in (2.0, 3.0, 4.0, 5.0):
            self.watch.confirm(at)
        self.assertEqual(self.watch.trouble(5.0), "source book: crossed: bid 3, ask 2")

    def test_confirmations_of_something_insane_pay_nothing_of_what_it_owes(self) -> None:
        self.watch.good(0.0)
        self.watch.insane(1.0, "empty")
        for at in (2.0, 3.0, 4.0):
            self.watch.confirm(at)
        self.watch.good(5.0)
        self.assertEqual(self.watch.trouble(5.0), "source book: 1 of 3 good updates since: empty")

    def test_something_insane_does_not_expire(self) -> None:
        self.watch.good(0.0)
        self.watch.insane(1.0, "empty")
        self.assertIsNone(self.watch.expires())

    def test_an_update_just_at_the_limit_is_in_time(self) -> None:
        self.watch.good(0.0)
        self.watch.good(10.0)
        self.assertEqual(self.watch.trouble(10.0), "")

    def test_something_insane_owes_good_updates_from_the_first_sane_one(self) -> None:
        self.watch.good(0.0)
        self.watch.insane(1.0, "empty")
        troubles = []
        for at in (2.0, 3.0, 4.0):
            self.watch.good(at)
            troubles.append(bool(self.watch.trouble(at)))
        self.assertEqual(troubles, [True, True, False])

    def test_a_surprise_is_confirmed_by_whatever_confirms(self) -> None:
        self.watch.good(0.0)
        self.watch.doubt(1.0, "jumped")
        self.assertIn("0 of 3 good updates since: jumped", self.watch.trouble(1.0))
        for at in (2.0, 3.0, 4.0):
            self.watch.confirm(at)
        self.assertEqual(self.watch.trouble(4.0), "")

    def test_a_lost_connection_starts_afresh(self) -> None:
        self.watch.good(0.0)
        self.watch.insane(1.0, "crossed")
        self.watch.forget()
        self.assertEqual(self.watch.trouble(1.0), "source book: nothing received yet")
        self.watch.good(2.0)
        self.assertEqual(self.watch.trouble(2.0), "")

    def test_it_is_read_again_at_half_its_limit_and_sooner_in_a_bad_spell(self) -> None:
        self.watch.good(0.0)
        self.assertEqual(self.watch.read_again(), 5.0)
        self.watch.doubt(1.0, "jumped")
        self.assertEqual(self.watch.read_again(), 1.0 + OWED)
        self.watch.insane(2.0, "empty")
        self.assertEqual(self.watch.read_again(), 2.0 + OWED)

    def test_its_status_is_a_record_of_age_limit_and_trouble(self) -> None:
        self.watch.good(1.0)
        status = self.watch.status(3.0)
        self.assertEqual((status.name, status.age, status.limit, status.ok), ("source book", 2.0, 10.0, True))
        self.assertFalse(self.watch.status(30.0).ok)

    def test_what_expires_very_soon_is_read_again_at_half_its_limit_in_a_bad_spell_too(self) -> None:
        watch = Watch("source book", 0.6, 3)
        watch.good(0.0)
        watch.doubt(1.0, "jumped")
        self.assertEqual(watch.read_again(), 1.3)

    def test_nothing_has_an_age_before_the_first_word_and_none_is_negative(self) -> None:
        self.assertIsNone(self.watch.status(1.0).age)
        self.watch.good(5.0)
        self.assertEqual(self.watch.status(4.0).age, 0.0)
