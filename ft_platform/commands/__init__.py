"""One file per command of `ft`, and `terminal.py`, what several of them show.

At module level commands import the standard library and this file only: `ft --help` must answer at once.
"""

import argparse


def count(text: str) -> int:
    """The type of an argument that counts something: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


MESSAGE_LINES = 5
MESSAGE_CHARACTERS = MESSAGE_LINES * 120
"""What an error may have on a terminal."""


def shortened(text: str) -> str:
    """A message of at most five lines on a terminal of 120 columns; its end, which says what to do, stays."""
    if len(text) <= MESSAGE_CHARACTERS:
        return text
    start, end = text[: MESSAGE_CHARACTERS * 2 // 3], text[-(MESSAGE_CHARACTERS // 3 - 5) :]
    return f"{start.rsplit(' ', 1)[0]} ... {end.split(' ', 1)[-1]}"
