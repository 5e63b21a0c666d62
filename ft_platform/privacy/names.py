"""Which words can be a person's name: word lists and the questions asked of them."""

import re
from functools import cache
from pathlib import Path

MASK = re.compile(r"XX|^[xX]{2,}$|^X$|xxx")
"""What a source has masked already, such as `XXXX`: never personal data, whatever stands around it."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENERS = _set("""
thank thanks dear hello hi hey ive im id ill dont cant thats whats isnt didnt wasnt theyre ok okay sincerely regards
mr mrs ms miss dr prof jr sr ii iii iv inc llc corp ltd co dept dpt
""")
CALENDAR = _set("""
monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun
january february march april june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec
""")
COMPANIES = _set("""
equifax experian transunion innovis lexisnexis navient nelnet pheaa paypal venmo zelle citi citibank citicard citicards citimortgage fargo chase wells
jpmorgan bofa hsbc bbva pnc suntrust santander barclays barclay amex visa mastercard synchrony ocwen nationstar ditech shellpoint usaa fico vantagescore
google apple amazon facebook ebay walmart costco microsoft netflix fannie quicken netspend coinbase bitcoin westlake flagstar fedloan pennymac seterus
fcra fdcpa cfpb cras heloc midwest bureau ombudsman
""")
"""What complaints name most and models take for persons. As part of a name (`John Chase`) these words still go with it."""
PLACES = _set("""
america american americans usa texas california florida ohio michigan jersey york maryland pennsylvania delaware oregon colorado illinois massachusetts
minnesota missouri tennessee alabama arkansas wisconsin utah iowa idaho hawaii alaska washington english spanish german french
""")
"""Places that a person is not called; `Virginia`, `Georgia` and `Carolina` are not here."""
ORGANIZATION = re.compile(
    r"(?<!\w)(?:bank|inc|llc|corp|corporation|company|credit|financial|finance|lending|funding|mortgage|loans?|services?|servicing|insurance"
    r"|university|college|school|department|dept|bureau|agency|association|associates|group|partners|holdings|solutions|systems?|recovery|collections?"
    r"|court|office|union|hospital|act|code|law|street|avenue|road|county|card|states?|time|standard|bill pay)(?!\w)",
    re.IGNORECASE,
)
"""A finding with such a word names an organization, a place or a product."""


def _words(name: str) -> frozenset[str]:
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def common_words() -> frozenset[str]:
    """35,000 everyday English words in lower case; the first lines of `common_words.txt` say where they come from."""
    return _words("common_words.txt")


@cache
def given_names() -> frozenset[str]:
    """4,000 given names in lower case, from the US census."""
    return _words("given_names.txt")


@cache
def not_names(places: bool) -> frozenset[str]:
    """All words that are not a name by themselves. With `places`, names of places are not among them."""
    return common_words() | OPENERS | CALENDAR | COMPANIES | (frozenset() if places else PLACES)


def without_contraction(lowered: str) -> str:
    """`mirela's` -> `mirela`, `don't` -> `not`."""
    return "not" if lowered.endswith(("n't", "n’t")) else re.sub(r"['’](?:s|m|ve|re|ll|d)$", "", lowered)


def looks_like_name(word: str, places: bool = False) -> bool:
    """Whether a capitalized word can be a name: not masked, not an everyday word, weekday, company or place."""
    if not word[0].isupper() or MASK.search(word):
        return False
    lowered = without_contraction(word.lower())
    unlike = not_names(places)
    return lowered not in unlike and any(len(part) > 1 and part not in unlike for part in re.split(r"['’-]", lowered))


def name_words(words: list[str], places: bool = False) -> list[int]:
    """Places of the words that look like names. Four capitals or fewer count beside a name only: `IRS` does not, `ANN LEE` does."""
    like = [i for i, w in enumerate(words) if looks_like_name(w, places)]
    if places or not any(_is_short_capitals(words[i]) for i in like):
        return like
    sure = {i for i in like if not _is_short_capitals(words[i]) or words[i].lower() in given_names()}
    return [i for i in like if i in sure or i - 1 in sure or i + 1 in sure]


def _is_short_capitals(word: str) -> bool:
    return len(word) <= 4 and word.isupper()
