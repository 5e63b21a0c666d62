"""Texts as cells of a spreadsheet: a text that a program would take for a formula is marked as text."""

import re

FORMULA = re.compile(r"^[\s\x00-\x20]*[=+\-@＝＋－＠]|^[\t\r\n]")
"""What starts a formula (OWASP, CSV Injection: also the full-width signs, and behind blanks that a program drops)."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Signs that no workbook may hold (XML 1.0, section 2.2)."""
MOST_CHARACTERS = 8000
"""A cell of Excel holds 32,767."""
SHORTENED = " [shortened]"


def cell(text: str) -> str:
    """A text as it stands in a cell: line breaks as one sign, no control signs, an apostrophe in front of what would be
    a formula."""
    plain = CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(plain) > MOST_CHARACTERS:
        plain = plain[:MOST_CHARACTERS] + SHORTENED
    return f"'{plain}" if FORMULA.match(plain) else plain
