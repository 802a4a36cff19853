"""The strategies that a configuration can name."""

from __future__ import annotations

from collections.abc import Mapping

from ilp.trading.rates import RateQuotes
from ilp.trading.strategy import LiquidityPool, Strategy

__all__ = ["STRATEGIES"]

STRATEGIES: Mapping[str, type[Strategy]] = {"pool": LiquidityPool, "rates": RateQuotes}
"""`pool` takes liquidity for money and offers it for money; `rates` quotes one market of interest rates against another."""
