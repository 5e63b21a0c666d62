"""The floor under recall that a use case sets. Persons are fictitious."""

import json
from pathlib import Path

import pytest

from ft_platform.errors import DataError
from ft_platform.privacy.recall_floor import own_gold, recall_on
from ft_platform.samples.gold import gold_texts
from ft_platform_tests.tables import use_case


def test_generated_texts_pass_with_the_default_settings() -> None:
    numbers = recall_on(use_case(), gold_texts())
    assert numbers["passed"] and numbers["recall"] >= 0.95 and numbers["texts"] == 520
    assert list(numbers["entities"]["EMAIL"]) == ["recall", "low", "high", "spans"]


def test_a_recognizer_that_finds_nothing_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("address.AddressRecognizer", "phone.PhoneRecognizer", "email.EmailRecognizer"):
        monkeypatch.setattr(f"ft_platform.privacy.recognizers.{name}.find", lambda self, text: [])
    numbers = recall_on(use_case(), gold_texts())
    assert not numbers["passed"]
    assert next(iter(numbers["entities"])) in ("ADDRESS", "PHONE", "EMAIL")


def test_the_floor_decides() -> None:
    gold = gold_texts(per_entity=5)
    assert recall_on(use_case(privacy={"min_score": 0.95, "min_recall": 0.1}), gold)["passed"]
    assert not recall_on(use_case(privacy={"min_score": 0.95, "min_recall": 0.95}), gold)["passed"]


def test_entities_that_are_not_looked_for_do_not_count() -> None:
    numbers = recall_on(use_case(privacy={"entities": ["EMAIL", "PERSON"], "operators": {"PERSON": "keep"}}), gold_texts())
    assert list(numbers["entities"]) == ["EMAIL"] and numbers["recall"] == 1.0


def test_nothing_that_counts_is_an_error_not_a_pass() -> None:
    with pytest.raises(DataError, match="no annotation counts"):
        recall_on(use_case(privacy={"entities": ["ORGANIZATION"]}), gold_texts())


def test_the_use_cases_own_file_lies_beside_its_yaml(tmp_path: Path) -> None:
    rows = [{"full_text": "Write to mirela@example.com", "spans": [{"entity_type": "EMAIL_ADDRESS", "start_position": 9, "end_position": 27}]}]
    (tmp_path / "gold.json").write_text(json.dumps(rows))
    case = use_case(privacy={"gold": "gold.json"}).model_copy(update={"path": tmp_path / "defs.yaml"})
    gold = own_gold(case)
    assert gold is not None and recall_on(case, gold)["recall"] == 1.0
    assert own_gold(use_case()) is None


def test_equal_seeds_give_equal_texts_and_the_value_stands_at_its_place() -> None:
    assert gold_texts(3) == gold_texts(3) != gold_texts(4)
    assert all(one.text[a - 1] in " " and one.text[a:b].strip() == one.text[a:b] for one in gold_texts() for a, b, _ in one.spans)
