"""Quotes of one market of rates against another, as a pure function of the view."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Market, Side
from ilp.pool.document import Trade
from ilp.settings import Cost
from ilp.trading.balances import Balances
from ilp.trading.layout import Layout, Pair
from ilp.trading.rates import RateQuotes
from ilp.trading.sides import Sides
from ilp.trading.strategies import STRATEGIES
from ilp.trading.strategy import LiquidityPool, Need
from ilp.trading.view import Stock, View, pool_of
from tests.trading.world import PARAMETERS

D = Decimal
NEAR, FAR = "ETH-2027-03-26", "ETH-2027-06-25"
LAYOUT = Layout(Pair("account", NEAR), Pair("account", FAR))
BOOK = Sides(((D("0.0400"), D(3)), (D("0.0390"), D(9))), ((D("0.0410"), D(3)), (D("0.0420"), D(9))))


def rules(ticker: str) -> Market:
    return Market(
        contract=ticker, kind="rate", base="ETH", quote=None, tick_size=D("0.0001"), lot_size=D("0.001"),
        min_quantity=D("0.001"), min_notional=D(0),
    )  # fmt: skip


def view(size: str = "1", held: str = "100", book: Sides = BOOK, layout: Layout = LAYOUT, **changes: Any) -> View:
    free = Cost(D(0), D(0))
    parameters = evolve(
        PARAMETERS,
        quote_size=D(size),
        source_fee=free,
        target_fee=free,
        targets={("account", "ETH"): D(100)},
        **changes,
    )
    amount = D(held)
    stock = Stock("account", "ETH", amount, amount, amount, amount, D(0), D(100))
    return View(
        layout,
        parameters,
        {"ETH%": D(1), "ETH": D("0.0405")},
        (stock,),
        {layout.place(layout.source): book},
        None,
        ((1e-6,),),
        {("account", ticker): rules(ticker) for ticker in (NEAR, FAR)},
    )


class LayoutOfRates(SynchronousTestCase):
    def test_what_stands_for_money_is_interest_and_the_token_is_held_once(self) -> None:
        self.assertEqual((LAYOUT.numeraire, LAYOUT.base, LAYOUT.rate_ticker), ("ETH%", "ETH", ""))
        self.assertEqual(LAYOUT.holdings, (("account", "ETH"),))

    def test_a_price_and_a_rate_are_no_pool(self) -> None:
        error = self.assertRaises(ValueError, Layout, Pair("source", "ETH/USD"), Pair("target", NEAR))
        self.assertIn("no rate of interest", str(error))

    def test_a_reserve_is_an_account_with_holdings_and_without_a_pair(self) -> None:
        layout = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"), (("reserve", "BTC"),))
        self.assertEqual((layout.venues, layout.traded), (("source", "target", "reserve"), ("source", "target")))
        self.assertEqual(layout.holdings[-1], ("reserve", "BTC"))
        self.assertEqual(layout.at("reserve"), ())


class References(SynchronousTestCase):
    def references(self, found: View) -> dict[Side, Any]:
        strategy = RateQuotes()
        return {one.side: one for one in strategy.references(found, strategy.optimise(found))}

    def test_each_side_is_worth_what_it_can_be_closed_at(self) -> None:
        found = self.references(view())
        self.assertEqual((found[Side.BUY].price, found[Side.SELL].price), (D("0.0400"), D("0.0410")))
        self.assertEqual({one.size for one in found.values()}, {D(1)})

    def test_a_size_beyond_the_best_rate_pays_the_mean(self) -> None:
        found = self.references(view("6"))
        self.assertEqual((found[Side.BUY].price, found[Side.SELL].price), (D("0.0395"), D("0.0415")))

    def test_fees_of_both_markets_are_taken_off(self) -> None:
        changed = view()
        fee = Cost(D(0), D("0.01"))
        changed = evolve(changed, parameters=evolve(changed.parameters, source_fee=fee, target_fee=fee))
        found = self.references(changed)
        self.assertEqual(found[Side.BUY].price, D("0.0400") * D("0.99") / D("1.01"))
        self.assertEqual(found[Side.SELL].price, D("0.0410") * D("1.01") / D("0.99"))

    def test_a_book_too_thin_gives_no_price_and_says_why(self) -> None:
        found = self.references(view("1", book=Sides(BOOK.bids, ((D("0.0410"), D("0.3")),))))
        self.assertIsNone(found[Side.SELL].price)
        self.assertEqual(found[Side.SELL].reason, "the source's asks cover 0.3 of 1")
        self.assertEqual(found[Side.BUY].price, D("0.0400"))

    def test_who_has_too_little_to_lend_does_not_quote(self) -> None:
        for one in self.references(view("1", "0.4")).values():
            self.assertIsNone(one.price)
            self.assertIn("account has 0.4 ETH to lend, 1 are wanted", one.reason)

    def test_wanted_are_quotes_alone(self) -> None:
        wanted = RateQuotes().wanted(view())
        self.assertEqual((wanted.trade, wanted.transfers), (None, ()))
        self.assertEqual([one.side for one in wanted.references], [Side.BUY, Side.SELL])

    def test_a_move_of_the_book_needs_no_new_optimum_and_a_fill_does(self) -> None:
        strategy, before = RateQuotes(), view()
        optimum = strategy.optimise(before)
        self.assertIs(strategy.needs(evolve(before, marks={"ETH%": D(1), "ETH": D("0.08")}), optimum), Need.NOTHING)
        self.assertIs(strategy.needs(evolve(before, exposure=D(1)), optimum), Need.PRICES)


class TheOptimizer(SynchronousTestCase):
    def test_it_holds_the_token_and_does_not_trade_the_market(self) -> None:
        pool = pool_of(view())
        self.assertEqual([(one.asset, one.total) for one in pool.holdings], [("ETH", 100.0)])
        self.assertEqual(pool.moves, ())

    def test_the_flag_of_a_market_decides_whatever_it_is_called(self) -> None:
        pool = Layout(Pair("source", "ETH/USD"), Pair("target", "ETH/HUF"))
        priced = evolve(
            view(layout=pool),
            marks={"USD": D(1), "ETH": D(2000), "HUF": D("0.0037")},
            stocks=tuple(Stock(venue, asset, D(1), D(1), D(1), D(1), D(0), D(1)) for venue, asset in pool.holdings),
            covariance=((1.0, 0.0), (0.0, 1e-8)),
        )
        trades = [move for move in pool_of(priced).moves if isinstance(move, Trade)]
        self.assertEqual(len(trades), 1)
        flagged = evolve(priced, rules={("source", "ETH/USD"): rules("ETH/USD")})
        self.assertEqual([move for move in pool_of(flagged).moves if isinstance(move, Trade)], [])

    def test_the_strategies_of_a_configuration_are_these(self) -> None:
        self.assertEqual(dict(STRATEGIES), {"pool": LiquidityPool, "rates": RateQuotes})


class Lent(SynchronousTestCase):
    def test_what_is_lent_is_remembered_and_forgotten_with_the_connection(self) -> None:
        balances = Balances(lambda: 0.0)
        position = {"contract": "ETH", "position": D(98), "available": D(98), "lent": D(2)}
        balances.report("venue", position)
        self.assertEqual((balances.balance("venue", "ETH"), balances.lent("venue", "ETH")), (D(98), D(2)))
        balances.snapshot("venue", {})
        self.assertEqual(balances.lent("venue", "ETH"), D(0))
        balances.report("venue", position)
        balances.forget("venue")
        self.assertEqual(balances.lent("venue", "ETH"), D(0))
