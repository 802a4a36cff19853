"""What travels between venues: delays, charges, conversions, and what leaves for good."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.clock import WorldClock
from ilp.simulation.bank import Bank, Route, Stage
from ilp.simulation.contracts import Currency
from ilp.simulation.core import Core
from ilp.simulation.records import TransferStatus
from tests.simulation.world import START

D = Decimal
BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10_000, lot=100)
HUF = Currency("HUF", 100, lot=100)
CONVERSION = Route("USD", "HUF", 0, 3_600, fixed=D(25), fixed_in="USD", proportional=D("0.01"))
BACK = Route("HUF", "USD", 0, 3_600, fixed=D(25), fixed_in="USD", proportional=D("0.01"))


class Case(SynchronousTestCase):
    """A source with dollars and a target with forints; coins are in both."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START, speed=10.0)
        self.quotes: dict[tuple[str, str], Decimal | None] = {("USD", "HUF"): D(300), ("HUF", "USD"): D("0.0033")}
        self.bank = self.make_bank(Route("BTC", "BTC", 60, 540, fixed=D("0.0005")), CONVERSION, BACK)
        self.source = self.open("source", BTC, USD)
        self.target = self.open("target", BTC, HUF)
        self.total = {asset: self.bank.total(asset) for asset in ("BTC", "USD", "HUF")}

    def make_bank(self, *routes: Route) -> Bank:
        return Bank(self.clock, routes, lambda one, other: self.quotes[one, other], seed="1")

    def open(self, name: str, *currencies: Currency) -> Core:
        core = Core(self.clock.now, currencies, [], venue=name)
        core.open_account("pool")
        for currency in currencies:
            core.endow("pool", currency.ticker, currency.units(10_000))
        self.bank.connect(core)
        return core

    def send(self, core: Core, ticker: str, amount: int, address: str) -> None:
        core.withdraw("pool", ticker, core.currency(ticker).units(amount), address)
        self.reactor.advance(0)

    def got(self, core: Core, ticker: str) -> Decimal:
        return core.currency(ticker).amount(core.balance("pool", ticker)) - 10_000

    def tearDown(self) -> None:
        for asset, total in self.total.items():
            self.assertEqual(self.bank.total(asset), total)
        self.bank.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class CoinTests(Case):
    """Transfers of one asset."""

    def test_they_leave_after_processing_and_arrive_after_the_delay_less_the_charge(self) -> None:
        self.send(self.source, "BTC", 2, self.target.current_address("pool", "BTC"))
        self.reactor.advance(5.9)
        self.assertEqual(self.source.withdrawals()[0].status, TransferStatus.PENDING)
        self.reactor.advance(0.2)
        self.assertEqual((self.source.withdrawals()[0].status, self.bank.under_way("BTC")), (TransferStatus.DONE, D(2)))
        self.reactor.advance(53.7)
        self.assertEqual(self.got(self.target, "BTC"), 0)
        self.reactor.advance(0.3)
        self.assertEqual(self.got(self.target, "BTC"), D("1.9995"))
        self.assertEqual(self.bank.charged("BTC"), D("0.0005"))

    def test_both_ends_know_the_same_transaction_id_and_no_two_transfers_share_one(self) -> None:
        for _ in range(2):
            self.send(self.source, "BTC", 1, self.target.current_address("pool", "BTC"))
        self.reactor.pump([10] * 7)
        sent = [withdrawal.reference for withdrawal in self.source.withdrawals()]
        self.assertEqual(sent, [deposit.reference for deposit in self.target.deposits()])
        self.assertEqual(len(set(sent)), 2)

    def test_a_charge_above_the_amount_eats_all_of_it(self) -> None:
        self.source.withdraw("pool", "BTC", 40_000, self.target.current_address("pool", "BTC"))
        self.reactor.pump([10] * 7)
        self.assertEqual((self.got(self.target, "BTC"), self.bank.charged("BTC")), (0, D("0.0004")))

    def test_one_that_an_administrator_cancels_in_time_never_leaves(self) -> None:
        self.send(self.source, "BTC", 1, self.target.current_address("pool", "BTC"))
        self.source.cancel_withdrawal(1)
        self.reactor.pump([10] * 7)
        self.assertEqual((self.bank.passages, self.got(self.source, "BTC")), ({}, 0))

    def test_where_withdrawals_are_not_automatic_they_wait_for_an_administrator(self) -> None:
        self.source.account("pool").automatic_withdrawals = False
        self.send(self.source, "BTC", 1, self.target.current_address("pool", "BTC"))
        self.reactor.advance(1_000)
        self.assertEqual(self.source.withdrawals()[0].status, TransferStatus.PENDING)
        self.source.complete_withdrawal(1)
        self.reactor.advance(54)
        self.assertEqual(self.got(self.target, "BTC"), D("0.9995"))

    def test_a_route_can_want_an_administrator_too(self) -> None:
        self.bank.stop()
        self.bank = self.make_bank(Route("BTC", "BTC", automatic=False))
        self.bank.connect(self.source)
        self.bank.connect(self.target)
        self.send(self.source, "BTC", 1, self.target.current_address("pool", "BTC"))
        self.reactor.advance(1_000)
        self.assertEqual(self.source.withdrawals()[0].status, TransferStatus.PENDING)

    def test_an_address_that_no_venue_knows_is_outside(self) -> None:
        self.send(self.source, "USD", 500, "operator's bank")
        self.reactor.advance(0)
        (passage,) = self.bank.passages.values()
        self.assertEqual((passage.stage, passage.to_venue), (Stage.OUTSIDE, None))
        self.assertEqual(self.bank.paid_out("USD"), D(500))

    def test_coins_sent_to_the_address_of_a_currency_stay_coins_and_wait_unclaimed(self) -> None:
        self.send(self.source, "BTC", 1, self.target.current_address("pool", "HUF"))
        self.reactor.pump([10] * 7)
        self.assertEqual([deposit.status for deposit in self.target.deposits()], [TransferStatus.PENDING])

    def test_a_transfer_within_one_venue_arrives_like_any_other(self) -> None:
        self.source.open_account("other")
        self.send(self.source, "BTC", 1, self.source.current_address("other", "BTC"))
        self.reactor.pump([10] * 7)
        self.assertEqual(self.source.balance("other", "BTC"), 99_950_000)


