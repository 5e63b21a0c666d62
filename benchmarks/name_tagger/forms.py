"""Names in letters, forms, tables and JSON, which annotated corpora hardly hold: made from templates and the platform's
lists of names and cities. No text of a person."""

import random
from collections.abc import Iterator

from ft_platform.privacy.names import common_words, given_names, surnames
from ft_platform.privacy.places import cities

TEMPLATES = """
Dear {P},\\nthank you for your letter of 3 May.
Hi {G},\\n\\njust a quick note about the {w} {w}.\\n\\nBest,\\n{G}
Hello {G}, can you send me the {w}?
Dear Mr. {S},\\nplease find the {w} attached.\\nKind regards,\\n{P}\\n{L}
Thanks,\\n{P}
Sincerely,\\n\\n{P}\\n{w} {w}
Regards\\n{I}
Sehr geehrter Herr {S},\\nvielen Dank für Ihre Nachricht.\\nMit freundlichen Grüßen\\n{P}\\n{L}
Sehr geehrte Frau {S},\\nich wohne in {L}.
Liebe {G},\\nbis morgen!\\nDein {G}
Bonjour Madame {S},\\nmerci pour votre réponse.\\nCordialement,\\n{P}
Cher {G},\\nnous sommes à {L}.
Estimado señor {S}:\\nvivo en {L}.\\nAtentamente,\\n{P}
Hola {G}, ¿cómo estás?
Gentile signora {S},\\nabito a {L}.\\nCordiali saluti\\n{P}
Caro {G}, ci vediamo a {L}.
Il signor {P} è nato a {L}.
La signora {S} lavora a {L} con {P}.
Ho parlato con {P} di {L} ieri.
Geachte heer {S},\\nik woon in {L}.\\nMet vriendelijke groet,\\n{P}
Prezado senhor {S},\\nmoro em {L}.\\nAtenciosamente,\\n{P}
Kære {G},\\njeg bor i {L}.\\nVenlig hilsen\\n{P}
Hei {G},\\nhilsen {G} fra {L}
Hej {G},\\njag bor i {L}.\\nMed vänlig hälsning\\n{P}
Szanowny Panie {S},\\nmieszkam w {L}.\\nZ poważaniem\\n{P}
My name is {P} and I live in {L}.
my name is {p} and i live in {l}
this is {p} calling from {l}, please call me back
i spoke with {g} at the {w} yesterday
ask {g} about the {w}
Spoke to {G} on Monday; {G} said the {w} was {w}.
Name: {P}\\nCity: {L}\\nAmount: 120.50
name: {p}\\ncity: {l}
Patient: {F}\\nBorn in: {L}
From: {P}\\nTo: {P}\\nSubject: the {w}
From: {G}\\nTo: {G}; {G}\\nCc: {P}
Attendees: {P}, {P}, {P} and {G}
{G}: where is the {w}?\\n{G}: in {L}.
{P}: hello\\n{P}: hello {G}
{{"name": "{P}", "city": "{L}", "status": "{w}"}}
{{"first_name": "{G}", "last_name": "{S}", "town": "{L}"}}
{{"customer": {{"surname": "{S}", "given": "{G}"}}, "note": "{w} {w}"}}
{P};{L};{w};12
{F}\\t{L}\\t{w}
{S} | {G} | {L} | 44
<name>{P}</name><city>{L}</city>
id,name,place\\n1,{P},{L}\\n2,{P},{L}\\n3,{P},{L}
{P}\\n12 {S} Street\\n{L}
Signed by {P} in {L}
c/o {P}, {L}
{U} met {U} in {V}.
MR {U} OF {V} CALLED ABOUT THE {w}
cc {P}
{G} and {G} {S} moved from {L} to {L}.
the {S}s live near {L}
{G}'s brother {G} and Mrs. {S}'s car
Dr. {S} and Prof. {P} are in {L}.
{I} signed it. {I} was in {L}.
Our {w} {w} is {w}. The {W} is {w}.
{W} {W} is a {w} from the {w} list.
Please check the {W} {W} and the {W} form.
{W}, {W}, {W}
City: {L}\\nCountry: {L}
Where: {L} {W} Club
Flight from {L} to {L} airport, {L} station
She left {L}, OH again and moved to {L}, TX 75001.
I live in {L} now; {G} lives in {L} 6091.
Mr {W} said so; Mrs {W} and Dr {W} agreed.
Dear Ms {W}, your {w} is ready.
Frau {S}-{S} und Herr von {S} aus {L}
please {w} the {w} and {w} them
{w} {w} the {w} and {w} {w} {w} them
the {w} of my {w} was {w}, so i {w} the {w} again. {w} {w}!
{w} on the {w} {w} me, then they {w} it in {w}
Signed, {p}. {W} at the {w} {w}
signed {p}
Name on card: {K}, exp 09/27
Passport issued to {K}, valid until 2031
{K}\\n{V}
Name;City;Phone\\n{P};{L};+23 480 112\\n{P};{L};+23 480 113
TO: {w}\\nSUBJECT: {w} {w}\\nFROM: {P}
I spoke with {D} and {D} told me to wait.
{D} said that the {w} is {w}. Thanks, {G}
{O} wrote to me about the {w}; {O} is {w}.
{P} of {O} called from {L}.
XXXX XXXX from {O} told me that XXXX would call.
The {A} is {w}, and the {A} said {w}.
in the {A} of {L}
{L} {a} was closed. We drove to the {L} {a}.
{G} from flat 3 B. Can you text me on 7 A?
{F} ({L}), {F} ({L})
Equifax, Wells Fargo and PayPal sent a {w} about my Citibank card.
"""


