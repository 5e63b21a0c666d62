"""Kills a small training again and again, on purpose, and compares what comes out of it with an undisturbed one."""
