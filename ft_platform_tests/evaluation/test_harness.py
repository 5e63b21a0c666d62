"""Figures of lm-evaluation-harness as suites. With the package installed, a task of its own format runs on a local
file, without network."""

import importlib.util
import json
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, DataError, MissingExtra
from ft_platform.evaluation import harness
from ft_platform.evaluation.harness import harness_suite, result_of

THERE = importlib.util.find_spec("lm_eval") is not None


def test_figures_are_taken_in_the_order_of_documents() -> None:
    rows = [
        {"doc_id": 2, "acc": 0.0, "acc_norm": 1.0},
        {"doc_id": 0, "acc": 1.0, "acc_norm": 0.0},
        {"doc_id": 1, "acc": 1.0, "acc_norm": 0.5},
    ]
    found = result_of("arc_easy", {"arc_easy": rows})
    assert found.metric == "acc_norm" and found.higher_is_better
    assert found.statistics.tolist() == [[0.0, 1.0], [0.5, 1.0], [1.0, 1.0]]
    group = result_of(
        "mmlu", {"b": [{"doc_id": 0, "acc": 0.0}], "a": [{"doc_id": 0, "acc": 1.0}, {"doc_id": 1, "acc": 1.0}]}
    )
    assert group.metric == "acc" and group.statistics[:, 0].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "samples",
    [{}, {"t": []}, {"t": [{"doc_id": 0, "bleu": (1, 2)}]}, {"t": [{"doc_id": 0, "acc": 1.0}, {"doc_id": 1}]}],
    ids=str,
)
def test_a_task_without_a_figure_for_each_document_is_an_error(samples: dict) -> None:
    with pytest.raises(DataError, match="no metric per document"):
        result_of("t", samples)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"ft-platform\[harness\]"):
        harness_suite("arc_easy", None, None)


@pytest.mark.skipif(not THERE, reason="lm-eval is not installed (extra harness)")
def test_an_unknown_task_is_named() -> None:
    from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

    with pytest.raises(ConfigError, match="no task 'sorting_of_letters'"):
        harness_suite("sorting_of_letters", tiny_tokenizer(), None)(tiny_model(), lambda done: None)


@pytest.mark.skipif(not THERE, reason="lm-eval is not installed (extra harness)")
def test_a_task_of_the_harness_runs_on_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lm_eval.tasks

    from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

    rows = [
        {"question": f"What is {number}?", "choices": ["a number", "a bird"], "gold": number % 2} for number in range(6)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.yaml").write_text(
        "task: own_task\ndataset_path: json\ndataset_kwargs: {data_files: {test:"
        f" {tmp_path}/rows.jsonl}}}}\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text:"
        ' "{{question}}"\ndoc_to_choice: "{{choices}}"\ndoc_to_target: gold\nmetric_list: [{metric: acc}]\n'
    )
    real = lm_eval.tasks.TaskManager
    monkeypatch.setattr(lm_eval.tasks, "TaskManager", lambda: real(include_path=str(tmp_path), include_defaults=False))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    found = harness_suite("own_task", tiny_tokenizer(), 5)(tiny_model(), lambda done: None)
    assert found.metric == "acc" and len(found.statistics) == 5 and set(found.statistics[:, 0].tolist()) <= {0.0, 1.0}
    again = harness_suite("own_task", tiny_tokenizer(), 5)(tiny_model(), lambda done: None)
    assert again.statistics.tolist() == found.statistics.tolist()
