"""Each rule belongs to one role, and the persons of that role are those whom the file names. Persons are fictitious."""

from typing import Any

import pytest

from ft_platform.release.waiver_persons import persons_of, who_may_waive
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Owners
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
    assert [name for name in (ANA, MARIA, TOM) if who_may_waive(case, rule, name)] == [person]
    assert who_may_waive(case, rule, f" {person.upper()} ") == person
    assert who_may_waive(case, rule, person.split("@")[0]) is None


def test_roles_that_are_left_out_fall_to_the_accountable_person() -> None:
    case = with_owners(accountable=MARIA)
    assert who_may_waive(case, "fairness/region", MARIA) == MARIA and persons_of(case) == [MARIA]


def test_persons_of_a_team_are_those_that_the_file_lists() -> None:
    case = with_owners(accountable="team:desk", compliance="team:officers", teams={"officers": [ANA, TOM]})
    assert who_may_waive(case, "memorization", TOM) == TOM
    assert who_may_waive(case, "beats/champion", TOM) is None and persons_of(case) == [ANA, TOM]


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
