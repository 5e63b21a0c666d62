"""Web addresses."""

import re

from ft_platform.privacy.spans import Span

# Named among the identifiers of a person in 45 CFR 164.514(b)(2)(i)(N) (HIPAA Safe Harbor): a profile or a home page
# leads to its owner.
FULL = re.compile(r"(?<!\w)(?:https?|ftp)://[^\s<>\"'`{}|\\^]{3,2000}", re.IGNORECASE)
WWW = re.compile(
    r"(?<![\w@./])www\.(?:[A-Za-z\d-]{1,63}\.){1,4}[A-Za-z]{2,24}(?:[/?#][^\s<>\"'`]{0,2000})?", re.IGNORECASE
)
INSIDE = re.compile(r"\.(?<=\w\.)(?=\w)")
"""A dot inside a word: asked first, since few texts have one."""
# Endings that are no words of a sentence whose blank is missing (`bank.It was`).
ENDINGS = (
    "com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|cloud|online|site|shop|xyz|blog|tv|eu|uk|de|fr|es|nl|ch|pl|cz|se|dk|fi|hu|pt|ru|jp|cn|br|ca|au|nz|mx"
    "|ar|cl|kr|tr|gr|ro|sk|si|hr|ee|lt|lv|ie|bg|ua|za"
)
BARE = re.compile(
    rf"(?<![\w@./-])(?:[A-Za-z\d](?:[A-Za-z\d-]{{0,61}}[A-Za-z\d])?\.){{1,4}}(?:{ENDINGS}"
    rf"|(?:co|com|org|net|gov|ac)\.[a-z]{{2}})(?![\w@-]|\.\w)(?:/[^\s<>\"'`]{{0,2000}})?"
)
# Endings that are words, of services for short links and profiles: only with a path (`wa.me/44...`).
WITH_PATH = re.compile(
    r"(?<![\w@./-])(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.){1,3}(?:me|ee|gg|ly|gl|co|to|link|page|st|social|bio)"
    r"/[\w@+~$%-][^\s<>\"'`]{0,2000}",
    re.IGNORECASE,
)


class UrlRecognizer:
    """Covered: `https://...`, `www....`, `name.com`, `t.me/name`. Not covered: host names with rare endings, without
    `www`."""

    entity = "URL"
    hint = (
        rf"://|(?i:www)[.]|[.](?:{ENDINGS})|[.](?:co|com|org|net|gov|ac)[.][a-z]"
        r"|[.](?i:me|ee|gg|ly|gl|co|to|link|page|st|social|bio)/"
    )

    def find(self, text: str) -> list[Span]:
        spans = [self._span(m, 0.9) for m in FULL.finditer(text)] if "://" in text else []
        if not INSIDE.search(text):
            return spans
        spans += [self._span(m, 0.85) for m in WWW.finditer(text)]
        if "/" in text:
            spans += [self._span(m, 0.6) for m in WITH_PATH.finditer(text)]
        return spans + [self._span(m, 0.6) for m in BARE.finditer(text) if re.search(r"[A-Za-z]{2}", m.group())]

    def _span(self, match: re.Match[str], score: float) -> Span:
        value = match.group().rstrip(".,;:!?'\"")
        value = value if "(" in value else value.rstrip(")]")
        return Span(match.start(), match.start() + len(value), self.entity, score, "url")
