"""Signatures and quoted replies cut off a message: words of the mail program or of somebody else, and full of names.

Covered: the signature delimiter `-- ` (RFC 3676, section 4.3), notes of phones (`Sent from my iPhone`), a closing
formula with a few short lines after it, lines quoted with `>` at the end, and what follows `On ... wrote:`, `Original
Message` or a block of mail headers; in English, German, French, Spanish, Italian, Dutch and Portuguese.
Not covered: quotes between which the writer answers; a signature without delimiter and closing formula; legal
disclaimers. A message that would be empty afterwards stays as it is.
"""

import re
from collections.abc import Sequence

DEVICES = (
    r"(?:iPhone|iPad|Android|Samsung|Galaxy|Huawei|Xiaomi|BlackBerry|Windows"
    r" Phone|Nokia|Pixel|smartphone|mobile|phone|tablet|Handy|Telefon|téléphone"
    r"|portable|móvil|telefono|telefoon)"
)
PHONE_NOTE = (
    rf"(?:Sent from (?:my |a |an )?(?:\w+ ){{0,2}}{DEVICES}|Sent from (?:Mail|Outlook|Yahoo Mail|Gmail)\b|Get Outlook"
    r" for (?:iOS|Android)"
    r"|(?:Von meinem|Gesendet von meinem|Gesendet mit|Envoyé de mon|Envoyé depuis mon|Enviado desde mi|Enviado do"
    r" meu|Inviato dal mio|Inviato da"
    rf"|Verstuurd vanaf mijn) (?:\w+ ){{0,2}}{DEVICES})"
)
ATTRIBUTION = (
    r"(?:On .{5,200} wrote ?:|Am .{5,200} schrieb.{0,100}:|Le .{5,200} a écrit ?:|El .{5,200} escribió ?:|Il .{5,200}"
    r" ha scritto ?:"
    r"|Op .{5,200} schreef.{0,100}:|Em .{5,200} escreveu ?:)"
)
ORIGINAL_MESSAGE = (
    r"(?:-{2,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Weitergeleitete Nachricht|Message"
    r" d'origine|Mensaje original"
    r"|Messaggio originale|Oorspronkelijk bericht|Mensagem original) ?-{2,})"
)
FIRST_HEADER = r"(?:From|Von|De|Da|Van) ?: .{1,200}"
OTHER_HEADERS = (
    r"(?:Sent|Date|To|Cc|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado|Fecha|Para|Asunto|Inviato|Data|A|Oggetto|Verzonden|Aan"
    r"|Onderwerp) ?: "
)
# Thanks count with a comma only: "Thank you" may stand above one more sentence.
CLOSING = (
    r"(?:(?:(?:Best|Kind|Kindest|Warm|Warmest|Many) )?regards|Best wishes|Yours"
    r" (?:sincerely|faithfully|truly)|Sincerely(?: yours)?"
    r"|Mit (?:freundlichen|besten|vielen) Grü(?:ß|ss)en|(?:Freundliche|Viele|Liebe|Beste)"
    r" Grü(?:ß|ss)e|Cordialement|Bien à vous"
    r"|(?:Un )?saludos?(?: cordial(?:es)?)?|Atentamente|(?:Cordiali|Distinti) saluti|Met vriendelijke"
    r" groet(?:en)?|Atenciosamente)[,.!]?"
    r"|(?:(?:Many )?thanks|Thank you|Cheers|MfG),"
)
DELIMITER = r"(?:-- ?|_{10,})"

PHONE_NOTE_LINE = re.compile(rf"{PHONE_NOTE}.{{0,60}}", re.IGNORECASE)
ATTRIBUTION_LINE = re.compile(ATTRIBUTION, re.IGNORECASE)
ORIGINAL_MESSAGE_LINE = re.compile(ORIGINAL_MESSAGE, re.IGNORECASE)
FIRST_HEADER_LINE = re.compile(FIRST_HEADER, re.IGNORECASE)
OTHER_HEADER_LINE = re.compile(OTHER_HEADERS, re.IGNORECASE)
CLOSING_LINE = re.compile(CLOSING, re.IGNORECASE)
DELIMITER_LINE = re.compile(DELIMITER)
_BLANKS = r"[\s\pZ\x1c-\x1f\x85]*"
HINT = (
    rf"(?im)^{_BLANKS}(?:>|{PHONE_NOTE}|{ORIGINAL_MESSAGE}|{FIRST_HEADER}|{DELIMITER}{_BLANKS}$|(?:{CLOSING}){_BLANKS}$|(?:On|Am|Le|El|Il|Op|Em)"
    r" .{5,}|.*"
    r"(?:wrote|schrieb.{0,100}|écrit|escribió|scritto|schreef.{0,100}|escreveu) ?:)"
)
"""A line at which one of the cuts may start, for RE2."""

MAX_SIGNATURE_LINES = 10
MAX_CLOSING_LINES = 6
MAX_CLOSING_CHARACTERS = 60
"""Short lines after a closing formula, at most so many, are the signature."""
SENTENCE_ENDS = ("?", "!", ".", ":")
NO_SENTENCE_ENDS = ("inc.", "ltd.", "co.", "corp.", "jr.", "sr.", "dr.", "st.")


def without_boilerplate(text: str, kinds: Sequence[str]) -> str:
    """The message without what `kinds` names: `quoted_replies`, `signatures`. Line breaks are `\\n`."""
    lines = text.split("\n")
    if "quoted_replies" in kinds:
        lines = _without_quoted_reply(lines)
    if "signatures" in kinds:
        lines = _without_signature(lines)
    kept = "\n".join(lines).rstrip()
    return kept if kept and len(lines) < text.count("\n") + 1 else text


def _without_quoted_reply(lines: list[str]) -> list[str]:
    for number, line in enumerate(lines):
        words = line.strip()
        # Mail programs break a long attribution into two lines.
        two_lines = f"{words} {lines[number + 1].strip()}" if number + 1 < len(lines) and words else words
        reply = (
            ATTRIBUTION_LINE.fullmatch(words)
            or ATTRIBUTION_LINE.fullmatch(two_lines)
            or ORIGINAL_MESSAGE_LINE.fullmatch(words)
        )
        if reply or _is_header_block(lines, number):
            return lines[:number]
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    return lines[:end] if any(line.strip() for line in lines[end:]) else lines


def _is_header_block(lines: list[str], number: int) -> bool:
    """`From:` and two more headers below it. `From:` alone may be a form that somebody filled in."""
    if not FIRST_HEADER_LINE.fullmatch(lines[number].strip()):
        return False
    return sum(bool(OTHER_HEADER_LINE.match(line.strip())) for line in lines[number + 1 : number + 4]) >= 2


def _without_signature(lines: list[str]) -> list[str]:
    first = max(0, len(lines) - MAX_SIGNATURE_LINES - 1)
    for number, line in enumerate(lines[first:], first):
        line = line.strip()
        starts = DELIMITER_LINE.fullmatch(line) or PHONE_NOTE_LINE.fullmatch(line)
        if starts or (CLOSING_LINE.fullmatch(line) and _is_signature(lines[number + 1 :])):
            return lines[:number]
    return lines


def _is_signature(lines: list[str]) -> bool:
    """One to a few short lines, none of them a sentence."""
    said = [line.strip().lower() for line in lines if line.strip()]
    short = all(
        len(line) <= MAX_CLOSING_CHARACTERS and (not line.endswith(SENTENCE_ENDS) or line.endswith(NO_SENTENCE_ENDS))
        for line in said
    )
    return 1 <= len(said) <= MAX_CLOSING_LINES and short
