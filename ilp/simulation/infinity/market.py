"""The public calls about markets as they are now: details, books, best quotes, rates, trades, tokens.  Reads the core."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define

from clients.infinity_terms import Category
from ilp.simulation.infinity.errors import invalid
from ilp.simulation.infinity.listings import RateMarket, Token, days_to, plain
from ilp.simulation.infinity.parameters import MOST_ROWS, Parameters
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.tickets import trade_number
from ilp.simulation.infinity.times import millis
from ilp.simulation.infinity.valuation import Valuation
from ilp.simulation.records import Rows, Side, Trade

__all__ = ["BEGIN", "Market"]

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)  # many orders at one instant are stamped a few microseconds ahead of it
_DAY = timedelta(days=1)
_ETHEREUM = 1
_GENESIS = datetime(2023, 12, 20, 12, tzinfo=UTC)  # of the block that the venue's example names
_GENESIS_BLOCK = 4_911_207
_BLOCK = timedelta(seconds=12)
Row = dict[str, Any]
Serve = Callable[[Parameters], Row]


@define(eq=False)
class Market:
    """What everybody may see of the present."""

    core: RateCore
    valuation: Valuation

    def calls(self) -> dict[tuple[str, str], Serve]:
        """By HTTP method and path."""
        fixed, float_ = Category.FIXED, Category.FLOATING
        return {
            ("GET", "/public/get_all_markets"): lambda p: {"markets": self._all(float_)},
            ("GET", "/public/get_all_floating_details"): lambda p: {"markets": self._all(float_)},
            ("GET", "/public/get_all_fixed_details"): self.all_fixed,
            ("GET", "/public/get_fixed_details"): lambda p: {"market": self._detail(self.market(p, fixed))},
            ("GET", "/public/get_floating_details"): lambda p: {"market": self._detail(self.market(p, float_))},
            ("GET", "/public/get_fixed_fees"): self.fees,
            ("GET", "/public/get_fixed_orderbook"): lambda p: self.book(p, fixed),
            ("GET", "/public/get_floating_orderbook"): lambda p: self.book(p, float_),
            ("GET", "/public/get_fixed_rate"): lambda p: {"marketInfo": self.rate_row(self.market(p, fixed))},
            ("GET", "/public/get_floating_rate"): lambda p: {"marketInfo": self.rate_row(self.market(p, float_))},
            ("GET", "/public/get_fixed_trades"): lambda p: self.trades(p, fixed),
            ("GET", "/public/get_floating_trades"): lambda p: self.trades(p, float_),
            ("GET", "/public/get_bba"): self.best,
            ("GET", "/public/get_all_order_buckets"): self.buckets,
            ("GET", "/public/get_blockchain_info"): self.blockchain,
            ("GET", "/public/get_tokens"): lambda p: {"tokens": [self.token_row(t) for t in self.core.tokens.values()]},
            ("GET", "/public/get_token_details"): lambda p: {"token": self.token_row(self.token(p))},
            ("POST", "/public/get_underlying_tokens"): self.underlying,
        }

    # ------------------------------------------------------------------------------------------------- parameters

    def market(self, given: Parameters, category: Category) -> RateMarket:
        """The market that is asked for, which must be of that family and alive."""
        name = given.text("instrumentId")
        found = self.core.market(name)
        if found is None or found.category is not category or found not in self.core.markets(found.token.code):
            raise invalid(f"instrumentId: {name}")
        return found

    def token(self, given: Parameters) -> Token:
        """The token that is asked for."""
        wanted = given.whole("tokenId")
        for token in self.core.tokens.values():
            if token.id == wanted:
                return token
        raise invalid(f"tokenId: {wanted}")

    def fixed_of(self, token: Token, given: Parameters) -> list[RateMarket]:
        """The dated markets that are asked for; all of the token where none is named."""
        named = given.texts("fixedRateInstrumentIds")
        found = [m for m in self.core.markets(token.code) if m.maturity is not None]
        return [market for market in found if market.ticker in named] if named else found

    def spot(self, token: Token) -> RateMarket:
        """The floating market of a token; refused when it has none."""
        found = self.core.market(f"{token.code}-SPOT")
        if found is None:
            raise invalid(f"tokenId: {token.id} is not traded")
        return found

    # ------------------------------------------------------------------------------------------------- details

    def _all(self, category: Category) -> list[Row]:
        return [self._listed(market) for market in self.core.markets() if market.category is category]

    def all_fixed(self, given: Parameters) -> Row:
        """Dated markets, of one token or of all."""
        code = self.token(given).code if given.has("tokenId") else None
        return {"markets": [self._listed(m) for m in self.core.markets(code) if m.maturity is not None]}

    def _listed(self, market: RateMarket) -> Row:
        row = self._common(market)
        if market.maturity is None:
            return row | self._floating(market) | self._totals(market)
        return row | self._dated(market)

    def _detail(self, market: RateMarket) -> Row:
        row = self._common(market)
        return row | (self._floating(market) if market.maturity is None else self._dated(market) | self.day(market))

    def _common(self, market: RateMarket) -> Row:
        last = self.valuation.last.get(market.ticker)
        row: Row = {
            "marketId": market.market_id,
            "tokenId": market.token.id,
            "instrumentId": market.ticker,
            "name": market.name,
            "quantityStep": plain(market.quantity(market.lot)),
            "minQuantity": plain(market.quantity(market.min_quantity)),
            "maxQuantity": plain(market.quantity(market.max_quantity)),
            "rateStep": plain(market.price(market.tick)),
            "enable": market.active,
            "direction": last is not None and last.side is Side.BUY,
            "updateDate": millis(self.core.now() if last is None else last.timestamp),
        }
        for name, rate in (("rate", self.valuation.last_rate(market)), ("midRate", self.valuation.mid(market))):
            if rate is not None:
                row[name] = plain(rate)
        return row

    def _floating(self, market: RateMarket) -> Row:
        rate = self.valuation.last_rate(market)
        return {
            "category": int(Category.FLOATING),
            "takerFeeRate": plain(market.carry_fee),
            "makerFeeRate": plain(market.carry_fee),
            "interestFeeRate": "0",
            "actualRate": plain(rate or Decimal(0)),
            **self.indices(market),
            **self.day(market),
        }

    def _dated(self, market: RateMarket) -> Row:
        assert market.maturity is not None
        return {"daysToMaturity": days_to(market.maturity, self.core.now()), "maturityDate": millis(market.maturity)}

    def indices(self, market: RateMarket) -> Row:
        """The two indices of a floating market and the minute they are of."""
        now = self.core.now()
        borrow, lend = self.core.indices[market.ticker].at(now)
        minute = now - (now - BEGIN) % timedelta(minutes=1)
        return {
            "borrowPriceIndex": plain(round(borrow, 13)),
            "lendPriceIndex": plain(round(lend, 13)),
            "priceIndexDate": millis(minute),
        }

    def day(self, market: RateMarket) -> Row:
        """The last 24 hours: extremes, volume, and the rate a day ago."""
        now = self.core.now()
        bars = self.core.bars(market.ticker, "hour", now - _DAY, now)
        price = market.price

        def told(values: list[int]) -> str:
            return plain(price(values[0])) if values else "0"

        return {
            "high24": told([max(bar.high for bar in bars)] if bars else []),
            "low24": told([min(bar.low for bar in bars)] if bars else []),
            "volume24": plain(market.quantity(sum(bar.volume for bar in bars))),
            "rate24": told([bars[0].open] if bars else []),
            "totalValue": "0",
        }

    def _totals(self, market: RateMarket) -> Row:
        sizes = [self.core.position(account, market.ticker) for account in self.core.accounts]
        cash = sum(max(0, self.core.balance(account, market.token.code)) for account in self.core.accounts)
        return {
            "deposits": int(market.quantity(sum(size for size in sizes if size > 0))),
            "borrows": int(market.quantity(-sum(size for size in sizes if size < 0))),
            "subscriptions": plain(market.quantity(cash)),
        }

    def fees(self, given: Parameters) -> Row:
        """What trading so much would cost."""
        market = self.market(given, Category.FIXED)
        fee = given.number("orderQty") * market.fee_bps / 10_000
        return {"estimatedTrxFee": plain(fee)}

    # ------------------------------------------------------------------------------------------------- books

    def book(self, given: Parameters, category: Category) -> Row:
        """Both sides by descending rate; the *limit* levels nearest the spread."""
        market, limit = self.market(given, category), given.limit(10, 1000)
        book = self.core.book(market.ticker)
        return {"bids": _levels(market, book.bids[:limit]), "asks": _levels(market, book.asks[:limit][::-1])}

    def buckets(self, given: Parameters) -> Row:
        """All levels of some markets."""
        rows: list[Row] = []
        for name in given.texts("instrumentIds"):
            market = self.core.market(name)
            if market is None:
                raise invalid(f"instrumentIds: {name}")
            book = self.core.book(name)
            for side, levels in ((True, book.bids), (False, book.asks)):
                head = {"marketId": market.market_id, "instrumentId": name}
                rows += [head | level | {"side": side} for level in _levels(market, levels)]
        return {"rateBuckets": rows}

    def best(self, given: Parameters) -> Row:
        """Best quotes of a token's markets; `"0"` where there is none of the wanted size."""
        token, least = self.token(given), given.number("minBidNAskSize") if given.has("minBidNAskSize") else Decimal(0)
        rows = [self.best_row(market, least) for market in self.fixed_of(token, given)]
        return {"ir": self.best_row(self.spot(token), least), "fr": rows}

    def best_row(self, market: RateMarket, least: Decimal) -> Row:
        """Best bid and ask of one market."""
        row: Row = {"marketId": market.market_id, "instrumentId": market.ticker}
        if market.maturity is not None:
            row |= {"name": market.name, "daysToMaturity": days_to(market.maturity, self.core.now())}
        book = self.core.book(market.ticker)
        for name, levels in (("bid", book.bids), ("ask", book.asks)):
            good = next((level for level in levels if market.quantity(level[1]) >= least), None)
            rate, quantity = (0, 0) if good is None else good
            row[name] = plain(market.price(rate))
            row[f"{name}Quantity"] = plain(market.quantity(quantity))
            row[f"{name}StepSize"] = plain(least)
        return row

    # ------------------------------------------------------------------------------------------------- rates, trades

    def rate_row(self, market: RateMarket) -> Row:
        """`marketInfo`."""
        row = self._common(market)
        wanted = ("marketId", "instrumentId", "rate", "direction", "updateDate")
        if market.maturity is None:
            return {name: row[name] for name in wanted if name in row} | self.indices(market)
        return {name: row[name] for name in (*wanted, "midRate") if name in row}

    def trades(self, given: Parameters, category: Category) -> Row:
        """Public trades, newest first."""
        market, limit = self.market(given, category), given.limit(20, MOST_ROWS)
        found = self.core.trades(market.ticker, BEGIN, _END)[-limit:]
        return {"trxs": [self._trade(market, trade) for trade in reversed(found)]}

    def _trade(self, market: RateMarket, trade: Trade) -> Row:
        row = {
            "side": trade.side is Side.BUY,
            "rate": plain(market.price(trade.price)),
            "quantity": plain(market.quantity(trade.quantity)),
            "date": millis(trade.timestamp),
        }
        return row if market.maturity is not None else {"tradeId": trade_number(trade.id)} | row

    # ------------------------------------------------------------------------------------------------- tokens, chain

    def token_row(self, token: Token) -> Row:
        """One token."""
        row: Row = {
            "tokenId": token.id,
            "code": token.code,
            "name": token.name,
            "tokenType": 1,
            "valueType": token.value_type,
            "tokenValuationProtocol": int(token.protocol),
            "tokenAddress": token.address,
            "decimals": token.decimals,
            "nativeToken": token.native,
            "withdrawFee": plain(token.withdraw_fee),
            "price": plain(self.core.prices[token.code]),
        }
        if token.underlying is not None:
            id, worth = token.underlying
            row["underlyingAssets"] = [{"underlyingTokenId": id, "underlyingTokenIndex": plain(worth)}]
        return row

    def underlying(self, given: Parameters) -> Row:
        """The tokens of a list of `{tokenId, quantity}`, with what they stand for."""
        if not isinstance(given.body, list) or not all(isinstance(one, dict) for one in given.body):
            raise invalid("a list of tokens")
        return {"tokens": [self.token_row(self.token(Parameters(body=one))) for one in given.body]}

    def blockchain(self, given: Parameters) -> Row:
        """The only chain: a block every twelve seconds of the world."""
        if given.whole("blockChainId") != _ETHEREUM:
            raise invalid("blockChainId: only 1 is known")
        number = self.block()
        digest = hashlib.sha256(f"block {number}".encode()).hexdigest()
        return {"blockChain": {"name": "Ethereum", "processedBlockNum": number, "processedBlockHash": f"0x{digest}"}}

    def block(self, at: datetime | None = None) -> int:
        """The number of the block of a time, now if none is given."""
        return _GENESIS_BLOCK + ((at or self.core.now()) - _GENESIS) // _BLOCK


def _levels(market: RateMarket, levels: Rows) -> list[Row]:
    return [{"rate": plain(market.price(rate)), "quantity": plain(market.quantity(size))} for rate, size in levels]
