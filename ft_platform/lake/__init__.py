"""Versioned tables, checkpoints and reports, each with a manifest that says what it was made from and whether it may be
used."""
