"""Service tokens: shown once, for some actions somewhere, until a day."""

import json
import stat
import time
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, StateDamaged
from ft_platform.lake.keys.given_out import NotGood
from ft_platform.people.actions import ACTIONS
from ft_platform.people.identity.tokens import Tokens
from ft_platform.people.may import Permissions


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "people")


def test_a_token_is_a_person_who_may_do_what_it_was_made_for(tokens: Tokens) -> None:
    _, text = tokens.add("nightly", ["start_training", "see"], ["complaints"], 30)
    time.sleep(1.1)
    person = tokens.check(text)
    assert (person.name, person.known_by, person.is_token) == ("token:nightly", "token", True)
    permissions = Permissions()
    assert permissions.may(person, "start_training", "complaints")
    for action, where in (("start_training", "other"), ("start_training", None), ("deploy", "complaints")):
        assert not permissions.may(person, action, where)


def test_a_token_for_every_use_case_is_for_the_installation_too(tokens: Tokens) -> None:
    person = tokens.add("reloader", ["reload"], None, 1)[0].person
    assert Permissions().may(person, "reload") and Permissions().may(person, "reload", "complaints")


def test_only_a_hash_is_kept_and_only_its_owner_may_read_it(tokens: Tokens, tmp_path: Path) -> None:
    made, text = tokens.add("nightly", ["see"], None, 30)
    file = tmp_path / "people" / "tokens.json"
    (kept,) = json.loads(file.read_text())["tokens"]
    secret = text.split("_", 2)[2]
    assert len(secret) > 30 and secret not in file.read_text() and kept["digest"] == made.digest
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("action", [action.name for action in ACTIONS.values() if action.by_people])
def test_what_only_people_may_no_token_is_made_for(tokens: Tokens, action: str) -> None:
    with pytest.raises(ConfigError, match="only a person may"):
        tokens.add("nightly", ["see", action], None, 30)
    assert tokens.read() == []


def test_an_unknown_action_and_a_name_that_is_taken_are_refused(tokens: Tokens) -> None:
    with pytest.raises(ConfigError, match="ft may"):
        tokens.add("nightly", ["fly"], None, 30)
    tokens.add("nightly", ["see"], None, 30)
    with pytest.raises(ConfigError, match="there is a token 'nightly'"):
        tokens.add("nightly", ["see"], None, 30)


def test_a_token_is_refused_by_words_that_do_not_quote_it(tokens: Tokens) -> None:
    _, good = tokens.add("good", ["see"], None, 30)
    _, revoked = tokens.add("revoked", ["see"], None, 30)
    tokens.revoke("revoked")
    _, expired = tokens.add("expired", ["see"], None, -1)
    time.sleep(1.1)
    other = good[:-1] + ("A" if good[-1] != "A" else "B")
    expected = {
        "": "another form",
        good.replace("ftt_", "ft_"): "another form",
        f"{good}x": "another form",
        other: "not known",
        good.replace(good[4:12], "00000000"): "not known",
        revoked: "is revoked",
        expired: "is expired",
    }
    assert tokens.check(good).name == "token:good"
    for given, words in expected.items():
        with pytest.raises(NotGood, match=words) as refused:
            tokens.check(given)
        assert not given or given not in str(refused.value)


def test_what_was_revoked_is_gone_for_good_and_its_name_is_free(tokens: Tokens) -> None:
    _, text = tokens.add("nightly", ["see"], None, 30)
    tokens.revoke("nightly")
    with pytest.raises(ConfigError, match="no usable token"):
        tokens.revoke("nightly")
    _, again = tokens.add("nightly", ["see"], None, 30)
    time.sleep(1.1)
    assert tokens.check(again)
    with pytest.raises(NotGood, match="revoked"):
        tokens.check(text)


def test_a_damaged_file_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"tokens": [{"name": "x"}]}')
    with pytest.raises(StateDamaged, match="ft tokens add"):
        Tokens(tmp_path)
