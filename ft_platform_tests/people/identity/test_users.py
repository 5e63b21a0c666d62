"""Users of an installation: how they are kept, and who gets in."""

import json
import stat
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("argon2")
from argon2 import PasswordHasher

from ft_platform.errors import ConfigError, StateDamaged
from ft_platform.lake.keys.given_out import now
from ft_platform.people.identity import passwords
from ft_platform.people.identity.second_factor import code_at, decoded, new_secret
from ft_platform.people.identity.users import FIRST_PASSWORD_DAYS, User, Users

ANA = "ana@example.org"
PHRASE = "correct horse battery staple"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(tmp_path / "people")


@pytest.fixture
def ana(users: Users) -> Users:
    """With Ana, who has chosen a password."""
    users.add(ANA)
    users.set_password(ANA, PHRASE)
    return users


def problem(users: Users, password: str, code: str = "", name: str = ANA) -> str:
    return users.check(name, password, code)[1]


def test_only_hashes_are_kept_and_only_their_owner_may_read_them(users: Users, tmp_path: Path) -> None:
    password = users.add("Ana@Example.org")
    file = tmp_path / "people" / "users.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert password not in file.read_text()
    assert json.loads(file.read_text())["users"][0]["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert [user.name for user in users.read()] == [ANA]


def test_the_first_password_lets_in_and_must_be_changed(users: Users) -> None:
    password = users.add(ANA)
    user, wrong = users.check(ANA, password, "")
    assert user and not wrong and user.must_change
    assert not users.set_password(ANA, PHRASE).must_change
    assert problem(users, password) == "wrong password" and not problem(users, PHRASE)


def test_the_first_password_counts_for_a_week(users: Users) -> None:
    password = users.add(ANA)
    users.change(ANA, lambda user: replace(user, since=(now() - timedelta(days=FIRST_PASSWORD_DAYS)).isoformat()))
    assert problem(users, password) == "expired user"


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        (ANA, "", "wrong password"),
        (ANA, f"{PHRASE} ", "wrong password"),
        (ANA, PHRASE.upper(), "wrong password"),
        (ANA, PHRASE + "x" * 5_000_000, "wrong password"),
        ("ann@example.org", PHRASE, "no such user"),
        ("", "", "no such user"),
    ],
)
def test_who_does_not_know_the_password_stays_outside(ana: Users, name: str, password: str, expected: str) -> None:
    assert problem(ana, password, name=name) == expected


