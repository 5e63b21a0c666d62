"""Generates tokens and scores labels for many requests and adapters in one batch."""
