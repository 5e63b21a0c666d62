"""Calls of tools in answers are compared by name and arguments, whatever stands around them."""

import numpy as np
import pytest

from ft_platform.evaluation.metric import metric, metrics_of
from ft_platform.evaluation.metrics.tool_calls import LEAST_RECORDS, calls_in
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.scores import scores
from ft_platform.reporting.evaluation_report import metric_table
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.evaluation import Evaluation

WARM = '{"name": "find", "arguments": {"word": "warm", "n": 2}}'
COLD = '{"name": "find", "arguments": {"word": "cold"}}'
WANTED = f"<tool_call>\n{WARM}\n</tool_call>"
ANSWERS = [
    (WANTED, True, "the same text"),
    (
        'I look it up. <tool_call>{"arguments": {"n": 2.0, "word": "warm"}, "name": "find"}</tool_call>',
        True,
        "other order, words before, 2.0",
    ),
    (f"[TOOL_CALLS] [{WARM}]", True, "markers of another template"),
    ('{"name": "find", "parameters": {"word": "warm", "n": 2}}', True, "`parameters` (Llama 3)"),
    (
        '{"type": "function", "function": {"name": "find", "arguments": "{\\"word\\": \\"warm\\", \\"n\\": 2}"}}',
        True,
        "nested, arguments as text",
    ),
    ('{"name": "find", "arguments": {"word": "warm", "n": "2"}}', False, "a text is no number"),
    ('{"name": "find", "arguments": {"word": "warm"}}', False, "an argument is missing"),
    ('{"name": "search", "arguments": {"word": "warm", "n": 2}}', False, "another tool"),
    (f"{WARM}\n{COLD}", False, "a call too many"),
    (f"{WARM}\n{WARM}", False, "the call twice"),
    ('{"name": "find", "arguments": {"word": "warm", "n": 2}', False, "no JSON"),
    ("I call find with warm.", False, "no call"),
    ("", False, "nothing"),
    ("{" * 5000, False, "brackets"),
    ('{"a":' * 5000, False, "deeper than can be read"),
]


@pytest.mark.parametrize(("answer", "same", "why"), ANSWERS, ids=[why for *_, why in ANSWERS])
def test_a_call_is_the_same_if_name_and_arguments_are(answer: str, same: bool, why: str) -> None:
    assert metric("tool_calls").value(TextOutputs([WANTED], [answer])) == float(same)


def test_calls_are_compared_in_any_order_and_all_of_them() -> None:
    both = TextOutputs([f"{WARM}\n{COLD}"] * 2, [f"{COLD} then {WARM}", WARM])
    assert metric("tool_calls").value(both) == 0.5


def test_words_that_describe_a_call_without_being_one_are_none() -> None:
    assert calls_in('{"name": "find"} and {"arguments": {}} and {"name": 1, "arguments": {}}') == []


def outputs(calls: int, texts: int, right: int) -> TextOutputs:
    """Records whose reference calls a tool, of which the first ones are right, and records with texts."""
    answers = [WANTED] * right + ["no"] * (calls - right) + ["said"] * texts
    references = [WANTED] * calls + ["said"] * texts
    return TextOutputs(references, answers, np.ones(calls + texts), np.ones(calls + texts, int))


def test_only_records_whose_reference_calls_count() -> None:
    assert metric("tool_calls").value(outputs(calls=12, texts=30, right=9)) == 0.75


def test_the_figure_is_there_from_ten_such_records_on_and_reports_show_what_is_there() -> None:
    settings = Evaluation(bootstrap_samples=100)
    task = Task(kind="generation", instruction="Help.")
    for calls in (0, LEAST_RECORDS - 1, LEAST_RECORDS):
        base_zero_shot = outputs(calls, 5, min(calls, 1))
        found = scores({"base_zero_shot": base_zero_shot, "fine_tuned": outputs(calls, 5, calls)}, task, settings)
        there = calls >= LEAST_RECORDS
        head = [column["title"] for column in metric_table(found["systems"], metrics_of("generation"))["metrics"]]
        assert ("tool_calls" in found["systems"]["fine_tuned"]) == ("Tool calls" in head) == there
    assert found["systems"]["fine_tuned"]["tool_calls"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["differences"]["base_zero_shot"]["tool_calls"]["value"] == pytest.approx(0.9)
