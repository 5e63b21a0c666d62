"""Serves models: one base model and many adapters in one process."""
