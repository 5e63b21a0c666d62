"""Words are found wherever they stand in bytes, and nothing else is. Persons are fictitious."""

import json
import random
from urllib.parse import quote

import pytest

from ft_platform.erasure.needles import FEW, Needles

ID, NAME = "customer-4711", "Zoë O'Hara"


@pytest.mark.parametrize(
    "text",
    [
        "customer-4711",
        "a;customer-4711;b",
        '{"id": "customer-4711"}',
        "/source/customer-4711.eml",
        quote("x customer-4711"),
        "\x00customer-4711\x00",
        '{"text": "Dear\\ncustomer-4711"}',
    ],
)
def test_an_id_is_found(text):
    assert Needles([ID]).count(text.encode()) == len(ID)


@pytest.mark.parametrize("text", ["customer-47110", "xcustomer-4711", "customer-471", "Customer-4711", "customer_4711"])
def test_an_id_of_somebody_else_is_not(text):
    assert Needles([ID]).count(text.encode()) == 0


@pytest.mark.parametrize(
    "text",
    [NAME, NAME.upper(), NAME.lower(), json.dumps(NAME), "Zoë  \n O'Hara", "zo\\u00cb o'hara", "ZOË O&#x27;HARA"],
)
def test_a_name_is_found_in_any_case_and_form(text):
    assert Needles([], [NAME]).count(text.encode()) > 0


@pytest.mark.parametrize(
    ("text", "found"), [('"p1"', True), ("\0p1\0", True), ('{\\"p1\\": 2}', True), ("p1", False), ("\x01p1\x02", False)]
)
def test_a_short_id_counts_only_as_a_whole_cell_or_in_quotation_marks(text, found):
    assert bool(Needles(["p1"]).count(text.encode())) is found


def test_words_are_replaced_and_json_stays_json():
    assert Needles([ID], [NAME]).without(f"{ID}, {NAME.upper()}!".encode()) == b"erased, erased!"
    assert json.loads(Needles(["p1"]).without(b'{"a": ["p1", "p2"]}')) == {"a": ["erased", "p2"]}


def test_many_words_at_once_are_found_as_each_by_itself():
    drawn = random.Random(7)
    words = [f"person-{drawn.randrange(10**6):06d}" for _ in range(FEW * 20)]
    planted = words[::9]
    text = " ".join(f"person-{drawn.randrange(10**6):06d}" for _ in range(50_000))
    data = "\n".join([text, *planted, text]).encode()
    data += b"\n" + words[3].encode()  # the last bytes of all
    alone = sum(Needles([word]).count(data) for word in set(words))
    assert Needles(words).count(data) == alone >= len("person-000000") * len(planted)
