"""Account names. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.user_name import UserNameRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UserNameRecognizer(), FOUND, NOT_FOUND)
