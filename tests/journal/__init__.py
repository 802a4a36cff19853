"""Tests of ilp.journal."""
