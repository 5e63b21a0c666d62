"""Who may do what: the table, roles of the installation and of use cases, groups, tokens, separation of duties."""

import pytest

from ft_platform.people.actions import ACTIONS
from ft_platform.people.may import Permissions, conflict, persons_needed, table
from ft_platform.people.person import Person, named
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.roles import OWNER_ROLES, ROLES
from ft_platform_tests.tables import use_case

OWNERS = {
    "accountable": "anna@example.org",
    "data_engineering": "team:data",
    "data_science": "dana@example.org",
    "ml_engineering": "mia@example.org",
    "domain_expert": "team:claims",
    "compliance": "Carl@Example.org",
    "teams": {"data": ["dora@example.org"]},
}
PEOPLE = People(
    roles={"administrator": ["ada@example.org"], "auditor": ["group:audit"], "data_science": ["dan@example.org"]}
)
PERSONS = {
    "accountable": named("anna@example.org"),
    "data_engineering": named("dora@example.org"),
    "data_science": named("dana@example.org"),
    "ml_engineering": named("mia@example.org"),
    "domain_expert": Person("eva@example.org", frozenset({"claims"}), "openid"),
    "compliance": named("carl@example.org"),
    "administrator": named("ada@example.org"),
    "auditor": Person("otto@example.org", frozenset({"audit"}), "openid"),
}
HERE, THERE = "complaints", "other"


@pytest.fixture
def permissions() -> Permissions:
    cases = {HERE: use_case(owners=OWNERS), THERE: use_case(owners={"accountable": "someone@example.org"})}
    return Permissions(PEOPLE, cases)


@pytest.mark.parametrize("role", ROLES)
def test_a_person_with_a_role_may_what_the_table_says_and_where(permissions, role):
    person = PERSONS[role]
    for action, reach in table().items():
        assert bool(permissions.may(person, action, HERE)) == (reach[role] != ""), action
        assert bool(permissions.may(person, action, THERE)) == (reach[role] == "all"), action
        assert bool(permissions.may(person, action)) == (reach[role] == "all"), action


def test_a_role_of_the_installation_holds_in_every_use_case(permissions):
    dan = named("dan@example.org")
    assert all(permissions.may(dan, "start_training", name) for name in (HERE, THERE, None))
    assert not permissions.may(dan, "start_data", HERE)


def test_a_stranger_may_nothing_and_is_told_no_names(permissions):
    stranger = named("nobody@example.org")
    rulings = [permissions.may(stranger, action, where) for action in ACTIONS for where in (HERE, THERE, None)]
    assert not any(rulings) and "@" not in str(rulings)
    assert permissions.may(stranger, "start_training", HERE).why == (
        "in complaints, only the data scientist or the ML engineer may start trainings and what follows"
    )


def test_who_has_a_role_is_told_who_may(permissions):
    ruling = permissions.may(PERSONS["domain_expert"], "start_training", HERE)
    assert ruling.why == (
        "in complaints, only the data scientist (dana@example.org, dan@example.org) or the ML engineer"
        " (mia@example.org) may start trainings and what follows"
    )


def test_a_use_case_that_is_not_there_has_no_owner(permissions):
    assert not permissions.may(PERSONS["data_science"], "start_training", "no_such")
    assert permissions.may(PERSONS["administrator"], "stop_runs", "no_such")


def test_a_group_makes_no_member_of_a_team_that_has_another_name(permissions):
    eva = Person("eva@example.org", frozenset({"Claims", "claims-readers", "group:claims", "team:claims"}), "openid")
    assert not permissions.may(eva, "review", HERE)


@pytest.mark.parametrize("name", ["anna@example.org ", "аnna@example.org", "anna@example.org.evil.example", "anna"])
def test_a_name_that_only_looks_like_an_owner_is_none(permissions, name):
    assert not permissions.may(Person(name), "release", HERE)


def test_a_token_may_what_it_was_made_for_and_nothing_that_is_for_people(permissions):
    token = Person("token:ci", known_by="token", actions=frozenset(ACTIONS), use_cases=frozenset({HERE}))
    for name, action in ACTIONS.items():
        assert bool(permissions.may(token, name, HERE)) == (not action.by_people), name
        assert not permissions.may(token, name, THERE)
        assert not permissions.may(token, name)
    assert not permissions.may(Person("token:ci", actions=frozenset()), "see", HERE)


def test_a_token_named_like_an_owner_has_none_of_their_roles(permissions):
    token = Person("anna@example.org", known_by="token", actions=frozenset({"see"}))
    assert not permissions.may(token, "release", HERE)


def test_the_auditor_changes_nothing():
    changes = set(ACTIONS) - {"see", "read_logs", "read_debug", "read_audit_log"}
    assert all(table()[action]["auditor"] == "" for action in changes)


def test_nobody_may_say_that_an_asset_was_made_elsewhere(permissions):
    assert not any(permissions.may(person, "report_from_outside", HERE) for person in PERSONS.values())


def test_whoever_trained_or_edited_may_not_approve():
    anna = named("anna@example.org")
    acted = {"trained the checkpoint": ["Anna@Example.org"], "changed the file of the use case": ["bo@example.org"]}
    assert conflict(anna, "approve", acted).startswith("anna@example.org trained the checkpoint, so somebody else")
    assert conflict(named("cy@example.org"), "approve", acted) == ""
    assert conflict(anna, "start_training", acted) == ""


@pytest.mark.parametrize(("action", "needed"), [("approve", 2), ("waive", 2), ("erase", 2), ("start_training", 1)])
def test_where_nobody_knows_who_acted_it_takes_two(action, needed):
    assert persons_needed(action, {"changed the file of the use case": None}) == needed
    assert persons_needed(action, {"changed the file of the use case": ["bo@example.org"]}) == 1


def test_an_owner_elsewhere_may_what_reaches_everywhere(permissions):
    assert permissions.may(PERSONS["data_engineering"], "reload", THERE)
    ruling = permissions.may(PERSONS["domain_expert"], "stop_runs", HERE)
    assert ruling.why.startswith("in complaints, only the data engineer (team:data), ")


def test_every_role_reports_to_a_role_that_exists_and_the_line_ends():
    for role in ROLES.values():
        line = [role.name]
        while (above := ROLES[line[-1]].reports_to) is not None:
            assert above not in line
            line.append(above)
    assert set(OWNER_ROLES) < set(ROLES)
