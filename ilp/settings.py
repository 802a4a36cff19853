"""The configuration as frozen, validated values.  Knows the INI file's sections, keys, ranges and cross-field rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Literal

from attrs import field, frozen

__all__ = [
    "ACCOUNT",
    "EMBEDDED",
    "RESERVE",
    "Ages",
    "AlarmRules",
    "Connection",
    "Cost",
    "DryRun",
    "GuardianRules",
    "Limits",
    "Mode",
    "Parameters",
    "Settings",
    "Simulation",
    "Timing",
    "TransferRules",
    "VarianceRules",
    "Web",
]

EMBEDDED = "embedded"
"""The endpoint of a venue that the daemon itself runs."""
RESERVE = "reserve"
"""How the account is called on which the pool holds assets without trading there."""
ACCOUNT = "account"
"""How the one account is called on which both pairs are traded."""

Mode = Literal["live", "dry-run", "paper"]
"""Real orders; real data and orders that only exist here; a simulated world."""


@frozen
class Cost:
    """A charge: `fixed` once, in the currency that the key's description names, and `proportional` as a fraction."""

    fixed: Decimal
    proportional: Decimal


@frozen
class Connection:
    """How to reach a venue: dotted class name, address, credentials and further options of that client."""

    module: str
    endpoint: str = ""
    id: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    options: Mapping[str, str] = field(factory=dict, repr=False)


@frozen
class Parameters:
    """What an operator may change while the daemon runs.

    Edges and `max_skew` are in numeraire per unit of base, `quote_size` and `max_unhedged` in base, fees as in
    architecture.md ("Configuration"); `targets` maps (venue, asset) to the wanted total.
    """

    quote_size: Decimal
    edge_to_enter: Decimal
    edge_to_leave: Decimal
    edge_to_drop: Decimal
    max_skew: Decimal
    source_fee: Cost
    target_fee: Cost
    fiat_exchange_cost: Cost
    btc_fee: Cost
    deviation_penalty: Decimal
    risk_aversion: Decimal
    targets: Mapping[tuple[str, str], Decimal]
    min_gain: Decimal
    min_coin_transfer: Decimal  # base units; model.md: 5 * quote_size by default
    min_fiat_transfer: Decimal  # source currency; 10 * fixed charge by default
    min_payout: Decimal  # source currency; 10 * fixed charge by default
    max_slippage: Decimal  # fraction of the source's best price
    max_unhedged: Decimal


@frozen
class Limits:
    """What the gate enforces just before the socket; a breach halts."""

    price_band: Decimal  # fraction around the last good reference
    largest_order: Decimal  # base
    open_orders: int  # per pair and side
    orders_per_minute: int  # per venue, cancels not counted
    exposure: Decimal  # base, unhedged
    transfers_per_day: int  # per lane
    largest_coin_transfer: Decimal  # base
    largest_fiat_transfer: Decimal  # numeraire
    turnover_per_day: Decimal  # base, all venues together
    loss_per_day: Decimal  # numeraire
    equity_fall_per_day: Decimal = Decimal(0)  # numeraire, whatever its cause; 0 for no such limit
    keep_source: Mapping[str, Decimal] = field(factory=dict)  # by asset: what stays at the venue whatever the plan says
    keep_target: Mapping[str, Decimal] = field(factory=dict)
    fee_values: Mapping[str, Decimal] = field(factory=dict)  # numeraire for one unit of what only fees are taken in

    def kept(self, venue: str, asset: str) -> Decimal:
        """The smallest balance to keep; 0 where none is given."""
        halves = {"source": self.keep_source, "target": self.keep_target}
        chosen = halves.values() if venue == ACCOUNT else [halves.get(venue, {})]
        return sum((kept.get(asset, Decimal(0)) for kept in chosen), Decimal(0))


@frozen
class Ages:
    """Seconds after which an input is too old to quote on, and how large a jump is insane."""

    source_book: float
    target_book: float
    balances: float
    orders: float
    rate: float  # world seconds since the last successful fetch
    fixing: float  # world seconds since the date of the fixing
    fresh_updates: int  # good updates before quotes return
    mark_jump: Decimal  # fraction between two confirmed marks
    implied_cross: Decimal  # fraction between the rate and what the two books imply
    clock_skew: float = 5.0  # world seconds between a venue's clock and ours
    balance_jump: Decimal = Decimal("0.25")  # fraction between a balance that is reported and what is expected
    balance_settle: float = 120.0  # how long a larger difference has to stand before it counts


@frozen
class Timing:
    """Seconds of the reactor's clock."""

    period: float
    order_timeout: float
    hedge_timeout: float
    unhedged_after: float
    shutdown_timeout: float
    sweep: float  # how often own orders and balances are compared with the venue's


@frozen
class TransferRules:
    """How money may move.  Intervals and delays are seconds of the world's clock."""

    btc_delay: float
    fiat_exchange_delay: float
    coin_interval: float
    fiat_interval: float
    min_arrival: Decimal  # fraction of the amount that must arrive, else it is only proposed
    approval_limit: Decimal  # numeraire: above it a transfer waits for the operator; 0 means every one waits
    automatic: frozenset[tuple[str, str, str]]  # (asset, from venue, to venue) of converting lanes run by the machine
    payout: Literal["propose", "off"]
    out_address: str  # where payouts go
    addresses: Mapping[tuple[str, str], tuple[str, ...]]  # (venue, asset): allowed besides the receiving client's own


