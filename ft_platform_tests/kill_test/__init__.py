"""Kills a small training again and again, on purpose, and compares what comes out of it with an undisturbed one:
`python -m ft_platform_tests.kill_test --kills 100 --seed 1 --json`.
"""
