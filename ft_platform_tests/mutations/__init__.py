"""Faults that the tests must notice. `python -m ft_platform_tests.mutations` plants each in a copy of the tree and says
which tier caught it."""
