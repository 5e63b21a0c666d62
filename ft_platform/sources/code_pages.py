"""Which code page bytes were written in: every reading of them is judged by the words that it makes, and one that
stands alone is taken.

A reading is right where its words are made of the letters of the language that the words around them show. `país` in
Mac Roman reads as `pa’s` in Windows-1252, and a Hungarian `ő` as `õ`: both are letters or signs that occur, but not in
Spanish or Hungarian.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ft_platform.sources.languages import CODE_PAGES, LANGUAGES

WIDE: dict[str, str] = {"cp932": "ja", "euc_jp": "ja", "gb18030": "zh", "big5hkscs": "zh", "cp949": "ko", "johab": "ko"}
"""Encodings of several bytes a character."""
LEAST_WIDE = 8
"""Characters of East Asia from which a reading is judged: fewer fit by chance."""
COMMON_SHARE = {"ja": 0.25, "zh": 0.15, "ko": 0.25}
"""Of all letters beyond ASCII those that are common; measured on the sentences of the test set: Japanese 0.51 or more,
Chinese 0.24, Korean 0.38; read in the wrong encoding at most 0.08."""
WORD = re.compile(
    r"[^\W\d_]+(?:[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u200c·]+[^\W\d_]*)*"
)
TYPICAL_UTF_8 = re.compile(rb"[\xc2-\xc5\xce-\xd1][\x80-\xbf]|\xe2\x80[\x90-\xbf]|\xe2\x82\xac")
"""Letters of European languages, typographic signs and the euro sign in UTF-8."""
STRANGE = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f\ue000-\uf8ff\uff61-\uff9f\ufffd]")
"""Control and private characters, and narrow syllables of Japanese: signs of a wrong reading."""
NOWHERE = frozenset("\0")
"""Letters of no language."""
LEAST_COMMON = 2
LEAST_WORDS = 3
"""Different words and signs beyond ASCII that a code page must explain: one or two fit by chance."""
PUNCTUATION = frozenset("’‘‚“”„–—…«»‹›·\xa0\xad•€£§°ºª¡¿½¼¾²³µ×÷±®©™№،؛؟")
"""Signs beyond ASCII that texts have."""
IN_WORDS = frozenset("’–—·\xad")
"""Those of them that may stand between two letters."""
BEFORE_WORDS = frozenset("‘‚“„«‹»›¿¡–—’…\xa0\xad§•€£№")
BEHIND_WORDS = frozenset("’‘”“»›«‹…–—®™©\xa0\xadºª،؛؟•")
BESIDE_SIGNS = frozenset("\xa0«»“”„")
"""Those that stand beside other signs, as in `…”`."""
AT_DIGITS = frozenset("€£§°ºª½¼¾²³µ×÷±–—\xa0№’“”„«»‘‚…•،؛؟")


@dataclass(frozen=True)
class Reading:
    """Bytes read in one encoding.

    Attributes:
        encoding: its name.
        text: what the bytes stand for.
        explained: of each character beyond ASCII, whether the language around it explains it. Shape `(characters,)`.
        words: different words and signs beyond ASCII that are explained.
        common: different common words of languages, which say what language it is.
        by_line: of code pages, how much of each line is explained.
    """

    encoding: str
    text: str
    explained: np.ndarray
    words: int
    common: int = 0
    by_line: "Sequence[LineScore]" = ()

    @property
    def score(self) -> float:
        """Share of what is beyond ASCII that is explained, in [0, 1]."""
        return float(self.explained.mean()) if len(self.explained) else 0.0

    @cached_property
    def beyond(self) -> np.ndarray:
        """The characters beyond ASCII, of which a code page has one for each byte. Shape `(characters,)`."""
        codes = np.frombuffer(self.text.encode("utf-32-le"), np.uint32)
        return codes[codes > 127]


@dataclass(frozen=True)
class LineScore:
    """Characters beyond ASCII of a line: those that are explained, and all; and its different common words."""

    explained: int
    characters: int
    common: int

    @property
    def is_of_it(self) -> bool:
        return self.explained == self.characters >= LEAST_WORDS and self.common >= LEAST_COMMON


def readings(lines: list[bytes]) -> list[Reading]:
    """The readings of lines with bytes beyond ASCII that explain any of them, best first."""
    joined = b"\n".join(lines)
    found = [
        Reading(encoding, text, *_wide(text, language))
        for encoding, language in WIDE.items()
        if (text := _decoded(joined, encoding))
    ]
    texts = {encoding: text for encoding in CODE_PAGES if (text := _decoded(joined, encoding))}
    found += _narrow(texts)
    return sorted((one for one in found if one.explained.any()), key=lambda one: -one.score)


def certainty(found: list[Reading], best: Reading) -> float:
    """How sure a reading is, in [0, 1]: the share that it explains, and less if another reading explains much of the
    places where the two differ. 0 where it rests on too little."""
    others = [one for one in found if one.text != best.text]
    if (
        best.encoding in WIDE
    ):  # that their characters are common ones does not happen by chance, so code pages are no rivals
        return best.score if not any(one.encoding in WIDE for one in others) else 0.0
    if best.words < LEAST_WORDS or best.common < LEAST_COMMON or any(one.encoding in WIDE for one in others):
        return 0.0
    if not best.encoding.startswith("cp125") and not any(
        one.isalpha() for one in map(chr, best.beyond[best.explained])
    ):
        return 0.0  # nothing but signs, which other pages have at other places
    sure = best.score
    for one in others:
        differs = one.beyond != best.beyond
        mine, its = best.explained[differs].mean() ** 2, one.explained[differs].mean() ** 2
        sure = min(sure, float(mine / (mine + its)) if mine else 0.0)
    return sure


def lines_of_another(found: list[Reading], best: Reading) -> int:
    """Lines of which a code page's reading explains everything, and the best reading less: two encodings in one
    file."""
    others = [one.by_line for one in found if one.text != best.text and one.by_line]
    if not others:
        return 0
    mine = [line.explained for line in best.by_line] or [0] * len(
        others[0]
    )  # of East Asia: no line of it makes words in a code page
    return sum(
        any(other[number].is_of_it and other[number].explained - one >= LEAST_COMMON for other in others)
        for number, one in enumerate(mine)
    )


def utf_8_inside(lines: list[bytes], best: Reading) -> int:
    """Characters of a code page's reading that it does not explain, and that are one character in UTF-8: `Ã¼` for
    `ü`."""
    data = b"\n".join(lines)
    place_of = np.cumsum(np.frombuffer(data, np.uint8) > 127) - 1
    return sum(
        not best.explained[place_of[one.start()] : place_of[one.start()] + len(one[0])].any()
        for one in TYPICAL_UTF_8.finditer(data)
    )


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _narrow(texts: dict[str, str]) -> list[Reading]:
    """Readings in code pages: each line is judged by the languages whose common words it has, or all lines together
    have."""
    parts = {encoding: [_Line.of(line) for line in text.split("\n")] for encoding, text in texts.items()}
    overall = _near_the_best(
        _hits({encoding: sum((line.words for line in lines), Counter()) for encoding, lines in parts.items()})
    )
    spoken = [
        _near_the_best(_hits(dict(zip(parts, (one.words for one in line), strict=True)))) or overall
        for line in zip(*parts.values(), strict=True)
    ]
    found = []
    for encoding, lines in parts.items():
        explained: list[bool] = []
        words: set[str] = set()
        by_line = []
        for line, languages in zip(lines, spoken, strict=True):
            alphabets = [LANGUAGES[name].alphabet for name in languages.get(encoding, ())]
            before = len(explained)
            for token, letters, width in line.beyond:
                good = bool(alphabets) and (letters is None or any(letters <= alphabet for alphabet in alphabets))
                explained += [good] * width
                words |= {token} if good else set()
            common = sum(
                any(word in LANGUAGES[name].words for name in CODE_PAGES[encoding].split()) for word in line.words
            )
            by_line.append(LineScore(sum(explained[before:]), len(explained) - before, common))
        spoken_words = {
            word
            for line in lines
            for word in line.words
            if any(word in LANGUAGES[name].words for name in CODE_PAGES[encoding].split())
        }
        found.append(
            Reading(encoding, texts[encoding], np.array(explained, bool), len(words), len(spoken_words), by_line)
        )
    return found


def _hits(words: dict[str, Counter[str]]) -> dict[tuple[str, str], int]:
    """Code page and language -> how many of the words are common ones of it."""
    return {
        (encoding, name): sum(count for word, count in some.items() if word in LANGUAGES[name].words)
        for encoding, some in words.items()
        for name in CODE_PAGES[encoding].split()
    }


def _near_the_best(hits: dict[tuple[str, str], int]) -> dict[str, list[str]]:
    """Code page -> languages whose common words occur, at least half as often as those of any."""
    most = max(hits.values(), default=0)
    found: dict[str, list[str]] = {}
    for (encoding, name), count in hits.items():
        if count and 2 * count >= most:
            found.setdefault(encoding, []).append(name)
    return found


@dataclass(frozen=True)
class _Line:
    """What a line is made of.

    Attributes:
        words: in lower case.
        beyond: of each word and sign with characters beyond ASCII, in order: itself, its letters beyond ASCII in lower
            case, and how many characters
            beyond ASCII it has. Letters: none of a sign where such signs stand, NOWHERE of what no language has.
    """

    words: Counter[str]
    beyond: list[tuple[str, frozenset[str] | None, int]]

    @classmethod
    def of(cls, line: str) -> "_Line":
        words, beyond, place = Counter[str](), [], 0
        for found in WORD.finditer(line):
            word = found[0]
            words[word.lower()] += 1
            if not word.isascii():
                beyond += _signs(line, place, found.start())
                place = found.end()
                fits = _is_written_as_words_are(word) and not (
                    line[found.start() - 1 : found.start()].isdigit() or line[place : place + 1].isdigit()
                )
                beyond.append(
                    (
                        word,
                        frozenset(one for one in _letters(word) if one > "\x7f") if fits else NOWHERE,
                        sum(one > "\x7f" for one in word),
                    )
                )
        return cls(words, [*beyond, *_signs(line, place, len(line))])


def _signs(line: str, start: int, end: int) -> list[tuple[str, frozenset[str] | None, int]]:
    """The signs beyond ASCII in a part of a line that has no other letters beyond ASCII."""
    return [
        (line[max(0, place - 1) : place + 2], None if _is_in_place(line, place) else NOWHERE, 1)
        for place in range(start, end)
        if line[place] > "\x7f"
    ]


def _letters(word: str) -> str:
    lower = word.lower().replace("i\u0307", "i")  # of the Turkish capital
    return lower if any("\u0300" <= one <= "\u036f" for one in word) else unicodedata.normalize("NFC", lower)


def _is_written_as_words_are(word: str) -> bool:
    """All small, all capital, or capital first; and of one script."""
    capitals = [one.isupper() for one in word if one.lower() != one.upper()]
    if any(capitals[1:]) and not all(capitals):
        return False
    letters = [one for one in word if one.isalpha()]
    latin = sum(one.isascii() or unicodedata.name(one, "").startswith("LATIN") for one in letters)
    return latin in (0, len(letters))


def _is_in_place(line: str, place: int) -> bool:
    sign = line[place]
    if sign not in PUNCTUATION:
        return False
    before = line[place - 1] if place else " "
    behind = line[place + 1] if place + 1 < len(line) else " "
    if any(one > "\x7f" and not one.isalnum() and not {one, sign} & BESIDE_SIGNS for one in (before, behind)):
        return False
    if before.isdigit() or behind.isdigit():
        return sign in AT_DIGITS
    if before.isalpha() and behind.isalpha():
        return sign in IN_WORDS
    return sign in (BEHIND_WORDS if before.isalpha() else BEFORE_WORDS if behind.isalpha() else PUNCTUATION)


def _wide(text: str, language: str) -> tuple[np.ndarray, int]:
    """What a reading explains, and how many letters: all where the text is made of letters of the language, many of
    them common ones; else nothing."""
    wide = [one for one in text if one > "\x7f"]
    letters = [one for one in wide if unicodedata.category(one)[0] in "LM"]
    common = sum(one in common_letters(language) for one in letters)
    if len(letters) < LEAST_WIDE or STRANGE.search(text) or common < COMMON_SHARE[language] * len(letters):
        return np.zeros(len(wide), bool), 0
    return np.array([unicodedata.category(one)[0] not in "LM" or _is_of(one, language) for one in wide]), len(
        set(letters)
    )


def _is_of(letter: str, language: str) -> bool:
    if language == "ko":
        return "\uac00" <= letter <= "\ud7a3"
    kana = "\u3040" <= letter <= "\u30ff"
    return "\u4e00" <= letter <= "\u9fff" or letter in "々〆" or (kana and language == "ja")


@cache
def common_letters(language: str) -> frozenset[str]:
    """Of Japanese the syllables that words end with, of Chinese and Korean the commonest characters."""
    if language == "ja":
        return frozenset(map(chr, range(0x3041, 0x3094)))
    chinese = (
        "的一是不了在有人我他這这個个們们中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得於于著着下自之年過过發发後后作裡里用道行所"
        "然家種种事成方多經经么去法學学如都同現现當当沒没動动面起看定天分還还進进好小部其些主樣样"
    )
    korean = (
        "이다에의는로하을가고지서한은기으년대사시를리도인스일어자나정제수아"
        "해부전보주동그있것었했들습니까요만게면과와세금행돈두번환불"
    )
    return frozenset(chinese if language == "zh" else korean)
