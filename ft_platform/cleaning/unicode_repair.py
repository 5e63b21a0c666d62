"""Mojibake repaired, Unicode normalized, and what nobody can see removed. Clean text is returned as it is, at the cost
of two scans.

Covered: UTF-8 read as a single-byte encoding and back, several times over (ftfy); C1 control characters; NFC; control
characters, terminal colours, zero-width characters, bidirectional overrides (Trojan Source, CVE-2021-42574), tag
characters and surplus variation selectors, which can hide instructions in a text that looks harmless.
Not covered: text that lost bytes, and the cases in which mojibake is also plausible text. Curly quotes, ligatures and
full-width letters stay: they are how people write.
"""

import re
import unicodedata

import ftfy
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad

CONFIG = ftfy.TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    remove_terminal_escapes=False,
    explain=False,
)
"""Encoding repairs of ftfy only. The rest is done here, on every text, mojibake or not."""

C1_CONTROLS = re.compile("[\x80-\x9f]")
_LETTERS = ("common", "lower_common", "upper_common", "lower_accented", "kaomoji")
_TELLING = "".join(members for name, members in MOJIBAKE_CATEGORIES.items() if name not in _LETTERS) + "ØÙ°"
MAY_BE_MOJIBAKE = re.compile(rf"[\x80-\x9fŒœÂÃ]|[{_TELLING}][^\x00-\x7f]|[^\x00-\x7f][{_TELLING}]|[вВ]Ђ")
"""What every text has that ftfy takes for mojibake. Its own test, an alternation of 30, costs
11 microseconds for a text of 60 characters. Nearly all of its 30 want two characters side by side that are not ASCII,
one of them from the categories that are no letters, or from the accented capitals."""
TO_REMOVE = (
    # and line breaks of Unicode
    "\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
"""Characters outside ASCII and C1 that are removed somewhere: members of a class, for `re` and for RE2."""
_TO_REMOVE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{TO_REMOVE}]")
LINE_BREAKS = re.compile("\r\n|[\r\u2028\u2029]")
TERMINAL_ESCAPES = re.compile("\x1b\\[[0-9;]{0,20}[A-Za-z]")
INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # controls, but for tab, line feed and carriage return
    "|[\u00ad\u180e\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb]"  # soft hyphen, zero width, marks
    "|[\u202a-\u202e\u2066-\u2069]"  # bidirectional embeddings, overrides and isolates
)
# Joiners and selectors belong to emoji and to Persian, Indic and Han script, one at a time; elsewhere they only hide
# something.
MISPLACED = re.compile(
    "(?<![^\x00-\x7f])[\u200c\u200d]++|[\u200c\u200d]++(?![^\x00-\x7f])|(?<=[\u200c\u200d])[\u200c\u200d]++"
    "|(?<![^\x00-\x7f])[\ufe00-\ufe0d]|(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    "|(?<![\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"
)
TAGS = re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{1,6}\U000e007f)|[\U000e0000-\U000e007f]")
"""Tag characters are legitimate only in flags of regions, such as Scotland's: black flag, at most six tags, end tag."""
CONTROLS_IN_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def repair_unicode(text: str) -> str:
    """The text in NFC, without mojibake and without invisible characters; line breaks as `\\n`."""
    if text.isascii():
        return text if not CONTROLS_IN_ASCII.search(text) else _without_invisible(text)
    if MAY_BE_MOJIBAKE.search(text) and (C1_CONTROLS.search(text) or is_bad(text)):
        text = ftfy.fix_text(text, CONFIG)
    if _TO_REMOVE.search(text):
        text = _without_invisible(text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def _without_invisible(text: str) -> str:
    text = TERMINAL_ESCAPES.sub("", LINE_BREAKS.sub("\n", text))
    return TAGS.sub(lambda found: found[1] or "", MISPLACED.sub("", INVISIBLE.sub("", text)))
