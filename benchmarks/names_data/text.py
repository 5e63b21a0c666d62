"""Words with labels as texts with spans: blanks as a writer would set them, and one convention for what a name is.

Covered: quotes, brackets, contractions and elisions of the languages in `sources.json`. Not covered: signs that a
source took away (hyphens of Portuguese verbs), and blanks that can be either (`a - b`, `a-b`)."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

TYPES = {
    "PERSON": r"pers?|person|writer|politician|musicalartist|scientist|researcher|rr|an|legal_professional|pessoa"
    r"|nam_liv_(person|character).*|persname.*",
    "LOCATION": r"loc|gpe|fac|location(-city|-street|-stop)?|country|place|lds?|str?|local|nam_(loc|fac)_.*"
    r"|(placename|geogname).*|(street_)?address",
    "ORGANIZATION": r"org|organi[sz]ation(-company)?|organizacao|university|politicalparty|band|corporation|group|un"
    r"|inn|grt|nam_org_(?!nation).*|orgname.*",
    "OTHER_NAME": r"misc|oth|.*(deriv|part)|creative-work|product|location-route|mrk|nationality|shp|rel|nam_.*"
    r"|academicjournal|album|algorithm|astronomicalobject|award|book|chemical.*|conference|discipline|election|enzyme"
    r"|event|field|.*genre|magazine|metrics|musicalinstrument|poem|programlang|protein|song|task|theory|work",
}
"""Type -> labels of the sources (lower case) that count as it; all others (dates, laws, amounts) are no names."""

TITLES = {
    "en": "mr mrs ms miss mister dr doctor prof professor sir lord lady dame madam madame president vice-president"
    " chairman chancellor minister senator sen rep representative congressman congresswoman governor gov mayor judge"
    " justice captain capt colonel col major maj general gen lieutenant lt sergeant sgt admiral commander king queen"
    " prince princess pope emperor uncle aunt rev reverend shaikh sheikh secretary ambassador director coach",
    "de": "herr herrn frau fräulein frl hofrat baron baronin graf gräfin fürst könig kaiser präsident bundeskanzler"
    " bundeskanzlerin ministerpräsident oberst pfarrer rechtsanwalt",
    "fr": "m mm mme mmes mlle mlles monsieur mademoiselle messieurs me maître docteur président général capitaine"
    " commandant abbé juge mgr veuve",
    "es": "sr sra srta srs señor señora señorita d don doña dra presidente ministro rey reina juez",
    "nl": "heer mevrouw meneer mijnheer juffrouw mevr ds kapitein generaal graaf koning koningin prins prinses freule",
    "pt": "sr sra srs senhor senhora dra dom dona d presidente ministro desembargador juiz",
    "da": "hr fru frk frøken statsminister kong dronning prins prinsesse præsident",
    "no": "hr fru frk frøken statsminister kong dronning prins prinsesse",
    "sv": "herr fru fröken statsminister kung drottning prins prinsessa",
    "pl": "pan pani pana panu panią ks prezydent premier król",
}
"""Words before a name that are no part of it; those of English count in all languages."""
TITLE = re.compile(r"(\w[\w-]*)\.?,?\s+(?!of\b|the\b)(?=\S)")
RULERS = ("king", "queen", "pope", "prince", "princess")
"""Titles that also stand for one person."""
DEMONYMS = """
    afghan african american arab argentine asian australian austrian belgian brazilian british bulgarian canadian
    chilean chinese colombian croatian cuban czech danish dutch egyptian english european finnish french german greek
    hungarian indian indonesian iranian iraqi irish israeli italian japanese jewish kenyan korean lebanese libyan
    malaysian mexican moroccan muslim nigerian norwegian pakistani palestinian persian peruvian polish portuguese
    romanian russian saudi scottish serbian somali spanish sudanese swedish swiss syrian thai tibetan turkish ukrainian
    venezuelan vietnamese welsh yemeni"""

WRITTEN = {"``": '"', "''": '"', "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]"}
STUCK_TO_THE_LEFT = re.compile(r"[,;:%)\]}…]|[.!?]+")
STUCK_IN_FRENCH = re.compile(r"[,.)\]}…%]|\.\.\.")  # French sets a blank before ; : ! ?
CLITIC = re.compile(r"['’](s|t|re|m|ll|ve|d)|n['’]t?", re.IGNORECASE)
STUCK_TO_THE_RIGHT = ("(", "[", "{", "$", "£", "¿", "¡", "#", "@")
ELISION = re.compile(r"([cdjlmnst]|\w*qu)['’]", re.IGNORECASE)
INITIAL = re.compile(r"[A-Z]\.")
QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "«": "»", "»": "«»", "”": "”", "‘": "’", "‚": "‘’"}
SIGNS = "".join(sign for sign in map(chr, range(0x2E80)) if not sign.isalnum())
CONTRACTIONS = {"de": "d", "em": "n", "por": "pel", "a": "a"}


class Span(NamedTuple):
    start: int
    end: int
    label: str


class Passage(NamedTuple):
    """A sentence or paragraph; spans in characters of `text`."""

    text: str
    spans: list[Span]
    document: str | None = None


@cache
def type_of(label: str) -> str | None:
    """Our name for a source's label, which may begin with `B-` or `I-`."""
    label = re.sub(r"^[BI][-_.]", "", label).lower()
    return next((type_ for type_, labels in TYPES.items() if re.fullmatch(labels, label)), None)


