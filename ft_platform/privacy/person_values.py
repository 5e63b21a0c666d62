"""Whether a value of a label or feature looks like a person: `Wilhelmina Drosselmeyer`, `DROSSELMEYER, W.`,
`wilhelmina_drosselmeyer`, `agent: Drosselmeyer`, `employee 48211`.

Covered: two to four words of which none is an everyday word and one a known given name, in any case and order; names
with an initial and a comma; any name behind a title (`Dr. Price`); what the network for texts takes for a person in the
value or a part of it (surnames alone, `R. Cavendish`, `asked by Rosalind Cavendish`); Chinese names of two or three
characters that start with one of the most frequent surnames; numbers of employees, customers and the like. Where most
values of a column are single known names, these too.
Not covered: names that lists take for everyday words or places (`Will Rose`), surnames alone in small letters, logins
(`rcavendish`), names in other scripts: such a column is stopped only where it has many different values
(`column_identifiers.MOST_VALUES`). Some names of companies, breeds and brands look like persons (`Edward Jones`,
`Ford`): whoever has such values lists what is allowed."""

import re
from collections.abc import Collection, Iterator, Sequence

from ft_platform.privacy.casing import in_sentence_case
from ft_platform.privacy.names import ORGANIZATION, is_given_name, is_known_name, looks_like_name, word_set
from ft_platform.privacy.ner.built_in import built_in
from ft_platform.privacy.places import is_place, words_of_places

