"""Measurements. Each program says how to run it."""
