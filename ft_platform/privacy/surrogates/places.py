"""Postal addresses, places and organizations. Their names are put together, so that most exist nowhere; a house may
stand there by chance."""

import re

from ft_platform.privacy.draw import Draw
from ft_platform.privacy.surrogates.persons import in_case
from ft_platform.privacy.surrogates.words import BEGINNINGS, COMPANY_FORMS, ENDINGS, compound, words_of

TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)?")
KEPT = frozenset(
    words_of("""
street st avenue ave road rd drive dr lane ln boulevard blvd court ct place pl way circle cir square sq parkway pkwy
highway hwy terrace trail close grove apt apartment suite ste unit room floor box po p o north south east west n s e w
ne nw se sw straße strasse str weg platz allee rue calle via avenida rua usa uk deutschland germany france al ak az ar
ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or pa ri sc sd tn tx ut
vt va wa wv wi wy dc
""")
)
"""Kinds of streets, units, directions, states of the US and countries: they point to nobody and keep the form of an
address."""


def address(draw: Draw, original: str) -> str | None:
    """The form of the original with other numbers and names. The state stays; the postal code does not fit it."""
    if not TOKEN.search(original):
        return None
    return TOKEN.sub(lambda match: _token(draw, match.group()), original)


def _token(draw: Draw, token: str) -> str:
    if token.isdigit():
        return str(1 + draw.below(9)) + draw.digits(len(token) - 1)
    if token.casefold() in KEPT:
        return token
    return in_case(token, _name(draw.for_text(token.casefold())))


def location(draw: Draw, original: str) -> str:
    return in_case(original, _name(draw))


def organization(draw: Draw, original: str) -> str:
    return f"{_name(draw)} {draw.of(COMPANY_FORMS)}"


def _name(draw: Draw) -> str:
    return compound(draw.of(BEGINNINGS), draw.of(ENDINGS))
