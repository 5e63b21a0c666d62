"""Metrics, one per file, found by folder: a module with a `METRIC`. File name = metric name."""
