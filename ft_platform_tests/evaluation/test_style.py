"""Phrases that stand in a text and near misses, rules by hand, and an evaluation in which the planted answers of the
prompted model break the style and those of the fine-tuned one keep it."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.judging.question import rubric_of
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.metrics.style import rules_kept, sentences, used
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.style_figures import style_figures
from ft_platform.release.evidence import Evidence, Item, typed
from ft_platform.release.policy import undercuts
from ft_platform.release.rule import rules_of
from ft_platform.reporting.publishing.review_sheets import export_sheets
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task, UseCase
from ft_platform.use_case.settings.answer_style import Style
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.judge import Judge
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.evaluation import tiny_case as tiny
from ft_platform_tests.reporting.page_rules import Page, problems_of
from ft_platform_tests.reporting.xss import ATTACKS


@pytest.mark.parametrize(
    ("phrase", "answer", "stands"),
    [
        ("synergy", "We use synergy.", True),
        ("synergy", "SYNERGY!", True),
        ("synergy", "bio-synergy", True),  # a hyphen divides words
        ("synergy", "syn\u00adergy", True),  # a soft hyphen hides nothing
        ("synergy", "synergyless", False),
        ("synergy", "biosynergy", False),
        ("please note", "Please\n  note that", True),
        ("please note", "Please do note", False),
        ("don't", "I don’t know", True),
        ("Straße", "in der STRASSE", True),
        ("ｆｒｅｅ", "free of charge", True),
        ("café", "cafe\u0301 au lait", True),
        ("du", "Du hast gewonnen", True),
        ("du", "Duft", False),
        ("请注意", "因此请注意以下事项", True),  # no blanks between words
        ("कर", "करो", False),  # a vowel sign goes on with the word
        ("!!", "Wow!!", True),
        (".*", "anything", False),
        (".*", "a .* b", True),
        ("(a+)+$", "a" * 5000 + "!", False),
        ("[", "nothing", False),
        ("\\b", "b", False),
        ("<script>", "a <SCRIPT> b", True),
    ],
)
def test_a_phrase_counts_as_words_of_its_own_however_it_is_written(phrase: str, answer: str, stands: bool) -> None:
    assert used([phrase], answer) == ([phrase] if stands else [])


@pytest.mark.parametrize(
    ("style", "answer", "broken"),
    [
        ({"forbidden": ["cheap"]}, "It is cheap.", {"forbidden"}),
        ({"forbidden": ["cheap"]}, "", {"min_words"}),  # nothing said is no style kept
        ({"openings": ["Dear customer", "Hello"]}, "“Hello!” We can help.", set()),
        ({"openings": ["Hello"]}, "Well, hello.", {"openings"}),
        ({"openings": ["Hello"]}, "Helloween is near.", {"openings"}),
        ({"closings": ["Kind regards"]}, "Done.\nKind regards!", set()),
        ({"closings": ["Kind regards"]}, "Kind regards. And one thing more.", {"closings"}),
        ({"min_words": 3, "max_words": 4}, "one two", {"min_words"}),
        ({"min_words": 3, "max_words": 4}, "one two three four five", {"max_words"}),
        ({"max_sentences": 1}, "One. Two.", {"max_sentences"}),
        ({"max_sentences": 1}, "Version 2.5 costs 3.50 euros.", set()),
        ({"max_sentences": 1}, "这是一。这是二。", {"max_sentences"}),
    ],
)
def test_each_rule_is_broken_by_what_it_forbids(style: dict[str, Any], answer: str, broken: set[str]) -> None:
    found = rules_kept(Style.model_validate(style), answer)
    assert {rule for rule, kept in found.items() if not kept} == broken


def test_sentences_end_with_signs_and_lines() -> None:
    assert [sentences(text) for text in ("", "One", "One. Two!", "One\nTwo", "Is it “so?” Yes.")] == [0, 1, 2, 2, 2]


def test_the_metric_is_the_share_of_answers_that_keep_every_rule() -> None:
    style = Style(forbidden=["cheap", "deal"], max_words=3)
    answers = ["a fine thing", "a cheap deal", "a cheap thing", "far too many words", "fine"]
    outputs = TextOutputs(["r"] * 5, answers, style=style)
    assert metric("style").value(outputs) == 2 / 5
    found = style_figures({"fine_tuned": outputs}, ["fine"] * 5, style, Evaluation(bootstrap_samples=200))
    shares = {rule: one["value"] for rule, one in found["systems"]["fine_tuned"].items()}
    assert shares == {"min_words": 1.0, "max_words": 4 / 5, "forbidden": 3 / 5}
    assert all(one["low"] <= one["value"] <= one["high"] for one in found["systems"]["fine_tuned"].values())
    assert {one["value"] for one in found["systems"]["reference"].values()} == {1.0}
    assert found["phrases"] == {
        "cheap": {"reference": 0, "fine_tuned": 2},
        "deal": {"reference": 0, "fine_tuned": 1},
    }


@pytest.mark.parametrize("style", [{}, {"rubric": "Warm and plain."}])
def test_what_cannot_be_checked_has_no_figure(style: dict[str, Any]) -> None:
    assert not metric("style").applies(TextOutputs(["r"], ["a"], style=Style.model_validate(style)))


def settings(task: dict[str, Any], **others: Any) -> UseCase:
    attributes = minimal_attributes("x.csv")
    attributes["record"] |= {"answer": "answer"}
    return UseCase.model_validate({**attributes, "task": {"kind": "generation", **task}, **others})


@pytest.mark.parametrize(
    ("task", "others", "why"),
    [
        ({"style": {"forbidden": [""]}}, {}, "at least 1 character"),
        ({"style": {"forbidden": ["\u200b"]}}, {}, "no sign that can be seen"),
        ({"style": {"min_words": 5, "max_words": 4}}, {}, "must be at least `min_words`"),
        ({"style": {"max_words": 4}, "kind": "classification"}, {}, "needs `task.kind: generation`"),
        ({"style": {"max_words": 4}, "answer_format": "json", "fields": {"a": {}}}, {}, "`task.answer_format: text`"),
        ({"instruction": "Answer. {style}"}, {}, "needs `task.style`"),
        ({}, {"gate": {"floors": {"style": 0.9}}}, "needs a rule in `task.style`"),
        ({"style": {"rubric": "Warm."}}, {"gate": {"metric": "style"}}, "needs a rule in `task.style`"),
    ],
    ids=str,
)
def test_styles_that_cannot_be_meant_are_refused(task: dict[str, Any], others: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(task, **others)


def test_the_style_stands_in_the_prompts_where_the_instruction_says_so() -> None:
    style = {"openings": ["Hello"], "max_words": 20, "forbidden": ["{labels}", "cheap"], "rubric": "Warm.\nPlain."}
    task = settings({"instruction": "Help customers.\n{style}", "style": style}).task
    assert task.system_message() == (
        'Help customers.\n- Begin with "Hello".\n- Write at most 20 words.\n- Never write "{labels}" or "cheap".'
        "\n- Warm.\n- Plain."
    )
    assert settings({"instruction": "Help customers.", "style": style}).task.system_message() == "Help customers."


def test_another_style_measures_again_and_trains_again_only_where_prompts_say_it() -> None:
    def hashes(instruction: str, words: int) -> dict[str, str]:
        use_case = NamedUseCase(
            name="support", settings=settings({"instruction": instruction, "style": {"max_words": words}})
        )
        return {name: STAGES[name].settings_hash(use_case) for name in ("adapter_checkpoint", "evaluation_report")}

    untold, told = ([hashes(text, words) for words in (5, 6)] for text in ("Help.", "Help. {style}"))
    assert untold[0]["adapter_checkpoint"] == untold[1]["adapter_checkpoint"]
    assert told[0]["adapter_checkpoint"] != told[1]["adapter_checkpoint"]
    assert untold[0]["evaluation_report"] != untold[1]["evaluation_report"]
    # What was trained before there were styles is trained still.
    before = Task(kind="generation", instruction="Help.").model_dump(mode="json", exclude={"style"})
    assert settings({"instruction": "Help."}).task.hashed() == before


def test_a_judge_is_asked_about_the_voice_too() -> None:
    assert rubric_of(Judge(rubric="The right one."), Style(max_words=3)) == "The right one."
    asked = rubric_of(Judge(rubric="The right one."), Style(rubric="Warm and plain."))
    assert asked.startswith("The right one.") and asked.endswith("Warm and plain.")


STYLE = {"forbidden": ["Please note", *ATTACKS], "max_sentences": 1, "rubric": f"Warm. {ATTACKS[0]}"}
SECRET = "quokka"
"""A word of every answer, which may leave the restricted zone in no page."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tiny.TinyCase:
    plain = tiny.attributes_for

    def attributes(*given: Any, **evaluation: Any) -> dict[str, Any]:
        made = plain(*given, **evaluation)
        made["task"] |= {"style": STYLE}
        return made

    def generate(model: Any, tokenizer: Any, prompts: list, *_: Any) -> list[str]:
        kept, broken = f"The {SECRET} is fine.", f"PLEASE  note: the {SECRET}. {ATTACKS[0]}"
        return [kept if hasattr(model, "peft_config") or not place % 4 else broken for place in range(len(prompts))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "attributes_for", attributes)
        patch.setattr("ft_platform.evaluation.evaluate.generate", generate)
        return tiny.tiny_case(tmp_path_factory.mktemp("style"), "generation")