DEPARTMENTS, ORGANIZATIONS, AREAS, BUILDINGS = (
    line.split("|")
    for line in (
        "Customer Service|Technical Support|the Billing Department|Human Resources|Loss Mitigation|Customer Care"
        "|Tech Support|Member Services|Collections|the Escalation Team|Kundenservice|Service Client",
        "{} Bank|{} Consumer Credit|{} & {} LLP|{} Insurance|{} Credit Union|{} Mortgage|{} Inc|{} GmbH|First {} Bank"
        "|Bank of {}|{} Financial Services|University of {}|{} Airlines|{} Telecom",
        "County|City|State|Bank|Court|Department|Village|District|Office|Branch|Company|Police|Government",
        "airport|station|bridge|hospital|branch|store|office|harbour|beach|castle",
    )
)
TITLES = ("Mr ", "Mrs ", "Dr ", "Ms ")
"""Behind these even an everyday word is a name."""


TAG_OF = {
    **dict.fromkeys("PGSFIKUpg", "PERSON"),
    **dict.fromkeys("LlV", "LOCATION"),
    **dict.fromkeys("O", "ORGANIZATION"),
}


def made(number: int, seed: int = 11) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """So many texts with the places of `PERSON` and `LOCATION`."""
    draw = random.Random(seed)
    given = sorted(n for n in given_names() if len(n) > 2)
    family = sorted(n for n in surnames() if len(n) > 2)
    towns = sorted(cities())
    words = sorted(w for w in common_words() if w.isalpha() and len(w) > 2)
    templates = [line.replace("\\n", "\n").replace("\\t", "\t") for line in TEMPLATES.strip().split("\n")]

    def value(kind: str) -> str:
        g, s, town = draw.choice(given).title(), draw.choice(family).title(), draw.choice(towns).title()
        person = draw.choice(
            (
                f"{g} {s}",
                f"{g} {s}",
                f"{g} {draw.choice('ABCDEFGHJKLMNPRSTW')}. {s}",
                f"{g} {s}-{draw.choice(family).title()}",
            )
        )
        return {
            "P": person,
            "G": g,
            "S": s,
            "F": f"{s}, {g}",
            "K": draw.choice((f"{s}, {g}", f"{g} {s}", f"{g[0]} {s}", f"{g[0]} {s[0]} {s}", f"{g[0]}. {s}")).upper(),
            "D": draw.choice(DEPARTMENTS),
            "O": draw.choice(ORGANIZATIONS).replace("{}", s),
            "A": draw.choice(AREAS),
            "a": draw.choice(BUILDINGS),
            "I": f"{g[0]}. {s}",
            "L": town,
            "U": person.upper(),
            "V": town.upper(),
            "p": person.lower(),
            "g": g.lower(),
            "l": town.lower(),
            "w": draw.choice(words),
            "W": draw.choice(words).title(),
        }[kind]

    for _ in range(number):
        text, spans = "", []
        rest = draw.choice(templates)
        while (place := rest.find("{")) >= 0:
            text, rest = text + rest[:place], rest[place:]
            if rest.startswith("{{"):
                text, rest = text + "{", rest[2:]
                continue
            kind, rest = rest[1], rest[3:]
            start, text = len(text), text + value(kind)
            if kind in TAG_OF or text[:start].endswith(TITLES):
                spans.append((start, len(text), TAG_OF.get(kind, "PERSON")))
        yield (text + rest).replace("}}", "}"), spans
