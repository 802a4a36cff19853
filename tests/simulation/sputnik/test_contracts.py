"""Conversions, fees and steps against the worked examples of the exchange's API description."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.contracts import Currency, Pair, TransferFee
from ilp.simulation.rules import Account, FeeFactors, Rules
from ilp.simulation.sputnik.contracts import CashContract, CashPairContract, contract_of

BTC = Currency("BTC", 10**8, 10_000)
MXN = Currency("MXN", 10**4, 100)
HUF = Currency("HUF", 10**2, 100)
USD = Currency("USD", 10**2, 1)
EUR = Currency("EUR", 10**2, 1)

BTC_MXN = CashPairContract(Pair("BTC/MXN", BTC, MXN, tick=100, lot=10**6, fee_bps=100))
BTC_HUF = CashPairContract(Pair("BTC/HUF", BTC, HUF, tick=100, lot=10**6, fee_bps=100))
EUR_USD_1 = CashPairContract(Pair("EUR/USD", EUR, USD, tick=1, lot=100))
EUR_USD_10 = CashPairContract(Pair("EUR/USD", EUR, USD, denominator=10, tick=1, lot=1000))

# contract, human price, human quantity, wire price, wire quantity, cash moved, price back, quantity back
PAIRS = [
    (BTC_MXN, "6000", "0.03", 60000000, 3000000, 1800000, "6000", "0.03"),
    (BTC_MXN, "10350.21", "0.975", 103502100, 97000000, 100397037, "10350.21", "0.97"),
    (BTC_MXN, "6000.019", "0.0399999", 60000100, 3000000, 1800003, "6000.01", "0.03"),
    (BTC_MXN, "0.01", "0.01", 100, 1000000, 1, "0.01", "0.01"),
    (BTC_MXN, "0.0099", "0.009", 0, 0, 0, "0", "0"),
    (BTC_HUF, "61000", "0.04", 6100000, 4000000, 244000, "61000", "0.04"),
    (BTC_HUF, "61234.56", "1.5", 6123400, 150000000, 9185100, "61234", "1.5"),
    (EUR_USD_1, "1.01", "1", 101, 100, 101, "1.01", "1"),
    (EUR_USD_1, "1.001", "1", 100, 100, 100, "1", "1"),
    (EUR_USD_10, "1.001", "10", 1001, 1000, 1001, "1.001", "10"),
    (EUR_USD_10, "1.001", "15", 1001, 1000, 1001, "1.001", "10"),
]

# currency, human amount, wire amount, amount back
CASH = [
    (BTC, "0.015", 1500000, "0.015"),
    (BTC, "0.00001234", 1234, "0.00001234"),
    (MXN, "1234.5678", 12345678, "1234.5678"),
    (USD, "1.23", 123, "1.23"),
    (MXN, "1234.56789", 12345678, "1234.5678"),
    (BTC, "0.00012345", 12345, "0.00012345"),
]


class PairConversionTests(SynchronousTestCase):
    """Pairs: prices count quote units per `denominator` of base, quantities base units."""

    def test_human_prices_and_quantities_become_the_integers_of_the_examples(self) -> None:
        for contract, price, quantity, wire_price, wire_quantity, *_ in PAIRS:
            got = contract.price_to_wire(Decimal(price)), contract.quantity_to_wire(Decimal(quantity))
            self.assertEqual(got, (wire_price, wire_quantity), (contract.ticker, price, quantity))

    def test_the_cash_that_a_trade_moves_is_that_of_the_examples(self) -> None:
        for contract, _, _, wire_price, wire_quantity, cash, *_ in PAIRS:
            self.assertEqual(contract.pair.cash(wire_quantity, wire_price), cash)

    def test_wire_integers_become_the_human_amounts_of_the_examples(self) -> None:
        for contract, _, _, wire_price, wire_quantity, _, price, quantity in PAIRS:
            got = contract.price_from_wire(wire_price), contract.quantity_from_wire(wire_quantity)
            self.assertEqual(got, (Decimal(price), Decimal(quantity)))

    @given(st.integers(1, 10**12), st.integers(1, 10**9))
    @settings(max_examples=40, deadline=None)
    def test_wire_values_on_their_steps_survive_the_way_there_and_back(self, ticks: int, lots: int) -> None:
        price, quantity = ticks * 100, lots * 10**6
        self.assertEqual(BTC_MXN.price_to_wire(BTC_MXN.price_from_wire(price)), price)
        self.assertEqual(BTC_MXN.quantity_to_wire(BTC_MXN.quantity_from_wire(quantity)), quantity)


class CashConversionTests(SynchronousTestCase):
    """Currencies: smallest units, rounded down."""

    def test_amounts_become_the_integers_of_the_examples_and_come_back(self) -> None:
        for currency, amount, wire, back in CASH:
            contract = CashContract(currency)
            self.assertEqual(contract.quantity_to_wire(Decimal(amount)), wire)
            self.assertEqual(contract.quantity_from_wire(wire), Decimal(back))

    def test_a_currency_has_no_price(self) -> None:
        contract = CashContract(BTC)
        self.assertRaises(ValueError, contract.price_to_wire, Decimal(1))
        self.assertRaises(ValueError, contract.price_from_wire, 1)


class FeeTests(SynchronousTestCase):
    """The fee table: floored towards minus infinity for trades, rounded half away from zero for transfers."""

    def test_trade_fees_are_those_of_the_examples(self) -> None:
        examples = [
            (60000000, 3000000, 100, 18000),
            (60000000, 3000000, 0, 0),
            (60000000, 3000000, -50, -9000),
            (15000, 1000000, 100, 1),
            (15000, 1000000, -50, -1),
            (100, 1000000, 100, 0),
        ]
        for price, quantity, factor, fee in examples:
            account = Account("alice", factors=FeeFactors(aggressive=factor))
            value = BTC_MXN.pair.fee_value(quantity, price)
            self.assertEqual(Rules().fee(BTC_MXN.pair, account, value, aggressive=True), fee)

    def test_transfer_fees_are_those_of_the_examples(self) -> None:
        examples = [
            (TransferFee(100, 100), 1000000, 100, 10100),
            (TransferFee(100, 100), 1000000, 200, 20200),
            (TransferFee(50, 200), 1000000, 50, 10025),
            (TransferFee(50, 200), 25, 100, 51),
            (TransferFee(50, 200), 125, 100, 53),
        ]
        for charge, amount, percent, fee in examples:
            self.assertEqual(charge.of(amount, percent), fee)


class DescriptionTests(SynchronousTestCase):
    """What `get_markets` says about a contract."""

    def test_a_pair_names_what_it_is_priced_in_and_what_it_delivers(self) -> None:
        self.assertEqual(
            contract_of(BTC_HUF.pair).wire(),
            {
                "contract": "BTC/HUF",
                "contract_type": "cash_pair",
                "description": "BTC/HUF",
                "full_description": "",
                "denominator": 1,
                "tick_size": 100,
                "lot_size": 1000000,
                "denominated_contract_ticker": "HUF",
                "payout_contract_ticker": "BTC",
            },
        )

    def test_a_currency_names_neither(self) -> None:
        wire = contract_of(HUF).wire()
        self.assertEqual((wire["contract_type"], wire["denominator"], wire["lot_size"]), ("cash", 100, 100))
        self.assertEqual((wire["denominated_contract_ticker"], wire["payout_contract_ticker"]), (None, None))

    def test_topics_spell_tickers_in_lower_case_without_a_slash(self) -> None:
        self.assertEqual(BTC_HUF.topic, "btc_huf")
