"""Numbers of patients and medical records."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.spans import Span

WORDS = ("mrn", "medical record", "patient", "chart", "krankenversicherung", "versichertennummer", "nhs")
# There is no common format (HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(H) names the identifier, not its form): the word
# decides.
NAMED = re.compile(
    r"\b(?:mrn|medical record|patient(?:en)?(?:"
    r"[ -]?(?:id|identifier|nummer))?|chart|krankenversicherungsnummer|versichertennummer|nhs)\b"
    r"(?:\s*(?:number|no\.?|nr\.?|num\.?|id|#|is|was|:|=)){0,4}\s*[:#]?\s*((?=[A-Z0-9-]*\d{3})[A-Z0-9](?:[A-Z0-9-]|\s(?=\d)){4,16})(?![\w])",
    re.IGNORECASE,
)


class MedicalRecordNumberRecognizer:
    """Covered: 5 to 17 letters and digits, at least three of them digits, behind `MRN`, `medical record number`,
    `patient id`, `NHS number`."""

    entity = "MEDICAL_RECORD_NUMBER"
    hint = "(?i:mrn|medical record|patient|chart|krankenversicherung|versichertennummer|nhs)"
    digits = 3

    def find(self, text: str) -> list[Span]:
        if not holds_any(text.lower(), WORDS):
            return []
        return [
            Span(m.start(1), m.end(1), self.entity, 0.8, "medical_record_number")
            for m in NAMED.finditer(text)
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}|[Xx-]+", m.group(1))
        ]
