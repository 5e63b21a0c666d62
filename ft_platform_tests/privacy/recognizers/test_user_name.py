"""Account names. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.user_name import UserNameRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("WARN login failed user=jvandam84 ip=192.0.2.7", "jvandam84", "line of a log"),
    ("Accepted password for mkowalski from 192.0.2.7 port 22", "mkowalski", "line of sshd"),
    ("I log in with the username blue_17.", "blue_17", "neither `is` nor a colon"),
    ("username: anna_reed", "anna_reed", "behind a colon"),
    ("my user id is reed1980.", "reed1980", "with digits"),
    ("login: areed", "areed", "word behind a colon"),
    ("follow me on twitter @anna_reed", "@anna_reed", "handle beside a cue"),
    ("User name:  @annareed", "@annareed", "handle behind a name"),
]
NOT_FOUND = [
    ("Accepted password for root from 192.0.2.7", "account that every machine has"),
    ("User: hello there", "turn of a chat"),
    ("a letter for me from 2019", "no address behind"),
    ("my username is wrong", "statement"),
    ("username: XXXX", "masked"),
    ("Meet @noon today", "at sign without a cue"),
    ("anna@example.com", "e-mail"),
    ("the login page is down", "no value"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(UserNameRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(UserNameRecognizer(), text) == []
