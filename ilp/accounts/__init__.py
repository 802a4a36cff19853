"""Profit and loss: a double-entry ledger in minor units, and where every cent of a change of equity came from."""
