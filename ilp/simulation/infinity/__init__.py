"""A simulated Infinity Exchange: interest rates on an order book, with login by signature, REST and WebSocket."""
