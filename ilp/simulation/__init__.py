"""Venues that run here: a pure matching engine and ledger, wire servers on it, market drivers."""