class ConversionTests(Case):
    """Transfers that change the currency."""

    def test_out_the_charges_come_off_before_the_conversion(self) -> None:
        self.send(self.source, "USD", 1_000, self.target.current_address("pool", "HUF"))
        self.reactor.advance(361)
        self.assertEqual(self.got(self.target, "HUF"), (D(1_000) - 10 - 25) * 300)

    def test_back_the_fixed_charge_comes_off_after_the_conversion(self) -> None:
        self.send(self.target, "HUF", 10_000, self.source.current_address("pool", "USD"))
        self.reactor.advance(361)
        self.assertEqual(self.got(self.source, "USD"), D(10_000) * D("0.99") * D("0.0033") - 25)

    def test_the_rate_is_that_of_the_arrival(self) -> None:
        self.send(self.source, "USD", 1_000, self.target.current_address("pool", "HUF"))
        self.reactor.advance(300)
        self.quotes["USD", "HUF"] = D(400)
        self.reactor.advance(61)
        self.assertEqual(self.got(self.target, "HUF"), (D(1_000) - 35) * 400)

    def test_without_a_rate_the_money_waits_for_one(self) -> None:
        self.quotes["USD", "HUF"] = None
        self.send(self.source, "USD", 1_000, self.target.current_address("pool", "HUF"))
        self.reactor.advance(400)
        self.assertEqual((self.got(self.target, "HUF"), self.bank.under_way("USD")), (0, D(1_000)))
        self.quotes["USD", "HUF"] = D(300)
        self.reactor.advance(6)
        self.assertEqual(self.got(self.target, "HUF"), D(965) * 300)

    def test_what_arrives_is_cut_to_the_receivers_smallest_unit(self) -> None:
        self.quotes["USD", "HUF"] = D("300.123456")
        self.send(self.source, "USD", 1_000, self.target.current_address("pool", "HUF"))
        self.reactor.advance(361)
        self.assertEqual(self.got(self.target, "HUF"), D("289619.13"))

    def test_a_charge_in_a_third_currency_is_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "fixed_in: EUR", Route, "USD", "HUF", fixed_in="EUR")

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 100), st.sampled_from(["USD", "HUF"]))
    def test_what_comes_in_is_charged_converted_or_charged_afterwards_and_never_less_than_nothing(
        self, amount: int, fixed: int, percent: int, fixed_in: str
    ) -> None:
        route = Route("USD", "HUF", fixed=D(fixed), fixed_in=fixed_in, proportional=D(percent) / 100)
        before, converted, after = route.split(D(amount), D(300))
        self.assertEqual(before + converted, amount)
        self.assertTrue(min(before, converted, after) >= 0 and converted * 300 - after >= 0)
