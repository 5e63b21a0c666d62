"""Telephone numbers."""

import re

from ft_platform.privacy.context import after, before, cue
from ft_platform.privacy.spans import Span

EXTENSION = r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?"
# North American Numbering Plan: area and exchange code start with 2 to 9 (ATIS-0300051). Behind an area code in
# parentheses any exchange counts: nothing else is written like that, and people mistype and invent numbers.
NANP = re.compile(
    r"(?<![\w.+/$-])(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\)[ -]?\d{3}|[2-9]\d{2}[ .-][2-9]\d{2})"
    rf"[ .-]\d{{4}}{EXTENSION}(?![\w]|[-.,]\d)"
)
# ITU-T E.164: `+`, country code, at most 15 digits.
INTERNATIONAL = re.compile(rf"(?<![\w+])\+[1-9](?:[ ().\-/]{{0,3}}\d){{6,14}}{EXTENSION}(?![\w])")
# National formats with the trunk prefix 0 and at least two groups, 9 to 12 digits (ITU-T E.123); 00 and a European
# country code; Italian mobiles, which have no trunk prefix (347 123 4567, 347/1234567).
TRUNK = re.compile(
    rf"(?<![\w.+/$:-])(?<!\d,)(?:\(0[1-9]\d{{0,4}}\)|0[1-9]\d{{0,4}}|00(?:35\d|[34]\d)(?:[ ]?\(0\))?(?:[ ./-]\d(?!\d))?"
    rf"|3[2-9]\d(?=[ ./-]\d{{3}}[ .-]?\d{{4}}(?!\d)))(?:(?:[ ./-]{{1,2}}|[ ]-[ ])\d{{2,9}}){{1,4}}"
    rf"(?:-\d{{1,4}})?{EXTENSION}(?![\w/:-]|[.,]\d)"
)
LOOSE = re.compile(
    rf"(?<![\w.+/$€£#:-])(?<!\d,)\(?\d{{1,5}}\)?(?:[ .\-/]{{0,2}}\d{{2,5}}){{1,5}}{EXTENSION}(?![\w/:]|[-.,]\d)"
)
SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
DAY, MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
DATE = re.compile(
    rf"(?:{DAY}[./-]{MONTH}|{MONTH}[./-]{DAY})[./-](?:(?:19|20)\d{{2}}|\d{{2}})(?![./-]?\d)|(?:19"
    rf"|20)\d{{2}}[./-]{MONTH}[./-]{DAY}(?!\d)"
)

CUES = cue(
    "phone|phones|telephone|telefon|tel|cell|mobile|mobil|handy|cellphone|call|called|calling|dial|fax|whatsapp"
    "|contact|reach"
    "|reached|text|sms|desk|office|direct|teléfono|answering|messages?"
    "|fon|telefonnummer|rufnummer|mobilnummer|handynummer|anrufen|erreichbar|rückruf|tél|téléphone|(?:mon|son) portable"
    "|appelez(?:-moi)?|rappelez(?:-moi)?|joindre|tfno|móvil|llam(?:e|a|ar|adme|eme)|llám[ae]me|telefono|cellulare"
    "|chiam(?:ami|atemi|are)|telefoon|telefoonnummer|mobiel|gsm|bereikbaar|telefone|telemóvel|ligue|tlf|mobilnr"
    "|telefonen"
    "|ring(?:e|a)? (?:meg|mig|til|på)"
    "|telefonu|komórk[aięo]|komórkowy|zadzwoń|dzwonić"
)
NEGATIVE = cue(
    "order|invoice|case|claim|reference|ref|ticket|tracking|confirmation|policy|serial|part|account|acct|loan"
    "|card|id|isbn|member|transaction|receipt|ssn"
    "|bestell\\w*|rechnung\\w*|auftrag\\w*|kundennummer|commande|facture|pedido|factura|ordine|fattura|factuur"
    "|encomenda"
    "|ordrenummer|faktura|zamówieni\\w*|konto"
)
CUES_AFTER = re.compile(r"^[ \t]?[-(,]?[ \t]?(?:office|fax|cell|mobile|home|work|phone|desk|\(?[mhwcof]\)(?!\w))")

DIGIT_WORD = r"(?:(?:double|triple)[ ])?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
SPELLED = re.compile(rf"(?<![\w-]){DIGIT_WORD}(?:[ ,.-]{{1,3}}{DIGIT_WORD}){{6,14}}(?![\w-])", re.IGNORECASE)
COUNTING = re.compile(r"(?:zero )?one two three four five six seven")


class PhoneRecognizer:
    """Covered: US and Canadian numbers with separators, `+` or 00 international numbers, national numbers with leading
    0, Italian mobiles; other groups of 7 to 15 digits beside words such as `phone` or `call`; seven English digits or
    more in words (`oh seven seven ...`).

    Not counted: numbers behind words such as `order` or `invoice`, dates, ten digits in one piece without a word,
    counting (`one two three ...`). Not covered: words for larger numbers (`four fifteen`) and other languages.
    """

    entity = "PHONE"
    hint = rf"[0-9](?:[^0-9A-Za-z_]{{0,3}}[0-9]){{5}}|(?i:{DIGIT_WORD}(?:[ ,.-]{{1,3}}{DIGIT_WORD}){{6}})"

    def find(self, text: str) -> list[Span]:
        spans: dict[tuple[int, int], Span] = {
            m.span(): Span(*m.span(), self.entity, 0.6, "phone")
            for m in SPELLED.finditer(text)
            if not COUNTING.match(" ".join(re.findall(r"\w+", m.group().lower())))
        }
        if not any(map(text.__contains__, "23456789")):
            return list(spans.values())
        for pattern, plain in ((NANP, 0.7), (INTERNATIONAL, 0.85), (TRUNK, 0.55), (LOOSE, 0.2)):
            for match in pattern.finditer(text):
                score = self._score(text, match, plain)
                place = match.span()
                if score and (place not in spans or spans[place].score < score):
                    spans[place] = Span(*place, self.entity, score, "phone")
        return list(spans.values())

    @staticmethod
    def _score(text: str, match: re.Match[str], plain: float) -> float:
        number = re.split("[xe]", match.group(), maxsplit=1)[0]
        digits = sum(c.isdigit() for c in number)
        named_behind = CUES_AFTER.match(after(text, match.end(), 15))
        least = 6 if named_behind else 7 if plain < 0.5 else 9 if plain < 0.6 else 8
        if not least <= digits <= 15 or DATE.match(number) or SSN.fullmatch(number):
            return 0.0
        in_front = before(text, match.start(), 35)
        cues = list(CUES.finditer(in_front))
        negatives = list(NEGATIVE.finditer(in_front))
        # The nearer word decides: "call about order 415 555 2671" is an order.
        if negatives and (not cues or negatives[-1].start() > cues[-1].start()):
            return max(0.0, plain - 0.3)
        if cues or named_behind:
            return min(1.0, plain + 0.35)
        return plain
