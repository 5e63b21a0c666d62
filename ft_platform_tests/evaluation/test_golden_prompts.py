"""Golden prompts by hand, and an evaluation in which planted answers break them."""

import argparse
import json
from typing import Any

import pytest
from pydantic import ValidationError

from ft_platform.commands import errors
from ft_platform.errors import ConfigError
from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.golden_prompts import GoldenAnswer, read_golden
from ft_platform.lake.gate import problems_with
from ft_platform.release.evidence import Evidence, Item, typed
from ft_platform.release.rule import apply, rules_of
from ft_platform.reporting.publishing.evaluation import publish_evaluation_report
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.golden import GoldenPrompt
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.evaluation import tiny_case as tiny
from ft_platform_tests.reporting.page_rules import Page, problems_of
from ft_platform_tests.reporting.xss import ATTACKS

RETURNS = {"prompt": "How long?", "must_say": [["30 days", "thirty days"], "receipt"], "must_never_say": ["guarantee"]}


@pytest.mark.parametrize(
    ("answer", "unsaid", "said"),
    [
        ("Thirty days, with the RECEIPT.", [], []),
        ("30 days without a paper.", [["receipt"]], []),
        ("130 days with a receipt.", [["30 days", "thirty days"]], []),  # no word of its own
        ("We guarantee 30 days with a receipt.", [], ["guarantee"]),
        ("30 days with a receipt, guaranteed.", [], []),  # another word, which has to be named
        ("", [["30 days", "thirty days"], ["receipt"]], []),
    ],
)
def test_an_answer_must_say_one_of_each_and_nothing_that_is_forbidden(answer: str, unsaid: list, said: list) -> None:
    found = GoldenAnswer(GoldenPrompt.model_validate({"name": "returns", **RETURNS}), answer, is_label=False)
    assert found.faults == {"unsaid": unsaid, "said": said} and found.kept == (not unsaid and not said)


@pytest.mark.parametrize(
    ("must", "never", "label", "kept"),
    [
        (["loan"], [], "loan", True),
        (["loan"], [], "Loan", True),
        (["loan"], [], "student loan", False),  # a label counts as a whole
        (["loan", "mortgage"], [], "mortgage", True),  # either is right
        ([], ["loan"], "student loan", True),
        ([], ["loan"], "loan", False),
    ],
)
def test_a_label_counts_as_a_whole(must: list[str], never: list[str], label: str, kept: bool) -> None:
    prompt = GoldenPrompt(name="x", prompt="?", must_say=[*must], must_never_say=never)
    assert GoldenAnswer(prompt, label, is_label=True).kept is kept


def test_an_empty_answer_keeps_nothing() -> None:
    prompt = GoldenPrompt(name="x", prompt="?", must_never_say=["cheap"])
    assert not GoldenAnswer(prompt, " \n", is_label=False).kept


