"""Every key of the configuration: kind, default, unit, meaning, and whether an operator may change it while running."""

from __future__ import annotations

from attrs import frozen

from ilp import settings_values as kinds
from ilp.settings_values import Kind

__all__ = ["FEED_SECTIONS", "FREE_SECTIONS", "KEYS", "SECTIONS", "Key", "find"]


@frozen
class Key:
    """One key.

    :ivar default: text used when the file is silent; None means that the key must be given; text in angle brackets says
        how the default follows from other keys.
    :ivar live: may be edited in the console; effective at once.
    """

    section: str
    name: str
    kind: Kind
    default: str | None
    unit: str
    meaning: str
    live: bool = False

    @property
    def full(self) -> str:
        """`section.name`."""
        return f"{self.section}.{self.name}"


_POSITIVE = kinds.number("0", above=True)
_AMOUNT = kinds.number("0")
_FRACTION = kinds.number("0", "1")
_SEVERITY = kinds.choice(("info", "warning", "critical"))

KEYS: tuple[Key, ...] = (
    Key("modules", "source", kinds.dotted, None, "", "Class of the venue that liquidity is taken from."),
    Key("modules", "target", kinds.dotted, None, "", "Class of the venue that liquidity is offered on."),
    Key(
        "modules",
        "reserve",
        kinds.dotted,
        "<none>",
        "",
        "Class of a venue where the pool holds assets, and neither quotes nor hedges.",
    ),
    Key(
        "modules",
        "fiat",
        kinds.dotted_several,
        "<required where the pairs have different quote currencies>",
        "",
        "Class of the feed of fiat rates, or of a venue that lists the pair; several in order of trust.",
    ),
    Key("tickers", "source", kinds.ticker, None, "", "Pair on the source; its quote currency is the numeraire."),
    Key("tickers", "target", kinds.ticker, None, "", "Pair on the target."),
    Key("tickers", "btc", kinds.asset, "BTC", "", "Base currency of both pairs."),
    Key("valuation", "deviation_penalty", _AMOUNT, None, "none", "Price of being far from the target balances.", True),
    Key("valuation", "risk_aversion", _AMOUNT, None, "1/numeraire", "Price of variance.", True),
    Key("data", "source_fee", kinds.cost, None, "source currency, fraction", "Fee of a trade on the source.", True),
    Key("data", "target_fee", kinds.cost, None, "target currency, fraction", "Fee of a trade on the target.", True),
    Key(
        "data",
        "fiat_exchange_cost",
        kinds.cost,
        None,
        "source currency, fraction",
        "Cost of a transfer that converts, and of a payout.",
        True,
    ),
    Key("data", "btc_fee", kinds.coin_cost, None, "base", "Cost of a coin transfer, borne by the receiver.", True),
    Key(
        "data", "fiat_exchange_delay", kinds.seconds(0, 2_592_000), "3 d", "world s", "How long fiat may be under way."
    ),
    Key("data", "btc_delay", kinds.seconds(0, 604_800), "1 h", "world s", "How long coins may be under way."),
    Key("data", "variance_period", kinds.choice(("minute", "hour", "day")), "hour", "", "Period of the variances."),
    Key("data", "variance_window", kinds.window, "month", "periods", "How many periods the variances look back."),
    Key("data", "rate_spread", kinds.number("0", "0.1"), "0.0004", "fraction", "Half spread of a fresh rate."),
    Key("data", "rate_age_factor", kinds.number("0", "10"), "1", "none", "How strongly the age of a rate widens it."),
    Key(
        "trader",
        "strategy",
        kinds.choice(("pool", "rates")),
        "pool",
        "",
        "What is wanted: a liquidity pool between two prices, or quotes of one market of interest rates against another.",
    ),
    Key(
        "trader",
        "mode",
        kinds.choice(("live", "dry-run")),
        "<paper with a section [simulation]; else it must be said, unless both venues are on this machine>",
        "",
        "Whether orders are sent, or only exist here while the data are real.",
    ),
    Key(
        "data",
        "rate_stale",
        kinds.seconds(1, 864_000),
        "2 h",
        "world s",
        "A feed's price that is older gives way to a younger one of a feed behind it.",
    ),
    Key(
        "data",
        "rate_band",
        kinds.number("0", "0.5"),
        "0.005",
        "fraction",
        "How far feeds may be apart besides what their ages explain; beyond it the quotes are pulled.",
    ),
    Key("trader", "quote_size", _POSITIVE, None, "base", "Size of a quote.", True),
    Key("trader", "edge_to_enter", _POSITIVE, None, "numeraire/base", "Edge at which a new quote is placed.", True),
    Key("trader", "edge_to_leave", _AMOUNT, None, "numeraire/base", "Edge below which a quote is cancelled.", True),
    Key(
        "trader",
        "edge_to_drop",
        _POSITIVE,
        "<2 * edge_to_enter - edge_to_leave>",
        "numeraire/base",
        "Edge above which a quote is replaced by a better one.",
        True,
    ),
    Key(
        "trader",
        "max_skew",
        _AMOUNT,
        "0",
        "numeraire/base",
        "How far a quote may go beyond the hedge price to mend the inventory.",
        True,
    ),
    Key("trader", "min_gain", _AMOUNT, "1", "numeraire", "A plan that gains less is not acted on.", True),
    Key("trader", "min_coin_transfer", _AMOUNT, "<5 * quote_size>", "base", "Smallest coin transfer.", True),
    Key(
        "trader",
        "min_fiat_transfer",
        _AMOUNT,
        "<10 * fixed part of fiat_exchange_cost>",
        "source currency",
        "Smallest transfer that converts.",
        True,
    ),
    Key(
        "trader",
        "min_payout",
        _AMOUNT,
        "<10 * fixed part of fiat_exchange_cost>",
        "source currency",
        "Smallest payout.",
        True,
    ),
    Key(
        "trader",
        "max_slippage",
        kinds.number("0", "0.1", above=True),
        "0.005",
        "fraction",
        "How far from the source's best price a hedge may go.",
        True,
    ),
    Key("trader", "max_unhedged", _AMOUNT, "0", "base", "Exposure that is kept as a float instead of hedged.", True),
    Key("trader", "out_address", kinds.address, "", "", "Bank account that payouts go to."),
    Key("trader", "period", kinds.seconds(0.05, 86_400), "5", "s", "How often the optimizer runs and may act."),
    Key("trader", "order_timeout", kinds.seconds(0.1, 3600), "5", "s", "How long an order of a plan may rest."),
    Key("trader", "hedge_timeout", kinds.seconds(0.05, 60), "1", "s", "How long a hedge may rest before a new price."),
    Key("trader", "unhedged_after", kinds.seconds(0.1, 3600), "10", "s", "Open exposure older than this is an alarm."),
    Key("trader", "shutdown_timeout", kinds.seconds(0.1, 600), "10", "s", "How long a stop by signal may take."),
    Key("trader", "sweep", kinds.seconds(1, 3600), "60", "s", "How often own orders are compared with the venue's."),
    Key("trader", "resume", kinds.boolean, "yes", "", "Trade again by itself after a reconnect."),
    Key("trader", "autostart", kinds.boolean, "no", "", "Trade again by itself after a start of the process."),
    Key(
        "limits",
        "price_band",
        kinds.number("0", "0.5", above=True),
        "0.05",
        "fraction",
        "Largest distance of a price from its reference.",
    ),
    Key("limits", "largest_order", _POSITIVE, "<20 * quote_size>", "base", "Largest order."),
    Key("limits", "open_orders", kinds.integer(1, 100), "2", "orders", "Most own orders a pair and side."),
    Key(
        "limits",
        "orders_per_minute",
        kinds.integer(1, 100_000),
        "600",
        "orders",
        "Most orders sent a minute and venue.",
    ),
    Key("limits", "exposure", _POSITIVE, "<10 * quote_size>", "base", "Largest unhedged exposure."),
    Key(
        "limits", "transfers_per_day", kinds.integer(0, 1000), "24", "transfers", "Most transfers a lane and world day."
    ),
    Key("limits", "largest_coin_transfer", _POSITIVE, "<100 * quote_size>", "base", "Largest coin transfer."),
    Key("limits", "largest_fiat_transfer", _POSITIVE, "1000000", "numeraire", "Largest transfer of fiat."),
    Key("limits", "turnover_per_day", _POSITIVE, "<1000 * quote_size>", "base", "Most that is traded a world day."),
    Key("limits", "loss_per_day", _POSITIVE, "10000", "numeraire", "Largest trading loss a world day."),
    Key(
        "limits",
        "equity_fall_per_day",
        _AMOUNT,
        "0",
        "numeraire",
        "Largest fall of equity a world day, whatever its cause; 0 for no such limit.",
    ),
    Key(
        "limits", "keep_source", kinds.amounts, "", "", "Smallest balances kept on the source, whatever the plan says."
    ),
    Key("limits", "keep_target", kinds.amounts, "", "", "Smallest balances kept on the target."),
    Key(
        "limits",
        "fee_values",
        kinds.amounts,
        "",
        "numeraire",
        "What a unit is worth of an asset that venues take fees in and that the pool does not trade.",
    ),
    Key("ages", "source_book", kinds.seconds(0.1, 3600), "15", "s", "Oldest source book that is quoted on."),
    Key("ages", "target_book", kinds.seconds(0.1, 3600), "30", "s", "Oldest target book that is quoted on."),
    Key("ages", "balances", kinds.seconds(0.1, 3600), "90", "s", "Oldest balances that are quoted on."),
    Key("ages", "orders", kinds.seconds(0.1, 3600), "90", "s", "Oldest list of own orders that is quoted on."),
    Key("ages", "rate", kinds.seconds(1, 2_592_000), "1 d", "world s", "Oldest successful fetch of a rate."),
    Key("ages", "fixing", kinds.seconds(1, 2_592_000), "5 d", "world s", "Oldest fixing of a rate."),
    Key("ages", "fresh_updates", kinds.integer(1, 100), "2", "updates", "Good updates before quotes return."),
    Key(
        "ages", "mark_jump", kinds.number("0", "1", above=True), "0.1", "fraction", "Largest believable jump of a mark."
    ),
    Key(
        "ages",
        "implied_cross",
        kinds.number("0", "1", above=True),
        "0.15",
        "fraction",
        "Largest distance of a rate from what the two books imply.",
    ),
    Key(
        "ages",
        "balance_jump",
        kinds.number("0", "1", above=True),
        "0.25",
        "fraction",
        "Largest believable share by which a balance differs from what is expected; 1 believes everything.",
    ),
    Key(
        "ages",
        "balance_settle",
        kinds.seconds(1, 86400),
        "120",
        "s",
        "How long a larger one has to stand before it counts, as an external flow.",
    ),
    Key("ages", "clock_skew", kinds.seconds(1, 3600), "5", "world s", "Largest distance of a venue's clock from ours."),
    Key(
        "transfers",
        "coin_interval",
        kinds.seconds(0, 2_592_000),
        "1 h",
        "world s",
        "Time between transfers of a coin lane.",
    ),
    Key(
        "transfers",
        "fiat_interval",
        kinds.seconds(0, 2_592_000),
        "1 d",
        "world s",
        "Time between transfers of a fiat lane.",
    ),
    Key(
        "transfers",
        "min_arrival",
        _FRACTION,
        "0.75",
        "fraction",
        "A transfer of which less would arrive is only proposed.",
    ),
    Key(
        "transfers",
        "approval_limit",
        _AMOUNT,
        "10000",
        "numeraire",
        "A transfer worth more waits for the operator; 0 lets every one wait.",
    ),
    Key("transfers", "automatic", kinds.lanes, "", "", "Converting lanes that the machine runs by itself."),
    Key("transfers", "payout", kinds.choice(("propose", "off")), "propose", "", "What happens with payouts."),
    Key("transfers", "addresses", kinds.addresses, "", "", "Further addresses that money may go to."),
    Key("database", "url", kinds.text, "<ilp.sqlite beside the configuration>", "", "Where the journal is kept."),
    Key("webserver", "host", kinds.text, "127.0.0.1", "", "Address that the console listens on."),
    Key("webserver", "port", kinds.integer(0, 65535), "8888", "", "Port of the console; 0 takes any free one."),
    Key("webserver", "ssl", kinds.boolean, "no", "", "Serve the console over TLS."),
    Key("webserver", "ssl_key", kinds.path, "", "", "Private key, PEM."),
    Key("webserver", "ssl_cert", kinds.path, "", "", "Certificate, PEM."),
    Key("webserver", "ssl_cert_chain", kinds.path, "", "", "Intermediate certificates, PEM."),
    Key(
        "webserver",
        "allow_plain_http",
        kinds.boolean,
        "no",
        "",
        "Listen beyond loopback without TLS, in plain sight of the network.",
    ),
    Key("webserver", "history", kinds.path, "", "", "File of the console's pictures; empty: beside the journal's."),
    Key("alarms", "webhook", kinds.url, "", "", "Address that each alarm is posted to as JSON."),
    Key("alarms", "webhook_level", _SEVERITY, "warning", "", "Least severity that is posted there."),
    Key("alarms", "telegram_token", kinds.words, "", "", "Token of the Telegram bot that sends."),
    Key("alarms", "telegram_chat", kinds.words, "", "", "Telegram chat that it sends to."),
    Key("alarms", "telegram_level", _SEVERITY, "warning", "", "Least severity that is sent there."),
    Key("alarms", "telegram_api", kinds.url, "https://api.telegram.org", "", "Where Telegram's bot API is."),
    Key("alarms", "mail_to", kinds.words, "", "", "Addresses that alarms are mailed to, comma-separated."),
    Key("alarms", "mail_from", kinds.words, "", "", "Sender of the mails."),
    Key("alarms", "mail_level", _SEVERITY, "critical", "", "Least severity that is mailed."),
    Key("alarms", "smtp_host", kinds.words, "", "", "Mail server."),
    Key("alarms", "smtp_port", kinds.integer(1, 65535), "587", "", "Its port."),
    Key(
        "alarms",
        "smtp_security",
        kinds.choice(("starttls", "tls", "none")),
        "starttls",
        "",
        "How the way to it is encrypted; none sends no password.",
    ),
    Key("alarms", "smtp_user", kinds.words, "", "", "Name at the mail server."),
    Key("alarms", "smtp_password", kinds.words, "", "", "Password at the mail server."),
    Key("alarms", "again", kinds.seconds(1, 604_800), "1 h", "s", "How long the same alarm is not sent again."),
    Key("alarms", "quiet_hours", kinds.hours, "", "UTC", "When only critical alarms are sent; the others come after."),
    Key("alarms", "loss_step", _FRACTION, "0.25", "fraction", "Each such part of the day's largest loss is an alarm."),
    Key("alarms", "heartbeat", kinds.url, "", "", "Address that is asked regularly, for a watch on silence."),
    Key("alarms", "heartbeat_every", kinds.seconds(1, 86_400), "60", "s", "How often."),
    Key(
        "guardian", "heartbeat", kinds.path, "", "", "File of the daemon's heartbeat; empty: beside the configuration."
    ),
    Key(
        "guardian",
        "silence",
        kinds.seconds(2, 3600),
        "10",
        "s",
        "Without a heartbeat for so long the guardian cancels.",
    ),
    Key(
        "dry_run",
        "source_balances",
        kinds.amounts,
        "",
        "",
        "What a dry run begins with on the source; empty: see docs.",
    ),
    Key(
        "dry_run",
        "target_balances",
        kinds.amounts,
        "",
        "",
        "What a dry run begins with on the target; empty: see docs.",
    ),
    Key("dry_run", "latency", kinds.seconds(0, 60), "0.1 s", "s", "How long a request takes to a venue, and back."),
    Key("dry_run", "database", kinds.text, "sqlite://", "", "Journal of a dry run, which begins with an empty one."),
    Key("simulation", "start", kinds.time, None, "", "The world's time at which the simulation starts."),
    Key("simulation", "speed", kinds.number("0", "100000", above=True), "1", "world s/s", "How fast the world runs."),
    Key("simulation", "seed", kinds.integer(0, 2**63), "1", "", "Seed of the drivers, of ids and of salts."),
    Key("simulation", "source_balances", kinds.amounts, "", "", "What the account on the embedded source starts with."),
    Key("simulation", "target_balances", kinds.amounts, "", "", "What the account on the embedded target starts with."),
    Key("simulation", "lot", kinds.number("0.000001", "1"), "0.001", "base", "Quantity step of the embedded venues."),
    Key("simulation", "btc_delay", kinds.seconds(0, 604_800), "10 m", "world s", "How long coins really take."),
    Key("simulation", "fiat_delay", kinds.seconds(0, 2_592_000), "30 m", "world s", "How long fiat really takes."),
    Key(
        "simulation",
        "customers",
        kinds.seconds(0.1, 86_400),
        "120",
        "world s",
        "Mean time between two takers on the target.",
    ),
)

# Sections whose keys are names of the operator's choosing, and what a value there must be.
FREE_SECTIONS: dict[str, Kind] = {
    "target_balance_source": _AMOUNT,
    "target_balance_target": _AMOUNT,
    "target_balance_reserve": _AMOUNT,
    "variance_overrides": _AMOUNT,
    "users": kinds.text,
    "roles": kinds.choice(("viewer", "operator")),
}

# A connection's keys: these three, and the further keyword arguments of its client's class.
FEEDS = 5  # the most feeds of rates; the sections of those behind the first are fiat_connection_2 and so on
FEED_SECTIONS = ("fiat_connection", *(f"fiat_connection_{number}" for number in range(2, FEEDS + 1)))
CONNECTION_SECTIONS = ("source_connection", "target_connection", "reserve_connection", *FEED_SECTIONS)
CONNECTION_KEYS = ("endpoint", "id", "secret")

SECTIONS: tuple[str, ...] = tuple(dict.fromkeys([*(key.section for key in KEYS), *FREE_SECTIONS, *CONNECTION_SECTIONS]))


def find(section: str, name: str) -> Key | None:
    """The key of that name, or None."""
    return next((key for key in KEYS if (key.section, key.name) == (section, name)), None)
