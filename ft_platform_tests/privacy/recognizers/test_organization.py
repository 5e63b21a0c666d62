"""Organizations by legal form or kind. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.organization import OrganizationRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("I work for Aunt Bertha Inc now", "Aunt Bertha Inc", "legal form"),
    ("First National Bank closed", "First National Bank", "kind"),
    ("Müller & Söhne GmbH schrieb", "Müller & Söhne GmbH", "German"),
]
NOT_FOUND = [
    ("I went to the bank", "lower case"),
    ("Anna Reed called", "person"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(OrganizationRecognizer(), FOUND, NOT_FOUND)
