"""Differences out of stored scores are those that the evaluation worked out of the answers themselves."""

from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.metric import metric, metrics_of
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.stored_scores import COLUMNS, over_stored_scores
from ft_platform_tests.evaluation.tiny_case import tiny_case

OTHER = "base_zero_shot"


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_differences_are_those_of_the_evaluation(kind: str, tmp_path: Path) -> None:
    case = tiny_case(tmp_path, kind)
    figures, settings = read_metrics(case.lake, case.report), case.use_case.settings.evaluation
    predictions = read_predictions(case.lake, case.report)
    rows = [rows_of(predictions, system) for system in (FINE_TUNED, OTHER)]
    if not len(rows[1]):
        rows[1] = rows_of(read_predictions(case.lake, case.base), OTHER)
    found = {}
    for one in metrics_of(kind):
        stored = over_stored_scores(one, figures["labels"])
        if all(stored.applies(table) for table in rows):
            found[one.name] = paired_difference(stored, *rows, settings)  # type: ignore[arg-type]
    wanted = {"accuracy", "macro_f1"} if kind == "classification" else {"rouge_l", "answer_loss", "perplexity"}
    assert wanted <= set(found)
    for name, difference in found.items():
        assert difference == pytest.approx(figures["differences"][OTHER][name]), name


def test_what_is_not_stored_of_each_record_gives_no_difference() -> None:
    rows = pa.table(
        {"answer": ["yes"], "chrf": [50.0], "rouge_l": [1.0], "answer_loss": [None], "answer_tokens": [None]}
    )
    applies = {name: over_stored_scores(metric(name), []).applies(rows) for name in (*COLUMNS, "chrf", "bleu")}
    assert {name for name, known in applies.items() if known} == {"rouge_l"}
