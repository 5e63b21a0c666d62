"""Words and word pairs that many records share.

Covered: a term is shown only if at least `LEAST_RECORDS` records hold it, so that no sentence of a single person
appears; terms with a digit and placeholders of the anonymization (`<PERSON_k3f9q2ab>`) are left out.
Not covered: a name that the anonymization missed in that many records. Terms are for anonymized texts only.
"""

import re
from itertools import pairwise

LEAST_RECORDS = 5
LONGEST = 40
"""Characters of a term."""
HEAD_CHARACTERS = 2000
"""Characters of a text that are looked at."""

PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*(?:_[0-9a-z]+)?>")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WORDS = """
a about after all also am an and any are as at be because been before but by can could did do does for from get had has
have he her him his how i if in into is it it's its just me more my no not now of on one only or our out over she so
some than that the their them then there these they this to up us was we were what when where which who will with would
you your
"""
STOP_WORDS = frozenset(_WORDS.split())
"""Words without content: not shown alone, and no pair begins or ends with one."""


def terms_of(text: str) -> set[str]:
    """Words and pairs of neighbouring words of a text, in lower case. A pair does not reach over punctuation."""
    words = [
        word.lower() if LETTERS.fullmatch(word) else ""
        for word in WORD.findall(PLACEHOLDER.sub(".", text[:HEAD_CHARACTERS]))
    ]
    content = [word if len(word) > 1 and word not in STOP_WORDS else "" for word in words]
    found = {word for word in content if word} | {
        f"{first} {second}" for first, second in pairwise(content) if first and second
    }
    return {term for term in found if len(term) <= LONGEST}
