"""Dates as people write them."""

from datetime import date

import pytest

from ft_platform.privacy.dates import read_date

DAY = date(1980, 3, 4)


@pytest.mark.parametrize(
    ("text", "moved", "month"),
    [
        ("03/04/1980", "12/25/1999", "1980-03"),
        ("3/4/80", "12/25/99", "1980-03"),
        ("4.3.1980", "25.12.1999", "1980-03"),
        ("1980-03-04", "1999-12-25", "1980-03"),
        ("March 4th, 1980", "December 25th, 1999", "March 1980"),
        ("4 Mar 1980", "25 Dec 1999", "Mar 1980"),
        ("4. März 1980", "25. Dezember 1999", "März 1980"),
        ("03041980", "12251999", "1980-03"),
    ],
)
def test_a_date_is_read_moved_in_its_form_and_made_coarser(text: str, moved: str, month: str) -> None:
    written = read_date(text)
    assert written is not None and written.day == DAY
    assert written.at(date(1999, 12, 25)) == moved
    assert (written.coarser("year"), written.coarser("month")) == ("1980", month)


@pytest.mark.parametrize("text", ["02/30/1980", "13/13/1980", "1980", "March 1980", "12:30", "1234.56", ""])
def test_what_is_no_day_is_none(text: str) -> None:
    assert read_date(text) is None


def test_an_impossible_month_is_read_the_other_way_round() -> None:
    written = read_date("25/12/1980")
    assert written is not None and written.day == date(1980, 12, 25)


def test_the_ordinal_follows_the_day() -> None:
    written = read_date("March 4th, 1980")
    assert written is not None
    assert [written.at(date(1980, 3, day)) for day in (1, 2, 3, 11, 22)] == [
        f"March {d}, 1980" for d in ("1st", "2nd", "3rd", "11th", "22nd")
    ]
