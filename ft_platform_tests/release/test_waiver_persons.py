"""Each rule belongs to one role, and the persons of that role are those whom the file names. Persons are fictitious."""

from typing import Any

import pytest

from ft_platform.people.person import Person
from ft_platform.release.waiver_persons import owner_problem, persons_of, who_may_waive
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Owners
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.release.evidence_case import OWNERS
from ft_platform_tests.tables import use_case

ANA, MARIA, TOM = "ana.ruiz@example.org", "maria.lind@example.org", "tom.okafor@example.org"


def with_owners(**owners: Any) -> NamedUseCase:
    made = use_case(kind="classification")
    update = {"owners": Owners.model_validate(owners)}
    return made.model_copy(update={"settings": made.settings.model_copy(update=update)})


@pytest.mark.parametrize(
    ("rule", "person"),
    [
        ("fairness/region", ANA),
        ("flip_rate/gender", ANA),
        ("memorization", ANA),
        ("approval/gate.without_sensitive_features@0a1b2c3d", ANA),
        ("unheard_of/rule", ANA),
        ("beats/base_few_shot", MARIA),
        ("floor/accuracy", MARIA),
        ("money_per_1000_requests", MARIA),
        ("human_review", TOM),
        ("judge", TOM),
    ],
)
def test_a_rule_is_waived_by_the_person_of_its_role_and_by_nobody_else(rule: str, person: str) -> None:
    case = with_owners(**OWNERS)
    assert [name for name in (ANA, MARIA, TOM) if who_may_waive(case, rule, Person(name))] == [person]
    assert who_may_waive(case, rule, Person(f" {person.upper()} ")) == person
    assert who_may_waive(case, rule, Person(person.split("@")[0])) is None


def test_roles_that_are_left_out_fall_to_the_accountable_person() -> None:
    case = with_owners(accountable=MARIA)
    assert who_may_waive(case, "fairness/region", Person(MARIA)) == MARIA and persons_of(case) == [MARIA]


def test_persons_of_a_team_are_those_that_the_file_lists() -> None:
    case = with_owners(accountable="team:desk", compliance="team:officers", teams={"officers": [ANA, TOM]})
    assert who_may_waive(case, "memorization", Person(TOM)) == TOM
    assert who_may_waive(case, "beats/champion", Person(TOM)) is None and persons_of(case) == [ANA, TOM]


@pytest.mark.parametrize(
    ("owners", "problem"),
    [
        (
            {"accountable": "team:desk", "teams": {"dsek": [ANA]}},
            "`teams` names dsek, which owns nothing here; teams that do: desk",
        ),
        ({"accountable": "team:desk", "teams": {"desk": ["Ana Ruiz"]}}, "pattern"),
    ],
)
def test_a_team_that_owns_nothing_and_a_person_without_address_are_errors(owners: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Owners.model_validate(owners)


def test_who_joins_a_team_makes_no_report_stale() -> None:
    few, more = (with_owners(accountable="team:desk", teams={"desk": persons}) for persons in ([ANA], [ANA, TOM]))
    assert (
        few.section("owners.roles")
        == more.section("owners.roles")
        != with_owners(accountable="team:other").section("owners.roles")
    )


def test_whoever_edits_the_file_names_nobody_in_a_role_that_the_installation_fills() -> None:
    case = with_owners(**OWNERS).model_copy(update={"people": People(roles={"compliance": [TOM, "group:law"]})})
    lawyer = Person("li.wei@example.org", frozenset({"law"}))
    assert who_may_waive(case, "memorization", Person(ANA)) is None
    assert who_may_waive(case, "memorization", Person(TOM)) == TOM
    assert who_may_waive(case, "memorization", lawyer) == lawyer.name
    assert "only tom.okafor@example.org, group:law may waive it" in owner_problem(case, "memorization", ANA)
    assert who_may_waive(case, "beats/champion", Person(MARIA)) == MARIA, "a role that the installation leaves open"


def test_once_persons_sign_in_no_file_of_a_use_case_names_a_compliance_officer() -> None:
    policy = Policy(name="tests", signatures=Signatures(signed_in=True))
    case = with_owners(**OWNERS).model_copy(update={"policy": policy})
    assert who_may_waive(case, "memorization", Person(ANA)) is None
    assert "name persons in people.roles.compliance of ft_environment.yaml" in owner_problem(case, "memorization", ANA)