def test_an_unknown_user_takes_as_long_as_a_wrong_password(ana: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the work that is done, which a loaded machine does not change: one hash, with the same parameters."""
    hashed: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            hashed.append(str(hash).rsplit("$", 2)[0])
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "HASHER", Counting(time_cost=2, memory_cost=19 * 1024, parallelism=1))
    for name in (ANA, "nobody@example.org"):
        problem(ana, "wrong", name=name)
    assert len(hashed) == 2 and len(set(hashed)) == 1


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_login(ana: Users) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PHRASE)
    before = ana.find(ANA)
    ana.change(ANA, lambda user: replace(user, password=weak))
    assert problem(ana, "wrong") and ana.read()[0].password == weak
    assert not problem(ana, PHRASE)
    after = ana.find(ANA)
    assert before and after and after.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert after.epoch == before.epoch, "sessions go on"


@pytest.mark.parametrize("what", ["disable", "reset", "password", "second factor", "remove and add"])
def test_what_ends_the_sessions_of_a_user_changes_the_epoch(ana: Users, what: str) -> None:
    before = ana.find(ANA)
    match what:
        case "disable":
            ana.disable(ANA)
        case "reset":
            ana.reset(ANA)
        case "password":
            ana.set_password(ANA, f"{PHRASE} 2")
        case "second factor":
            ana.set_second_factor(ANA, new_secret(), 1)
        case "remove and add":
            ana.remove(ANA)
            assert ana.find(ANA) is None
            ana.add(ANA)
    after = ana.find(ANA)
    assert before and after and before.epoch != after.epoch


def test_a_disabled_user_stays_outside_until_enabled(ana: Users) -> None:
    ana.disable(ANA)
    assert problem(ana, PHRASE) == "disabled user"
    ana.disable(ANA, disabled=False)
    assert not problem(ana, PHRASE)


def test_a_code_of_the_app_is_needed_and_counts_once(ana: Users) -> None:
    secret = new_secret()
    ana.set_second_factor(ANA, secret, 0)
    code = code_at(decoded(secret), int(time.time() // 30))
    assert problem(ana, PHRASE) == problem(ana, PHRASE, "000") == "wrong code"
    assert problem(ana, "wrong", code) == "wrong password"
    assert not problem(ana, PHRASE, code), "a wrong password has not used the code up"
    assert problem(ana, PHRASE, code) == "wrong code"


def test_of_many_logins_with_one_code_at_once_one_gets_in(ana: Users, tmp_path: Path) -> None:
    secret = new_secret()
    ana.set_second_factor(ANA, secret, 0)
    code, found = code_at(decoded(secret), int(time.time() // 30)), []
    threads = [Thread(target=lambda: found.append(problem(Users(tmp_path / "people"), PHRASE, code))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["", *["wrong code"] * 5]


def test_a_recovery_code_lets_in_once(ana: Users, tmp_path: Path) -> None:
    _, codes = ana.set_second_factor(ANA, new_secret(), 0)
    text = (tmp_path / "people" / "users.json").read_text()
    assert len(codes) == 10 and not any(code in text for code in codes)
    assert not problem(ana, PHRASE, f"{codes[3][:8]} {codes[3][8:].upper()}")
    assert problem(ana, PHRASE, codes[3]) == "wrong code"
    assert not problem(ana, PHRASE, codes[4])


def test_a_reset_takes_the_second_factor_only_where_asked(ana: Users) -> None:
    ana.set_second_factor(ANA, new_secret(), 0)
    assert problem(ana, ana.reset(ANA)) == "wrong code"
    assert not problem(ana, ana.reset(ANA, second_factor_too=True))
    assert ana.read()[0].recovery == ()


@pytest.mark.parametrize("name", ["ana", "", "a@b", "ana@firm.org extra", "Ａna@example.org", "token:x"])
def test_a_user_is_named_by_an_address(users: Users, name: str) -> None:
    with pytest.raises(ConfigError, match="must be an e-mail address"):
        users.add(name)


def test_a_user_is_there_once_and_only_those_who_are_there_can_be_changed(users: Users) -> None:
    users.add(ANA)
    with pytest.raises(ConfigError, match="ft users reset"):
        users.add("ANA@example.org")
    for change in (users.reset, users.disable, users.remove):
        with pytest.raises(ConfigError, match="no user bob@"):
            change("bob@example.org")


def test_users_that_several_processes_add_are_all_there(tmp_path: Path) -> None:
    threads = [
        Thread(target=Users(tmp_path / "people").add, args=(f"person{number}@example.org",)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Users(tmp_path / "people").read()) == 8


@pytest.mark.parametrize("text", ["{", "[]", '{"users": [{"name": "x"}]}', '{"users": 5}'])
def test_a_damaged_file_is_no_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "users.json").write_text(text)
    with pytest.raises(StateDamaged, match="ft users add"):
        Users(tmp_path)
    assert (tmp_path / "users.json").read_text() == text


@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_a_server_with_users_never_becomes_open(ana: Users, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "people" / "users.json"
    assert ana.required
    file.unlink() if harm == "removed" else file.write_text("{")
    time.sleep(1.1)
    assert ana.find(ANA) is None and ana.required


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "15 to 256"),
        ("fourteen chars", "15 to 256"),
        ("x" * 257, "15 to 256"),
        ("abcabcabcabcabcabc", "different characters"),
        ("my name is ANA, really", "your name"),
        (PHRASE, ""),
        ("äöü ß と 五つの 言葉 です よ", ""),
    ],
)
def test_a_new_password_is_long_varied_and_not_the_name(password: str, words: str) -> None:
    found = passwords.problem_of(password, ANA)
    assert words in found and bool(found) == bool(words)


def test_first_passwords_are_good_and_never_the_same() -> None:
    made = {passwords.first_password() for _ in range(50)}
    nobody = "lolo@example.org"  # Letters that first passwords do not have: one of them may hold "ana" by chance.
    assert len(made) == 50 and not any(passwords.problem_of(one, nobody) for one in made)


def test_a_user_says_in_which_state_they_are() -> None:
    user = User(name=ANA, password="", since=now().isoformat(), epoch="")
    assert user.state == "new" and replace(user, disabled=True).state == "disabled"
    assert replace(user, must_change=False).state == "usable"
