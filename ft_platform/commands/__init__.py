"""One file per command of `ft`, and `terminal.py`, what several of them show.

At module level commands import the standard library and this file only: `ft --help` must answer at once.
"""

import argparse


def count(text: str) -> int:
    """The type of an argument that counts something: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)
