"""How a value becomes coarser, level by level."""

import pytest

from ft_platform.privacy.hierarchies import ANY, age_band, coarser, levels, zip_region
from ft_platform.use_case.settings.privacy import QuasiIdentifierKind

KINDS = list(QuasiIdentifierKind.__args__)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("age", "34", ["34", "30-34", "30-39", "20-39", "*"]),
        ("age", "93", ["93", "90+", "90+", "90+", "*"]),
        (
            "age",
            "35-44",
            ["35-44", "*", "*", "*", "*"],
        ),  # across two bands of every width: what is not sure is not said
        ("age", "30-39", ["30-39", "30-39", "30-39", "20-39", "*"]),
        ("age", "unknown", ["unknown", "*", "*", "*", "*"]),
        ("number", "$52,300.75", ["$52,300.75", "52000-52999", "50000-59999", "10000-99999", "*"]),
        ("number", "7", ["7", "7", "7", "0-9", "*"]),
        ("number", "0007", ["0007", "7", "7", "0-9", "*"]),
        ("number", "-120", ["-120", "-(120-129)", "-(100-199)", "-(100-999)", "*"]),
        ("date", "2020-03-15", ["2020-03-15", "2020-03", "2020", "2020s", "*"]),
        ("date", "03/15/2020", ["03/15/2020", "2020-03", "2020", "2020s", "*"]),
        ("date", "2020-03-15T10:00:00Z", ["2020-03-15T10:00:00Z", "2020-03", "2020", "2020s", "*"]),
        ("date", "soon", ["soon", "*", "*", "*", "*"]),
        ("postal_code", "62704", ["62704", "627**", "6**", "*"]),
        ("postal_code", "62704-1234", ["62704-1234", "627**", "6**", "*"]),
        ("postal_code", "03601", ["03601", "000**", "0**", "*"]),
        ("postal_code", "sw1a 2aa", ["sw1a 2aa", "SW1**", "S**", "*"]),
        ("category", "Older American", ["Older American", "*"]),
    ],
)
def test_a_value_at_each_level(kind: str, value: str, expected: list[str]) -> None:
    assert [coarser(kind, level, value) for level in range(levels(kind) + 1)] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_value_stays_missing_until_the_last_level(kind: str) -> None:
    assert [coarser(kind, level, None) for level in range(levels(kind) + 1)] == [*[None] * levels(kind), ANY]


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_the_same_at_a_level_stay_the_same_above(kind: str) -> None:
    """Otherwise going up could make a combination rarer."""
    values = [
        *map(str, range(0, 130, 3)),
        *(f"{n}-{n + 9}" for n in range(0, 90, 5)),
        "2020-01-01",
        "1999-12-31",
        "62704",
        "03601",
        "EC1A 1BB",
        "x",
        "",
    ]
    for level in range(levels(kind)):
        above: dict[str | None, set[str | None]] = {}
        for value in values:
            above.setdefault(coarser(kind, level, value), set()).add(coarser(kind, level + 1, value))
        assert all(len(found) == 1 for found in above.values()), level


def test_bands_and_regions() -> None:
    assert [age_band(age, 10) for age in (0, 9, 10, 89, 90, 120)] == ["0-9", "0-9", "10-19", "80-89", "90+", "90+"]
    assert age_band(88, 20) == "80-89"
    assert zip_region("62704") == "627**" and zip_region("82101") == "000**"
