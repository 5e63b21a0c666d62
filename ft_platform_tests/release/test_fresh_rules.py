"""The champion is beaten on fresh requests, and little may be lost on the test split: neither stands for the other."""

from pathlib import Path
from typing import Any

import pytest

from ft_platform.release.decide import the_checkpoint
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, difference, leaves

CHAMPION = {"checkpoint": "ckpt-now", "status": "compared"}
FRESH = {"share": 0.2, "min_records": 50, "max_loss": 0.05}


def fresh_case(home: Path, fresh: float, frozen: float, records: int = 120, **settings: Any) -> EvidenceCase:
    """A checkpoint with these gains over the champion; every interval reaches 0.02 to both sides."""
    source = {"uri": "unused.csv", "feedback": {"fresh_test": FRESH | settings}}
    case = EvidenceCase(home, {"source": source}, champion="ckpt-now")
    part: dict[str, Any] = {"records": records, "min_records": 50, "left_out": {"related_to_a_record": 3}}
    part |= {"first_day": "2026-11-01", "last_day": "2026-11-20"}
    if records >= 50:
        part["differences"] = {"champion": {"macro_f1": difference(fresh)}}
    report = case.figures["evaluation_report"]
    report["info"], report["fresh"] = {"champion": CHAMPION}, part
    report["differences"]["champion"] = {"macro_f1": difference(frozen)}
    case.figures["regression_report"]["champion"] = CHAMPION
    return case


@pytest.mark.parametrize(
    ("fresh", "frozen", "refused"),
    [
        (0.1, 0.1, set()),
        (0.1, -0.02, set()),  # the interval ends at -0.04: less than 0.05 is lost
        (0.1, -0.03, set()),  # exactly as much as may be lost
        (0.1, -0.04, {"not_worse_on_frozen"}),  # its interval reaches -0.06
        (-0.1, 0.2, {"beats/champion"}),
        (0.02, 0.2, {"beats/champion"}),  # the interval begins at 0: a tie
        (-0.1, -0.1, {"beats/champion", "not_worse_on_frozen"}),
    ],
)
def test_a_gain_on_one_part_makes_up_for_no_loss_on_the_other(
    tmp_path: Path, fresh: float, frozen: float, refused: set[str]
) -> None:
    assert set(fresh_case(tmp_path, fresh, frozen).refusing()) == refused


def test_the_ruling_says_on_which_requests_it_rests(tmp_path: Path) -> None:
    found = fresh_case(tmp_path, -0.1, -0.1).refusing()
    assert found["beats/champion"] == (
        "Macro F1: -0.100 (-0.120 to -0.080) in favour of this model on 120 fresh requests of 2026-11-01 to"
        " 2026-11-20: it is worse."
    )
    assert found["not_worse_on_frozen"] == (
        "Macro F1: -0.100 (-0.120 to -0.080) against the champion on 400 records of the test split: it may be worse by"
        " more than 0.05."
    )


def test_with_too_few_fresh_requests_the_test_split_decides_alone_and_the_ruling_says_so(tmp_path: Path) -> None:
    assert fresh_case(tmp_path, 0.0, 0.1, records=49).refusing() == {}
    found = fresh_case(tmp_path, 0.0, 0.0, records=49).refusing()
    assert set(found) == {"beats/champion"}
    assert found["beats/champion"].endswith("the test split alone: 49 fresh requests are too few, 50 are needed.")
    # The settings say how many are needed, whatever the evaluation had.
    more = fresh_case(tmp_path, 0.1, 0.0, records=120, min_records=200).refusing()
    assert "120 fresh requests are too few, 200 are needed" in more["beats/champion"]


def test_every_value_that_the_rules_read_is_needed(tmp_path: Path) -> None:
    case = fresh_case(tmp_path, 0.1, 0.1)
    good = case.figures
    assert case.refusing() == {}
    part = good["evaluation_report"]["fresh"]
    unread = {("min_records",), ("left_out", "related_to_a_record"), ("differences", "champion", "macro_f1", "p")}
    for path in [(), *[leaf for leaf in leaves(part) if leaf not in unread]]:
        case.figures = changed(good, "evaluation_report", ("fresh", *path), ...)
        assert "beats/champion" in case.refusing(), path
    for path in (("differences", "champion"), ("fresh", "differences", "champion"), ("info", "champion")):
        case.figures = changed(good, "evaluation_report", path, ...)
        assert {"beats/champion", "not_worse_on_frozen"} & set(case.refusing()), path


def test_a_metric_where_less_is_better_is_read_the_other_way(tmp_path: Path) -> None:
    case = fresh_case(tmp_path, 0.1, 0.1)
    report = case.figures["evaluation_report"]
    case.attributes["gate"] = {"metric": "answer_loss", "may_lose_to": {}}
    for differences in report["differences"].values():
        differences["answer_loss"] = difference(-0.3)
    report["fresh"]["differences"]["champion"]["answer_loss"] = difference(-0.1)
    assert case.refusing() == {}
    report["differences"]["champion"]["answer_loss"] = difference(0.04)
    assert set(case.refusing()) == {"not_worse_on_frozen"}
    report["differences"]["champion"]["answer_loss"] = difference(-0.3)
    report["fresh"]["differences"]["champion"]["answer_loss"] = difference(0.1)
    assert set(case.refusing()) == {"beats/champion"}


def test_without_requests_for_testing_nothing_is_asked_of_them(tmp_path: Path) -> None:
    case = fresh_case(tmp_path, -0.5, 0.1, share=0.0)
    assert case.refusing() == {}
    case = fresh_case(tmp_path, 0.1, 0.1)
    case.champion = None
    del case.figures["evaluation_report"]["fresh"]
    assert case.refusing() == {}, "there is no champion to beat"


def test_an_evaluation_before_the_setting_is_stale(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path).publish()
    assert case.decide().accepted
    case.attributes = {"source": {"uri": "unused.csv", "feedback": {"fresh_test": FRESH}}}
    case._settle()
    assert the_checkpoint(case.lake, case.use_case) == case.versions["adapter_checkpoint"]
    refusing = {ruling.rule for ruling in case.decide().refusing}
    assert "lineage/evaluation_report" in refusing and "lineage/adapter_checkpoint" not in refusing


def test_a_use_case_cannot_give_up_the_test_split(tmp_path: Path) -> None:
    found = fresh_case(tmp_path, 0.1, -0.5, max_loss=1.0).refusing()
    assert set(found) == {"policy"} and "source.feedback.fresh_test.max_loss must be at most 0.3" in found["policy"]
