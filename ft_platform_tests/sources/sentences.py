"""Sentences about fictitious trouble with a bank in many languages, and the encodings that each is written in."""

import json
import unicodedata
from pathlib import Path

SENTENCES: dict[str, list[str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

WEST = ["cp1252", "latin-1", "iso8859-15", "mac-roman", "cp850", "cp437"]
CENTRAL = ["cp1250", "iso8859-2", "cp852", "mac-latin2"]
CYRILLIC = ["cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic"]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"]
ENCODINGS: dict[str, list[str]] = {
    **dict.fromkeys(("en", "de", "fr", "es", "pt", "it", "ca", "nl", "da", "no", "sv", "fi", "is"), WEST),
    **dict.fromkeys(("pl", "cs", "sk", "sl", "hr", "hu", "ro"), CENTRAL),
    "et": ["cp1257", "cp1252", "iso8859-13", "iso8859-15", "iso8859-4"],
    "lv": ["cp1257", "iso8859-13", "iso8859-4", "cp775"],
    "lt": ["cp1257", "iso8859-13", "iso8859-4", "cp775"],
    "ro": [*CENTRAL, "iso8859-16"],
    "tr": ["cp1254", "iso8859-9", "cp857", "mac-turkish"],
    **dict.fromkeys(("ru", "bg", "sr"), CYRILLIC),
    "uk": ["cp1251", "koi8-u", "iso8859-5", "mac-cyrillic"],
    "el": ["cp1253", "iso8859-7", "cp737", "mac-greek"],
    "he": ["cp1255", "iso8859-8", "cp862"],
    "ar": ["cp1256", "iso8859-6", "cp720"],
    "vi": ["cp1258"],
    "th": ["cp874", "iso8859-11"],
    "ja": ["cp932", "shift_jis", "euc_jp", "iso2022_jp", "iso2022_jp_ext"],
    "zh": ["gbk", "gb18030", "gb2312", "hz"],
    "zh-Hant": ["big5", "cp950", "big5hkscs", "gbk"],
    "ko": ["euc_kr", "cp949", "johab", "iso2022_kr"],
}
"""Language -> encodings that files in it come in, beside Unicode's and EBCDIC."""
EVERYWHERE = [*UNICODE, "cp500", "cp037"]


def written(text: str, encoding: str) -> bytes | None:
    """The text in an encoding; None where the encoding has not all of its characters. Vietnamese is written with marks
    behind the letters."""
    if encoding == "cp1258":
        parts = unicodedata.normalize("NFD", text)
        marked = [("a", "\u0302"), ("e", "\u0302"), ("o", "\u0302"), ("a", "\u0306"), ("o", "\u031b"), ("u", "\u031b")]
        for base, mark in marked:
            for letter in (base, base.upper()):
                parts = parts.replace(letter + mark, unicodedata.normalize("NFC", letter + mark))
                for tone in "\u0300\u0301\u0303\u0309\u0323":
                    parts = parts.replace(letter + tone + mark, unicodedata.normalize("NFC", letter + mark) + tone)
        text = parts
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None
