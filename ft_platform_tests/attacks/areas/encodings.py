"""Texts in many languages and encodings, whole, cut to a few words, alone among English, and two in one file: read
rightly or asked about, never wrongly."""

import unicodedata
import unittest.mock
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from ft_platform.errors import SourceError
from ft_platform.sources import text_encoding
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.sources.sentences import ENCODINGS, EVERYWHERE, SENTENCES, written

ENGLISH = "1,The bank charged the account and nobody answers the letters that I wrote\n"
SINGLE_BYTES = ("cp500", "cp037")
"""EBCDIC, in which a single letter is plain ASCII too: not asked of files of one word."""


def sentence(draw: Random, language: str) -> str:
    return f"id,text\n1,{draw.choice(SENTENCES[language])}\n"


def capitals(draw: Random, language: str) -> str:
    return sentence(draw, language).upper()


def many(draw: Random, language: str) -> str:
    return "id,text\n" + "".join(
        f"{number},{text}\n" for number, text in enumerate(SENTENCES[language] * draw.randint(2, 5))
    )


def few_words(draw: Random, language: str) -> str:
    words = draw.choice(SENTENCES[language]).split()
    start = draw.randrange(max(1, len(words) - 3))
    return " ".join(words[start : start + 3]) + "\n"


def among_english(draw: Random, language: str) -> str:
    return (
        "id,text\n"
        + ENGLISH * 3
        + f"2,My name is {draw.choice(draw.choice(SENTENCES[language]).split())} and I was not told\n"
    )


FORMS: dict[str, Callable[[Random, str], str]] = {
    one.__name__: one for one in (sentence, capitals, many, few_words, among_english)
}


def judged(path: Path, data: bytes, text: str) -> str:
    """`right`, `asked` or `wrong`."""
    path.write_bytes(data)
    try:
        found = text_encoding.detect_encoding(path, path.name, "auto")
    except SourceError as error:
        return (
            "asked"
            if "Set source.encoding" in str(error) or "Export it again" in str(error) or "Repair" in str(error)
            else "wrong"
        )
    read = data.decode(found.name).lstrip("\ufeff")
    return (
        "right"
        if unicodedata.normalize("NFC", read) == unicodedata.normalize("NFC", text)
        and found.certainty >= text_encoding.LEAST_CERTAINTY
        else "wrong"
    )


def cases(draw: Random, folder: Path, size: int) -> Iterable[tuple[str, Attack]]:
    every = [(language, encoding) for language in SENTENCES for encoding in (*ENCODINGS[language], *EVERYWHERE)]
    for form, made in FORMS.items():
        for number in range(8 * size):
            language, encoding = draw.choice(every)
            text = made(draw, language)
            if (data := written(text, encoding)) and not (encoding in SINGLE_BYTES and len(text) < 8):
                yield (
                    f"{form} {number}, {language} in {encoding}",
                    lambda data=data, text=text: _broken(folder, data, text),
                )
    for number in range(8 * size):
        yield f"latin among utf-8 {number}", _mixed(draw, folder)
    yield (
        "hungarian in capitals",
        lambda: _broken(folder, (text := "1,AZ ŐSZ ÉS A HŰSÉG NEM ITT VAN\n").encode("cp1250"), text),
    )
    for name, one in KNOWN.items():
        yield name, lambda one=one: _broken(folder, one[0], one[1])


def _broken(folder: Path, data: bytes, text: str) -> str | None:
    """Read as it was written, or asked about."""
    return "read wrongly" if judged(folder / "a.csv", data, text) == "wrong" else None


def _mixed(draw: Random, folder: Path) -> Attack:
    """Lines in Latin-1 and lines in UTF-8, in a proportion and order that are drawn; or both in one line."""
    language = draw.choice(["de", "fr", "es", "pt", "it", "sv", "da"])
    good = SENTENCES[language][0].replace("’", "'").replace("–", "-").replace("…", "...")
    encodings = ["latin-1"] * draw.choice([1, 5, 40]) + ["utf-8"] * draw.choice([1, 5, 40])
    draw.shuffle(encodings)
    end = draw.choice(["\n", " "])
    lines = [f"{number},{good}{end}" for number in range(len(encodings))]
    data = b"".join(line.encode(encoding) for line, encoding in zip(lines, encodings, strict=True))
    return lambda: _broken(folder, data, "".join(lines))


def _lines(text: str, encoding: str, other: str, other_encoding: str) -> tuple[bytes, str]:
    """Sixty lines in one encoding, and one in another."""
    most = "".join(f"{number},{text}\n" for number in range(60))
    last = f"61,{other}\n"
    return most.encode(encoding) + last.encode(other_encoding), most + last


KNOWN: dict[str, tuple[bytes, str]] = {
    "one word in mac roman": (b"id,text\n1,Vivo en otro pa\x92s\n", "id,text\n1,Vivo en otro país\n"),
    "hungarian with one letter": ("1,A bőr nem jó, és ez van\n".encode("cp1250"), "1,A bőr nem jó, és ez van\n"),
    "russian and french": _lines(SENTENCES["fr"][0], "cp1252", SENTENCES["ru"][0], "cp1251"),
    "german and polish": _lines(SENTENCES["de"][0], "cp1252", SENTENCES["pl"][0], "iso8859-2"),
    "french from two machines": _lines(SENTENCES["fr"][0], "cp1252", SENTENCES["fr"][0], "mac-roman"),
    "japanese in seven bits among french": _lines(SENTENCES["fr"][0], "cp1252", SENTENCES["ja"][0], "iso2022_jp"),
    "one line in utf-8": _lines(SENTENCES["fr"][0], "latin-1", "Le café", "utf-8"),
    "utf-8 within a line": (
        _lines(SENTENCES["fr"][0], "latin-1", "Un été à ", "latin-1")[0][:-1] + "Genève été\n".encode(),
        "as it was meant",
    ),
    "euro sign of latin-9": (
        "1,Das kostet 30 € für Sie und das ist nicht schön\n".encode("iso8859-15"),
        "1,Das kostet 30 € für Sie und das ist nicht schön\n",
    ),
}


def _patched(name: str, value: Any) -> Callable[[], Any]:
    return lambda: unittest.mock.patch.object(text_encoding, name, value)


AREA = Area(
    name="encodings",
    cases=cases,
    defences={
        "least_certainty": _patched("LEAST_CERTAINTY", -1.0),
        "two_encodings_in_one_file": _patched("lines_of_another", lambda *_: 0),
        "utf_8_among_others": lambda: unittest.mock.patch.multiple(
            text_encoding, utf_8_inside=lambda *_: 0, _is_utf_8=lambda _: False
        ),
        "seven_bits": _patched("_seven_bits", lambda *_: text_encoding.FoundEncoding("utf-8")),
    },
)
