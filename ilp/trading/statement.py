"""How a trader stands, put together for those who look: one frozen record.  Changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ilp.trading.status import ExposureStatus, TraderStatus

if TYPE_CHECKING:
    from ilp.trading.trader import Trader

__all__ = ["status_of"]


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
        trader.recovery,
    )
