"""Rings of secret keys, and where they are kept: files, variables, key services."""
