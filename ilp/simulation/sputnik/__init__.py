"""A simulated Sputnik exchange: WAMP over WebSocket on the pure exchange core.

Layers, each knowing only those above it: `codec`, `router`, `session` and `auth` are WAMP without sockets; `contracts`,
`wire` and `schema` translate records and parameters; the families `market`, `trader`, `info`, `token` and `registrar` are
the calls; `feeds` turns the core's events into topics; `faults` makes all of it misbehave on demand; `server` listens.
"""
