"""A simulated Kraken on the exchange core: REST and WebSocket v2 as third-party clients expect them."""
