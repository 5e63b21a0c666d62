"""Words that streets are named with, and the patterns made of them. Used by the address recognizer.

Sources: USPS Publication 28, appendices B, C1 and C2 (directions, street suffixes, unit designators; the common ones);
for other languages the kinds of street that official address registers list most.
"""

import re

from ft_platform.privacy.context import alternatives, cue

SUFFIX = (
    "streets?|str?|avenue|ave|av|boulevard|blvd|roads?|rd|drive|dr|lane|ln|parkway|pkwy|highway|hwy|terrace|trail|trl|turnpike"
    "|tpke|expressway|freeway|alley|causeway|cres(?:cent)?|mews|crossing|creek|close|grove"
)
# Also everyday words: they count when a unit, a city or a word such as `address` is near.
WEAK_SUFFIX = (
    "court|ct|place|pl|way|circle|cir|square|sq|loop|plaza|ridge|run|path|row|walk|park|hills?|heights|point|pike"
    "|gardens?|green|view|common|manor|center|centre|bend|cove|landing"
)
UNIT = (
    r"(?:(?i:apt|apartment|suite|ste|unit|room|rm|flat|floor|bldg|building|lot|trailer)\b\.?\s?#?\s?(?:[A-Za-z]-?)?\d{1,5}[A-Za-z]?\b"
    r"|(?i:apt|apartment|suite|unit)\b\.?\s?#?\s?[A-Z]\b|#\s?\d{1,5}[A-Za-z]?\b)"
)
DIRECTION = r"(?:(?i:[NSEW]|NE|NW|SE|SW|North|South|East|West|Northeast|Northwest|Southeast|Southwest)\b\.?\s+)"
CAP = r"[^\W\d_a-zß-öø-ÿ][\w'’.-]{0,40}"
NUMBER = r"(?<![\w$€£.,/:-])\d{1,6}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?"

US_STREET = re.compile(
    rf"{NUMBER},?[ \t]+{DIRECTION}?(?:[^\W_][\w'’.-]{{0,40}}[ \t]+){{1,4}}?"
    rf"(?i:(?P<strong>(?:(?:{WEAK_SUFFIX})[ \t]+)?(?:{SUFFIX}))"
    rf"|(?P<weak>(?:(?:{WEAK_SUFFIX})[ \t]+)?(?:{WEAK_SUFFIX})))\b\.?(?:[ \t]+(?:NE|NW|SE|SW|[NSEW])\b)?"
)

# The kind stands in front (Romance and Slavic languages); the number on either side.
FRONT = (
    "rua|rue|calle|via|viale|vicolo|piazza|piazzale|piazzetta|corso|strada|contrada|avenida|avda|av|avenue|boulevard|chemin|impasse|allée|quai"
    "|travessa|praça|praceta|estrada|carrer|paseo|plaza|camino|ronda|ul|ulica|aleja|osiedle|ulice|náměstí|trg|calea|jalan"
)
PARTICLE = r"(?:de|da|do|du|des|dos|das|del|della|delle|dei|di|la|le|les|los|las|d['’]|l['’]|al|het|ter|ten)"
FRONT_STREET = re.compile(
    rf"(?:{NUMBER},?[ \t]+)?(?<![\w'’])(?i:{FRONT})\b\.?[ \t]+(?:{PARTICLE}[ \t]*){{0,2}}{CAP}(?:[ \t]+(?:{PARTICLE}"
    rf"[ \t]*)*{CAP}){{0,4}}"
    rf"(?P<after>,?[ \t]+\d{{1,5}}[A-Za-z]?(?!\w))?"
)
FRONT_LOWER = re.compile(
    rf"{NUMBER},?[ \t]+(?i:rue|rua|calle|avenida|ulica|piazza|boulevard)[ \t]+(?:{PARTICLE}[ \t]*){{0,2}}[^\W\d_]{{3,}}"
)
FRONT_HINTS = tuple(f"{w}{end}" for w in FRONT.split("|") for end in " .")

# The kind ends the word or follows it (Germanic, Nordic, Baltic, Finnic languages, Hungarian); the number follows.
ENDINGS = """
straße strasse straat str. weg platz allee gasse damm ufer ring chaussee laan plein gracht singel dijk vej vejen gade gaden gata gatan vägen veien
vegen vei gate gaten stræde stræti straeti vænget bakken braut tie katu kuja polku tänav maantee utca vegur gränd iela
"""  # noqa: E501
GLUED = tuple(ENDINGS.split())
WORDS = "utca út útja u. tér tere körút tee rkp. straße strasse straat str. weg platz allee gate vej tänav"
SEPARATE = frozenset(WORDS.split())
WORD_NUMBER = re.compile(r"(?<!\w)([^\W\d_][\w'’-]{0,40}\.?)[ \t]+\d{1,4}(?:[ \t]?[a-zA-Z])?(?!\w)")
"""A word and a number: a street if the word ends like one. A pattern of all endings would take half the time of all
recognizers."""
IN_FRONT = re.compile(rf"(?:{NUMBER}[ \t]+)?(?:{CAP}[ \t]+){{0,3}}$")

BOX = re.compile(
    r"(?i:\bP\.?\s?O\.?\s?Box\s+#?\d{1,7}|\bpost(?:box|boks|bus|fach|[ ]office[ ]box)\s+\d[\d ]{1,8}"
    r"|\bPSC\s+\d{1,4},?\s+Box\s+\d{1,5}|\bUnit\s+\d{1,5},?\s+Box\s+\d{1,5})"
    r"|\b(?:USN[SV]|USS|USCGC)\s+[^\W\d_][\w'’-]{0,40}(?=\s+[FAD]PO\b)"
)
UNIT_ALONE = re.compile(r"\b(?i:apt|suite|ste)\b\.?\s?#?\s?\d{1,5}[A-Za-z]?(?!\w)")

