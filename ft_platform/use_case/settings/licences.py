"""Names of licences: ids and expressions of SPDX, and `proprietary` for records of one's own."""

PROPRIETARY = "proprietary"
OWN = "LicenseRef-"
"""How a licence begins that SPDX does not list (SPDX 2.3, annex D)."""


def canonical_licence(text: str) -> str | None:
    """A licence in the spelling of the SPDX list, `LicenseRef-<name>` or `proprietary`; None for any other text.

    `packaging` has the list, as it checks the licences of Python packages by it (PEP 639).
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    name = text.strip()
    if name.casefold() == PROPRIETARY:
        return PROPRIETARY
    try:
        return str(canonicalize_license_expression(name))
    except InvalidLicenseExpression:
        return None
