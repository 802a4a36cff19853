"""What the ccxt bridge can be told besides credentials, checked.  Values may come as text from a file."""

from __future__ import annotations

from attrs import field, frozen

from clients.option_values import flag, not_negative, positive, words

__all__ = ["Options"]


@frozen
class Options:
    """Further options of `clients.ccxt.Exchange`.

    :ivar tickers: pairs to follow; empty follows none.
    :ivar depth: levels of each side that `book` events tell.
    :ivar password: what some exchanges call the passphrase of a key; `uid` their number of the account.
    :ivar sandbox: use the exchange's test system, where ccxt knows one.
    :ivar network: chain of deposits, by ccxt's name; empty: the asset's own.
    :ivar throttle: let ccxt space calls out as it knows the exchange to want it, on top of `rate`.
    :ivar withdraw: whether withdrawals may be asked for at all.
    :ivar poll: seconds between two reads of what the exchange does not stream.
    :ivar dead_man: seconds after which the venue cancels everything if nothing is heard while orders rest, where it can;
        0 for off.
    :ivar deadline: seconds for one call, waiting for the rate budget included.
    :ivar connect_deadline: seconds until `connect` reports that there is no connection yet.
    :ivar ping_interval: seconds between two reads that show that the venue is there; `ping_timeout` seconds after one
        without an answer the connection is given up.
    :ivar rate: calls a second, of which `burst` may go at once; `reserve` of these are kept for cancels and hedges.
    :ivar backoff_first: seconds before the first reconnection; waits double up to `backoff_longest`.
    :ivar reread: seconds after which orders and balances are read again even if nothing happened.
    """

    tickers: tuple[str, ...] = field(default=(), converter=words)
    depth: float = positive(50)
    password: str = field(default="", repr=False)
    uid: str = ""
    sandbox: bool = flag(False)
    network: str = ""
    throttle: bool = flag(True)
    withdraw: bool = flag(False)
    poll: float = positive(2.0)
    dead_man: float = not_negative(60.0)
    deadline: float = positive(15.0)
    connect_deadline: float = positive(60.0)
    ping_interval: float = positive(5.0)
    ping_timeout: float = positive(10.0)
    rate: float = positive(5.0)
    burst: float = positive(20.0)
    reserve: float = not_negative(5.0)
    backoff_first: float = positive(1.0)
    backoff_longest: float = positive(60.0)
    reread: float = positive(60.0)
