"""URLs that hold a user name and a password or a token."""

import re

from ft_platform.privacy.spans import Span

# RFC 3986, section 3.2.1 (userinfo `user:password@`), and parameters that carry secrets (RFC 6750, section 2.3).
USERINFO = re.compile(
    r"(?<![\w])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@:<>\"']{1,100}:[^\s/@<>\"']{1,200}@[^\s<>\"']{1,2000}"
)
PARAMETER = re.compile(
    r"(?<!\w)[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s<>\"'?]{1,2000}\?(?:[^\s<>\"']{0,2000}&)?"
    r"(?:access_token|auth_token|token|api_?key|password|passwd|pwd|secret|sig|signature|sessionid)=[^\s<>\"'&]{6,}[^\s<>\"']{0,2000}",
    re.IGNORECASE,
)


class UrlCredentialsRecognizer:
    """Covered: `scheme://user:password@host/...` and URLs with a token or password parameter; the whole URL is
    found."""

    entity = "URL_CREDENTIALS"
    hint = "://"

    def find(self, text: str) -> list[Span]:
        if "://" not in text:
            return []
        matches = [*USERINFO.finditer(text), *PARAMETER.finditer(text)]
        return [
            Span(m.start(), m.start() + len(m.group().rstrip(".,;:!?)")), self.entity, 0.95, "url_credentials")
            for m in matches
        ]