@pytest.mark.parametrize(
    ("golden", "why"),
    [
        ([{"name": "a", "prompt": "?"}], "needs `must_say` or `must_never_say`"),
        ([{"name": "a", "prompt": " ", "must_say": ["x"]}], "at least 1 character"),
        ([{"name": "a", "prompt": "?", "must_say": ["\u200b"]}], "no sign that can be seen"),
        ([{"name": "a", "prompt": "?", "must_say": [[]]}], "at least 1 item"),
        ([{"name": "a", "prompt": "?", "must_say": ["Yes"], "must_never_say": ["yes"]}], "must say what it must never"),
        ([{"name": "A b", "prompt": "?", "must_say": ["x"]}], "should match pattern"),
        ([{"name": "a", "prompt": "?", "must_say": ["x"]}] * 2, "`evaluation.golden` has duplicate names"),
    ],
    ids=str,
)
def test_prompts_that_cannot_be_meant_are_refused(golden: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Evaluation.model_validate({"golden": golden})


def test_a_golden_prompt_evaluates_again_and_nothing_else() -> None:
    def use_case(**evaluation: Any) -> NamedUseCase:
        settings = UseCase.model_validate({**minimal_attributes("x.csv"), "evaluation": evaluation})
        return NamedUseCase(name="support", settings=settings)

    without, with_one = use_case(), use_case(golden=[{"name": "returns", **RETURNS}])
    changed = {n for n, s in STAGES.items() if s.settings_hash(without) != s.settings_hash(with_one)}
    assert changed == {"evaluation_report"}
    # What was evaluated before there were golden prompts, with fields of then, is evaluated still.
    stage, settings = STAGES["evaluation_report"], without.settings
    before = {name: without.section(name) for name in stage.reads if name != "evaluation.golden_prompts"}
    before["evaluation"] = settings.evaluation.model_dump(mode="json", exclude={"golden"})
    before["evaluation"] |= {"seed": 17, "few_shot_note": ""}
    old = settings_hash({**before, "use_case": "support", "stage": stage.name, "version": stage.version})
    assert old == stage.settings_hash(without)


SECRET = "quokka"
"""A word of every answer, which may stand in no page and no figure."""
GOLDEN = [
    {"name": "kept", "prompt": "Is it fine?", "must_say": ["fine"], "must_never_say": ["cheap"]},
    {"name": "unsaid", "prompt": f"What of it? {ATTACKS[0]}", "must_say": [["receipt", ATTACKS[0]]]},
    {"name": "said", "prompt": "And now?", "must_never_say": ["is fine"]},
]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tiny.TinyCase:
    def generate(model: Any, tokenizer: Any, prompts: list, *_: Any) -> list[str]:
        return [f"The {SECRET} is fine." if hasattr(model, "peft_config") else "cheap" for _ in prompts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ft_platform.evaluation.evaluate.generate", generate)
        patch.setattr("ft_platform.evaluation.golden_prompts.generate", generate)
        return tiny.tiny_case(tmp_path_factory.mktemp("golden"), "generation", golden=GOLDEN)


def test_planted_answers_are_found(case: tiny.TinyCase) -> None:
    found = read_metrics(case.lake, case.report)["golden"]
    assert {name: one["kept"] for name, one in found.items()} == {"kept": True, "unsaid": False, "said": False}
    assert found["unsaid"]["unsaid"] == [["receipt", ATTACKS[0]]] and found["said"]["said"] == ["is fine"]
    assert [one.answer for one in read_golden(case.lake, case.report)] == [f"The {SECRET} is fine."] * 3
    assert SECRET not in json.dumps(read_metrics(case.lake, case.report))


def test_the_page_has_the_prompts_and_no_answer(case: tiny.TinyCase) -> None:
    page = case.lake.read_file(case.report, "report.html").decode()
    assert problems_of(page) == [] and SECRET not in page
    words = " ".join(Page(page).words.split())
    assert "1 of 3 are answered as experts ask" in words and "says “is fine”" in words
    assert f"lacks “receipt” or “{' '.join(ATTACKS[0].split())}”" in words


def rulings(case: tiny.TinyCase, figures: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    item = Item("evaluation_report", case.report, typed("evaluation_report", "e", json.dumps(figures).encode()), ())
    evidence = Evidence(case.checkpoint, (), {}, {}, {"evaluation_report": item}, ())
    rules = [one for one in rules_of(case.use_case, None) if one.name.startswith("golden/")]
    return {one.rule: (one.passed, one.why) for one in apply(rules, evidence)}


def test_each_prompt_is_a_rule_that_a_broken_answer_refuses(case: tiny.TinyCase) -> None:
    figures = read_metrics(case.lake, case.report)
    found = rulings(case, figures)
    assert found["golden/kept"][0] and not found["golden/unsaid"][0] and not found["golden/said"][0]
    assert found["golden/said"][1] == 'The answer says "is fine".'
    golden = figures["golden"]
    empty = {**golden, "kept": {**golden["kept"], "kept": False}}
    assert rulings(case, {**figures, "golden": empty})["golden/kept"] == (False, "The answer is empty.")
    # Whoever says that a prompt is kept, and names what breaks it, is not believed.
    claimed = {**golden, "said": {**golden["said"], "kept": True}}
    assert not rulings(case, {**figures, "golden": claimed})["golden/said"][0]


def test_a_prompt_that_was_not_asked_is_not_proven(case: tiny.TinyCase) -> None:
    figures = {name: one for name, one in read_metrics(case.lake, case.report).items() if name != "golden"}
    assert {one for one, _ in rulings(case, figures).values()} == {False}
    assert rulings(case, figures)["golden/kept"][1].startswith("Not proven: golden has no kept")


def with_golden(case: tiny.TinyCase, golden: list[dict[str, Any]]) -> NamedUseCase:
    settings = case.use_case.settings.model_dump(mode="json")
    settings["evaluation"]["golden"] = golden
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(settings))


def test_a_new_prompt_makes_the_evaluation_stale(case: tiny.TinyCase) -> None:
    assert problems_with(case.lake, case.use_case, case.report) == []
    assert problems_with(case.lake, with_golden(case, GOLDEN[:1]), case.report)
    assert problems_with(case.lake, with_golden(case, GOLDEN[:1]), case.base) == []


def test_a_prompt_that_does_not_fit_is_refused_by_name(case: tiny.TinyCase) -> None:
    long = with_golden(case, [{"name": "endless", "prompt": "word " * 3000, "must_say": ["x"]}])
    of = (case.lake, case.environment, long, case.splits, case.checkpoint, case.base)
    with pytest.raises(ConfigError, match=r"golden prompt endless has .* tokens"):
        publish_evaluation_report(*of)


def test_the_command_shows_broken_prompts_first_and_answers_only_where_asked(
    case: tiny.TinyCase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "opened", lambda name: (case.environment, case.use_case, case.lake))
    parser = argparse.ArgumentParser()
    errors.add_arguments(parser)
    assert errors.run(parser.parse_args(["complaints", "--golden"])) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "1 of 3 golden prompts are answered as experts ask" and SECRET not in shown
    assert shown.index("said: says is fine") < shown.index("kept: as asked")
    assert errors.run(parser.parse_args(["complaints", "--golden", "--text", "--force"])) == 0
    assert f"the model wrote: The {SECRET} is fine." in capsys.readouterr().out
    assert errors.run(parser.parse_args(["complaints", "--golden", "--json"])) == 0
    assert json.loads(capsys.readouterr().out)["golden"]["said"]["said"] == ["is fine"]


def test_a_label_is_a_golden_answer_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    golden = [
        {"name": "any", "prompt": "My card was taken.", "must_say": [["card", "loan", tiny.HOSTILE]]},
        {"name": "none", "prompt": "My card was taken.", "must_say": ["no label of it"]},
    ]
    case = tiny.tiny_case(tmp_path_factory.mktemp("labels"), "classification", golden=golden)
    assert {one.asked.name: one.kept for one in read_golden(case.lake, case.report)} == {"any": True, "none": False}
