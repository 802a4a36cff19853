"""Tests; run with trial."""
