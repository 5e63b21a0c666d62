"""Experiments on the training of a use case: the search for settings, and what more data would bring. They publish
reports only."""
