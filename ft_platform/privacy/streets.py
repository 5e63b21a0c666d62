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
    r"|(?i:apt|apartment|suite|unit)\b\.?\s?#?\s?[A-Z]\b|#\s?\d{1,5}[A-Za-z]?\b"
    # Floor and door: `2º B`, `3.º Esq.`, `1r 2a`; `3. tv`, `st. th.`; `2. OG`; `3 tr`, `lgh 1102`; `m. 12`; `r/c`.
    r"|\d{1,2}\.?[º°oªa]\.?(?:[ ](?:[A-Z]|(?i:izq|izda|dcha|dta|esq|dto|drt|fte?))(?!\w)\.?)?(?!\w)"
    r"|\d{1,2}[rnt][ ]\d{1,2}[aª]?(?!\w)|(?:\d{1,2}|st|kl)\.?,?[ ](?:tv|th|mf)(?!\w)\.?"
    r"|\d{1,2}\.?[ ]?(?:OG|UG|Stock|Etage|Obergeschoss|sal|tr|étage)(?!\w)|\d{1,2}(?:er|e|ème)[ ]étage"
    r"|(?:EG|r/c)(?!\w)|(?i:lgh|leil|whg|wohnung|lok|m|int|interno|scala|piano|piso|puerta|appt|bât|esc)(?!\w)\.?"
    r"[ ]?[A-Z]?\d{1,4}[A-Z]?(?!\w))"
)
DIRECTION = r"(?:(?i:[NSEW]|NE|NW|SE|SW|North|South|East|West|Northeast|Northwest|Southeast|Southwest)\b\.?\s+)"
HOUSE = (
    r"\d{1,5}(?:[ \t]?[A-Za-z](?!\w|\.[ ]?\d))?(?:[-/](?:\d{1,4}[A-Za-z]?|[IVX]{1,4}|[A-Za-z]))?"
    r"(?:[ ](?:bis|ter))?(?!\w)"
)
"""A number behind its street: `12a`, `12 B`, `21-23`, `12-3`, `123-II`, `10/5`, `12/B`, `12 bis`."""
CAP = r"[^\W\d_a-zß-öø-ÿ][\w'’.-]{0,40}"
NUMBER = r"(?<![\w$€£.,/:-])\d{1,6}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?"

US_STREET = re.compile(
    rf"{NUMBER},?[ \t]+{DIRECTION}?(?:[^\W_][\w'’.-]{{0,40}}[ \t]+){{1,4}}?"
    rf"(?i:(?P<strong>(?:(?:{WEAK_SUFFIX})[ \t]+)?(?:{SUFFIX}))"
    rf"|(?P<weak>(?:(?:{WEAK_SUFFIX})[ \t]+)?(?:{WEAK_SUFFIX})))\b\.?(?:[ \t]+(?:NE|NW|SE|SW|[NSEW])\b)?"
)

# The kind stands in front (Romance and Slavic languages); the number on either side.
FRONT_COMMON = "rua|rue|calle|via|corso|av|avda|ul|bd|cours|trg|ronda"
FRONT_RARE = (
    "viale|vicolo|piazza|piazzale|piazzetta|strada|estrada|contrada|avenida|avenue|boulevard|chemin|impasse|allée|quai|travessa|praça"
    "|praceta|carrer|paseo|plaza|camino|ulica|aleja|aleje|osiedle|ulice|náměstí|calea|jalan|esplanade|passeig|plaça|carretera"
    "|lungotevere"
)
FRONT = f"{FRONT_COMMON}|{FRONT_RARE}"
# Everyday words and abbreviations: they count with a particle behind them, or as they are written here.
FRONT_MORE = (
    r"(?:place|route|largo|square|alameda)(?=[ ](?:de|du|des|della?|dell['’]|do|da|dos|d['’])(?!\w))"
    r"|laan[ ]van(?:[ ]de[nr]?)?(?!\w)|(?<!et[ ])(?:al|pl|os)\.|v\.le|p\.zza|c\.so|c/"
)
PARTICLE = r"(?:de|da|do|du|des|dos|das|del|della|delle|dei|di|la|le|les|los|las|d['’]|l['’]|al|het|ter|ten)"
FRONT_STREET = re.compile(
    rf"(?:{NUMBER}(?:[ ](?:bis|ter|quater))?,?[ \t]+)?(?<![\w'’])(?i:(?:{FRONT})\b\.?|{FRONT_MORE})[ \t]+"
    rf"(?:{PARTICLE}[ \t]*){{0,2}}{CAP}(?:[ \t]+(?:{PARTICLE}"
    rf"[ \t]*)*{CAP}){{0,4}}"
    rf"(?P<after>(?!,[ \t]+\d{{4,5}}[ ]+{CAP}),?[ \t]+(?:n\.?[º°o]\.?[ ]?|nr\.?[ ])?{HOUSE})?"
)
FRONT_LOWER = re.compile(
    rf"{NUMBER},?[ \t]+(?i:rue|rua|calle|avenida|ulica|piazza|boulevard)[ \t]+(?:{PARTICLE}[ \t]*){{0,2}}[^\W\d_]{{3,}}"
)
FRONT_HINTS = (
    *(f"{w}{end}" for w in FRONT_COMMON.split("|") for end in " ."),
    *alternatives(
        FRONT_RARE.replace("piazza|piazzale|piazzetta", "piazz").replace("aleja|aleje", "alej").replace("|estrada", "")
    ),
    *alternatives("place d|route d|largo d|square d|alameda d|laan v| al. | pl. | os. |v.le|p.zza|c.so|c/ "),
)
"""One of them stands in every text with such a street. Parts of English words need their end."""
FRONT_STARTS = ("al. ", "pl. ", "os. ")

