"""Names of companies and other organizations."""

import re

from ft_platform.privacy.names import UPPER
from ft_platform.privacy.spans import Span

WORD = rf"(?:{UPPER}[\w&'’.-]{{0,40}}|&|and|of|the|de)"
# Legal forms: European Business Register, list of company forms; US state law. Kinds: what is no person.
FORMS = (
    r"(?:Inc|LLC|L\.L\.C|LLP|Ltd|Limited|Corp|Corporation|Company|Co|PLC|GmbH|AG|KG|SE|S\.?A"
    r"|S\.?r\.?l|B\.?V|N\.?V|Oy|AB|A/S|AS|Pty|Group|Holdings|Bank|University|College|Institute|Foundation"
    r"|Association|Agency|Hospital|Partners|Associates|Technologies|Solutions|Services|Systems)"
)
NAMED = re.compile(rf"(?<![\w.])({UPPER}[\w&'’.-]{{0,40}}(?:,?[ ]{WORD}){{0,4}},?[ ]{FORMS})(?![\w])\.?")


class OrganizationRecognizer:
    """Covered: capitalized words in front of a legal form or a kind (`Acme Inc`, `Bank`, `University`), and what the
    built-in network calls an organization. Looked for only where `privacy.entities` names ORGANIZATION.

    Not covered: brands and products.
    """

    entity = "ORGANIZATION"
    optional = True

    def find(self, text: str) -> list[Span]:
        return [Span(*m.span(1), self.entity, 0.65, "organization") for m in NAMED.finditer(text)]
