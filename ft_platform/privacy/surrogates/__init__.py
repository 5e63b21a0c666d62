"""Fictitious values of the kind of a finding, so that texts read naturally. Nobody's in fact, where a range for fiction
or documentation exists.

Each file holds functions `(draw, original) -> value or None`; None says that no value of this form can be invented
safely."""

import unicodedata
from collections.abc import Callable

from ft_platform.privacy.draw import Draw
from ft_platform.privacy.surrogates import contacts, numbers, persons, places

SURROGATES: dict[str, Callable[[Draw, str], str | None]] = {
    "PERSON": persons.person,
    "USER_NAME": persons.user_name,
    "EMAIL": contacts.email,
    "PHONE": contacts.phone,
    "IP_ADDRESS": contacts.ip_address,
    "MAC_ADDRESS": contacts.mac_address,
    "ADDRESS": places.address,
    "LOCATION": places.location,
    "ORGANIZATION": places.organization,
    "DATE_OF_BIRTH": numbers.date_of_birth,
    "US_SSN": numbers.us_ssn,
    "CREDIT_CARD": numbers.credit_card,
    "IBAN": numbers.iban,
    "UK_NINO": numbers.uk_nino,
    "ES_DNI": numbers.es_dni,
    "DE_TAX_ID": numbers.de_tax_id,
    "IN_AADHAAR": numbers.in_aadhaar,
    "NL_BSN": numbers.nl_bsn,
    **numbers.NEVER_GIVEN,
}
"""Entities that can be invented. API keys and passwords are not among them: a plausible secret helps nobody."""


def plain(text: str) -> str:
    """Letters and digits without case and accents: what makes two values the same for a reader."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())