MOST_WORDS = 4
MOST_CHARACTERS = 60
FEWEST_SINGLE_NAMES = 3
"""Different single names that a column must hold before they count."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*(?:-[^\W\d_]+)*")
SIGNS = re.compile(r"[\s_,;.&/+]+")
TITLES = word_set("mr mrs ms miss mx dr prof herr frau sir señor señora sr sra mme monsieur madame rev judge")
PARTICLES = word_set(
    "de da do dos das del della di du la le van von der den bin ibn ben al el zu ter ten te af av y und jr ii iii"
)
NO_PERSON = re.compile(
    rf"{ORGANIZATION.pattern}|(?<!\w)(?:park|parkway|boulevard|lane|terrace|crescent|river|lake|square|plaza|hill|oaks?|north|south|east|west"
    r"|apc|p[ .]*[ac]|u[ .]*s)(?!\w)",
    re.IGNORECASE,
)
"""With such a word it is an organization, a street or a place."""
GROUPS = word_set("""
catholic muslim sunni shia orthodox jewish hindu buddhist sikh protestant lutheran baptist methodist anglican
evangelical mormon christian roman
hispanic latino latina latinx caucasian indigenous aboriginal
""")
"""Religions and origins that lists of names hold as well."""
PARTED = re.compile(r"[/|;&+,:]")
SURE, SURE_IN_CAPITALS = 0.5, 0.8
"""Score of the network from which on a part of a value is a person. In capitals it takes more for names: districts."""
LONGEST_ABBREVIATION = 5
HALF_IN_SMALL = re.compile(r"-[^\W\d_A-Z]")
"""`Iris-setosa`."""
# Ministry of Public Security of China, report on names of 2020: the most frequent surnames, without those that often
# begin other words (high, yellow, horse, forest).
CHINESE = re.compile(r"[王李张張刘劉陈陳杨楊赵趙吴吳周徐孙孫朱胡郭何罗羅郑鄭][\u4e00-\u9fff]{1,2}")
NUMBERED = re.compile(
    r"(?:employee|staff|personnel|worker|agent|clerk|officer|user|customer|client|patient|member|person|applicant"
    r"|mitarbeiter(?:in)?|kunden?|kundin|patient(?:in)?|employé|cliente?|empleado)"
    r"[ _-]?(?:id|no\.?|nr\.?|number|nummer|#)?"
    r"[ :#_-]{0,3}[0-9]{4,12}",
    re.IGNORECASE,
)
INITIAL = re.compile(r"[^\W\d_a-z]\.[ ]?([^\W\d_a-z][^\W\d_]{2,}(?:['’-][^\W\d_]+)*)")
CUED = re.compile(
    r"(?i:agent|clerk|officer|manager|owner|contact|analyst|advis[eo]r|teller|doctor|nurse|teacher|user|name|author"
    r"|(?:asked|handled|opened|closed|written|sold|signed|approved) by|assigned to|sachbearbeiter(?:in)?"
    r"|betreuer(?:in)?)[ ]?[:=-]?[ ]([^\W\d_a-z][^\W\d_]{2,}(?:['’-][^\W\d_]+)*)"
)
"""Behind a role, whatever word is no everyday word."""


def persons_among(values: Sequence[str]) -> set[str]:
    """The values that look like persons, by themselves or to the network that reads texts."""
    found = {value for value in values if looks_like_person(value) or _has_the_form_of_one(value.strip())}
    views = [(value, view) for value in values if value not in found for view in _views(value)]
    for (value, view), spans in zip(views, built_in().find([view for _, view in views]), strict=True):
        if any(_is_name(value, view[s.start : s.end], s.score) for s in spans if s.entity == "PERSON"):
            found.add(value)
    return found


def _has_the_form_of_one(value: str) -> bool:
    if NUMBERED.fullmatch(value) or CHINESE.fullmatch(value):
        return True
    named = INITIAL.fullmatch(value) or CUED.fullmatch(value)
    return bool(named) and named[1][0].isupper() and looks_like_name(named[1]) and not is_place(named[1])


def _views(value: str) -> Iterator[str]:
    """The value and its parts, written as the network learned names."""
    if len(value) <= MOST_CHARACTERS:
        parts = [part.strip() for part in PARTED.split(value)]
        for one in dict.fromkeys([value, *parts]):
            view = in_sentence_case(one) if one.isupper() else one
            if one and not NO_PERSON.search(view) and not is_place(view):
                yield view


def _is_name(value: str, words: str, score: float) -> bool:
    """Whether what the network takes for a person can be a name in a value."""
    names = [word for word in WORD.findall(words) if len(word) > 2]
    in_capitals = value.isupper()
    return (
        score >= (SURE_IN_CAPITALS if in_capitals else SURE)
        and bool(names)
        and (words[0].isupper() or len(names) > 1)
        and not HALF_IN_SMALL.search(words)
        and not (in_capitals and len(value) <= LONGEST_ABBREVIATION)
        and all(looks_like_name(name.title()) and name.lower() not in GROUPS for name in names)
        and not all(name.lower() in words_of_places() or (name.isupper() and len(name) < 6) for name in names)
    )


def looks_like_person(value: str) -> bool:
    """Whether a value by itself looks like the name of a person."""
    plain = SIGNS.sub(" ", value).strip()
    if len(value) > MOST_CHARACTERS or any(c.isdigit() for c in value) or NO_PERSON.search(plain) or is_place(plain):
        return False
    if " " not in plain and plain.count("-") == 1 and all(is_known_name(part) for part in plain.split("-")):
        plain = plain.replace("-", " ")
    words = [word.lower() for word in WORD.findall(plain)]
    has_title = bool(words) and words[0] in TITLES
    words = [word for word in words if word not in TITLES and word not in PARTICLES]
    names = [word for word in words if len(word) > 1]
    if (
        not names
        or len(words) > MOST_WORDS
        or not all(looks_like_name(name.title()) and name not in GROUPS for name in names)
    ):
        return False
    if has_title:
        return True
    initials = len(words) - len(names)
    if initials and (initials > 1 or len(names) > 1 or "," in value):
        return True
    return len(words) > 1 and any(is_given_name(part) for name in names for part in name.split("-"))


def single_names(words: Collection[str], values: int) -> list[str]:
    """Of the values of a column, those that are one known given name or surname, where most of its values are.

    Args:
        words: different values that are one word.
        values: how many different values there are.
    """
    found = [word for word in words if is_single_name(word.strip())]
    return found if len(found) >= FEWEST_SINGLE_NAMES and 2 * len(found) > values else []


def is_single_name(word: str) -> bool:
    return (
        bool(WORD.fullmatch(word))
        and is_known_name(word)
        and looks_like_name(word.title())
        and word.lower() not in GROUPS
        and not is_place(word)
    )