def blanks(words: Sequence[str], language: str, hyphens: bool = False) -> list[str]:
    """What stands before each word, `""` or `" "`: rules of typesetting, for want of the original text.

    `hyphens`: the source took compounds apart, `Royaume - Uni`."""
    found, closers, stuck, quoted = [], "", True, False
    for number, word in enumerate(words):
        last, following = words[number - 1] if number else "", words[number + 1] if number + 1 < len(words) else ""
        inner = last.isalnum() and following.isalnum()
        blank = "" if stuck or (STUCK_IN_FRENCH if language == "fr" else STUCK_TO_THE_LEFT).fullmatch(word) else " "
        stuck = word in STUCK_TO_THE_RIGHT or (language in ("fr", "pt") and bool(ELISION.fullmatch(word)))
        if word in ("'", "’") and language in ("en", "nl") and CLITIC.fullmatch(word + following):
            blank, stuck = " " if language == "nl" else "", True  # it 's; 's avonds
        elif word in ("'", "’") and language == "fr" and ELISION.fullmatch(last + word) and following.isalnum():
            blank, stuck = "", True
        elif word in closers:
            blank, closers = "", ""
        elif word in QUOTES and not (language == "fr" and word in "«»"):
            opens = not number or last == ":" or any(later in QUOTES[word] for later in words[number + 1 :])
            if not closers and (opens or (last == "," and (quoted or following[:1].isupper()))):
                stuck, closers, quoted = True, QUOTES[word], True
            else:
                blank = ""  # it ends a quotation from before
        elif inner and word == "/":
            blank, stuck = "", following != "via"
        elif inner and word == "-" and (hyphens or (len(last) == len(following) and (last + following).isdigit())):
            blank, stuck = "", True
        elif (
            (last == "&" and word in ("gt", "lt", "amp"))
            or (language == "en" and CLITIC.fullmatch(word))
            or (language != "fr" and INITIAL.fullmatch(word) and INITIAL.fullmatch(last))
        ):
            blank = ""
        found.append(blank)
    return found


def blanks_of(text: str, words: Sequence[str]) -> list[str] | None:
    """What stands before each word in the original text; None if the words are not those of the text."""
    found, place = [], 0
    for word in words:
        at = text.find(word, place)
        if at < 0 or text[place:at].strip():
            return None
        found.append(text[place:at] and " ")
        place = at + len(word)
    return found


