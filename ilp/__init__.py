"""The International Liquidity Pool: a cross-exchange market maker."""
