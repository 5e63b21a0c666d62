"""Keys: the examples of the vendors' documentation, or made up in their form. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.api_key import ApiKeyRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "AWS, from its documentation"),
    ("token ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2", "ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2", "GitHub"),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "Stripe"),
    (
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123456",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123456",
        "JSON Web Token",
    ),
    ("my api key is a8f5f167f44f4964e6c998dee827110c.", "a8f5f167f44f4964e6c998dee827110c", "named"),
    (
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
        "PEM",
    ),
]
NOT_FOUND = [
    ("the api key does not work", "no key"),
    ("secret token of appreciation", "words"),
    ("api key: documentation-page", "no digit"),
    ("sk-short", "too short"),
    ("AKIA123", "too short for AWS"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(ApiKeyRecognizer(), FOUND, NOT_FOUND)
