"""Looks at records of persons: who may, for what and how long, and what was seen of whom."""
