"""Infinity's private REST calls, each a method with a typed answer; their names are those of python-infinity 0.0.7.

Every method returns a Deferred.  An account is always named by the caller or is the Trading account that `trading_account`
holds once it is known; there is no account "None".  Steps and minima are enforced before an order leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from clients.budget import Priority
from clients.calls import deferring
from clients.exchange import OrderRejected, OutcomeUnknown, Refused
from clients.infinity_errors import About
from clients.infinity_http import Http
from clients.infinity_markets import Markets
from clients.infinity_private_records import (
    Account,
    AccountPosition,
    Deposit,
    FloatingPosition,
    MaxBorrow,
    MyOrder,
    OrderAnswer,
    OwnRates,
    OwnTrade,
    PositionDv01,
    Transaction,
    User,
    Withdrawal,
)
from clients.infinity_public import PublicCalls
from clients.infinity_records import MarketMtm, Summary, TokenMtm
from clients.infinity_terms import (
    ANY_SIZE,
    CLIENT_ORDER_ID,
    AccountType,
    Instrument,
    OrderSide,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
    TransactionType,
)
from clients.venue import utc_now

__all__ = ["Calls"]

T = TypeVar("T")


class Calls(PublicCalls):
    """All calls.

    :ivar markets: steps and minima, as far as they were read.
    :ivar trading_account: the id of the account that orders are placed from, once it is known.
    """

    def __init__(self, http: Http, markets: Markets, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(http, now)
        self.markets = markets
        self.trading_account: int | None = None

    async def _mine(self, kind: type[T], member: str, path: str, *query: tuple[str, Any], bulk: bool = False) -> T:
        return await self._get(kind, member, path, *query, bulk=bulk, private=True)

    def _account(self, given: int | None, doing: str) -> int:
        account = self.trading_account if given is None else given
        if account is None:
            raise Refused(self.http.venue, doing, "which account? It is not known yet; name one, or connect first")
        return account

    # ------------------------------------------------------------------------------------------------ funding

    @deferring
    async def deposit(self, limit: int = 20, start_block_id: int | None = None) -> tuple[Deposit, ...]:
        """Deposits of the past; despite its name it makes none."""
        query = ("limit", limit), ("startBlockId", start_block_id)
        return await self._mine(tuple[Deposit, ...], "deposits", "/private/deposit", *query, bulk=True)

    @deferring
    async def get_withdraw_status(self, request_ids: Sequence[int]) -> tuple[Withdrawal, ...]:
        """Some withdrawals; none are asked for where none is named."""
        if not request_ids:
            return ()
        query = ("requestIds", list(request_ids))
        return await self._mine(tuple[Withdrawal, ...], "requests", "/private/get_withdraw_status", query)

    @deferring
    async def get_withdraws(self, limit: int = 20, start_id: int | None = None) -> tuple[Withdrawal, ...]:
        """Withdrawals, newest first."""
        query = ("limit", limit), ("startId", start_id)
        return await self._mine(tuple[Withdrawal, ...], "requests", "/private/get_withdraws", *query, bulk=True)

    @deferring
    async def withdraw(self, token_id: int, quantity: TokenAmount, chain_id: int = 1) -> str:
        """Withdraw from the Current account to the login wallet; the request's id.

        :param chain_id: the venue's own number of a chain.
        """
        doing = f"withdrawing {quantity} of token {token_id}"
        body = {"tokenId": token_id, "quantity": quantity.value, "chainId": chain_id}
        told: dict[str, Any] = await self._post(dict[str, Any], "", "/private/withdraw", doing, About.MONEY, body=body)
        inner = told.get("request")
        for place in (told, inner if isinstance(inner, dict) else {}):
            for name in ("requestId", "id"):
                if isinstance(place.get(name), int | str) and place[name] != "":
                    return str(place[name])
        why = "an answer without an id; look at the withdrawals before asking again"
        raise OutcomeUnknown(self.http.venue, doing, why)

    # ------------------------------------------------------------------------------------------------ markets, tokens

    @deferring
    async def get_market_mtms(self, account_id: int | None = None) -> tuple[MarketMtm, ...]:
        """Marks-to-market of an account by market."""
        path, account = "/private/get_market_mtms", self._account(account_id, "reading market mtms")
        return await self._mine(tuple[MarketMtm, ...], "mtm", path, ("accountId", account))

    @deferring
    async def get_market_summaries(
        self,
        token_id: int,
        min_bid_n_ask_size: Quantity = ANY_SIZE,
        fixed_rate_instrument_ids: Sequence[str] = (),
    ) -> Summary:
        """Best bids and asks of a token with own positions in them."""
        return await self._mine(
            Summary, "", "/private/get_market_summaries",
            ("tokenId", token_id),
            ("minBidNAskSize", min_bid_n_ask_size),
            ("fixedRateInstrumentIds", list(fixed_rate_instrument_ids)),
        )  # fmt: skip

    @deferring
    async def get_token_mtms(self, account_id: int | None = None) -> tuple[TokenMtm, ...]:
        """Marks-to-market of an account by token."""
        path, account = "/private/get_token_mtms", self._account(account_id, "reading token mtms")
        return await self._mine(tuple[TokenMtm, ...], "mtm", path, ("accountId", account))

    # ------------------------------------------------------------------------------------------------ orders

    @deferring
    async def create_fixed_order(
        self,
        instrument_id: str,
        order_type: OrderType,
        side: OrderSide,
        quantity: Quantity,
        client_order_id: str,
        rate: Rate | None = None,
        passive: bool = False,
        account_id: int | None = None,
        priority: Priority = Priority.QUOTE,
    ) -> OrderAnswer:
        """Place an order in a fixed market; see `create_floating_order`."""
        return await self._create(
            "/private/create_fixed_order", False, instrument_id, order_type, side, quantity, client_order_id, rate,
            passive, account_id, priority,
        )  # fmt: skip

    @deferring
    async def create_floating_order(
        self,
        instrument_id: str,
        order_type: OrderType,
        side: OrderSide,
        quantity: Quantity,
        client_order_id: str,
        rate: Rate | None = None,
        passive: bool = False,
        account_id: int | None = None,
        priority: Priority = Priority.QUOTE,
    ) -> OrderAnswer:
        """Place an order in a floating market.

        :param client_order_id: 1 to 8 letters and digits of ASCII.
        :param rate: of a limit order; of a market order the worst rate that it may trade at.
        :param passive: cancelled by the venue instead of trading at once.
        :raise OrderRejected: before anything is sent, where quantity or rate is off the steps or below the minimum.
        """
        return await self._create(
            "/private/create_floating_order", True, instrument_id, order_type, side, quantity, client_order_id, rate,
            passive, account_id, priority,
        )  # fmt: skip

    async def _create(
        self, path: str, floating: bool, instrument_id: str, order_type: OrderType, side: OrderSide, quantity: Quantity,
        client_order_id: str, rate: Rate | None, passive: bool, account_id: int | None, priority: Priority,
    ) -> OrderAnswer:  # fmt: skip
        doing = f"placing to {side.text} {quantity} {instrument_id} at {'any rate' if rate is None else rate}"
        account = self._account(account_id, doing)
        why = self.markets.fault(instrument_id, quantity, rate)
        if not why and Instrument.parse(instrument_id).floating is not floating:
            why = f"{instrument_id} is {'no floating' if floating else 'a floating'} market"
        if not why and order_type is OrderType.LIMIT and rate is None:
            why = "a limit order needs a rate"
        if not why and not CLIENT_ORDER_ID.fullmatch(client_order_id):
            why = f"client order id {client_order_id!r}: 1 to 8 letters and digits are allowed"
        if why:
            raise OrderRejected(self.http.venue, doing, why)
        body = {
            "instrumentId": instrument_id,
            "accountId": account,
            "side": int(side),
            "orderType": int(order_type),
            "quantity": quantity,
            "clientOrderId": client_order_id,
            "passive": int(passive),
            "rate": rate,
        }
        return await self._post(OrderAnswer, "", path, doing, About.PLACE, priority, body=body)

    @deferring
    async def cancel_order(
        self,
        instrument_id: str,
        order_id: int | None = None,
        client_order_id: str | None = None,
        account_id: int | None = None,
    ) -> None:
        """Cancel one order, by one of its ids.  `UnknownOrder` also where it is done already; see the error's `code`."""
        doing = f"cancelling {client_order_id if order_id is None else order_id}"
        if (order_id is None) == (client_order_id is None):
            raise Refused(self.http.venue, doing, "either order_id or client_order_id is wanted")
        query = (
            ("accountId", self._account(account_id, doing)),
            ("instrumentId", instrument_id),
            ("orderId", order_id),
            ("clientOrderId", client_order_id),
        )
        path = "/api/trade/cancel-order"
        await self._post(dict[str, Any], "", path, doing, About.ORDER, Priority.CANCEL, query=query)

    @deferring
    async def batch_cancel_orders(
        self,
        instrument_id: str,
        order_ids: Sequence[int] | None = None,
        client_order_ids: Sequence[str] | None = None,
        account_id: int | None = None,
    ) -> None:
        """Cancel orders of one instrument, by one kind of ids.  The venue does not say which were cancelled."""
        doing = f"cancelling orders of {instrument_id}"
        if (order_ids is None) == (client_order_ids is None):
            raise Refused(self.http.venue, doing, "either order_ids or client_order_ids are wanted")
        body = {
            "accountId": self._account(account_id, doing),
            "instrumentId": instrument_id,
            "orderIds": None if order_ids is None else list(order_ids),
            "clientOrderIds": None if client_order_ids is None else list(client_order_ids),
        }
        path = "/api/trade/cancel-batch-orders"
        await self._post(dict[str, Any], "", path, doing, About.ORDER, Priority.CANCEL, body=body)

    @deferring
    async def get_fixed_orders(
        self,
        pending_only: bool = False,
        done_only: bool = False,
        instrument_id: str | None = None,
        start_id: int | None = None,
        limit: int = 10,
        account_id: int | None = None,
    ) -> tuple[MyOrder, ...]:
        """Own orders of fixed markets, newest first: all, those that may still trade, or those that are done."""
        path = "/private/get_fixed_orders"
        return await self._orders(path, pending_only, done_only, instrument_id, start_id, limit, account_id)

    @deferring
    async def get_floating_orders(
        self,
        pending_only: bool = False,
        done_only: bool = False,
        instrument_id: str | None = None,
        start_id: int | None = None,
        limit: int = 10,
        account_id: int | None = None,
    ) -> tuple[MyOrder, ...]:
        """Own orders of floating markets, newest first: all, those that may still trade, or those that are done."""
        path = "/private/get_floating_orders"
        return await self._orders(path, pending_only, done_only, instrument_id, start_id, limit, account_id)

    async def _orders(
        self, path: str, pending: bool, done: bool, instrument: str | None, start: int | None, limit: int,
        account: int | None,
    ) -> tuple[MyOrder, ...]:  # fmt: skip
        return await self._mine(
            tuple[MyOrder, ...], "orders", path,
            ("accountId", self._account(account, "reading orders")),
            ("pending", pending or None),
            ("done", done or None),
            ("instrumentId", instrument),
            ("startId", start),
            ("limit", limit),
        )  # fmt: skip

    @deferring
    async def aggregate_orders_by_rate(
        self,
        floating_rate_instrument_id: str | None = None,
        fixed_rate_instrument_ids: Sequence[str] = (),
        account_id: int | None = None,
    ) -> OwnRates:
        """Own resting orders by rate, of at least one instrument."""
        doing = "reading own orders by rate"
        if floating_rate_instrument_id is None and not fixed_rate_instrument_ids:
            raise Refused(self.http.venue, doing, "at least one instrument is wanted")
        return await self._mine(
            OwnRates, "", "/private/aggregate_orders_by_rate",
            ("floatRateInstrumentId", floating_rate_instrument_id),
            ("fixedRateInstrumentIds", list(fixed_rate_instrument_ids)),
            ("accountId", self._account(account_id, doing)),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ positions, trades

    @deferring
    async def get_floating_positions(
        self, instrument_id: str | None = None, account_id: int | None = None
    ) -> tuple[FloatingPosition, ...]:
        """Floating positions with the index that each was entered at."""
        query = ("accountId", self._account(account_id, "reading positions")), ("instrumentId", instrument_id)
        return await self._mine(tuple[FloatingPosition, ...], "positions", "/private/get_floating_positions", *query)

    @deferring
    async def get_private_floating_trades(
        self,
        instrument_id: str | None = None,
        start_id: int | None = None,
        limit: int = 20,
        account_id: int | None = None,
    ) -> tuple[OwnTrade, ...]:
        """Own trades of floating markets, newest first, a hundred at most."""
        return await self._trades("/private/get_floating_trades", instrument_id, start_id, limit, account_id)

    @deferring
    async def get_private_fixed_trades(
        self,
        instrument_id: str | None = None,
        start_id: int | None = None,
        limit: int = 20,
        account_id: int | None = None,
    ) -> tuple[OwnTrade, ...]:
        """Own trades of fixed markets, newest first, a hundred at most."""
        return await self._trades("/private/get_fixed_trades", instrument_id, start_id, limit, account_id)

    async def _trades(
        self, path: str, instrument: str | None, start: int | None, limit: int, account: int | None
    ) -> tuple[OwnTrade, ...]:
        return await self._mine(
            tuple[OwnTrade, ...], "trxs", path,
            ("accountId", self._account(account, "reading own trades")),
            ("instrumentId", instrument),
            ("startId", start),
            ("limit", limit),
        )  # fmt: skip

    @deferring
    async def get_positions(self, account_id: int | None = None) -> tuple[AccountPosition, ...]:
        """Every position of an account."""
        path, account = "/private/get_all_positions", self._account(account_id, "reading positions")
        return await self._mine(tuple[AccountPosition, ...], "accountPositions", path, ("accountId", account))

    @deferring
    async def get_positions_and_dv01(self, account_id: int | None = None) -> tuple[PositionDv01, ...]:
        """Positions and what a basis point does to them; obsolete at the venue since January 2024."""
        path, account = "/private/get_positions_and_dv01", self._account(account_id, "reading positions")
        return await self._mine(tuple[PositionDv01, ...], "posDv01", path, ("accountId", account))

    # ------------------------------------------------------------------------------------------------ user, accounts

    @deferring
    async def get_user_info(self) -> User:
        """Whose token it is."""
        return await self._mine(User, "user", "/private/get_user_info")

    @deferring
    async def get_accounts(self) -> tuple[Account, ...]:
        """Every account of the user with what it holds."""
        return await self._mine(tuple[Account, ...], "accounts", "/private/get_accounts")

    @deferring
    async def get_account_id(self, account_type: AccountType = AccountType.TRADING) -> int:
        """The id of the user's account of a type; `Refused` where there is none."""
        for account in await self.get_accounts():
            if account.type == account_type:
                return account.account_id
        raise Refused(self.http.venue, "reading accounts", f"this user has no {account_type.text} account")

    @deferring
    async def get_account_info(self, account_id: int | None = None) -> Account:
        """One account."""
        path, account = "/private/get_account_info", self._account(account_id, "reading an account")
        return await self._mine(Account, "account", path, ("accountId", account))

    @deferring
    async def get_max_borrow(self, account_id: int | None = None) -> tuple[MaxBorrow, ...]:
        """What an account has of each token, and could borrow or withdraw."""
        path, account = "/private/get_max_borrow", self._account(account_id, "reading what can be borrowed")
        return await self._mine(tuple[MaxBorrow, ...], "accountTokenPositions", path, ("accountId", account))

    @deferring
    async def get_all_account_tx(
        self, limit: int = 20, type: TransactionType | None = None, start_id: int | None = None
    ) -> tuple[Transaction, ...]:
        """Transactions of all accounts, newest first, a hundred at most."""
        query = ("limit", limit), ("type", type), ("startId", start_id)
        return await self._mine(tuple[Transaction, ...], "trxs", "/private/get_all_account_tx", *query, bulk=True)

    @deferring
    async def get_account_tx(
        self,
        account_id: int | None = None,
        limit: int = 20,
        type: TransactionType | None = None,
        start_id: int | None = None,
    ) -> tuple[Transaction, ...]:
        """Transactions of one account, newest first, a hundred at most."""
        account = self._account(account_id, "reading transactions")
        query = ("accountId", account), ("limit", limit), ("type", type), ("startId", start_id)
        return await self._mine(tuple[Transaction, ...], "trxs", "/private/get_account_tx", *query, bulk=True)

    @deferring
    async def transfer_token(
        self, from_account_id: int, to_account_id: int, token_id: int, quantity: TokenAmount
    ) -> None:
        """Move tokens between own accounts."""
        what = f"{quantity} of token {token_id}"
        await self._move("token", what, from_account_id, to_account_id, ("tokenId", token_id), quantity)

    @deferring
    async def transfer_floating_position(
        self, from_account_id: int, to_account_id: int, instrument_id: str, quantity: Quantity
    ) -> None:
        """Move a floating position between own accounts."""
        what, instrument = f"{quantity} {instrument_id}", ("instrumentId", instrument_id)
        await self._move("floating_position", what, from_account_id, to_account_id, instrument, quantity)

    async def _move(
        self, kind: str, what: str, giver: int, taker: int, which: tuple[str, Any], quantity: TokenAmount | Quantity
    ) -> None:
        query = ("fromAccountId", giver), ("toAccountId", taker), which, ("quantity", quantity)
        # Nothing leaves the wallet, but it is money all the same: without an answer nobody may move it a second time.
        doing = f"moving {what} from account {giver} to {taker}"
        await self._do(f"/private/transfer_{kind}", doing, About.MONEY, *query)

    @deferring
    async def update_account_name(self, account_id: int, name: str) -> Account:
        """Give an account another name."""
        query = ("accountId", account_id), ("name", name)
        path, doing = "/private/update_account_name", f"naming account {account_id}"
        return await self._post(Account, "account", path, doing, About.OTHER, query=query)

    @deferring
    async def logout(self) -> None:
        """Have the venue forget the token; the old package never did."""
        await self._do("/logout", "logging out", About.OTHER)

    async def _do(self, path: str, doing: str, about: About, *query: tuple[str, Any]) -> None:
        """A call whose answer says nothing."""
        await self._post(dict[str, Any], "", path, doing, about, query=query)
