"""Tests of the venue clients."""