# The kind ends the word or follows it (Germanic, Nordic, Baltic, Finnic languages, Hungarian); the number follows.
ENDINGS = """
straße strasse straat str. weg platz allee gasse damm ufer ring chaussee laan plein gracht singel dijk vej vejen gade gaden gata gatan vägen veien
vegen vei gate gaten stræde stræti straeti vænget bakken braut tie katu kuja polku tänav maantee utca vegur gränd iela
kade steeg dreef burgwal torg torget plads pladsen plass plassen allé stigen
"""  # noqa: E501
GLUED = tuple(ENDINGS.split())
WORDS = (
    "utca út útja u. tér tere körút tee rkp. straße strasse straat str. weg platz allee gate vej tänav"
    " allé gade gata vägen väg veien vei plads plass torg plein gracht kade vía"
)
SEPARATE = frozenset(WORDS.split())
WORD_NUMBER = re.compile(rf"(?<!\w)([^\W\d_][\w'’-]{{0,40}}\.?)[ \t]+(?!\d{{5}}){HOUSE}")
"""A word and a number: a street if the word ends like one. A pattern of all endings would take half the time of all
recognizers."""
IN_FRONT = re.compile(rf"(?:{NUMBER}[ \t]+)?(?:{CAP}[ \t]+){{0,3}}$")

BOX = re.compile(
    r"(?i:\bP\.?\s?O\.?\s?Box\s+#?\d{1,7}|\bpost(?:box|boks|bus|fach|[ ]office[ ]box)\s+\d[\d ]{1,8}"
    r"|\bPSC\s+\d{1,4},?\s+Box\s+\d{1,5}|\bUnit\s+\d{1,5},?\s+Box\s+\d{1,5})"
    r"|\b(?:USN[SV]|USS|USCGC)\s+[^\W\d_][\w'’-]{0,40}(?=\s+[FAD]PO\b)"
)
BOX_HINTS = alternatives("box|post|usns|usnv|uss |uscgc")
UNIT_ALONE = re.compile(r"\b(?i:apt|suite|ste)\b\.?\s?#?\s?\d{1,5}[A-Za-z]?(?!\w)")

POSTCODE = (
    r"(?:\d{5}(?:-\d{3,4})?|\d{4}-\d{3}|\d{3}[ ]\d{2}|\d{2}-\d{3}|\d{4}[ ]?[A-Z]{2}(?!\w)|\d{4}|[A-Z]{1,2}\d[A-Z\d]?"
    r"[ ]?\d[A-Z]{2}|[A-CEGHJ-NPR-TVXY]\d[A-Z][ ]?\d[A-Z]\d)(?![\w-])"
)
BEFORE_TOWN = re.compile(
    rf"\d{{1,3}}[A-Za-z]?(?:[-/]\d{{1,3}})?(?:,[ \t]*|,?[ \t]*\n)(?:[A-Z]{{1,2}}-)?"
    rf"(?:\d{{5}}|\d{{4}}-\d{{3}}|\d{{3}}[ ]\d{{2}}|\d{{2}}-\d{{3}}|\d{{4}}[ ][A-Z]{{2}}|(?!19|20)\d{{4}})[ ]"
    rf"(?P<town>{CAP})"
)
"""A house number, a postal code and a town: what is capitalized in front is a street, whatever it is called (`Am Markt
3, 04109 Leipzig`)."""
STREET_IN_FRONT = re.compile(
    rf"(?<!\w)(?:A[mn][ ](?:der[ ])?|In[ ]der[ ])?"
    rf"(?P<street>(?:{CAP}[ ](?:(?:{PARTICLE}|der|den|dem|van|von)[ ])*){{1,5}})$"
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
