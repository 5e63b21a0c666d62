"""One text repaired: HTML first (its entities may hide control characters), then Unicode, then white space, then
boilerplate."""

from ft_platform.cleaning.boilerplate import without_boilerplate
from ft_platform.cleaning.html_text import html_to_text
from ft_platform.cleaning.unicode_repair import repair_unicode
from ft_platform.cleaning.whitespace import normalize_whitespace
from ft_platform.use_case.settings.cleaning import Cleaning

ANSWERS = ("assistant", "tool_call", "rejected")
JSON_ROLES = ("tools", "tool_call")
"""Messages that are JSON: what looks like HTML in them is part of a string."""

KINDS = ("unicode", "html", "whitespace", "boilerplate")
"""Kinds of change, in the order they are listed in the column `changes`."""


def repair(text: str, settings: Cleaning, *, role: str = "user") -> tuple[str, list[str]]:
    """The repaired text and the kinds of change, a subset of `KINDS`.

    Args:
        text: as it came from the source.
        settings: which repairs are on.
        role: whose words these are. In an answer (`ANSWERS`) indentation is part of what the model learns; boilerplate
            is cut off a `user`'s words only.
    """
    changes = []
    if settings.strip_html and role not in JSON_ROLES and (plain := html_to_text(text)) != text:
        text = plain
        changes.append("html")
    if settings.fix_unicode and (repaired := repair_unicode(text)) != text:
        text = repaired
        changes.append("unicode")
    if (
        settings.normalize_whitespace
        and (tidied := normalize_whitespace(text, keep_indentation=role in ANSWERS)) != text
    ):
        text = tidied
        changes.append("whitespace")
    if settings.boilerplate and role == "user" and (own := without_boilerplate(text, settings.boilerplate)) != text:
        text = own
        changes.append("boilerplate")
    return text, changes
