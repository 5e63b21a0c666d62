"""The keys of an installation: what programs sign with, and what everybody verifies with."""
