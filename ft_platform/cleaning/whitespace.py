"""White space without meaning removed. Clean text is returned as it is, at the cost of one scan."""

import re

from ft_platform.cleaning.html_text import CODE

UNTIDY = re.compile(r"[^\S\n ]|  |^[ \n]|[ \n]\Z| \n|\n |\n\n\n")
LINE_BREAKS = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# One run of blanks is one match, whichever alternative takes it: `[^\S\n]+$` alone is quadratic in a run of 400,000
# blanks.
RUN = re.compile(r"(?P<line_end>[^\S\n]++(?=\n))|(?P<line_start>(?<=\n)[^\S\n]++)|[^\S\n]{2,}+|[^\S\n ]")
EMPTY_LINES = re.compile(r"\n{3,}")


def normalize_whitespace(text: str, *, keep_indentation: bool = False) -> str:
    """The text with single blanks, no blanks at line ends, at most one empty line in a row, none at start and end.

    Args:
        text: any text. Fenced or quoted code in it stays as it is.
        keep_indentation: leave blanks at line starts, which carry meaning in code and nested lists.
    """
    if not UNTIDY.search(text):
        return text
    text = LINE_BREAKS.sub("\n", text)
    if "`" in text or "~~~" in text:
        tidied = "".join(
            part if CODE.fullmatch(part) else _tidy(part, keep_indentation) for part in CODE.split("\n" + text)
        )
    else:
        tidied = EMPTY_LINES.sub("\n\n", "\n".join([_tidy_line(line, keep_indentation) for line in text.split("\n")]))
    return tidied.strip("\n").rstrip() if keep_indentation else tidied.strip()


def _tidy_line(line: str, keep_indentation: bool) -> str:
    """The same as `_tidy` for a whole line without code, in half the time."""
    words = " ".join(line.split())
    return line[: len(line) - len(line.lstrip())] + words if keep_indentation and words else words


def _tidy(text: str, keep_indentation: bool) -> str:
    def replacement(run: re.Match[str]) -> str:
        if run["line_end"]:
            return ""
        if run["line_start"]:
            return run[0] if keep_indentation else ""
        return " "

    return EMPTY_LINES.sub("\n\n", RUN.sub(replacement, text))
