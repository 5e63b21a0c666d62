"""Names of files that can be kept and shown: in tables as UTF-8, in messages without moving the cursor or the lines
around them."""

import os
import unicodedata

from ft_platform.errors import SourceError

NOT_SHOWN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, halves of pairs (bytes that are no UTF-8), separators of lines and
paragraphs."""
TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show what follows in another order: `gpj.exe` as `exe.jpg`."""


def is_plain(name: str) -> bool:
    return not any(unicodedata.category(one) in NOT_SHOWN or one in TURNED for one in name)


def require_plain(path: str) -> None:
    """Returns if a path can be kept and shown as it is.

    Raises:
        SourceError: it cannot. The message shows such characters by their number.
    """
    if not is_plain(path):
        raise SourceError(
            f"the name of the file {shown(path)} is no plain UTF-8 text", "Rename it, or take it out of the source"
        )


def shown(path: str) -> str:
    """The path with every character that cannot be shown as `\\x1b`."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace") if _is_from_disk(path) else path
    return "".join(one if is_plain(one) else f"\\x{ord(one):02x}" for one in text)


def _is_from_disk(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
