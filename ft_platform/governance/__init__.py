"""Decides which records may be used at all."""
