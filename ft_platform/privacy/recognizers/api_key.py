"""Keys and tokens of services."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.spans import Span

# Formats as published: AWS IAM unique ids, GitHub token formats (2021), Slack token types, Stripe and OpenAI keys,
# Google API keys, GitLab, Hugging Face, npm, SendGrid; JSON Web Token (RFC 7519); PEM private keys (RFC 7468).
KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_\w{22,255}|xox[abeoprs]-[A-Za-z0-9-]{10,250}"
    r"|[spr]k_(?:live|test)_[A-Za-z0-9]{16,250}|sk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,250}|AIza[\w-]{35}|glpat-[\w-]{20,250}|hf_[A-Za-z0-9]{30,100}"
    r"|npm_[A-Za-z0-9]{36}|SG\.[\w-]{16,64}\.[\w-]{16,64}|eyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{0,4000})(?![A-Za-z0-9])"
)
KNOWN_STARTS = ("akia", "asia", "gh", "xox", "k_live_", "k_test_", "sk-", "aiza", "glpat-", "hf_", "npm_", "sg.", "eyj")
PEM = re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{1,20000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)")
NAMED = re.compile(
    r"\b(?:api|access|secret|auth|bearer|client|private|license|licence)"
    r"[ _-]?(?:key|token|secret)\b(?:\s+(?:is|was))?\s*[:=]?\s*[\"'`]?([\w+/=.-]{12,500})",
    re.IGNORECASE,
)


class ApiKeyRecognizer:
    """Covered: keys with a known prefix, private keys, tokens named as such (`api key: ...`) that mix letters and
    digits."""

    entity = "API_KEY"
    hint = (
        "AKIA|ASIA|gh[pousr]_|github_pat_|xox[abeoprs]-|[spr]k_(?:live|test)_|sk-|AIza|glpat-|hf_|npm_|SG[.]|eyJ"
        "|PRIVATE KEY-----"
        "|(?i:api|access|secret|auth|bearer|client|private|license|licence)[ _-]?(?i:key|token|secret)"
    )

    def find(self, text: str) -> list[Span]:
        lowered = text.lower()
        spans = []
        if holds_any(lowered, KNOWN_STARTS):
            spans += [Span(m.start(), m.end(), self.entity, 1.0, "api_key") for m in KNOWN.finditer(text)]
        if "private key-----" in lowered:
            spans += [Span(m.start(), m.end(), self.entity, 1.0, "api_key") for m in PEM.finditer(text)]
        if holds_any(lowered, ("key", "token", "secret")):
            spans += [
                self._named(m)
                for m in NAMED.finditer(text)
                if re.search(r"\d", m.group(1)) and re.search(r"[A-Za-z]", m.group(1))
            ]
        return spans

    def _named(self, match: re.Match[str]) -> Span:
        return Span(match.start(1), match.start(1) + len(match.group(1).rstrip(".")), self.entity, 0.8, "api_key")
