"""traffic.captured: an answer and what people said of it, as a record. Texts are fictitious."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.captured import as_raw, captured, edited_answers, record_id
from ft_platform.monitoring.traffic.shipping import ship
from ft_platform_tests.monitoring.traffic.test_shipping import noted
from ft_platform_tests.tables import use_case

ID = f"chat-{1:032x}"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ABOUT = {"request_id": ID, "at": AT.isoformat(), "release": "release-1"}
ASKED = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "user", "content": "When do you open?"},
    {"role": "assistant", "content": "Where?"},
    {"role": "user", "content": "In Bergen."},
]


def shipped(folder: Path, *feedback: dict[str, Any], trial: bool = False, answers: int = 1) -> Lake:
    lake, spool = Lake(str(folder / "lake")), folder / "spool.sqlite"
    answer = {"decision": None, "confidence": None, "entropy": None, "abstained": False, "reason": "stop"}
    request = {**ABOUT, "status": 200, "answers": [answer] * answers, "trial": trial, "share": 0.5}
    texts = {**ABOUT, "subject": "alda", "conversations": json.dumps([ASKED]), "answers": ["At ten."] * answers}
    noted(spool, {"requests": request, "texts": texts})
    for number, one in enumerate(feedback):
        noted(spool, {"feedback": {**ABOUT, "feedback_id": str(number), "index": 0, **one}})
    ship(lake, spool)
    return lake


def test_the_edited_answer_is_learned_and_the_given_one_stands_beside_it(tmp_path: Path) -> None:
    (one,) = captured(shipped(tmp_path, {"answer": " At nine. ", "by": "a"}), "complaints")
    assert one.right == one.edited == "At nine." and one.label is None and one.people == 1
    assert one.messages == [
        *ASKED[1:],
        {"role": "assistant", "content": "At nine."},
        {"role": "rejected", "content": "At ten."},
    ]


def test_without_an_edited_answer_it_is_what_was_answered_and_nothing_to_learn(tmp_path: Path) -> None:
    (one,) = captured(shipped(tmp_path, {"rating": "good"}), "complaints")
    assert one.right is None and one.messages == [*ASKED[1:], {"role": "assistant", "content": "At ten."}]


def test_trials_are_no_traffic_and_each_of_several_answers_has_its_conversation(tmp_path: Path) -> None:
    assert captured(shipped(tmp_path / "trial", trial=True), "complaints") == []
    several = captured(shipped(tmp_path / "several", {"answer": "At nine."}, answers=2), "complaints")
    assert [(one.index, one.edited) for one in several] == [(0, "At nine."), (1, None)]
    assert all(one.messages[:3] == ASKED[1:] for one in several)
    assert len({record_id("complaints", ID, one.index) for one in several}) == 2


@pytest.mark.parametrize(
    ("said", "learned"),
    [
        ([{"by": "a", "answer": "At nine."}, {"by": "b", "answer": "At nine."}], "At nine."),
        ([{"by": "a", "answer": "At nine."}, {"by": "b", "answer": "At eight."}], None),
        ([{"by": "a", "answer": "At eight."}, {"by": "a", "answer": "At nine."}], "At nine."),
        ([{"by": "a", "answer": "At nine.", "key": "of somebody else"}], None),
        ([{"by": "file", "answer": "At nine.", "key": "file"}], "At nine."),
        ([{"by": "a", "answer": "  "}], None),
        ([{"by": "a", "answer": None}], None),
    ],
)
def test_people_who_wrote_different_answers_are_not_believed(said: list[dict[str, Any]], learned: str | None) -> None:
    feedback = [
        {"request_id": ID, "index": 0, "key": None, "at": number, "feedback_id": str(number), **one}
        for number, one in enumerate(said)
    ]
    found = edited_answers({ID: {"key": None}}, feedback)
    assert found == ({(ID, 0): learned} if learned else {})


def test_a_record_leads_back_to_its_request_and_keeps_the_worse_answer_only_where_it_is_learned() -> None:
    messages = [{"role": role, "content": role} for role in ("user", "assistant", "rejected")]
    row = {"request_id": ID, "day": "2026-03-01", "index": 2, "record_id": "r", "label": None, "messages": messages}
    row |= {"at": AT, "batch": "2026-03-01-0a", "subject": "alda", "consent": "yes", "purpose": "answers"}
    (plain,) = as_raw(use_case("generation"), [row]).to_pylist()
    assert (plain["source_key"], plain["source_uri"]) == (f"traffic:{ID}:2", "traffic:2026-03-01-0a")
    assert [one["role"] for one in plain["messages"]] == ["user", "assistant"] and plain["record_date"] is None
    pairs = use_case("generation", record={"text": "text", "answer": "answer", "rejected": "worse", "date": "day"})
    (pair,) = as_raw(pairs, [row]).to_pylist()
    assert pair["messages"] == messages and pair["record_date"] is None
