"""Lending and borrowing on the core: priority, locks, collateral, interest, roll-over, maturity, and what is conserved."""

from __future__ import annotations

import contextlib  # trial takes a global name `suppress` for its own
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.infinity.rates_core import INTEREST
from ilp.simulation.rejections import ContractExpired, InsufficientFunds, Rejection
from tests.simulation.infinity.world import START, World

BORROW, LEND = Side.BUY, Side.SELL
BTC = "WBTC-2023-12-29"
DAY = 86_400.0


class CoreCase(SynchronousTestCase):
    """A venue without a socket, in virtual time; alice has 100 ETH, bob 1000."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.world = World(self.reactor, quotes=False)
        self.core = self.world.core

    def pass_days(self, days: float) -> None:
        self.reactor.advance(days * DAY)
        self.core.catch_up()

    def types(self, account: str) -> list[str]:
        rows = self.world.venue.transactions.rows[account]
        return [f"{row.type.name} {self.core.human(row.token, row.quantity):f}" for row in rows]


class MatchingTests(CoreCase):
    def test_borrowing_brings_the_token_and_lending_takes_it(self) -> None:
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "4")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "3")
        assert (self.world.cash("alice"), self.world.cash("bob")) == (103, 997)
        assert (self.world.lent("alice", "ETH-SPOT"), self.world.lent("bob", "ETH-SPOT")) == (-3, 3)

    def test_they_meet_when_the_borrower_offers_at_least_what_the_lender_asks_at_the_rate_of_who_was_there(
        self,
    ) -> None:
        self.world.place("bob", "ETH-SPOT", LEND, "0.0201", "1")
        assert self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "1").quantity_filled == 0
        self.world.place("bob", "ETH-SPOT", LEND, "0.0155", "1")
        (mine,) = self.core.fills("bob/trading", START, START + timedelta(seconds=1))
        assert self.core.pairs["ETH-SPOT"].price(mine.price) == Decimal("0.02")

    def test_better_rates_go_first_and_then_who_was_there_first(self) -> None:
        for rate, quantity in (("0.03", "1"), ("0.02", "2"), ("0.02", "3")):
            self.world.place("bob", "ETH-SPOT", LEND, rate, quantity)
        first, second, third = self.core.open_orders("bob/trading")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.05", "3")
        left = [self.core.order(order.id).quantity_left // 10**18 for order in (first, second, third)]
        assert left == [1, 0, 2]

    def test_a_passive_order_that_would_match_is_taken_and_cancelled(self) -> None:
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "4")
        order = self.world.place("alice", "ETH-SPOT", BORROW, "0.03", "1", post_only=True)
        assert order.is_cancelled and order.quantity_filled == 0
        assert self.core.order(order.id) == order
        assert self.core.book("ETH-SPOT").asks[0][1] == 4 * 10**18

    def test_lending_locks_the_principal_and_borrowing_locks_nothing(self) -> None:
        order = self.world.place("alice", "ETH-SPOT", LEND, "0.05", "60")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.01", "10")
        assert self.core.available("alice/trading", "ETH") == 40 * 10**18
        self.assertRaises(InsufficientFunds, self.world.place, "alice", "ETH-SPOT", LEND, "0.05", "41")
        self.core.cancel("alice/trading", order.id)
        assert self.core.available("alice/trading", "ETH") == 100 * 10**18

    def test_borrowing_needs_collateral_open_orders_to_borrow_counted(self) -> None:
        # Assets of 436,550 dollars: a borrowed dollar adds one of debt and 0.8 of collateral.
        self.world.place("alice", "USDC-SPOT", BORROW, "0.01", "1700000")
        self.assertRaises(InsufficientFunds, self.world.place, "alice", "USDC-SPOT", BORROW, "0.01", "100000")
        self.world.place("alice", "USDC-SPOT", BORROW, "0.01", "40000")

    def test_money_that_pays_back_a_loan_needs_no_collateral(self) -> None:
        self.world.place("bob", "ETH-SPOT", BORROW, "0.02", "100")
        self.world.place("alice", "ETH-SPOT", LEND, "0.02", "100")
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "100")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "100")
        assert (self.world.cash("alice"), self.world.lent("alice", "ETH-SPOT")) == (100, 0)


class InterestTests(CoreCase):
    def lend_to_bob(self, instrument: str = "ETH-SPOT", rate: str = "0.02", quantity: str = "10") -> None:
        self.world.place("bob", instrument, BORROW, rate, quantity)
        self.world.place("alice", instrument, LEND, rate, quantity)

    def test_floating_interest_grows_and_is_paid_when_the_position_is_closed(self) -> None:
        self.lend_to_bob()
        self.pass_days(365)
        assert self.world.cash("alice") == 90
        earned = Decimal(self.core.accrued("alice/trading", "ETH-SPOT")) / 10**18
        assert abs(earned - Decimal("0.199")) < Decimal("1e-6")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "10")
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "10")
        assert abs(self.world.cash("alice") - 100 - earned) < Decimal("1e-15")
        assert abs(self.world.cash("bob") - 1000 + Decimal("0.201")) < Decimal("1e-6")

    def test_the_rate_of_the_last_trade_is_what_the_index_grows_at(self) -> None:
        self.lend_to_bob(rate="0.02")
        self.pass_days(1)
        self.lend_to_bob(rate="0.05")
        assert self.core.indices["ETH-SPOT"].rate == Decimal("0.05")

    def test_a_fixed_rate_is_paid_at_each_roll_over_and_principal_at_maturity(self) -> None:
        self.lend_to_bob(BTC, "0.0365", "1")
        assert self.world.cash("alice", "WBTC") == 4
        self.pass_days(20 / 24)  # 08:00 of the next day
        paid = self.world.cash("alice", "WBTC") - 4
        assert abs(paid - Decimal("0.0001") * 20 / 24) <= Decimal("2e-8")
        self.pass_days(1)
        assert abs(self.world.cash("alice", "WBTC") - 4 - paid - Decimal("0.0001")) <= Decimal("2e-8")
        self.pass_days(7)
        assert self.world.lent("alice", BTC) == 0
        whole = Decimal("0.0001") * (8 + Decimal(20) / 24)
        assert abs(self.world.cash("alice", "WBTC") - 5 - whole) <= Decimal("2e-8")
        assert abs(self.world.cash("bob", "WBTC") - 100 + whole) <= Decimal("2e-8")

    def test_a_market_that_matures_cancels_its_orders_and_takes_no_more(self) -> None:
        order = self.world.place("alice", BTC, LEND, "0.05", "1")
        self.pass_days(9)
        assert self.core.order(order.id).is_cancelled
        assert self.core.available("alice/trading", "WBTC") == 5 * 10**8
        assert BTC not in [market.ticker for market in self.core.markets("WBTC")]
        self.assertRaises(Rejection, self.world.place, "alice", BTC, LEND, "0.05", "1")

    def test_between_maturity_and_roll_over_nobody_trades(self) -> None:
        self.reactor.advance(9 * DAY)
        market = self.core.market(BTC)
        assert market is not None
        self.assertRaises(ContractExpired, self.core._tradable, BTC)

    def test_a_borrower_who_lacks_the_principal_goes_below_zero(self) -> None:
        self.lend_to_bob(BTC, "0.04", "5")
        self.core.transfer("bob/trading", "bob/current", "WBTC", 105 * 10**8)
        self.pass_days(9)
        assert self.world.cash("bob", "WBTC") < -5
        assert self.world.venue.valuation.figures("bob/trading").liability > 0

    def test_new_markets_are_listed_at_each_roll_over(self) -> None:
        assert "ETH-2023-12-24" not in self.core.pairs
        self.pass_days(3)
        names = [market.ticker for market in self.core.markets("ETH")]
        assert "ETH-2023-12-24" in names and "ETH-2023-12-22" not in names


class TransactionTests(CoreCase):
    def test_every_kind_of_row_is_written(self) -> None:
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "2")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "2")
        self.world.place("bob", "ETH-SPOT", BORROW, "0.02", "5")
        self.world.place("alice", "ETH-SPOT", LEND, "0.02", "5")
        self.world.place("bob", BTC, LEND, "0.04", "1")
        self.world.place("alice", BTC, BORROW, "0.04", "1")
        assert self.types("alice/trading")[2:] == [
            "BORROW 2", "REPAY -2", "LEND -3", "TRADE 1",
        ]  # fmt: skip
        self.core.transfer("alice/trading", "alice/current", "ETH", 10**18)
        assert self.types("alice/trading")[-1] == "TRANSFER_OUT -1"
        assert self.types("alice/current")[-1] == "TRANSFER_IN 1"
        self.core.withdraw("alice/current", "ETH", 10**18, self.world.alice.address)
        assert self.types("alice/current")[-2:] == ["WITHDRAWAL_FEE -0.01", "EXTERNAL_TRANSFER_OUT -0.99"]
        self.core.deposit("ETH", 10**18, self.world.alice.address.lower())
        assert self.types("alice/current")[-1] == "EXTERNAL_TRANSFER_IN 1"
        self.pass_days(9)
        assert {row.split()[0] for row in self.types("alice/trading")[-2:]} == {"INTEREST", "REPAY"}
        assert self.types("bob/trading")[-1] == "UNLEND 1"
        self.world.place("bob", "ETH-SPOT", LEND, "0.02", "3")
        self.world.place("alice", "ETH-SPOT", BORROW, "0.02", "3")
        assert [row.split()[0] for row in self.types("alice/trading")[-2:]] == ["UNLEND", "INTEREST"]

    def test_a_position_moves_between_accounts_with_its_index(self) -> None:
        self.world.place("bob", "ETH-SPOT", BORROW, "0.02", "10")
        self.world.place("alice", "ETH-SPOT", LEND, "0.02", "10")
        self.pass_days(100)
        before = self.core.accrued("alice/trading", "ETH-SPOT")
        self.core.transfer_position("alice/trading", "alice/current", "ETH-SPOT", 4 * 10**18)
        after = [self.core.accrued(f"alice/{account}", "ETH-SPOT") for account in ("trading", "current")]
        assert abs(sum(after) - before) <= 2 and after[1] > 0
        assert self.core.position("alice/current", "ETH-SPOT") == 4 * 10**18
        self.assertRaises(
            InsufficientFunds, self.core.transfer_position, "alice/trading", "alice/current", "ETH-SPOT", 7 * 10**18
        )


class Venue(RuleBasedStateMachine):
    """Whatever two traders, their transfers and time do: nothing is made and nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.reactor = Clock()
        self.world = World(self.reactor, quotes=False)
        self.core = self.world.core
        self.markets = ["ETH-SPOT", "WBTC-SPOT", BTC, "ETH-2023-12-22"]

    @rule(
        who=st.sampled_from(("alice", "bob")),
        market=st.integers(0, 3),
        side=st.sampled_from(Side),
        ticks=st.integers(1, 30),
        lots=st.integers(1, 10**6),
        how=st.sampled_from(({}, {"post_only": True}, {"immediate": True})),
    )
    def place(self, who: str, market: int, side: Side, ticks: int, lots: int, how: dict[str, bool]) -> None:
        pair = self.core.pairs[self.markets[market]]
        quantity = max(pair.min_quantity, lots * pair.lot)
        with contextlib.suppress(Rejection):
            self.core.place(f"{who}/trading", pair.ticker, side, ticks * pair.tick, quantity, **how)

    @rule(who=st.sampled_from(("alice", "bob")), number=st.integers(0, 5))
    def cancel(self, who: str, number: int) -> None:
        orders = self.core.open_orders(f"{who}/trading")
        if orders:
            self.core.cancel(f"{who}/trading", orders[number % len(orders)].id)

    @rule(hours=st.integers(1, 60))
    def wait(self, hours: int) -> None:
        self.reactor.advance(hours * 3600.0 + 17)
        self.core.catch_up()

    @rule(amount=st.integers(1, 10**19), back=st.booleans())
    def transfer(self, amount: int, back: bool) -> None:
        accounts = ("alice/current", "alice/trading")
        giver, taker = accounts[::-1] if back else accounts
        with contextlib.suppress(Rejection):
            self.core.transfer(giver, taker, "ETH", amount)

    @rule(amount=st.integers(10**16, 10**19))
    def withdraw(self, amount: int) -> None:
        with contextlib.suppress(Rejection):
            self.core.withdraw("alice/current", "ETH", amount, self.world.alice.address)

    @invariant()
    def what_is_owed_is_what_is_there(self) -> None:
        for name in (*self.core.tokens, *self.markets):
            assert self.core.owed(name) == self.core.had(name), name

    @invariant()
    def positions_and_streams_add_up_to_zero(self) -> None:
        for name in self.markets:
            assert sum(self.core.position(account, name) for account in self.core.accounts) == 0
        assert sum(position.flow for position in self.core.dated_positions.values()) == 0
        for (account, name), position in self.core.floats.items():
            assert position.quantity == self.core.position(account, name)
        for (account, name), held in self.core.dated_positions.items():
            assert held.quantity == self.core.position(account, name)

    @invariant()
    def interest_of_all_users_is_that_of_the_house(self) -> None:
        rows = self.world.venue.transactions.rows
        for token in self.core.tokens:
            paid = sum(row.quantity for some in rows.values() for row in some if row.type == 5 and row.token == token)
            house: Any = self.core.house().get(INTEREST, {})
            assert house.get(token, 0) == -paid

    @invariant()
    def rows_end_at_the_balances(self) -> None:
        for account, rows in self.world.venue.transactions.rows.items():
            for token in self.core.tokens:
                last = [row.balance for row in rows if row.token == token]
                assert (last[-1] if last else 0) == self.core.balance(account, token)


class ConservationTests(SynchronousTestCase):
    def test_nothing_is_made_and_nothing_is_lost(self) -> None:
        run_state_machine_as_test(
            Venue,
            settings=settings(
                max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )


class LawTests(CoreCase):
    def test_two_fixed_traders_pay_and_get_the_same(self) -> None:
        for rate in ("0.041", "0.043"):
            self.world.place("bob", BTC, BORROW, rate, "0.7")
            self.world.place("alice", BTC, LEND, rate, "0.7")
        self.pass_days(9)
        alice, bob = self.world.cash("alice", "WBTC") - 5, self.world.cash("bob", "WBTC") - 100
        assert alice > 0
        assert -Decimal("1e-7") < alice + bob <= 0