POSTCODE = (
    r"(?:\d{5}(?:-\d{3,4})?|\d{4}-\d{3}|\d{3}[ ]\d{2}|\d{4}|[A-Z]{1,2}\d[A-Z\d]?"
    r"[ ]?\d[A-Z]{2}|[A-CEGHJ-NPR-TVXY]\d[A-Z][ ]?\d[A-Z]\d)(?![\w-])"
)
MILITARY_TAIL = re.compile(r"[\s,]+[FAD]PO[ ,]+A[AEP][ ,]+\d{5}(?:-\d{4})?", re.IGNORECASE)

# A number, up to six words, a number: `20789 Allika 46`, `10963 Rua Vinte e Cinco de Setembro 1257`.
BETWEEN_NUMBERS = re.compile(
    rf"(?<![\w.,$€£#/:-])\d{{1,6}},?[ \t]+(?P<name>{CAP}(?:[ \t]+(?:{PARTICLE}[ \t]+|(?:e"
    rf"|y|z|ze|na|nad|u)[ \t]+)*{CAP}){{0,5}})[ \t]+\d{{1,5}}[a-zA-Z]?(?![\w%/:]|[.,:-]\d)"
)
BETWEEN_NUMBERS_LOWER = re.compile(
    r"(?<![\w.,$€£#/:-])\d{2,6}[ \t]+(?P<name>[^\W\d_]{4,}(?:[ \t]+[^\W\d_]{3,}){0,2})[ \t]+\d{1,4}(?![\w%/:]|[.,:-]\d)"
)
CORNER = re.compile(
    r"(?<!\w)(?:the[ ]+)?(?i:corner|intersection)[ ]+of[ ]+(?P<first>[^\s,.][^,;\n]{1,60}?)[ ]+(?:and|&|y|und)[ ]+"
    r"(?P<second>[^\s,.;]+(?:[ ]+[^\s,.;]+){0,4}?)(?=[ ]+(?:St\.|Str\.|for|is|at|in|near"
    r"|by|on|to|with|please|when|after|before|there|where)(?!\w)|[ ]*(?:[,.;:!?\n]|$))"
)
OTHER_STREET = re.compile(
    rf"(?:^|\n|(?<!\w)(?:is|at|on|in|to|of)[ ]+|[?:][ ]+)(?P<street>{CAP}(?:[ ]+{CAP}){{0,3}})[ ]+and[ ]+$"
)
"""In front of an address: the first of two streets, `Mill Lane and Baker Street 5`."""

LED_HINTS = alternatives(
    "address|live|living|resid|located|meet|moved|taxi|arrived|return|sen|ship|deliver|corner| is at| is on|off at"
    "|off on|stop at|wohn"
)
LED_CUE = re.compile(
    r"(?<!\w)(?:address(?:es)?(?!\w)[^.!?\n]{0,35}?"
    r"|(?:live[sd]?|living|resid(?:e|es|ed|ing)|located|meet(?:ing)?(?: me| you|"
    r" us)?|moved|taxi|arrived|return|sent|send"
    r"|ship(?:ped)?|deliver(?:ed)?|corner|off|stops?|is|wohn\w{1,3})(?!\w)[^.!?\n]{0,20}?)"
    r"(?:\s(?:is|at|in|on|to|of|with|from)|:)\s+(?:the corner of\s+)?$"
)
NAME_WORD = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]{0,30}(?:['’.-][^\W\d_]{0,30}){0,3}"
LED = re.compile(
    rf"(?<![\w$.,-])(?:\d{{1,6}}[ ]+(?:{NAME_WORD}[ ]+){{0,3}}{NAME_WORD}(?:[ ]+\d{{1,4}}[a-z]?(?!\w))?"
    rf"|(?:{NAME_WORD}[ ]+){{1,4}}\d{{1,5}}[a-z]?(?!\w|[%:,.]\d))"
)
NEAR_CUES = cue(
    "address|live|lives|lived|living|reside|resides|residing|located|moved|mail|mailed|home|house|property|deliver|delivered|shipped|at|to"
)
NOT_NAMES = cue(
    "january|february|march|april|may|june|july|august|september|october|november|december|section|chapter|title|act|page"
    r"|terminal|form|days?|hours?|minutes?|months?|years?|weeks?|times?|percent|usc|u\.s\.c?\.?|miles?|blocks?|more|less"
    "|accounts?|payments?|letters?|calls?|am|pm|the|a|an|my|your|our|his|her|their|this|that|and|or|in|on|at|to|for|from|by"
    "|with|is|was|were|are|i|we|they|he|she|it|not|no|down|off|across|different|other|per|cents?|dollars?|people|if|when"
    "|which|who|has|have|had|xx+|iban|ssn|dob|mrn|po|ref|id|code|cfr|c\\.f\\.r|part|statutes?|article|subpart"
)
CODE_HINTS = ("zip", "postal code", "postcode", "post code", "plz", "postleitzahl", "code postal", "código postal")
NAMED_CODE = re.compile(
    r"(?<!\w)(?i:zip(?:[ -]?code)?|postal code|post ?code|plz|postleitzahl|code postal|código postal)(?:"
    r"[ ]+(?i:is|was|ist|est|es))?[ ]*[:=#-]?[ ]*"
    r"([A-Z]{0,2}-?\d(?:[A-Z\d]|[ -](?=\w{2,4}(?!\w))){2,9})(?![\w])"
)
"""`ZIP: 62701`, `postcode NW1 6XE` does not start with a digit and stands in POSTCODE."""
