"""Pure mathematics of the pool: model, cost curves, valuation, optimizer, quoting, variance.  No I/O, no clock."""
