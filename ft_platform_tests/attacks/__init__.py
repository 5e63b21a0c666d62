"""Attacks on the platform, generated from a seed: `python -m ft_platform_tests.attacks --seed 1 --json`.

Each file of `areas/` attacks one part. A case holds where the platform refused, noticed or contained it. `--break NAME`
switches one defence off, and the area that rests on it must turn red: a green line means something only because of
that.
"""
