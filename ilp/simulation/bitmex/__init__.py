"""A simulated BitMEX: REST under `/api/v1` and WebSocket under `/realtime` on one port, on the common exchange core."""
