"""Kinds of rules are found by their folder, and whatever else lists them says the same: owners, order, the page about
decisions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.release import rules
from ft_platform.release.rule import all_kinds, rules_of
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.release.evidence_case import EvidenceCase
from ft_platform_tests.release.test_decide import EVERY_RULE

PAGE = (REPOSITORY / "docs" / "how_to" / "decide_about_a_release.md").read_text()
OWN = """
from ft_platform.release.rule import Finding, Kind, Rule

def _rules(use_case, champion):
    yield Rule("weekday/monday", "a Monday", lambda found: Finding(False, "It is Sunday."))

KIND = Kind(names=("weekday",), owner="domain_expert", order=(45, 0), rules=_rules)
"""


@pytest.fixture
def a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "weekday.py").write_text(OWN)
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path / "rules")])
    all_kinds.cache_clear()
    yield
    all_kinds.cache_clear()


def kind_name(rule: str) -> str:
    return re.split("[/@]", rule)[0]


def test_every_kind_has_its_own_file_name_and_place() -> None:
    files = {path.stem for path in Path(rules.__path__[0]).glob("[a-z]*.py")}
    kinds = dict.fromkeys(all_kinds().values())
    assert len(kinds) == len(files) == len({kind.order for kind in kinds}) == 23
    assert sum(len(kind.names) for kind in kinds) == len(all_kinds())


@pytest.mark.usefixtures("a_new_file")
def test_a_rule_of_a_new_file_is_applied_at_its_place_and_waived_by_its_owner(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path)
    assert case.refusing() == {"weekday/monday": "It is Sunday."}
    names = [rule.name for rule in rules_of(case.use_case, None)]
    assert names.index("recall") < names.index("weekday/monday") < names.index("beats/base_few_shot")
    assert rules_of(case.use_case, None)[names.index("weekday/monday")].waivable


def test_all_kinds_give_rules_where_everything_is_asked_for_in_the_order_of_reports(tmp_path: Path) -> None:
    fairness = {**EVERY_RULE["fairness"], "sensitive_features": ["region"]}
    case = EvidenceCase(tmp_path, {**EVERY_RULE, "fairness": fairness})
    case.refusing()
    told = list(dict.fromkeys(kind_name(rule.name) for rule in rules_of(case.use_case, "champion")))
    assert told == [name for name in all_kinds() if name != "approval"]


def test_groups_are_told_feature_by_feature_and_pairs_last(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, EVERY_RULE)
    case.refusing()
    told = [rule.name for rule in rules_of(case.use_case, None)]
    each = ["fairness", "amplification", "demographic_parity", "equalized_odds"]
    expected = [
        "flip_rate/gender",
        *(f"{kind}/{feature}" for feature in ("region", "age") for kind in each),
        "fairness/pairs",
        "memorization",
    ]
    assert told[told.index("flip_rate/gender") :][: len(expected)] == expected


def rows_below(head: str) -> list[list[str]]:
    """Cells of the table with this head."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]


def test_the_page_names_every_kind() -> None:
    told = {kind_name(name) for row in rows_below("| rule | holds if") for name in re.findall("`([^`]+)`", row[0])}
    assert told == set(all_kinds())


def test_the_page_says_to_whom_each_kind_belongs() -> None:
    owners: dict[str, Any] = {name: kind.owner for name, kind in all_kinds().items()}
    told = {
        name: row[1].strip("`") for row in rows_below("| rules | role |") for name in re.findall("`([^`]+)`", row[0])
    }
    assert told == {name: owner for name, owner in owners.items() if owner not in (None, "compliance")}
    cannot = re.search(r"Rules of (.*) cannot be waived", PAGE)
    assert cannot and re.findall("`([^`]+)`", cannot[1]) == [name for name, owner in owners.items() if owner is None]


def test_rules_and_decisions_know_nothing_of_pages() -> None:
    """Pages are made from decisions; what writes them is handed in."""
    files = sorted((REPOSITORY / "ft_platform" / "release").rglob("*.py"))
    assert len(files) > 25 and [path.name for path in files if "ft_platform.reporting" in path.read_text()] == []
