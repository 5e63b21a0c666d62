"""Sessions, waits and what counts once: over restarts, and with a clock of the test."""

import stat
from pathlib import Path
from threading import Thread

import pytest

from ft_platform.people.identity.database import Database
from ft_platform.people.identity.once import MOST, Once
from ft_platform.people.identity.sessions import SEEN_SECONDS, Session, Sessions
from ft_platform.people.identity.waits import FORGOTTEN_SECONDS, FREE, LONGEST_SECONDS, Tried, Waits, address
from ft_platform.people.person import Person

IDLE, ALL = 600.0, 3600.0
ANA = Session(Person("ana@example.org", frozenset({"b", "a"}), "openid"), "", "https://id person-1", "https://id s1")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    return Sessions(Database(tmp_path / "people"), IDLE, ALL, clock)


def test_a_session_is_found_after_a_restart_and_its_id_is_not_kept(
    sessions: Sessions, tmp_path: Path, clock: Clock
) -> None:
    made = sessions.start(ANA)
    assert Sessions(Database(tmp_path / "people"), IDLE, ALL, clock).find(made) == ANA
    file = tmp_path / "people" / "sign_in.sqlite"
    assert made.encode() not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("given", ["", "x", "' or 1=1 --", "a" * 100_000, "é"])
def test_what_is_no_id_finds_nothing(sessions: Sessions, given: str) -> None:
    sessions.start(ANA)
    assert sessions.find(given) is None


def test_what_the_file_has_is_not_an_id(sessions: Sessions, tmp_path: Path) -> None:
    sessions.start(ANA)
    with Database(tmp_path / "people").reading() as connection:
        ((kept,),) = connection.execute("select id from sessions")
    assert sessions.find(kept) is None


def test_a_session_ends_when_it_is_idle_and_goes_on_while_it_is_used(sessions: Sessions, clock: Clock) -> None:
    made = sessions.start(ANA)
    for _ in range(3):
        clock.now += IDLE - 1
        assert sessions.find(made)
    clock.now += IDLE - 1
    assert sessions.find(made, is_used=False), "looking does not use it"
    clock.now += 1
    assert sessions.find(made) is None


def test_a_session_ends_after_its_hours_however_much_it_is_used(sessions: Sessions, clock: Clock) -> None:
    made, began = sessions.start(ANA), clock.now
    while clock.now < began + ALL - 301:
        clock.now += 300
        assert sessions.find(made)
    clock.now = began + ALL
    assert sessions.find(made) is None


