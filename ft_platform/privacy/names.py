"""Which words can be a person's name: word lists and the questions asked of them."""

import re
from functools import cache, lru_cache
from pathlib import Path

UPPER = r"[^\W\d_a-zß-öø-ÿ]"
CAPITALIZED = rf"{UPPER}(?:[^\W\d_]+(?:['’-][^\W\d_]+)*|['’][^\W\d_]+(?:-[^\W\d_]+)*)"
"""A capitalized word of two letters or more: `Berg-Ohm`, `O'Neill`."""
MASK = re.compile(r"XX|^[xX]{2,}$|^X$|xxx")
"""What a source has masked already, such as `XXXX`: never personal data, whatever stands around it."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, for lists in the source."""
    return frozenset(text.split())


OPENERS = word_set("""
thank thanks dear hello hi hey ive im id ill dont cant thats whats isnt didnt wasnt theyre ok okay sincerely regards mr
mrs ms miss sir madam dr prof frau herr señor señora monsieur madame jr sr ii iii iv inc llc corp ltd co dept dpt
guten tag abend sehr geehrte geehrter damen bonjour bonsoir buenos buenas días tardes cordialement saludos
""")
ABBREVIATIONS = word_set(
    "ssn dob iban bic mrn pin nino dni nie nif atm apr pmi fha hud irs usc cra cfpb id dl vin ein itin zip ach faq ceo"
    " cfo cto hr"
)
"""What texts call numbers, offices and products. Models take them for names."""
NATIONS = word_set("""
american british canadian australian irish scottish welsh european asian african indian chinese japanese korean russian
ukrainian polish czech slovak hungarian romanian bulgarian greek turkish italian portuguese dutch belgian swiss austrian
swedish norwegian danish finnish icelandic mexican brazilian argentinian colombian cuban israeli arab iranian egyptian
nigerian kenyan vietnamese thai filipino indonesian pakistani english spanish german french
""")
"""Nationalities and languages: neither names nor places."""
CALENDAR = word_set("""
monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun
january february march april june july august september october november december jan feb mar apr jun jul aug sep sept
oct nov dec
""")
COMPANIES = word_set("""
equifax experian transunion innovis lexisnexis navient nelnet pheaa paypal venmo zelle citi citibank citicard citicards
citimortgage fargo chase wells jpmorgan bofa hsbc bbva pnc suntrust santander barclays barclay amex visa mastercard
synchrony ocwen nationstar ditech shellpoint usaa fico vantagescore google apple amazon facebook ebay walmart costco
microsoft netflix fannie quicken netspend coinbase bitcoin westlake flagstar fedloan pennymac seterus fcra fdcpa cfpb
cras heloc midwest bureau ombudsman
""")
"""What complaints name most and models take for persons. As part of a name (`John Chase`) these words still go with
it."""
PLACES = word_set("""
america americans usa texas california florida ohio michigan jersey york maryland pennsylvania delaware oregon colorado
illinois massachusetts minnesota missouri tennessee alabama arkansas wisconsin utah iowa idaho hawaii alaska washington
""")
"""Places that a person is not called; `Virginia`, `Georgia` and `Carolina` are not here."""
NOT_PERSONAL = OPENERS | ABBREVIATIONS | NATIONS | CALENDAR | COMPANIES
"""What is no name of a person or place when nothing else stands with it."""
ORGANIZATION = re.compile(
    r"(?<!\w)(?:bank|inc|llc|ltd|limited|plc|gmbh|llp|consulting|technolog(?:y|ies)|research|international|foundation|institute|club|church|airlines?|corp|corporation|company|credit|financial|finance|lending|funding|mortgage|loans?|services?|servicing|insurance"
    r"|university|college|school|department|dept|bureau|agency|association|associates|group|partners|holdings|solutions|systems?|recovery|collections?"
    r"|court|office|union|hospital|act|code|law|street|avenue|road|county|card|states?|time|standard|bill pay)(?!\w)",
    re.IGNORECASE,
)
"""A finding with such a word names an organization, a place or a product."""


def words_of_file(name: str) -> frozenset[str]:
    """The lines of a word list beside this file, without its comments."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").split("\n")
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def common_words() -> frozenset[str]:
    """35,000 everyday English words in lower case; the first lines of `common_words.txt` say where they come from."""
    return words_of_file("common_words.txt")


@cache
def given_names() -> frozenset[str]:
    """24,000 given names in lower case, of many languages; the first lines of `given_names.txt` say where they come
    from."""
    return words_of_file("given_names.txt")


@cache
def surnames() -> frozenset[str]:
    """39,000 surnames in lower case that are no given names; the first lines of `surnames.txt` say where they come
    from."""
    return words_of_file("surnames.txt")


def is_given_name(word: str) -> bool:
    """Whether it is a known given name, in any case."""
    return word.lower() in given_names()


def is_known_name(word: str) -> bool:
    """Whether it is a known given name or surname, in any case; of a double name one half is enough."""
    lowered = without_contraction(word.lower())
    return any(
        part in given_names() or part in surnames() for part in (lowered, *PARTS.split(lowered)) if len(part) > 2
    )


@cache
def not_names(places: bool) -> frozenset[str]:
    """All words that are not a name by themselves. With `places`, names of places are not among them."""
    return common_words() | NOT_PERSONAL | (frozenset() if places else PLACES)


CONTRACTION = re.compile(r"['’](?:s|m|ve|re|ll|d)$")
PARTS = re.compile(r"['’-]")


def without_contraction(lowered: str) -> str:
    """`mirela's` -> `mirela`, `don't` -> `not`."""
    if "'" not in lowered and "’" not in lowered:
        return lowered
    return "not" if lowered.endswith(("n't", "n’t")) else CONTRACTION.sub("", lowered)


@lru_cache(maxsize=50_000)
def looks_like_name(word: str, places: bool = False) -> bool:
    """Whether a capitalized word can be a name: not masked, not an everyday word, weekday, company or place."""
    if not word[0].isupper() or MASK.search(word):
        return False
    lowered = without_contraction(word.lower())
    unlike = not_names(places)
    return lowered not in unlike and any(len(part) > 1 and part not in unlike for part in PARTS.split(lowered))


def name_words(words: list[str], places: bool = False) -> list[int]:
    """Places of the words that look like names. Four capitals or fewer count beside a name only: `IRS` does not, `ANN
    LEE` does."""
    like = [i for i, w in enumerate(words) if looks_like_name(w, places)]
    if not any(_is_short_capitals(words[i]) for i in like):
        return like
    sure = {i for i in like if not _is_short_capitals(words[i]) or words[i].lower() in given_names()}
    return [i for i in like if i in sure or i - 1 in sure or i + 1 in sure]


def _is_short_capitals(word: str) -> bool:
    return len(word) <= 4 and word.isupper()


def possessive(word: str) -> int:
    """Characters of an ending `'s`."""
    return 2 if word.endswith(("'s", "’s")) else 0