def contracted(word: str, article: str) -> str | None:
    """A Portuguese preposition and article that a treebank took apart, in one word again: `de` and `a`, `da`."""
    begin = CONTRACTIONS.get(word.lower(), "")
    more = r"[oa]s?" + (r"|es[st][ea]s?|is[st]o|aquel[ea]s?|aquilo|el[ea]s?" if begin in ("d", "n") else "")
    if not begin or not re.fullmatch(more, article):
        return None
    whole = {"aa": "à", "aas": "às"}.get(begin + article, begin + article)
    return whole.capitalize() if word[0].isupper() else whole


def joined(
    words: Sequence[str],
    labels: Sequence[str],
    entry: Mapping[str, Any],
    text: str | None = None,
    document: str | None = None,
) -> Passage:
    """Words and their labels (`B-PER`, `I-PER`, or `PER`) as one text, with the blanks of the original if given."""
    language, given = entry["language"], text and blanks_of(text, words)
    words = words if given else [WRITTEN.get(word, word) for word in words]
    made, spans, last, begun = "", [], None, 0
    for blank, word, label in zip(given or blanks(words, language, "hyphens" in entry), words, labels, strict=True):
        type_ = type_of(label)
        goes_on = type_ == last and not label.startswith("B")
        whole = contracted(made[begun:], word) if language == "pt" and given and goes_on else None
        if not made or (language == "en" and CLITIC.fullmatch(word)) or (language == "pt" and word == ","):
            blank = ""
        made, begun = (made[:begun] + whole, begun) if whole else (made + blank + word, len(made + blank))
        if type_ and goes_on:
            spans[-1] = Span(spans[-1].start, len(made), type_)
        elif type_:
            spans.append(Span(begun, len(made), type_))
        last = type_
    return Passage(made, spans, document)


def apart(spans: Sequence[Span]) -> list[Span]:
    """Spans that do not overlap, the longer rather than the shorter, in the order of the text."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return sorted(kept)


def edges(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the signs at its edges; the dot of an abbreviation (`Jr.`, `U.S.`) stays."""
    name = text[start:end]
    left, right = len(name) - len(name.lstrip(SIGNS)), len(name.rstrip(SIGNS))
    short = name[right : right + 1] == "." and re.search(r"\b\w{1,3}$", name[:right])
    if short or (name[right : right + 1] == ")" and "(" in name[left:right]):
        right += 1
    return start + left, start + max(left, right)


def cleaned(passage: Passage, language: str) -> Passage:
    """One convention: no @handles, no titles, no signs at the edges, no demonyms, no overlaps.

    Raises:
        ValueError: A span lies outside of its text.
    """
    text, found = passage.text, []
    titles = f"{TITLES['en']} {TITLES.get(language, '')}".split()
    handles = [handle.span() for handle in re.finditer(r"@\w+", text)]
    for begin, end, label in passage.spans:
        if not 0 <= begin < end <= len(text):
            raise ValueError(f"span {begin}-{end} in a text of {len(text)} characters")
        type_, start = label if label in TYPES else type_of(label), begin
        while type_ == "PERSON" and (first := TITLE.match(text, start, end)):
            if first[1].lower() not in titles and (start == begin or first[1] not in ("and", "et", "und", "y", "e")):
                break
            start = first.end()
        start, end = edges(text, start, end)
        name = re.sub(r" ?['’]s$", "", text[start:end]) if type_ == "PERSON" else text[start:end]
        end = start + len(name)
        word, singular = name.lower(), name.lower().rstrip("s")
        if {word, singular} & set(DEMONYMS.split()):
            type_ = "OTHER_NAME"
        elif type_ == "PERSON" and language == "en" and singular in titles and word not in RULERS:
            type_ = None
        if type_ and name and not any(start < last and end > first for first, last in handles):
            found.append(Span(start, end, type_))
    return Passage(text, apart(found), passage.document)
