"""Places (GeoNames; ISO 3166). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.location import LocationRecognizer
from ft_platform_tests.privacy.examples import checks_of, found

FOUND = [
    ("the village north of Whitebirk", "Whitebirk", "unknown name behind `north of`"),
    ("Seminole County is large", "Seminole County", "unknown name in front of `County`"),
    ("She left Ettelgem, OH again", "Ettelgem", "unknown name in front of the code of a US state"),
    ("He was born in Trinidad and Tobago", "Trinidad and Tobago", "name with a word in lower case"),
    ("the Kingdom of the Netherlands", "Kingdom of the Netherlands", "formal name"),
    ("to support the school in Bjert 6091 in its mission", "Bjert", "unknown name in front of a number"),
    ("I live in Mobile now", "Mobile", "city that is an everyday word"),
    ("Where: UPTON SCUDAMORE Country Club", "UPTON SCUDAMORE", "form field, in front of a kind of organization"),
    ("I moved to Bratislava last year", "Bratislava", "city"),
    ("the weather of New Zealand", "New Zealand", "country"),
    ("We flew to Finnbogastad on Friday", "Finnbogastad", "unknown name behind `flew to`"),
    ("She grew up in Novosel", "Novosel", "unknown name behind `in`"),
    ("City: Ettelgem", "Ettelgem", "form field"),
    ("Tobel airport was closed", "Tobel", "in front of `airport`"),
]
NOT_FOUND = [
    ("the County is large", "kind of area without a name"),
    ("Customer Service, OR Billing", "department in front of a word like the code of a state"),
    ("a Mobile phone", "everyday word that is a city"),
    ("in Customer Service", "department"),
    ("a branch in the city", "no name"),
    ("I live in fear", "everyday word"),
    ("Reading is fun", "everyday word that is a city"),
    ("Anna Jackson called", "city that is a surname here"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(LocationRecognizer(), FOUND, NOT_FOUND)


def test_a_line_above_a_country_is_a_city() -> None:
    assert found(LocationRecognizer(), "Anna Reed\n\nALFRICK\nUnited Kingdom") == ["ALFRICK", "United Kingdom"]


def test_an_everyday_word_in_front_of_a_state_is_a_city() -> None:
    assert found(LocationRecognizer(), "We played in Mobile, Alabama last year") == ["Mobile", "Alabama"]