def test_planted_answers_that_break_the_style_are_found_and_the_fine_tuned_model_is_better(case: tiny.TinyCase) -> None:
    found = read_metrics(case.lake, case.report)
    assert found["systems"]["fine_tuned"]["style"]["value"] == 1.0
    assert found["systems"]["base_zero_shot"]["style"]["value"] == 3 / 12
    assert found["differences"]["base_few_shot"]["style"]["low"] > 0
    assert found["main_metric"] != "style"
    assert found["style"]["phrases"]["Please note"]["base_few_shot"] == 9
    assert found["style"]["phrases"][ATTACKS[0]]["fine_tuned"] == 0
    rows = rows_of(read_predictions(case.lake, case.report), "fine_tuned")
    assert rows["keeps_style"].to_pylist() == [True] * 12


def test_the_gate_asks_for_a_share_of_answers_that_keep_the_style(case: tiny.TinyCase) -> None:
    found = read_metrics(case.lake, case.report)
    plain = case.use_case.settings.model_dump(mode="json", exclude={"gate"})
    asking = UseCase.model_validate({**plain, "gate": {"metric": "style", "floors": {"style": 0.95}}})
    rules = {one.name: one for one in rules_of(NamedUseCase(name="complaints", settings=asking), None)}

    def judged(rule: str, system: str) -> bool:
        told = {**found, "systems": {"fine_tuned": found["systems"][system]}}
        figures = typed("evaluation_report", "eval", json.dumps(told).encode())
        items = {"evaluation_report": Item("evaluation_report", case.report, figures, ())}
        return rules[rule].judge(Evidence(case.checkpoint, (), {}, {}, items, ())).passed

    assert judged("floor/style", "fine_tuned") and not judged("floor/style", "base_few_shot")
    assert judged("beats/base_few_shot", "fine_tuned")
    # A style says nothing about whether answers are right: no policy takes it for quality unless it says so.
    assert "gate.metric must be one of" in " ".join(one.text for one in undercuts(asking, Policy()))


def test_hostile_phrases_are_text_in_the_page_and_no_answer_is_in_it(case: tiny.TinyCase) -> None:
    page = case.lake.read_file(case.report, "report.html").decode()
    assert problems_of(page) == [] and SECRET not in page
    words = " ".join(Page(page).words.split())
    assert f"answers with “{' '.join(ATTACKS[0].split())}”" in words and "answers with “Please note”" in words
    assert "Not measured here: the voice in words" in words and "Whether it keeps the style" in words
    assert SECRET not in json.dumps(read_metrics(case.lake, case.report))


def test_review_sheets_ask_about_the_voice(case: tiny.TinyCase, tmp_path: Path) -> None:
    export_sheets(case.lake, case.use_case, tmp_path, raters=1, file_format="html")
    sheet = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    data = json.loads(sheet.split('id="data">')[1].split("</script>")[0])
    assert data["voice"] == f"An answer is better if it also sounds like this: {STYLE['rubric']}"
    assert ATTACKS[0] not in sheet