def test_sessions_that_ended_are_removed(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    sessions.start(ANA)
    clock.now += IDLE
    sessions.start(ANA)
    with Database(tmp_path / "people").reading() as connection:
        assert connection.execute("select count(*) from sessions").fetchone() == (1,)


def test_sign_out_ends_one_session(sessions: Sessions) -> None:
    first, second = sessions.start(ANA), sessions.start(ANA)
    sessions.end(first)
    assert sessions.find(first) is None and sessions.find(second)


def test_a_provider_ends_one_session_or_all_of_a_person(sessions: Sessions) -> None:
    other = Session(ANA.person, "", ANA.subject, "https://id s2")
    unnamed = Session(ANA.person, "", ANA.subject, "")
    stranger = Session(Person("bob@example.org", known_by="openid"), "", "https://id person-2", "https://id s3")
    ids = [sessions.start(one) for one in (ANA, other, unnamed, stranger)]

    def open_ones() -> list[bool]:
        return [sessions.find(one) is not None for one in ids]

    # One whose name at the provider is not known may be the one that is meant.
    assert sessions.end_of_subject(ANA.subject, "https://id s1") == ["ana@example.org"] * 2
    assert open_ones() == [False, True, False, True]
    sessions.end_of_subject("https://other person-1", "")
    assert open_ones() == [False, True, False, True]
    sessions.end_of_subject(ANA.subject, "")
    assert open_ones() == [False, False, False, True]


@pytest.fixture
def waits(tmp_path: Path, clock: Clock) -> Waits:
    return Waits(Database(tmp_path), clock)


ACCOUNT = Tried("account", "ana@example.org")


def test_waits_grow_with_each_failure_and_outlast_a_restart(waits: Waits, tmp_path: Path, clock: Clock) -> None:
    for _ in range(FREE["account"]):
        assert waits.attempt(ACCOUNT) == 0
    grown = []
    for _ in range(12):
        assert waits.attempt(ACCOUNT) == 0
        grown.append(wait := Waits(Database(tmp_path), clock).attempt(ACCOUNT))
        clock.now += wait
    assert grown[:5] == [2, 4, 8, 16, 32] and grown[-1] == LONGEST_SECONDS


def test_an_attacker_has_about_a_hundred_guesses_a_day(waits: Waits, clock: Clock) -> None:
    guesses, end = 0, clock.now + 86_400
    while clock.now < end:
        wait = waits.attempt(ACCOUNT)
        guesses += not wait
        clock.now += wait
    assert guesses < 115


def test_a_success_frees_the_account_and_takes_one_from_the_address(waits: Waits, clock: Clock) -> None:
    office = address("10.0.0.7")
    for _ in range(200):  # a busy office, whose people all know their passwords
        assert waits.attempt(ACCOUNT, office) == 0
        waits.succeeded(ACCOUNT, office)
    for number in range(FREE["address"]):
        assert waits.attempt(Tried("account", f"{number}"), office) == 0
    assert waits.attempt(Tried("account", "x"), office) == 0
    assert waits.attempt(Tried("account", "y"), office) > 0, "many accounts from one address"
    assert waits.attempt(Tried("account", "y"), address("10.0.0.8")) == 0


def test_failures_are_forgotten_after_a_day(waits: Waits, clock: Clock) -> None:
    for _ in range(FREE["account"]):
        waits.attempt(ACCOUNT)
    clock.now += FORGOTTEN_SECONDS + 1
    assert [waits.attempt(ACCOUNT) for _ in range(FREE["account"])] == [0] * FREE["account"]


def test_many_guesses_at_once_are_no_more_guesses(tmp_path: Path) -> None:
    found: list[float] = []
    threads = [Thread(target=lambda: found.append(Waits(Database(tmp_path)).attempt(ACCOUNT))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for wait in found) == FREE["account"] + 1


def test_the_machines_of_one_network_of_ipv6_are_one_and_no_address_is_kept(waits: Waits, tmp_path: Path) -> None:
    assert address("2001:db8::1").key == address("2001:db8::ffff:2").key != address("2001:db8:0:1::1").key
    waits.attempt(ACCOUNT, address("10.0.0.7"))
    kept = (tmp_path / "sign_in.sqlite").read_bytes()
    assert b"10.0.0.7" not in kept and b"ana@" not in kept


def test_what_is_taken_is_gone_and_ends_with_its_time(tmp_path: Path, clock: Clock) -> None:
    once = Once(Database(tmp_path), clock)
    once.keep("state", ["a", "b"], 600)
    once.keep("late", ["c"], 600)
    assert once.take("state") == ["a", "b"] and once.take("state") is None
    clock.now += 600
    assert once.take("late") is None and once.take("never") is None


def test_what_happens_again_is_noticed(tmp_path: Path, clock: Clock) -> None:
    once = Once(Database(tmp_path), clock)
    assert once.is_first("jti", 600) and not once.is_first("jti", 600) and once.is_first("other", 600)


def test_sign_ins_that_nobody_ends_do_not_fill_the_disk(tmp_path: Path, clock: Clock) -> None:
    database = Database(tmp_path)
    with database.changing() as connection:
        rows = [(f"old {number}", "[]", clock.now + 1 + number / MOST) for number in range(MOST)]
        connection.executemany("insert into once values(?, ?, ?)", rows)
    Once(database, clock).keep("new", ["kept"], 600)
    with database.reading() as connection:
        assert connection.execute("select count(*) from once").fetchone() == (MOST,)
    assert Once(database, clock).take("new") == ["kept"]


DAYS = 30 * 86_400.0


def test_a_session_that_began_under_a_clock_that_was_ahead_is_over(
    sessions: Sessions, tmp_path: Path, clock: Clock
) -> None:
    """It would be good for days, and again on the day on which the clock comes there."""
    made = sessions.start(ANA)
    clock.now -= SEEN_SECONDS
    assert sessions.find(made), "clocks are set right by seconds every day"
    clock.now -= DAYS
    assert sessions.find(made) is None
    again = sessions.start(ANA)
    assert sessions.find(again)
    clock.now += DAYS + SEEN_SECONDS
    assert sessions.find(made) is None


def test_nobody_waits_for_the_day_at_which_the_clock_was(waits: Waits, clock: Clock) -> None:
    while not waits.attempt(ACCOUNT):
        pass
    clock.now -= DAYS
    assert waits.attempt(ACCOUNT) == LONGEST_SECONDS
    clock.now += LONGEST_SECONDS
    assert waits.attempt(ACCOUNT) == 0
