"""Organizations by legal form or kind. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.organization import OrganizationRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("I work for Aunt Bertha Inc now", "Aunt Bertha Inc", "legal form"),
    ("First National Bank closed", "First National Bank", "kind"),
    ("Müller & Söhne GmbH schrieb", "Müller & Söhne GmbH", "German"),
]
NOT_FOUND = [
    ("I went to the bank", "lower case"),
    ("Anna Reed called", "person"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(OrganizationRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(OrganizationRecognizer(), text) == []
