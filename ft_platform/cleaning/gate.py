"""Which texts need a repair at all, decided for a whole column at once: the others never become Python objects.

A gate may let a text through that turns out to need nothing; it never holds back one that a repair would change.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.boilerplate import HINT
from ft_platform.cleaning.byte_flags import NON_ASCII, ByteFlags
from ft_platform.cleaning.mojibake_re2 import MOJIBAKE
from ft_platform.cleaning.unicode_repair import TO_REMOVE
from ft_platform.use_case.settings.cleaning import Cleaning

NOTHING, WHITESPACE, REPAIR = range(3)
"""What a text needs: nothing; white space to be normalized and nothing else, by `tidy_column`; to be looked at by
`repair`."""
MARKUP, CONTROL, TAB, FOREIGN, BLANK, BREAK, UNTIDY, CODE = (1 << bit for bit in range(8))
CLASSES = {
    MARKUP: b"<&",
    CONTROL: [*range(0x09), *range(0x0B, 0x20), 0x7F],  # some of them count as white space
    TAB: b"\t",
    FOREIGN: NON_ASCII,
    BLANK: b" ",
    BREAK: b"\n",
    CODE: b"`~",
}
UNICODE_BLANKS = "\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode outside ASCII: what `str.isspace` and `\\s` of `re` take as such."""
SUSPECT = f"[{UNICODE_BLANKS}{TO_REMOVE}]|{MOJIBAKE}"


def needs(texts: pa.Array, settings: Cleaning) -> np.ndarray:
    """`NOTHING`, `WHITESPACE` or `REPAIR` for each text. Shape `(texts,)`, dtype int8.

    Args:
        texts: strings; a null needs nothing.
        settings: which repairs are on.
    """
    found = ByteFlags(texts, CLASSES)
    if settings.normalize_whitespace:
        _mark_untidy(found)
    flags = found.of_texts()
    repair, untidy = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    if settings.strip_html:
        repair |= flags & MARKUP > 0
    if settings.fix_unicode or settings.normalize_whitespace:
        repair |= flags & CONTROL > 0
    if settings.normalize_whitespace:
        untidy = flags & (UNTIDY | TAB) > 0
        repair |= untidy & (flags & CODE > 0)
    if settings.boilerplate:
        repair |= pc.fill_null(pc.match_substring_regex(texts, HINT), False).to_numpy(zero_copy_only=False)
    if settings.fix_unicode or settings.normalize_whitespace:
        foreign = np.flatnonzero((flags & FOREIGN > 0) & ~repair)
        repair[foreign] = _foreign_needs_repair(texts.take(pa.array(foreign)))
    return np.where(repair, REPAIR, np.where(untidy, WHITESPACE, NOTHING)).astype(np.int8)


def _mark_untidy(found: ByteFlags) -> None:
    """Blanks and line breaks that are doubled, at a line end or start, or at an end of the text; a single empty line is
    tidy."""
    flags = found.flags
    space = flags & (BLANK | BREAK)
    filled = found.ends > found.starts
    for edge in (found.starts[filled], found.ends[filled] - 1):
        flags[edge[space[edge] > 0]] |= UNTIDY
    # Across the border of two texts these also match, where both have a blank at their end or start and are untidy
    # anyway.
    neighbours = np.flatnonzero((space[1:] > 0) & (space[:-1] > 0))
    single_break = (space[neighbours] == BREAK) & (space[neighbours + 1] == BREAK)
    flags[neighbours[~single_break]] |= UNTIDY
    breaks = neighbours[single_break]
    flags[breaks[np.flatnonzero(np.diff(breaks) == 1)]] |= UNTIDY


def _foreign_needs_repair(texts: pa.Array) -> np.ndarray:
    """The same for texts with characters outside ASCII. Shape `(texts,)`."""
    if not len(texts):
        return np.zeros(0, bool)
    needs = pc.match_substring_regex(texts, SUSPECT).to_numpy(zero_copy_only=False).copy()
    rest = np.flatnonzero(~needs)
    needs[rest] = [not unicodedata.is_normalized("NFC", text) for text in texts.take(pa.array(rest)).to_pylist()]
    return needs
