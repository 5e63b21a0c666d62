"""`normalize_whitespace` for a whole column at once, on the bytes: for texts whose white space is blanks, tabs and line
feeds, without code."""

import numpy as np
import pyarrow as pa

from ft_platform.cleaning.byte_flags import string_buffers

BLANK, TAB, BREAK = b" \t\n"


def tidy_column(texts: pa.Array, keep_indentation: np.ndarray) -> pa.Array:
    """The texts with single blanks, no blanks at line ends, at most one empty line in a row, none at start and end.

    What stays of a run of white space depends on the run alone: nothing at an end of the text, else at most two line
    feeds, else a blank. With `keep_indentation`, blanks after the last line feed stay too, and those at the start of
    the text.

    Args:
        texts: strings without nulls.
        keep_indentation: whether to leave blanks at line starts, for each text. Shape `(texts,)`, dtype bool.
    """
    offsets, data = string_buffers(texts)
    white = np.flatnonzero((data == BLANK) | (data == TAB) | (data == BREAK))
    if not len(white):
        return texts
    opens, closes, at_start, at_end = _runs(white, offsets)

    # One blank or line feed between two words, as nearly all of them are, stays; so the arrays below are short.
    untidy = ~(opens & closes) | at_start | at_end | (data[white] == TAB)
    white, opens, closes = white[untidy], opens[untidy], closes[untidy]
    at_start, at_end = at_start[untidy][opens], at_end[untidy][closes]
    first, run_of = np.flatnonzero(opens), np.cumsum(opens) - 1
    start, is_break = white[first], data[white] == BREAK
    if not len(first):
        return texts
    breaks = np.add.reduceat(is_break, first, dtype=np.int64)
    last_break = np.maximum.reduceat(np.where(is_break, white, -1), first)

    indents = keep_indentation[np.searchsorted(offsets, start, side="right") - 1] & ~at_end & (at_start | (breaks > 0))
    keeps = np.ones(len(data), bool)
    keeps[white] = (white > last_break[run_of]) & indents[run_of]
    made = data.copy()
    inner = ~(at_start | at_end)
    for place, character, chosen in (
        (start, BLANK, inner & (breaks == 0)),
        (start, BREAK, inner & (breaks > 0)),
        (start + 1, BREAK, inner & (breaks > 1)),
    ):
        made[place[chosen]], keeps[place[chosen]] = character, True
    gone_before = np.searchsorted(white[~keeps[white]], offsets)
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer((offsets - gone_before).astype(np.int32)), pa.py_buffer(made[keeps])
    )


def _runs(white: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whether each white byte is the first of its run, the last of it, the first of its text, the last of it. Shapes
    `(white,)`."""
    at_start, at_end = np.zeros(len(white), bool), np.zeros(len(white), bool)
    for marks, places in ((at_start, offsets[:-1]), (at_end, offsets[1:] - 1)):
        found = np.searchsorted(white, places)
        found = found[(found < len(white)) & (white[np.minimum(found, len(white) - 1)] == places)]
        marks[found] = True
    apart = np.diff(white) > 1
    return np.concatenate([[True], apart]) | at_start, np.concatenate([apart, [True]]) | at_end, at_start, at_end