@frozen
class VarianceRules:
    """See model.md, section 7; `overrides` by pair, in numeraire squared of one period."""

    period: Literal["minute", "hour", "day"]
    window: int  # periods
    overrides: Mapping[str, Decimal]


@frozen
class Web:
    """Where the console listens; `users` maps a name to its password hash or cleartext, `roles` to viewer or operator.

    :ivar history: file in which the figures of its pictures outlive the process; None: they do not.
    """

    host: str
    port: int
    ssl: bool
    ssl_key: Path | None
    ssl_cert: Path | None
    ssl_cert_chain: Path | None
    users: Mapping[str, str] = field(repr=False)
    roles: Mapping[str, str] = field(factory=dict)
    history: Path | None = None


@frozen
class AlarmRules:
    """Who is told of what; a channel without an address is off.  Levels are `info`, `warning` or `critical`.

    :ivar again: seconds in which the same alarm is not sent twice.
    :ivar quiet_hours: times of UTC between which only critical alarms are sent at once; None for never.
    :ivar loss_step: the part of the day's largest loss that is an alarm each time it is lost; 0 for none.
    """

    webhook: str = field(default="", repr=False)
    webhook_level: str = "warning"
    telegram_token: str = field(default="", repr=False)
    telegram_chat: str = ""
    telegram_level: str = "warning"
    telegram_api: str = "https://api.telegram.org"
    mail_to: str = ""
    mail_from: str = ""
    mail_level: str = "critical"
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    again: float = 3600.0
    quiet_hours: tuple[time, time] | None = None
    loss_step: Decimal = Decimal("0.25")
    heartbeat: str = field(default="", repr=False)
    heartbeat_every: float = 60.0


@frozen
class Simulation:
    """Embedded venues: where the world's clock starts, how fast it runs, what seeds the drivers, and what there is.

    :ivar balances: by venue and asset, what the pool's accounts start with.
    :ivar lot: quantity step of both venues, in base.
    :ivar btc_delay, fiat_delay: how long money is really under way; `customers`: mean time between two takers on the
        target; all in seconds of the world.
    """

    start: datetime
    speed: float
    seed: int
    balances: Mapping[str, Mapping[str, Decimal]]
    lot: Decimal
    btc_delay: float
    fiat_delay: float
    customers: float


@frozen
class GuardianRules:
    """The guardian's signs of life: `heartbeat` is the file that the daemon renews, `silence` reactor seconds."""

    heartbeat: Path = Path("ilp.heartbeat")
    silence: float = 10.0


@frozen
class DryRun:
    """What orders are like that only exist here.

    :ivar balances: by role and asset, what the pool begins with; empty: what the account holds, where there is a key.
    :ivar latency: reactor seconds that a request takes to the venue, and as many back.
    """

    balances: Mapping[str, Mapping[str, Decimal]] = field(factory=dict)
    latency: float = 0.1


@frozen
class Settings:
    """Everything; `file` is where it came from.

    :ivar connections: `source`, `target` and, where there is one, `fiat`.
    :ivar one_account: both pairs are traded on the source's account; its connection is the target's too.
    :ivar tickers: `source` and `target` pair, `btc` the base currency.
    :ivar strategy: by the names of `ilp.trading.strategies`.
    :ivar reserves: assets that count as the pool's on the account `reserve`, whose connection is called so too.
    :ivar origins: `section.key` to `default` or `file`.
    """

    file: Path
    connections: Mapping[str, Connection]
    tickers: Mapping[str, str]
    parameters: Parameters
    limits: Limits
    ages: Ages
    timing: Timing
    transfers: TransferRules
    variance: VarianceRules
    rate_spread: Decimal
    rate_age_factor: Decimal
    resume: bool
    autostart: bool
    database_url: str
    web: Web
    simulation: Simulation | None
    origins: Mapping[str, str] = field(factory=dict, repr=False)
    alarms: AlarmRules = AlarmRules()
    guardian: GuardianRules = GuardianRules()
    mode: Mode = "live"
    dry_run: DryRun = DryRun()
    rate_stale: float = 7200.0  # world seconds
    rate_band: Decimal = Decimal("0.005")
    one_account: bool = False
    strategy: str = "pool"
    reserves: tuple[str, ...] = ()

    def account_of(self, role: str) -> str:
        """How the account is called that `source` or `target` is traded on."""
        return ACCOUNT if self.one_account else role

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """Every account that is traded on once, with its roles."""
        return {ACCOUNT: ("source", "target")} if self.one_account else {role: (role,) for role in ("source", "target")}

    def together(self, by_role: Mapping[str, Mapping[str, Decimal]]) -> dict[str, dict[str, Decimal]]:
        """Amounts given by role, by account: on one account they add."""
        found: dict[str, dict[str, Decimal]] = {}
        for account, roles in self.accounts.items():
            found[account] = {}
            for role in roles:
                for asset, amount in by_role.get(role, {}).items():
                    found[account][asset] = found[account].get(asset, Decimal(0)) + amount
        return found
