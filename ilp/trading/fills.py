"""What a fill changes: balances, turnover and exposure in the instant in which we hear of it, the journal once it is hedged.

Sends nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from attrs import define

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry, Purpose
from ilp.journal.interface import Journal
from ilp.settings import Parameters
from ilp.tickers import parts
from ilp.trading.exposure import Close, Exposure, Open, signed
from ilp.trading.gate import Gate
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import Market
from ilp.trading.own import Growth, OwnOrder
from ilp.trading.recorder import Recorder
from ilp.trading.steps import plain

__all__ = ["Fills", "remembered"]

ZERO = Decimal(0)
ONE = Decimal(1)
MEMORY = timedelta(days=7)  # how far back exposure is rebuilt from the journal at least


async def remembered(
    journal: Journal, now: datetime, began: datetime | None
) -> tuple[Sequence[FillEntry], Sequence[HedgeEntry]]:
    """Every fill of which something may still be open, and the links that say what closed them.

    The oldest part is closed first: of what is older than a fill that was closed in part nothing is open.  So it is read as
    far back as there is such a fill, which of a pool that trades is no further than it has to be.
    """
    back = MEMORY
    while True:
        fills, links = await journal.fills(now - back), await journal.hedges(now - back)
        known = {f"{fill.venue}/{fill.key}" for fill in fills}
        if began is None or now - back <= began or any(link.fill_key in known for link in links):
            return fills, links
        back *= 4


@define(eq=False)
class Fills:
    """Takes in fills.

    :ivar parameters: those of now; what a venue that does not tell its fees is expected to charge.
    :ivar seconds: the reactor's clock; `now`: the world's.
    """

    layout: Layout
    market: Market
    gate: Gate
    exposure: Exposure
    recorder: Recorder
    parameters: Callable[[], Parameters]
    seconds: Callable[[], float]
    now: Callable[[], datetime]

    def take(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        """An own order traded *growth* more, or what it cost is corrected."""
        pairs = self.layout.at(order.venue)
        # An order of an earlier run may have been of a pair that the configuration no longer names.
        pair = next((pair for pair in pairs if pair.ticker == order.ticker), pairs[0])
        fees = self._fees(order, growth, pair)
        received = signed(order.side, growth.quantity) - fees.get(pair.base, ZERO)
        paid = signed(order.side, growth.quantity * growth.price) + fees.get(pair.quote, ZERO)
        self.market.balances.apply(order.venue, pair.base, received)
        self.market.balances.apply(order.venue, pair.quote, -paid)
        fill = self._entry(order, growth, trade_id, fees)
        self.gate.filled(growth.quantity, fill.at)
        self.recorder.hold(order.entry_of(self.now()), fill, *self._links(order, fill, received, paid))

    def recover(self, fills: Iterable[FillEntry], links: Iterable[HedgeEntry]) -> None:
        """Rebuild turnover and exposure from what the journal kept."""
        fills = tuple(fills)
        self.exposure.recover(fills, links, self._reopened)
        for fill in fills:
            self.gate.filled(fill.quantity, fill.at)

    # ------------------------------------------------------------------------------------------------------- details

    def _links(self, order: OwnOrder, fill: FillEntry, received: Decimal, paid: Decimal) -> tuple[HedgeEntry, ...]:
        key = f"{fill.venue}/{fill.key}"
        rate = self._rate()
        if rate is not None:
            self.exposure.value(rate)
        if order.purpose is Purpose.PLAN:
            return ()
        if not fill.quantity:  # what it cost is corrected: only a fee in base leaves anything to close
            return self.exposure.add(Open(key, received, None, None, self.seconds()), fill.at) if received else ()
        if order.purpose is Purpose.QUOTE:
            price = paid / received
            worth = None if rate is None else price * rate
            return self.exposure.add(Open(key, received, worth, _reference(fill), self.seconds(), price), fill.at)
        fee = self.parameters().source_fee.proportional
        return self.exposure.close(received, Close(key, fill.at, fill.price, fee), self.seconds())

    def _fees(self, order: OwnOrder, growth: Growth, pair: Pair) -> Mapping[str, Decimal]:
        """What it was charged; where the venue does not say, what is expected, until it says it of all that is filled."""
        if not growth.quantity:
            return growth.fees
        if not growth.fees:
            usual = self._usual_fee(growth, pair)
            for asset, fee in usual.items():
                order.expected[asset] = order.expected.get(asset, ZERO) + fee
            return usual
        before, order.expected = order.expected, {}
        fees = {a: growth.fees.get(a, ZERO) - before.get(a, ZERO) for a in {**growth.fees, **before}}
        return {asset: fee for asset, fee in fees.items() if fee or asset in growth.fees}

    def _usual_fee(self, growth: Growth, pair: Pair) -> Mapping[str, Decimal]:
        """What a venue that does not tell its fee is expected to charge."""
        parameters = self.parameters()
        fee = parameters.source_fee if pair == self.layout.source else parameters.target_fee
        return {pair.quote: growth.quantity * growth.price * fee.proportional}

    def _entry(self, order: OwnOrder, growth: Growth, trade_id: str | None, fees: Mapping[str, Decimal]) -> FillEntry:
        now = self.now()
        bid = ask = quoted = raced = None
        if order.purpose is Purpose.QUOTE and growth.quantity:
            # What we knew when it happened, not what has arrived since: a quote is judged by that book.
            happened = min(order.happened or now, now)
            bid, ask = self.market.source_best(happened)
            quoted, raced = self._race(order, happened)
        name = (
            f"{order.order_id}:{plain(order.filled)}"
            + ("" if growth.quantity else ":cost")
            + (f":{order.key}" if order.again else "")
        )
        return FillEntry(
            order.venue,
            trade_id or name,
            order.key,
            order.order_id or "",
            order.purpose,
            order.ticker,
            order.side,
            growth.price,
            growth.quantity,
            order.filled,
            fees,
            now,
            bid,
            ask,
            self.market.good_rate if order.purpose is Purpose.QUOTE and self.layout.rate_ticker else None,
            quoted,
            raced,
        )

    def _race(self, order: OwnOrder, happened: datetime) -> tuple[Decimal | None, Decimal | None]:
        """By which price a quote was last found in its band, and how long a worse one was known when it was filled."""
        kept = order.kept_by(happened)
        if kept is None:
            return None, None
        since = self.market.worse_since(order.side, kept, happened)
        late = None if since is None else Decimal(f"{(happened - since).total_seconds():.6f}")
        _, bid, ask = kept
        return bid if order.side is Side.BUY else ask, late

    def _rate(self) -> Decimal | None:
        """Numeraire for one unit of the target's currency now."""
        return self.market.good_rate if self.layout.rate_ticker else ONE

    def _reopened(self, fill: FillEntry) -> Open | None:
        """What a fill of an earlier run opens, but for what was linked to it."""
        if fill.purpose is Purpose.PLAN:
            return None
        key, received = f"{fill.venue}/{fill.key}", fill.received
        if not fill.quantity:
            return Open(key, received, None, None, self.seconds()) if received else None
        if fill.purpose is Purpose.HEDGE:
            return Open(key, received, fill.price, fill.price, self.seconds())
        _, quote = parts(fill.ticker)
        price = (signed(fill.side, fill.quantity * fill.price) + fill.fees.get(quote, ZERO)) / received
        rate = fill.rate if self.layout.rate_ticker else ONE
        return Open(key, received, None if rate is None else price * rate, _reference(fill), self.seconds(), price)


def _reference(fill: FillEntry) -> Decimal | None:
    """The source's best price at which the fill could be closed when it happened."""
    return fill.reference_bid if fill.side is Side.BUY else fill.reference_ask
