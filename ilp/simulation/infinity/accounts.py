"""The private calls about a user's accounts: who it is, balances, health, positions, marks, transactions, transfers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from attrs import define

from clients.infinity_terms import AccountType, ErrorCode, TransactionType
from ilp.simulation.infinity.auth import Session
from ilp.simulation.infinity.errors import ApiError, invalid, of_rejection
from ilp.simulation.infinity.listings import ROLL_OVER, RateMarket, Token, plain
from ilp.simulation.infinity.market import Market
from ilp.simulation.infinity.members import Account, User
from ilp.simulation.infinity.parameters import Parameters
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.times import millis
from ilp.simulation.infinity.transactions import Transaction, Transactions
from ilp.simulation.infinity.valuation import Figures, Valuation
from ilp.simulation.rejections import Rejection

__all__ = ["Accounts"]

Row = dict[str, Any]
Serve = Callable[[Session, Parameters], Row]
_EMPTY = Figures(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
_MOST_NAME = 40
_TRANSFERS = {
    TransactionType.TRANSFER_IN,
    TransactionType.TRANSFER_OUT,
    TransactionType.EXTERNAL_TRANSFER_IN,
    TransactionType.EXTERNAL_TRANSFER_OUT,
    TransactionType.WITHDRAWAL_FEE,
}


@define(eq=False)
class Accounts:
    """The account calls of one venue."""

    core: RateCore
    market: Market
    valuation: Valuation
    transactions: Transactions

    def calls(self) -> dict[tuple[str, str], Serve]:
        """By HTTP method and path."""
        return {
            ("GET", "/private/get_user_info"): lambda s, p: {"user": _user_row(s.user)},
            ("GET", "/private/get_accounts"): lambda s, p: {"accounts": [self._row(s, a) for a in s.user.accounts]},
            ("GET", "/private/get_account_info"): lambda s, p: {"account": self._row(s, s.user.account(p.account()))},
            ("GET", "/private/get_max_borrow"): self.max_borrow,
            ("GET", "/private/get_all_account_tx"): self.all_transactions,
            ("GET", "/private/get_account_tx"): self.own_transactions,
            ("POST", "/private/transfer_token"): self.transfer,
            ("POST", "/private/transfer_floating_position"): self.transfer_position,
            ("POST", "/private/update_account_name"): self.rename,
            ("GET", "/private/get_all_positions"): self.positions,
            ("GET", "/private/get_floating_positions"): self.floating_positions,
            ("GET", "/private/get_positions_and_dv01"): self.positions_and_dv01,
            ("GET", "/private/get_market_mtms"): self.market_mtms,
            ("GET", "/private/get_token_mtms"): self.token_mtms,
            ("GET", "/private/get_market_summaries"): self.summaries,
        }

    # ------------------------------------------------------------------------------------------------- accounts

    def _row(self, session: Session, account: Account, *, tokens: bool = True) -> Row:
        trading = account.type is AccountType.TRADING
        figures = self.valuation.figures(account.key) if trading else _EMPTY
        ether = self.core.prices.get("ETH") or Decimal(1)
        row: Row = {
            "accountId": account.id,
            "userId": session.user.id,
            "type": int(account.type),
            "name": account.name,
            "status": 1,
            "healthScore": _number(figures.health),
            "asset": _number(figures.asset),
            "assetLtv": _number(figures.asset_ltv),
            "liability": _number(figures.liability),
            "ratesMargin": _number(figures.margin / ether, 8),  # in ether, as the venue's examples suggest
            "ltvType": 1,
            "updateDate": millis(self.core.now()),
        }
        return row | {"tokens": self._tokens(account)} if tokens else row

    def _tokens(self, account: Account) -> list[Row]:
        rows = []
        for code, token in self.core.tokens.items():
            held, locked = self.core.balance(account.key, code), self.core.hold(account.key, code)
            if held or locked:
                amount = token.currency.amount
                rows.append(
                    {
                        "accountId": account.id,
                        "tokenId": token.id,
                        "quantity": plain(amount(held)),
                        "lockedQuantity": plain(amount(locked)),
                        "code": code,
                        "tokenType": 1,
                        "valueType": token.value_type,
                        "tokenValuationProtocol": int(token.protocol),
                        "availableQuantity": plain(amount(held - locked)),
                    }
                )
        return rows

    def rename(self, session: Session, given: Parameters) -> Row:
        """Give an account another name."""
        account, name = session.user.account(given.account()), given.text("name")
        if len(name) > _MOST_NAME:
            raise invalid(f"name: at most {_MOST_NAME} characters")
        account.name = name
        return {"account": self._row(session, account, tokens=False)}

    def max_borrow(self, session: Session, given: Parameters) -> Row:
        """What an account has and owes of each token, and what of it could leave."""
        account = session.user.account(given.account())
        rows = [self._token_position(account, token) for token in self.core.tokens.values()]
        return {"accountTokenPositions": [row for row in rows if row is not None]}

    def _token_position(self, account: Account, token: Token) -> Row | None:
        markets = [m for m in self.core.held_positions(account.key) if m.token is token]
        held = self.core.balance(account.key, token.code)
        moved = [row for row in self.transactions.rows[account.key] if row.token == token.code]
        if not held and not markets and not moved:
            return None
        amount = token.currency.amount
        interest = amount(sum(self.core.accrued(account.key, market.ticker) for market in markets))
        net = sum((self.valuation.net(account.key, market) for market in markets), Decimal(0))
        mtm = sum((self.valuation.mtm(account.key, market) for market in markets), Decimal(0))
        transfers = amount(sum(row.quantity for row in moved if row.type in _TRANSFERS))
        figures = {
            "netAssetValue": amount(held) + net + mtm,
            "cash": amount(held),
            "cashAvailable": amount(self.core.available(account.key, token.code)),
            "interest": interest,
            "netPositions": net,
            "mtm": mtm,
            "pv": net + mtm,
            "netTransfers": transfers,
            "maxWithdraw": self.valuation.removable(account.key, token.code),
            "totalTransfers": transfers,
        }
        row: Row = {"accountId": account.id, "tokenId": token.id, "price": plain(self.core.prices[token.code])}
        return row | {name: plain(round(value, token.decimals)) for name, value in figures.items()}

    # ------------------------------------------------------------------------------------------------- transactions

    def all_transactions(self, session: Session, given: Parameters) -> Row:
        """Rows of all of a user's accounts, newest first."""
        rows = [(account, row) for account in session.user.accounts for row in self.transactions.rows[account.key]]
        return self._transactions(sorted(rows, key=lambda pair: -pair[1].id), given)

    def own_transactions(self, session: Session, given: Parameters) -> Row:
        """Rows of one account, newest first."""
        account = session.user.account(given.account())
        return self._transactions([(account, row) for row in reversed(self.transactions.rows[account.key])], given)

    def _transactions(self, rows: list[tuple[Account, Transaction]], given: Parameters) -> Row:
        start, type_, limit = given.optional_whole("startId"), given.optional_whole("type"), given.limit()
        found = [
            self._transaction(account, row)
            for account, row in rows
            if (start is None or row.id <= start) and type_ in (None, int(row.type))
        ]
        return {"trxs": found[:limit]}

    def _transaction(self, account: Account, row: Transaction) -> Row:
        token = self.core.tokens[row.token]
        return {
            "trxId": row.id,
            "accountId": account.id,
            "tokenId": token.id,
            "type": int(row.type),
            "quantity": plain(token.currency.amount(row.quantity)),
            "balance": plain(token.currency.amount(row.balance)),
            "createDate": millis(row.at),
        }

    # ------------------------------------------------------------------------------------------------- transfers

    def transfer(self, session: Session, given: Parameters) -> Row:
        """Move a token between own accounts; collateral that is needed stays."""
        giver, taker = (session.user.account(given.account(name)) for name in ("fromAccountId", "toAccountId"))
        token, quantity = self.market.token(given), given.number("quantity")
        try:
            units = token.currency.units(quantity)
        except ValueError as problem:
            raise invalid(str(problem)) from None
        needed = giver.type is AccountType.TRADING and quantity > self.valuation.removable(giver.key, token.code)
        if giver is taker or needed:
            raise ApiError(ErrorCode.OPERATION_FAILED, "the same account, or needed as collateral")
        try:
            self.core.transfer(giver.key, taker.key, token.code, units)
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        return {}

    def transfer_position(self, session: Session, given: Parameters) -> Row:
        """Move a floating position between own trading accounts."""
        giver, taker = (session.user.account(given.account(name)) for name in ("fromAccountId", "toAccountId"))
        market = self.core.market(given.text("instrumentId"))
        if market is None or market.maturity is not None or giver is taker:
            raise invalid("instrumentId: a floating market, between two accounts")
        try:
            units = market.quote.units(given.number("quantity"))
        except ValueError as problem:
            raise invalid(str(problem)) from None
        try:
            self.core.transfer_position(giver.key, taker.key, market.ticker, units)
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        return {}

    # ------------------------------------------------------------------------------------------------- positions

    def positions(self, session: Session, given: Parameters) -> Row:
        """Every position of an account, floating and dated."""
        account = session.user.account(given.account())
        return {"accountPositions": [self._position(account, m) for m in self.core.held_positions(account.key)]}

    def _position(self, account: Account, market: RateMarket) -> Row:
        digits = market.token.decimals
        quantity = market.quantity(self.core.position(account.key, market.ticker))
        net, mtm = self.valuation.net(account.key, market), self.valuation.mtm(account.key, market)
        row: Row = {
            "accountId": account.id,
            "tokenId": market.token.id,
            "instrumentId": market.ticker,
            "price": plain(self.core.prices[market.token.code]),
            "quantity": plain(quantity),
            "accruedInterest": plain(market.quantity(self.core.accrued(account.key, market.ticker))),
            "netPositions": plain(net),
            "mtm": plain(round(mtm, digits)),
            "pv": plain(round(net + mtm, digits)),
            "dv01": plain(round(self.valuation.dv01(account.key, market), 18)),
            "rollOverHour": ROLL_OVER.hour,
        }
        held = self.core.dated_positions.get((account.key, market.ticker))
        if held is not None and market.maturity is not None:
            if held.rate is not None:
                row["rate"] = plain(round(held.rate, 12))
            row["maturityDate"] = millis(market.maturity)
        return row

    def floating_positions(self, session: Session, given: Parameters) -> Row:
        """Floating positions with the index at which they were entered."""
        account, wanted = session.user.account(given.account()), given.text("instrumentId", "-")
        rows = []
        for market in self.core.held_positions(account.key):
            if market.maturity is None and wanted in ("-", market.ticker):
                held = self.core.floats[account.key, market.ticker]
                rows.append(
                    {
                        "accountId": account.id,
                        "marketId": market.market_id,
                        "instrumentId": market.ticker,
                        "priceIndex": plain(round(held.entry, 13)),
                        "quantity": plain(market.quantity(held.quantity)),
                        "updateDate": millis(self.core.now()),
                    }
                )
        return {"positions": rows}

    def positions_and_dv01(self, session: Session, given: Parameters) -> Row:
        """The obsolete list of positions."""
        account = session.user.account(given.account())
        rows = []
        for market in self.core.held_positions(account.key):
            row: Row = {
                "marketId": market.market_id,
                "instrumentId": market.ticker,
                "tokenId": market.token.id,
                "position": plain(market.quantity(self.core.position(account.key, market.ticker))),
                "accountId": str(account.id),
            }
            if market.maturity is not None:
                row["dv01"] = plain(round(self.valuation.dv01(account.key, market), 18))
                row["maturityDate"] = millis(market.maturity)
            rows.append(row)
        return {"posDv01": rows}

    def market_mtms(self, session: Session, given: Parameters) -> Row:
        """What each position is worth beyond its principal, in tokens."""
        account = session.user.account(given.account())
        rows = []
        for market in self.core.held_positions(account.key):
            mtm = self.valuation.mtm(account.key, market)
            row: Row = {
                "accountId": account.id,
                "marketId": market.market_id,
                "instrumentId": market.ticker,
                "tokenId": market.token.id,
                "mtm": plain(round(mtm, market.token.decimals)),
            }
            rows.append(row if market.maturity is None else row | {"maturityDate": millis(market.maturity)})
        return {"mtm": rows}

    def token_mtms(self, session: Session, given: Parameters) -> Row:
        """The same by token."""
        account = session.user.account(given.account())
        sums: dict[int, Decimal] = {}
        for market in self.core.held_positions(account.key):
            mtm = self.valuation.mtm(account.key, market)
            sums[market.token.id] = sums.get(market.token.id, Decimal(0)) + mtm
        rows = [
            {"accountId": account.id, "tokenId": id, "mtm": plain(round(mtm, 18))} for id, mtm in sorted(sums.items())
        ]
        return {"mtm": rows}

    def summaries(self, session: Session, given: Parameters) -> Row:
        """Best quotes of a token's markets with the positions of the trading account."""
        token = self.market.token(given)
        least = given.number("minBidNAskSize") if given.has("minBidNAskSize") else Decimal(0)
        key = session.user.of_type(AccountType.TRADING).key
        spot = self.market.spot(token)
        dated = self.market.fixed_of(token, given)
        lent = {m.ticker: m.quantity(self.core.position(key, m.ticker)) for m in (spot, *dated)}
        carry = lent[spot.ticker] * (self.valuation.last_rate(spot) or Decimal(0))
        dv01 = {market.ticker: self.valuation.dv01(key, market) for market in dated}
        rows = []
        for market in dated:
            row = self.market.best_row(market, least) | {"position": plain(lent[market.ticker])}
            row["pv01Series"] = plain(round(self.valuation.unit_dv01(market), 12))
            rows.append(row | {"dv01": plain(round(dv01[market.ticker], 18))})
        return {
            "summary": {
                "position": plain(sum(lent.values(), Decimal(0))),
                "dv01": plain(round(sum(dv01.values(), Decimal(0)), 18)),
                "carry": plain(round(carry, 18)),
            },
            "ir": self.market.best_row(spot, least)
            | {"position": plain(lent[spot.ticker]), "carry": plain(round(carry, 18))},
            "fr": rows,
        }


def _user_row(user: User) -> Row:
    accounts = [{"accountId": account.id, "type": int(account.type)} for account in user.accounts]
    return {"userId": user.id, "address": user.address.lower(), "userType": 1, "accounts": accounts}


def _number(value: Decimal, digits: int = 4) -> float:
    """Money in dollars as the venue tells it: a JSON number."""
    return float(round(value, digits))
