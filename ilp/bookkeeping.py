"""Ties the pool's own ledger to a trader: what it is told of the moment, and the loss that stops it.  Books nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from ilp.accounts.books import Books
from ilp.accounts.keeper import AccountedJournal, Instant
from ilp.accounts.postings import TRANSIT, own
from ilp.accounts.units import amount_of
from ilp.journal.interface import Journal, Recovered
from ilp.settings import RESERVE, Settings
from ilp.tickers import held, parts
from ilp.trading.gate import over_fall, over_loss
from ilp.trading.machine import State
from ilp.trading.trader import Trader
from ilp.trading.view import trade_minimum

__all__ = ["accounted", "foreign", "keep_books", "known_marks", "told_balances"]

ZERO = Decimal(0)
EVERY = 0.25  # reactor seconds between two looks at the loss
_ENDED = frozenset({State.HALTED, State.SHUTDOWN})


def accounted(journal: Journal, settings: Settings) -> AccountedJournal:
    """*journal* with books for the pool that *settings* describe."""
    return AccountedJournal(journal, Books(settings.tickers["btc"], parts(settings.tickers["source"])[1]))


def foreign(journal: AccountedJournal, recovered: Recovered, settings: Settings) -> frozenset[str]:
    """Accounts that the configuration does not have, and where the journal has money, or something that is not over.

    Nobody would ever ask there what became of an order, and what the ledger has there would be held twice.
    """
    found = {account for (account, _), number in journal.books.balances.items() if number and own(account)}
    found |= {order.venue for order in recovered.orders}
    found |= {venue for entry in recovered.transfers for venue in (entry.from_venue, entry.to_venue)}
    return frozenset(found - {*settings.accounts, RESERVE, TRANSIT, ""})


def keep_books(trader: Trader, journal: AccountedJournal) -> Callable[[], None]:
    """Let the ledger see through the trader's eyes, and the gate ask it for the day's loss; returns how to end that."""
    limits, seconds = trader.settings.limits, trader.clock.reactor.seconds
    looked = float("-inf")

    def turned() -> None:
        nonlocal looked
        if trader.floor.uncounted:
            _tell_unvalued(trader, journal)
        # until the ledger is open every turn counts: READY may last for one only
        if journal.books.opened is not None and seconds() - looked < EVERY:
            return  # a turn must stay cheap; the gate asks for the loss with every order besides
        looked = seconds()
        trader.recorder.flush()  # a ledger that opens with what the venues hold must not book it once more
        journal.look()
        _tell_unvalued(trader, journal)
        breach = over_loss(journal.loss(), limits.loss_per_day) or over_fall(journal.fall(), limits.equity_fall_per_day)
        if breach is not None and trader.life.state not in _ENDED:
            trader.halt(str(breach), "gate")

    def known(measure: Callable[[], Decimal]) -> Callable[[], Decimal]:
        """*measure* of all that has been filled."""

        def measured() -> Decimal:
            trader.recorder.flush()
            return measure()

        return measured

    _expect_balances(trader, journal)
    journal.uncounted = lambda: _tell_unvalued(trader, journal)
    journal.instant = lambda: _instant(trader)
    trader.gate.loss, trader.gate.fall = known(journal.loss), known(journal.fall)
    trader.floor.unopened = lambda: _unopened(trader, journal)
    return trader.subscribe(turned)


def _tell_unvalued(trader: Trader, journal: AccountedJournal) -> None:
    """While nobody knows what a fee is worth the day's loss is not known either: nothing more is to be risked."""
    fees = ", ".join(f"{fee:f} {asset}" for asset, fee in journal.unvalued().items())
    told = (
        fees
        and f"fees of {fees} today are in no limit, as nobody knows what they are worth: [limits] fee_values says it"
    )
    if told != trader.floor.uncounted:
        trader.floor.uncounted = told
        trader.wake()


def known_marks(trader: Trader) -> Mapping[str, Decimal] | None:
    """What a unit of each asset is worth, of those too that only fees are taken in; None while a mark is missing."""
    marks = trader.market.marks()
    return None if marks is None else {**trader.settings.limits.fee_values, **marks}


def _expect_balances(trader: Trader, journal: AccountedJournal) -> None:
    """Let each balance that a venue reports be judged by the ledger; what stands although it is odd is an external flow."""
    market, plausible = trader.market, trader.market.plausible

    def expected(venue: str, asset: str) -> Decimal | None:
        trader.recorder.flush()  # what the journal was not given yet is in no ledger, and what it could not take
        known = journal.books.opened is not None and not trader.recorder.failing and venue in trader.layout.traded
        return amount_of(journal.books.balances.get((venue, asset), 0)) if known else None

    def fillable(venue: str, asset: str) -> Decimal:
        resting = ((pair, row) for pair in trader.layout.at(venue) for row in market.own(pair))
        sizes = (left if asset == pair.base else left * price for pair, (_, price, left) in resting)
        return sum(sizes, market.balances.traded(venue, asset))

    def least(venue: str, asset: str) -> Decimal:
        pair = next((pair for pair in trader.layout.at(venue) if asset in held(pair.ticker)), trader.layout.source)
        reference = market.reference(pair)
        if reference is None:
            return ZERO
        smallest = trade_minimum(trader.floor.rules(pair), reference)
        return smallest if asset == pair.base else smallest * reference

    plausible.expected, plausible.fillable, plausible.least = expected, fillable, least
    plausible.moving, plausible.accepted = trader.transfers.unsettled, trader.transfers.found


def told_balances(trader: Trader) -> Mapping[tuple[str, str], Decimal]:
    """What the connected venues say that they hold, fills of this moment included.

    A reserve is not in the books: what is lent, earned or moved there is no doing of the pool's.
    """
    return {
        (venue, asset): trader.market.balances.balance(venue, asset)
        for venue, asset in trader.layout.holdings
        if venue in trader.layout.traded and trader.market.connected.get(venue, False)
    }


def _unopened(trader: Trader, journal: AccountedJournal) -> str:
    """Why nothing is booked yet; a ledger that opened while an order of ours is live would not know what it fills."""
    if journal.books.opened is not None:
        return ""
    live = ", ".join(f"{order.venue}/{order.order_id or order.key}" for order in trader.desk.live())
    waits = f"; it waits until {live} is final" if live else ""
    return f"not open yet, so no loss of today would be counted{waits}"


def _instant(trader: Trader) -> Instant:
    certain = trader.life.state is State.READY and not trader.desk.live() and not trader.floor.inputs_trouble()
    return Instant(
        trader.clock.now(),
        known_marks(trader),
        trader.floor.exposure.net,
        told_balances(trader) if certain else None,
        tuple(trader.transfers.entries) if certain else (),
    )
