"""Whether a value of a label or feature looks like the name of a person: `Wilhelmina Drosselmeyer`, `DROSSELMEYER, W.`,
`wilhelmina_drosselmeyer`.

Covered: two to four words of which none is an everyday word and one a known given name, in any case and order; names
with an initial; any name behind a title (`Dr. Price`). Where most values of a column are single known names, these too.
Not covered: names that lists take for everyday words or places (`Will Rose`), names without a known given name, a
single name among other values. Some names of companies, breeds and brands look like persons (`Edward Jones`, `Jack
Russell`): whoever has such values lists what is allowed."""

import re
from collections.abc import Collection

from ft_platform.privacy.names import ORGANIZATION, is_given_name, is_known_name, looks_like_name, word_set
from ft_platform.privacy.places import is_place

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
