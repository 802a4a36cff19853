"""What reacts: market state, trader, orders, hedges, transfers, limits."""
