"""What a plan means for transfers, lane by lane."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import FINAL_TRANSFER_STATES, TransferEntry, TransferState
from ilp.trading.transfers_book import TransferBook
from ilp.trading.transfers_plan import (
    Lanes,
    Opening,
    Revision,
    WantedTransfer,
    Withdrawal,
    decide,
)
from tests.trading.transfers_fakes import MARKS, NOON, coins, dollars, payout, rules

S = TransferState
BITCOIN = ("BTC", "source", "target")


def entry(state: TransferState, hours_ago: float = 0.0, id: str = "t1", **more: Any) -> TransferEntry:
    """An earlier transfer of bitcoin from the source to the target."""
    move, then = coins(), NOON - timedelta(hours=hours_ago)
    called = state not in (S.PROPOSED, S.CANCELLED)
    values: dict[str, Any] = {
        "id": id,
        "state": state,
        "asset": move.asset,
        "from_venue": move.from_venue,
        "to_venue": move.to_venue,
        "to_asset": move.to_asset,
        "amount": move.amount,
        "expected": move.expected,
        "fee": move.fee,
        "address": "",
        "reference": None,
        "manual": False,
        "created": then,
        "since": then,
        "due": None,
        "called": called,
        "departed": then if called else None,
    }
    return TransferEntry(**{**values, **more})


class Deciding(SynchronousTestCase):
    """With rules that let everything go by itself."""

    def setUp(self) -> None:
        self.rules = rules()
        self.per_day = 100

    def lanes(self, *entries: TransferEntry) -> Lanes:
        return Lanes(entries, self.rules, frozenset({"BTC"}), self.per_day, NOON)

    def decided(self, *moves: WantedTransfer, entries: tuple[TransferEntry, ...] = (), by_hand: Any = ()) -> Any:
        return decide(moves, self.lanes(*entries), MARKS, by_hand)

    def opening(self, move: WantedTransfer, **more: Any) -> Opening:
        (found,) = self.decided(move, **more)
        assert isinstance(found, Opening)
        return found


class OpeningTests(Deciding):
    """A lane that is free."""

    def test_a_small_coin_transfer_goes_by_itself(self) -> None:
        found = self.opening(coins())
        self.assertEqual((found.manual, found.waits), (False, False))

    def test_what_goes_by_itself_says_whose_wish_it_is(self) -> None:
        self.assertEqual(self.opening(coins()).why, "wanted by the plan")

    def test_a_conversion_is_manual(self) -> None:
        self.rules = rules(automatic=frozenset())
        found = self.opening(dollars())
        self.assertEqual((found.manual, found.waits), (True, True))
        self.assertIn("converts USD to HUF", found.why)

    def test_a_conversion_on_an_automatic_lane_goes_by_itself(self) -> None:
        found = self.opening(dollars())
        self.assertEqual((found.manual, found.waits), (False, False))

    def test_what_the_client_cannot_do_is_manual(self) -> None:
        self.assertTrue(self.opening(coins(), by_hand={BITCOIN}).manual)

    def test_of_which_too_little_arrives_waits_for_approval(self) -> None:
        # 1000 USD leave, 187000 HUF are worth 748 USD: 74.8 %.
        found = self.opening(dollars("1000", "187000"))
        self.assertEqual((found.manual, found.waits), (False, True))
        self.assertIn("74.8% of it would arrive", found.why)

    def test_of_which_just_enough_arrives_goes_by_itself(self) -> None:
        self.assertFalse(self.opening(dollars("1000", "187500")).waits)

    def test_above_the_approval_limit_waits(self) -> None:
        self.rules = rules(approval_limit=D(249))
        found = self.opening(coins("1"))
        self.assertTrue(found.waits)
        self.assertIn("worth 250.00, above the limit of 249", found.why)

    def test_at_the_approval_limit_goes(self) -> None:
        self.rules = rules(approval_limit=D(250))
        self.assertFalse(self.opening(coins("1")).waits)

    def test_an_approval_limit_of_zero_lets_nothing_go(self) -> None:
        self.rules = rules(approval_limit=D(0))
        self.assertTrue(self.opening(coins("0.0002")).waits)

    def test_a_payout_waits_for_a_click(self) -> None:
        found = self.opening(payout())
        self.assertEqual((found.manual, found.waits), (False, True))

    def test_a_payout_without_an_address_is_manual(self) -> None:
        self.rules = rules(out_address="")
        self.assertTrue(self.opening(payout()).manual)

    def test_payouts_may_be_off(self) -> None:
        self.rules = rules(payout="off")
        self.assertEqual(self.decided(payout()), ())

    def test_without_payouts_everything_else_still_goes(self) -> None:
        self.rules = rules(payout="off")
        self.assertEqual(len(self.decided(coins())), 1)

    def test_nothing_is_no_transfer(self) -> None:
        self.assertEqual(self.decided(evolve(coins(), amount=D(0))), ())


class LaneTests(Deciding):
    """A lane on which there is something, or was."""

    def test_one_open_transfer_a_lane(self) -> None:
        for state in (S.PLANNED, S.REQUESTED, S.SENT, S.UNCERTAIN):
            self.assertEqual(self.decided(coins(), entries=(entry(state),)), (), state)

    def test_an_uncertain_one_is_named_as_the_obstacle(self) -> None:
        self.assertIn("t1 is UNCERTAIN", self.lanes(entry(S.UNCERTAIN)).obstacle(BITCOIN))

    def test_the_way_back_is_another_lane(self) -> None:
        back = coins("1", "source", "target")
        self.assertEqual(len(self.decided(back, entries=(entry(S.SENT),))), 1)

    def test_the_interval_begins_with_the_departure(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        proposed_long_ago = entry(S.ARRIVED, 10, departed=NOON - timedelta(minutes=59))
        self.assertEqual(self.decided(coins(), entries=(proposed_long_ago,)), ())
        an_hour_ago = evolve(proposed_long_ago, departed=NOON - timedelta(hours=1))
        self.assertEqual(len(self.decided(coins(), entries=(an_hour_ago,))), 1)

    def test_the_interval_begins_with_the_last_departure(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        lanes = self.lanes(entry(S.ARRIVED, 0.5, "b"), entry(S.ARRIVED, 10, "a"))
        again = NOON + timedelta(minutes=30)
        self.assertIn(f"the next may begin at {again:%Y-%m-%d %H:%M:%S} UTC", lanes.obstacle(BITCOIN))

    def test_what_left_on_another_lane_is_no_obstacle(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        self.per_day = 1
        back = coins("1", "source", "target")
        self.assertEqual(len(self.decided(back, entries=(entry(S.ARRIVED, 0.5),))), 1)

    def test_the_interval_of_what_an_operator_approved_begins_with_its_departure_too(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        approved = entry(S.ARRIVED, 2, by="alice", since=NOON - timedelta(minutes=10))
        self.assertEqual(len(self.decided(coins(), entries=(approved,))), 1)

    def test_fiat_has_an_interval_of_its_own(self) -> None:
        self.rules = rules(fiat_interval=86400.0)
        before = entry(S.ARRIVED, 2, asset="USD", to_asset="HUF")
        self.assertEqual(self.decided(dollars(), entries=(before,)), ())
        self.assertEqual(len(self.decided(coins(), entries=(entry(S.ARRIVED, 2),))), 1)

    def test_a_refused_one_uses_up_the_interval_too(self) -> None:
        """Else it would be tried again with every plan."""
        self.rules = rules(coin_interval=3600.0)
        self.assertEqual(self.decided(coins(), entries=(entry(S.FAILED, 0.5),)), ())

    def test_what_the_operator_cancelled_is_not_proposed_again_at_once(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        self.assertEqual(self.decided(coins(), entries=(entry(S.CANCELLED, 0.5, by="alice"),)), ())

    def test_what_a_plan_withdrew_may_be_proposed_again_at_once(self) -> None:
        self.rules = rules(coin_interval=3600.0)
        self.assertEqual(len(self.decided(coins(), entries=(entry(S.CANCELLED, 0.5),))), 1)

    def test_only_so_many_leave_in_a_day(self) -> None:
        self.per_day = 2
        today = (entry(S.ARRIVED, 23, "a"), entry(S.ARRIVED, 1, "b"))
        self.assertEqual(self.decided(coins(), entries=today), ())
        self.assertIn("2 transfers in 24 hours", self.lanes(*today).obstacle(BITCOIN))
        older = (entry(S.ARRIVED, 24, "a"), entry(S.ARRIVED, 1, "b"))
        self.assertEqual(len(self.decided(coins(), entries=older)), 1)


class RevisionTests(Deciding):
    """A proposal that waits while plans go on."""

    def setUp(self) -> None:
        super().setUp()
        self.rules = rules(approval_limit=D(100))
        self.proposal = entry(S.PROPOSED)

    def test_the_same_wish_changes_nothing(self) -> None:
        self.assertEqual(self.decided(coins(), entries=(self.proposal,)), ())

    def test_another_amount_revises_it(self) -> None:
        (found,) = self.decided(coins("2"), entries=(self.proposal,))
        self.assertEqual((found.entry, found.opening.move.amount), (self.proposal, D(2)))
        self.assertTrue(found.opening.waits)

    def test_a_smaller_amount_may_go_without_the_click(self) -> None:
        (found,) = self.decided(coins("0.1"), entries=(self.proposal,))
        self.assertIsInstance(found, Revision)
        self.assertFalse(found.opening.waits)

    def test_the_same_wish_goes_without_the_click_once_the_rules_allow_it(self) -> None:
        self.rules = rules()
        (found,) = self.decided(coins(), entries=(self.proposal,))
        self.assertIsInstance(found, Revision)
        self.assertFalse(found.opening.waits)

    def test_the_same_wish_of_one_that_was_kept_back_waits_once_the_rules_want_a_click(self) -> None:
        (found,) = self.decided(coins(), entries=(entry(S.PLANNED, called=False, departed=None),))
        self.assertIsInstance(found, Revision)
        self.assertTrue(found.opening.waits)

    def test_what_an_operator_proposed_by_hand_is_left_alone(self) -> None:
        by_hand = entry(S.PROPOSED, by="alice")
        self.assertEqual(self.decided(coins("2"), entries=(by_hand,)), ())
        self.assertEqual(self.decided(entries=(by_hand,)), ())

    def test_a_plans_proposal_is_revised_though_an_operator_had_a_hand_in_it(self) -> None:
        ours = entry(S.PROPOSED, by="alice", plan="p1")
        self.assertEqual(self.decided(entries=(ours,)), (Withdrawal(ours),))

    def test_no_wish_withdraws_it(self) -> None:
        self.assertEqual(self.decided(entries=(self.proposal,)), (Withdrawal(self.proposal),))

    def test_one_that_was_kept_back_is_tried_again(self) -> None:
        kept = entry(S.PLANNED, called=False, departed=None)
        self.rules = rules()
        (found,) = self.decided(coins(), entries=(kept,))
        self.assertEqual((found.entry, found.opening.waits), (kept, False))

    def test_one_that_was_kept_back_and_is_not_wanted_any_more_is_given_up(self) -> None:
        kept = entry(S.PLANNED, called=False, departed=None)
        self.assertEqual(self.decided(entries=(kept,)), (Withdrawal(kept),))

    def test_what_an_operator_approved_is_left_alone(self) -> None:
        approved = entry(S.PLANNED, called=False, departed=None, by="alice")
        self.assertEqual(self.decided(coins("2"), entries=(approved,)), ())
        self.assertEqual(self.decided(entries=(approved,)), ())

    def test_nothing_under_way_is_ever_revised_or_withdrawn(self) -> None:
        for state in (S.PLANNED, S.REQUESTED, S.SENT, S.UNCERTAIN):
            self.assertEqual(self.decided(entries=(entry(state),)), (), state)

    def test_a_proposal_does_not_pass_an_uncertain_one(self) -> None:
        found = self.decided(coins("0.1"), entries=(self.proposal, entry(S.UNCERTAIN, id="t2")))
        self.assertEqual(found, ())


class LongAgoTests(SynchronousTestCase):
    """What the book leaves out of a lane when it is asked with every turn."""

    def book(self, *entries: TransferEntry) -> TransferBook:
        book = TransferBook(lambda: NOON, lambda entry: timedelta(hours=1))
        for one in entries:
            book.put(one)
        return book

    def test_what_was_over_before_the_horizon_is_left_out_and_what_is_not_over_stays(self) -> None:
        old = [entry(state, hours_ago=30, id=state) for state in S]
        found = self.book(entry(S.ARRIVED, hours_ago=1), *old).on(BITCOIN, timedelta(hours=24))
        self.assertEqual({one.id for one in found}, {"t1", *(set(S) - FINAL_TRANSFER_STATES)})

    @given(
        st.lists(st.tuples(st.sampled_from(S), st.integers(0, 60), st.booleans()), max_size=8),
        st.sampled_from((1, 24, 48)),
        st.integers(1, 3),
    )
    def test_it_hinders_nothing(self, told: list[tuple[TransferState, int, bool]], interval: int, per_day: int) -> None:
        entries = [
            entry(state, hours, id=f"t{number}", by="operator" if by_hand else "machine")
            for number, (state, hours, by_hand) in enumerate(told)
        ]
        limits = evolve(rules(), coin_interval=interval * 3600.0)
        left = self.book(*entries).on(BITCOIN, timedelta(hours=max(interval, 24)))
        whole, rest = (Lanes(some, limits, frozenset({"BTC"}), per_day, NOON) for some in (entries, left))
        # What stands on the lane is named by its oldest, in the order of the book.
        whole = evolve(whole, entries=sorted(entries, key=lambda one: (one.created, one.id)))
        self.assertEqual(rest.obstacle(BITCOIN), whole.obstacle(BITCOIN))
        self.assertEqual(rest.revisable(BITCOIN), whole.revisable(BITCOIN))
