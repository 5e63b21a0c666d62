"""Letters and common words of languages: what tells whether bytes were read in the right code page.

Letters: the main exemplar characters of Unicode CLDR (https://cldr.unicode.org, `common/main/<language>.xml`), those
beyond ASCII. Words: some of the commonest of each language, as frequency lists have them.
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        alphabet: letters beyond ASCII, in lower case.
        words: common ones.
    """

    alphabet: frozenset[str]
    words: frozenset[str]


LANGUAGES = {
    name: Language(frozenset(found["letters"]), frozenset(found["words"].split()))
    for name, found in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")).items()
}

CODE_PAGES: dict[str, str] = {
    **dict.fromkeys(
        ("cp1252", "iso8859-15", "mac-roman", "cp850", "cp858", "cp437"), "en de fr es pt it ca nl da no sv fi is et sq"
    ),
    **dict.fromkeys(("cp1250", "iso8859-2", "cp852", "mac-latin2", "iso8859-16"), "en de pl cs sk sl hr hu ro sq"),
    **dict.fromkeys(("cp1254", "iso8859-9", "cp857", "mac-turkish"), "en de fr es pt it nl da no sv fi tr sq"),
    **dict.fromkeys(("cp1257", "iso8859-13", "iso8859-4", "cp775"), "en de fi sv da no et lv lt pl"),
    **dict.fromkeys(
        ("cp1251", "koi8-r", "koi8-u", "iso8859-5", "cp866", "mac-cyrillic", "cp855"), "en ru uk be bg sr mk"
    ),
    **dict.fromkeys(("cp1253", "iso8859-7", "cp737", "cp869", "mac-greek"), "en el"),
    **dict.fromkeys(("cp1255", "iso8859-8", "cp862"), "en he"),
    **dict.fromkeys(("cp1256", "iso8859-6", "cp864"), "en ar fa"),
    "cp1258": "en vi",
    **dict.fromkeys(("cp874", "iso8859-11"), "en th"),
}
"""Code page of one byte a character -> languages that are written in it, separated by blanks."""
