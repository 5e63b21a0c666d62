"""What experts see of a task in the browser, and what becomes of what they say. Raters are fictitious."""

from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import AnswersRefused
from ft_platform.evaluation.annotation.browsing import Sheet, judge, sheets, texts_of
from ft_platform.evaluation.annotation.repairs import repairs
from ft_platform.evaluation.annotation.tasks import make_task
from ft_platform.people.person import named
from ft_platform_tests.evaluation.tiny_case import installed

pytestmark = pytest.mark.integration
ANA, BO, CY = (named(f"{name}@example.org") for name in ("ana.ruiz", "bo.lind", "cy.noll"))


def test_answers_are_corrected_compared_and_decided(tmp_path: Path) -> None:
    _, lake, use_case, _ = installed(tmp_path / "home", "generation")
    make_task(lake, use_case, None, ANA, rows=2, order="random")

    def sheet(person: Any) -> Sheet:
        return sheets(lake, use_case, person)[0]

    first, second = sheet(ANA).order
    present = sheet(ANA).records[first].answer or ""
    assert present.startswith("Sorry about your") and sheet(ANA).waiting == [first, second]
    for wrong, why in (("", "1 to"), ("x" * 8001, "1 to"), (f"{present} Call Mr. Reed.", "hold personal data")):
        with pytest.raises(AnswersRefused, match=why):
            judge(lake, use_case, sheet(ANA), first, wrong, ANA)
    assert sheet(ANA).state["judged"] == {}
    judge(lake, use_case, sheet(ANA), first, f"{present}\r\n ", ANA)
    judge(lake, use_case, sheet(BO), first, present, BO)
    assert (sheet(CY).state["confirmed"], repairs(lake, use_case)) == (1, []), "blanks make no other answer"
    judge(lake, use_case, sheet(ANA), second, "We have refunded you.", ANA)
    assert sheet(CY).after(1) is None and sheet(CY).waiting == [second] and not sheet(CY).decides(second)
    judge(lake, use_case, sheet(BO), second, "We will refund you.", BO)
    assert sheet(CY).to_decide == [second] and not sheet(BO).waiting
    assert set(texts_of(lake, use_case, sheet(CY), second).values()) == {"We have refunded you.", "We will refund you."}
    judge(lake, use_case, sheet(CY), second, "We have refunded you today.", CY)
    (repair,) = repairs(lake, use_case)
    assert repair.answer == "We have refunded you today." and repair.arbiter == sheet(CY).rater
    assert sheet(CY).decides(second) and not sheet(CY).waiting


def test_a_record_that_the_data_lost_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lake, use_case, _ = installed(tmp_path / "home", "classification")
    make_task(lake, use_case, None, ANA, rows=3, order="random")
    whole = sheets(lake, use_case, ANA)[0]
    lost = whole.order[1]
    monkeypatch.setattr(
        "ft_platform.evaluation.annotation.browsing.shown_records",
        lambda *_: {record: one for record, one in whole.records.items() if record != lost},
    )
    found = sheets(lake, use_case, ANA)[0]
    assert found.order == [one for one in whole.order if one != lost] and lost not in found.waiting
