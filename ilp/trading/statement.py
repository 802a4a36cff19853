"""How a trader stands, put together for those who look: one frozen record.  Changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from ilp.trading.status import ExposureStatus, Recovery, TraderStatus

if TYPE_CHECKING:
    from ilp.trading.trader import Trader

__all__ = ["found", "status_of"]


def status_of(trader: Trader) -> TraderStatus:
    """The status of *trader* now."""
    floor, loop = trader.floor, trader.loop
    net, mark, since = floor.exposure.net, floor.market.good_mid, floor.exposure.since
    open_for = None if since is None else floor.now() - timedelta(seconds=(floor.seconds() - since) * floor.clock.speed)
    worth = None if mark is None else net * mark
    return TraderStatus(
        trader.life.state,
        trader.since,
        trader.by,
        trader.reason,
        trader.wanted,
        floor.inputs_trouble(),
        floor.market.statuses(),
        tuple(loop.quoter.statuses.values()),
        ExposureStatus(net, worth, floor.limits.exposure, open_for, loop.hedger.reason),
        trader.confirmation,
        tuple(trader.alarms),
        loop.planner.reason,
        found(trader),
    )


def found(trader: Trader) -> Recovery:
    """What is left of before, as far as it is known now: what nobody remembered until it was cancelled included."""
    return evolve(trader.recovery, orders=trader.recovery.orders + len(trader.audit.strays))
