"""What the name of a person may be, whoever says it."""

import re

EMAIL = re.compile(r"[!-?A-~]{1,64}@[a-z0-9.-]{1,253}\.[a-z0-9-]{2,63}")
GROUP = re.compile(r"[ -~]{1,200}")


def email_of(text: object) -> str | None:
    """The e-mail address in lower case, or None if it is none of ASCII characters.

    Others are refused: names are compared without regard to case, and there `ﬁrm.org` with a ligature equals
    `firm.org`.
    """
    found = text.strip().lower() if isinstance(text, str) and text.isascii() else ""
    return found if EMAIL.fullmatch(found) else None


def groups_of(names: object) -> frozenset[str] | None:
    """Names of groups, or None if it is no list of them."""
    if not isinstance(names, list) or len(names) > 1000:
        return None
    if not all(isinstance(name, str) and GROUP.fullmatch(name) for name in names):
        return None
    return frozenset(names)
