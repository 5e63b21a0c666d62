"""Looks at records of persons: who may, for what and how long; nothing is seen that is not noted. Persons are
fictitious."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake.keys.key_ring import KeyRing
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.looks.door import Door, LookEnded, SecondPersonNeeded, Wanted, hashes_of
from ft_platform.people.looks.look import looks_in
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person, at_this_machine, named
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.looks import Looks
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.roles import ROLES
from ft_platform_tests.people.logs import opened
from ft_platform_tests.people.test_may import OWNERS, PEOPLE, PERSONS
from ft_platform_tests.tables import use_case

DORA, ANNA, DEEN = PERSONS["data_engineering"], PERSONS["accountable"], named("deen@example.org")
CARL = PERSONS["compliance"]
RING = KeyRing({1: b"1" * 32})
WANTED = Wanted("complaints", "cleaned_records", "label_check", "Ticket 4711 of today", 7)


class Case:
    """A door, and a clock that a test moves."""

    def __init__(self, home: Environment, **rules: object) -> None:
        owners = {**OWNERS, "teams": {"data": ["dora@example.org", "deen@example.org"]}}
        cases = {name: use_case(owners=owners) for name in ("complaints",)}
        cases["other"] = use_case(owners={"accountable": "someone@example.org"})
        self.now = datetime.now(UTC)
        self.log, self.permissions = opened(home), Permissions(PEOPLE, cases)
        self.door = Door(self.log, self.permissions, Looks(**rules), lambda: RING, lambda: self.now)  # type: ignore[arg-type]

    def asked(self, by: Person = DORA, wanted: Wanted = WANTED) -> int:
        with pytest.raises(SecondPersonNeeded, match="waits for a second person"):
            self.door.enter(by, wanted)
        return self.head()

    def head(self) -> int:
        head = self.log.head()
        assert head is not None
        return head.entries - 1

    def said(self) -> list[tuple[str, str | None, str]]:
        return [(one.kind, one.person, one.what) for one in self.log.entries(1)]


@pytest.fixture
def case(home: Environment) -> Case:
    return Case(home)


def test_a_look_and_each_page_are_noted_with_who_what_and_why_and_ids_as_keyed_hashes_only(case: Case) -> None:
    look = case.door.enter(DORA, WANTED)
    shown = case.door.show(look, DORA, "cleaned_records@3", ["r001", "r002"])
    shown = case.door.show(shown, DORA, "cleaned_records@3", ["r003"])
    _, first, page, last = case.log.entries()
    assert (first.kind, first.person, first.known_by, first.use_case) == (
        "look_up",
        "dora@example.org",
        "self-declared",
        "complaints",
    )
    assert first.details == {
        "asset": "cleaned_records",
        "role": "data_engineering",
        "purpose": "label_check",
        "reason": "Ticket 4711 of today",
        "rows": "7",
        "minutes": "30",
        "account": at_this_machine().name,
        "ends": (case.now + timedelta(minutes=30)).isoformat(timespec="seconds"),
    }
    hashed = [hashes_of(one, "complaints", RING)[0] for one in ("r001", "r002", "r003")]
    about = {"look": "1", "version": "cleaned_records@3"}
    assert page.details == about | {"rows": "2", "records": " ".join(hashed[:2])}
    assert last.details == about | {"rows": "1", "records": hashed[2]}
    assert shown.shown == 3 and verify(case.log).ok
    assert looks_in(case.log.entries())[1].records == tuple(hashed)
    assert "r001" not in "".join(path.read_text() for path in Path(case.log.files.folder, "entries").iterdir())


@pytest.mark.parametrize("asset", ["raw_records", "vault"])
@pytest.mark.parametrize("role", ROLES)
def test_records_are_for_data_engineers_of_the_use_case_and_the_vault_for_its_compliance_officers(
    case: Case, role: str, asset: str
) -> None:
    wanted, person = replace(WANTED, asset=asset), PERSONS[role]
    if role == {"raw_records": "data_engineering", "vault": "compliance"}[asset]:
        assert case.door.enter(person, wanted).person == person.name
    else:
        with pytest.raises(ConfigError, match="in complaints, only the"):
            case.door.enter(person, wanted)
    with pytest.raises(ConfigError, match="in other, only the"):
        case.door.enter(person, replace(wanted, use_case="other"))
    assert case.said()[-1] == ("denial", person.name, "may not look at records")


def test_a_program_with_a_token_sees_no_record(case: Case) -> None:
    token = Person("token:ci", known_by="token", actions=frozenset({"read_records"}))
    with pytest.raises(ConfigError, match="only a person may"):
        case.door.enter(token, WANTED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "curiosity"},
        {"purpose": ""},
        {"reason": "so"},
        {"reason": "x" * 501},
        {"rows": 101},
        {"minutes": 61},
    ],
)
def test_what_the_policy_does_not_allow_opens_nothing(case: Case, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        case.door.enter(DORA, replace(WANTED, **wrong))  # type: ignore[arg-type]
    assert case.log.head() is None


def test_a_policy_with_less_time_than_usual_gives_less(home: Environment) -> None:
    case = Case(home, minutes=10)
    assert case.door.enter(DORA, WANTED).minutes == 10


def test_after_its_end_a_look_shows_nothing_and_cannot_be_gone_on_with(case: Case) -> None:
    look = case.door.enter(DORA, replace(WANTED, minutes=5))
    case.now += timedelta(minutes=4, seconds=58)
    case.door.show(look, DORA, "cleaned_records@3", ["r001"])
    assert case.door.enter_again(DORA, look.number, "complaints", "cleaned_records").shown == 1
    case.now += timedelta(seconds=2)
    before = case.said()
    with pytest.raises(LookEnded, match=r"look 1 has ended. State the purpose again"):
        case.door.show(look, DORA, "cleaned_records@3", ["r002"])
    with pytest.raises(LookEnded):
        case.door.enter_again(DORA, look.number, "complaints", "cleaned_records")
    assert case.said() == before


def test_a_look_shows_no_more_records_than_it_was_opened_for_in_however_many_places(case: Case) -> None:
    look = case.door.enter(DORA, WANTED)
    case.door.show(look, DORA, "cleaned_records@3", [f"r{n}" for n in range(5)])
    with pytest.raises(LookEnded, match="has shown 5 of its 7 records"):
        case.door.show(look, DORA, "cleaned_records@3", ["r5", "r6", "r7"])
    case.door.show(look, DORA, "cleaned_records@3", ["r5", "r6"])


@pytest.mark.parametrize(
    ("person", "where"),
    [(DEEN, ("complaints", "cleaned_records")), (DORA, ("complaints", "raw_records")), (DORA, ("other", "x"))],
)
def test_a_look_is_for_its_person_and_what_it_was_opened_for(
    case: Case, person: Person, where: tuple[str, str]
) -> None:
    look = case.door.enter(DORA, WANTED)
    with pytest.raises(ConfigError, match="is not a look of"):
        case.door.enter_again(person, look.number, *where)


def test_whoever_lost_the_role_cannot_go_on(case: Case) -> None:
    look = case.door.enter(DORA, WANTED)
    others = {"complaints": use_case(owners={**OWNERS, "teams": {"data": []}})}
    with pytest.raises(ConfigError, match="only the data engineer"):
        replace(case.door, permissions=Permissions(People(), others)).enter_again(
            DORA, look.number, "complaints", "cleaned_records"
        )


# A second person


@pytest.fixture
def four_eyes(home: Environment) -> Case:
    return Case(home, second_person=["records"])


@pytest.mark.parametrize("second", [DEEN, ANNA])
def test_another_one_who_may_look_or_the_superior_confirms_and_then_the_time_begins(
    four_eyes: Case, second: Person
) -> None:
    number = four_eyes.asked()
    with pytest.raises(SecondPersonNeeded, match="nobody has confirmed look 1"):
        four_eyes.door.enter_again(DORA, number, "complaints", "cleaned_records")
    assert four_eyes.door.confirm(second, number).confirmed_by == second.name
    four_eyes.now += timedelta(hours=2)
    look = four_eyes.door.enter_again(DORA, number, "complaints", "cleaned_records")
    assert look.ends == four_eyes.now.replace(microsecond=0) + timedelta(minutes=30)
    four_eyes.door.show(look, DORA, "cleaned_records@3", ["r001"])
    assert four_eyes.said() == [
        ("look_up", DORA.name, "asked for a look"),
        ("look_up", second.name, "confirmed a look"),
        ("look_up", DORA.name, "opened a look"),
        ("look_up", DORA.name, "showed records"),
    ]
    (found,) = looks_in(four_eyes.log.entries()).values()
    assert (found.person, found.confirmed_by, found.shown) == (DORA.name, second.name, 1)


@pytest.mark.parametrize(
    "second",
    [DORA, named("Dora@Example.org"), CARL, PERSONS["administrator"], named("nobody@example.org"), at_this_machine()],
)
def test_nobody_confirms_their_own_look_nor_one_that_they_have_no_part_in(four_eyes: Case, second: Person) -> None:
    number = four_eyes.asked()
    with pytest.raises(ConfigError, match=r"cannot confirm it|or the superior of who asked"):
        four_eyes.door.confirm(second, number)
    assert four_eyes.said()[-1] == ("denial", second.name, "may not confirm a look")
    with pytest.raises(SecondPersonNeeded):
        four_eyes.door.enter_again(DORA, number, "complaints", "cleaned_records")


def test_a_look_is_not_shown_from_before_somebody_confirmed_it(four_eyes: Case) -> None:
    number = four_eyes.asked()
    with pytest.raises(LookEnded):
        four_eyes.door.show(looks_in(four_eyes.log.entries())[number], DORA, "cleaned_records@3", ["r001"])


def test_a_look_waits_a_day_and_is_confirmed_once(four_eyes: Case) -> None:
    number = four_eyes.asked()
    four_eyes.door.confirm(DEEN, number)
    with pytest.raises(DataError, match="does not wait"):
        four_eyes.door.confirm(ANNA, number)
    late = four_eyes.asked()
    four_eyes.now += timedelta(hours=25)
    for act in (
        lambda: four_eyes.door.confirm(DEEN, late),
        lambda: four_eyes.door.enter_again(DORA, number, "complaints", "cleaned_records"),
    ):
        with pytest.raises(LookEnded, match="more than 24 hours ago"):
            act()


def test_the_vault_can_need_a_second_person_where_records_do_not(home: Environment) -> None:
    case = Case(home, second_person=["vault"])
    assert case.door.enter(DORA, WANTED).ends is not None
    number = case.asked(CARL, replace(WANTED, asset="vault", rows=1))
    with pytest.raises(ConfigError, match="nobody is named"):
        case.door.confirm(DORA, number)
    people = PEOPLE.model_copy(update={"superiors": {"compliance": ANNA.name}})
    replace(case.door, permissions=replace(case.permissions, people=people)).confirm(ANNA, number)


# Who it is


def test_where_the_policy_asks_for_it_only_persons_who_signed_in_look_or_confirm(home: Environment) -> None:
    case = Case(home, signed_in=True, second_person=["records"])
    with pytest.raises(ConfigError, match="only persons who signed in may look"):
        case.door.enter(DORA, WANTED)
    number = case.asked(replace(DORA, known_by="password"))
    with pytest.raises(ConfigError, match="only persons who signed in may look"):
        case.door.confirm(DEEN, number)
    assert case.door.confirm(replace(DEEN, known_by="openid"), number).known_by == "password"


# The log


def test_what_cannot_be_noted_is_not_shown(case: Case) -> None:
    look = case.door.enter(DORA, WANTED)
    file = Path(case.log.files.segment(0))
    file.write_bytes(file.read_bytes() + b"x\n")
    with pytest.raises(CorruptVersion):
        case.door.show(look, DORA, "cleaned_records@3", ["r001"])
    with pytest.raises(CorruptVersion):
        case.door.enter(DORA, WANTED)


@pytest.mark.parametrize("number", [-1, 0, 2, 99])
def test_a_number_that_is_no_look_opens_nothing(case: Case, number: int) -> None:
    case.door.enter(DORA, WANTED)
    case.log(Noted("look_up", DORA, "drew records to annotate", "complaints", {"rows": "3"}))
    with pytest.raises(DataError, match=f"there is no look {number}"):
        case.door.enter_again(DORA, number, "complaints", "cleaned_records")


def test_a_person_who_was_erased_has_no_looks_and_the_log_is_whole(case: Case) -> None:
    look = case.door.enter(DORA, replace(WANTED, reason="Asked by dora@example.org"))
    case.log.forget(DORA.name, Noted("erasure", ANNA, "erased a person from the audit log"))
    assert looks_in(case.log.entries()) == {} and verify(case.log).ok
    with pytest.raises(DataError, match="there is no look"):
        case.door.enter_again(DORA, look.number, "complaints", "cleaned_records")


def test_hashes_of_ids_need_the_key_and_the_use_case_and_outlive_a_rotation() -> None:
    (first,) = hashes_of("r001", "complaints", RING)
    assert first not in (
        hashes_of("r001", "other", RING)[0],
        hashes_of("r001", "complaints", KeyRing({1: b"2" * 32}))[0],
        hashes_of("r002", "complaints", RING)[0],
    )
    newest, old = hashes_of("r001", "complaints", RING.rotated())
    assert old == first != newest
