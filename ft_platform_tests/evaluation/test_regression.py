"""Non-inferiority by hand, suites against plain computations, and the report of a tiny case. A forgetting model is
planted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from ft_platform.assets.regression_report import why_forgotten
from ft_platform.errors import SourceError, VersionRefused
from ft_platform.evaluation.regression import SuiteResult, compare, general_text, judged, multiple_choice
from ft_platform.evaluation.suites import TEXT, ChoiceItem, InstructionItem, choice_items, instruction_items, passages
from ft_platform.lake.gate import problems_with
from ft_platform.lake.store import Lake
from ft_platform.reporting.publishing import regression
from ft_platform.reporting.publishing.regression import publish_regression_report, suites_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.regression import Regression
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import TinyCase, tiny_case


def accuracy(hits: list[float]) -> SuiteResult:
    return SuiteResult("accuracy", True, np.stack([hits, np.ones(len(hits))], axis=1))


def losses(values: list[float]) -> SuiteResult:
    return SuiteResult("log_perplexity", False, np.stack([values, np.full(len(values), 10.0)], axis=1))


@pytest.mark.parametrize(
    ("value", "low", "high", "margin", "higher", "status"),
    [
        (0.0, -0.1, 0.1, 0.15, True, "within_margin"),
        (-0.05, -0.15, 0.05, 0.15, True, "not_enough_evidence"),  # the interval ends on the margin
        (-0.05, -0.149, 0.05, 0.15, True, "within_margin"),
        (-0.2, -0.3, -0.1, 0.15, True, "beyond_margin"),
        (0.2, 0.1, 0.3, 0.15, True, "within_margin"),  # better
        (0.2, 0.1, 0.3, 0.15, False, "beyond_margin"),  # the same numbers where lower is better
        (0.1, 0.05, 0.16, 0.15, False, "not_enough_evidence"),
        (-0.2, -0.3, -0.1, 0.15, False, "within_margin"),
        (-0.15, -0.15, -0.15, 0.15, True, "beyond_margin"),  # lost exactly the margin
    ],
)
def test_the_whole_interval_must_be_on_the_good_side_of_the_margin(value, low, high, margin, higher, status) -> None:
    assert judged({"value": value, "low": low, "high": high}, margin, higher_is_better=higher) == status
    assert judged(None, margin, higher_is_better=higher) == "not_a_number"


def test_figures_are_means_over_items_and_differences_are_paired() -> None:
    base, tuned = [1.0] * 30 + [0.0] * 10, [1.0] * 29 + [0.0] * 11
    found = compare(
        Regression(suites=["multiple_choice"]),
        {"multiple_choice": accuracy(base)},
        {"multiple_choice": accuracy(tuned)},
        None,
    )["suites"]
    one = found["multiple_choice"]
    assert one["base"]["value"] == 0.75 and one["tuned"]["value"] == 0.725
    assert one["difference"]["value"] == pytest.approx(-0.025)
    # One of 40 items changed: paired, the interval is narrow, though that of each model is 0.27 wide.
    assert one["difference"]["low"] >= -0.1 and one["base"]["high"] - one["base"]["low"] > 0.2
    assert one["non_inferior"] and one["champion"] is None and one["non_inferior_to_champion"] is None


def test_token_losses_are_weighted_by_tokens() -> None:
    heavy = SuiteResult("log_perplexity", False, np.array([[10.0, 10.0], [90.0, 30.0]]))
    found = compare(Regression(suites=["general_text"]), {"general_text": heavy}, {"general_text": heavy}, None)[
        "suites"
    ]["general_text"]
    assert found["base"]["value"] == pytest.approx(100 / 40)
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_figure_that_is_not_a_number_is_none_and_fails_its_suite_and_the_report() -> None:
    settings = Regression(suites=["general_text", "multiple_choice"])
    good = {"general_text": losses([20.0] * 9), "multiple_choice": accuracy([1.0] * 9)}
    assert compare(settings, good, good, None)["passed"]
    for spoilt in (float("nan"), float("inf")):
        bad = {**good, "general_text": losses([20.0] * 8 + [spoilt])}
        for base, tuned in ((good, bad), (bad, good), (bad, bad)):
            found = compare(settings, base, tuned, None)
            one = found["suites"]["general_text"]
            assert not found["passed"] and not one["non_inferior"] and one["status"] == "not_a_number"
            assert one["difference"] is None
            assert found["suites"]["multiple_choice"]["non_inferior"]
            json.dumps(found, allow_nan=False)
            assert "not a number" in why_forgotten(found)


def test_losing_against_the_champion_fails_the_report_too() -> None:
    settings = Regression(suites=["multiple_choice"])
    base, tuned, best = ({"multiple_choice": accuracy([1.0] * n + [0.0] * (40 - n))} for n in (20, 20, 38))
    assert compare(settings, base, tuned, None)["passed"]
    found = compare(settings, base, tuned, best)
    assert not found["passed"] and found["suites"]["multiple_choice"]["non_inferior"]
    assert found["suites"]["multiple_choice"]["non_inferior_to_champion"] is False
    assert "Against the champion" in why_forgotten(found)
    assert compare(settings, base, best, base)["passed"]


def test_the_shipped_items_are_whole_and_answer_themselves() -> None:
    questions, asked = choice_items(), instruction_items()
    assert len(questions) >= 100 and len(asked) >= 150 and len(passages(TEXT.read_bytes())) >= 40
    assert len({item.question for item in questions}) == len(questions)
    assert len({item.instruction for item in asked}) == len(asked)
    for item in questions:
        assert len(set(item.options)) == 4 and 0 <= item.right < 4
    # The right option stands in every place about as often, or "always the first" would score.
    assert np.bincount([item.right for item in questions], minlength=4).min() >= 20
    for item in asked:
        assert item.accepted and all(item.followed_by(f"It is {word}.") for word in item.accepted)
        assert not item.followed_by("I do not know")


@pytest.mark.parametrize(
    ("answer", "followed"),
    [("Blue!", True), ("it is blue", True), ("blueish", False), ("true blue-green", True), ("", False)],
)
def test_an_accepted_word_counts_as_a_word_of_its_own(answer: str, followed: bool) -> None:
    assert InstructionItem("?", ["blue"]).followed_by(answer) is followed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe broken", "not UTF-8"),
        (b"one\n\ntwo", "2 passages"),
        (b"", "0 passages"),
        (b"x" * 20_000_001, "more than 20,000,000 bytes"),
    ],
    ids=["encoding", "few", "empty", "large"],
)
def test_a_text_that_cannot_be_a_suite_is_refused_without_quoting_it(content: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as refused:
        passages(content)
    assert "broken" not in str(refused.value)


def test_passages_are_divided_by_blank_lines_of_every_system() -> None:
    assert passages("\ufeffa b\nc\r\n\r\nd\n \ne\n\n\n\nf\n\ng\n\n".encode()) == ["a b c", "d", "e", "f", "g"]


@pytest.mark.parametrize(
    "settings",
    [
        {"margins": {"general_txt": 0.1}},
        {"margins": {"general_text": 0.0}},
        {"suites": []},
        {"suites": ["instructions"], "text_file": "a.txt"},
        {"suites": ["instructions", "instructions"]},
        {"harness_tasks": ["../evil"]},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Regression.model_validate(settings)


def test_suites_equal_plain_forward_passes() -> None:
    import torch

    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.use_case.schema import Task
    from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

    model, tokenizer = tiny_model(), tiny_tokenizer()
    renderer = Renderer(tokenizer, Task(kind="generation"))

    def log_probability(start: list[int], rest: list[int]) -> float:
        ids = torch.tensor([[*start, *rest]])
        with torch.no_grad():
            logs = model(ids).logits[0].log_softmax(-1)
        return float(sum(logs[len(start) + i - 1, token] for i, token in enumerate(rest)))

    texts = ["The harbour wakes.", "Rain fell all night on the roof."]
    expected = [-log_probability(ids[:1], ids[1:]) for ids in (renderer.text.content(text) for text in texts)]
    assert general_text(model, renderer, texts).statistics[:, 0] == pytest.approx(expected, abs=1e-3)
    items = [ChoiceItem("What do bees make?", ["bread", "honey", "glass", "paper"], place) for place in range(4)]
    prompt = renderer.prompt_ids([{"role": "user", "content": items[0].question}])
    best = int(np.argmax([log_probability(prompt, renderer.text.content(option)) for option in items[0].options]))
    found = multiple_choice(model, renderer, items).statistics[:, 0].tolist()
    assert found == [float(place == best) for place in range(4)]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("regression"), "classification")


def other(case: TinyCase, **regression: Any) -> NamedUseCase:
    settings = case.use_case.settings.model_dump(mode="json") | {"regression": regression}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(settings))


def figures(lake: Lake, report: Any) -> dict[str, Any]:
    return json.loads(lake.read_file(report, "regression.json"))


RUN = regression._run
SMALL = {"rows": 8, "bootstrap_samples": 200}
OTHER = {"base_model": {"sha256": "f" * 64}}


def test_the_report_is_published_once_passes_the_gate_and_recomputes_from_its_items(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    import pandas as pd

    use_case = other(case, **SMALL)
    report = publish_regression_report(case.lake, case.environment, use_case, case.checkpoint)
    assert problems_with(case.lake, use_case, report) == []
    found = figures(case.lake, report)
    assert list(found["suites"]) == ["general_text", "multiple_choice", "instructions"]
    assert found["champion"] == {"checkpoint": None, "status": "there is none yet"}
    items = pd.read_parquet(io.BytesIO(case.lake.read_file(report, "items.parquet")))
    for (suite, system), rows in items.groupby(["suite", "system"]):
        assert len(rows) == 8
        assert found["suites"][suite][system]["value"] == pytest.approx(rows.numerator.sum() / rows.denominator.sum())
    page = case.lake.read_file(report, "report.html").decode()
    assert report.id in page and "http" not in page.replace("http-equiv", "")
    monkeypatch.setattr("ft_platform.models.base_model.load", lambda *_: pytest.fail("a model was loaded"))
    assert publish_regression_report(case.lake, case.environment, use_case, case.checkpoint) == report


def test_the_base_model_is_measured_once_for_all_checkpoints(case: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        regression,
        "_run",
        lambda model, suites, system, *place: (asked.append(system), RUN(model, suites, system, *place))[1],
    )

    def published(**settings: Any) -> tuple[list[str], Any, dict[str, Any]]:
        asked.clear()
        report = publish_regression_report(case.lake, case.environment, other(case, **settings), case.checkpoint)
        return [*asked], pq.read_table(case.lake.open_file(report, "items.parquet")), figures(case.lake, report)

    first, items, found = published(rows=9, bootstrap_samples=200)
    again, same_items, same = published(rows=9, bootstrap_samples=200, margins={"instructions": 0.9})
    assert (first, again) == (["base", "tuned"], ["tuned"]), "another report, and the base model answered before"
    assert same_items.equals(items)
    assert [one["base"] for one in same["suites"].values()] == [one["base"] for one in found["suites"].values()]
    assert published(rows=10, bootstrap_samples=200)[0] == ["base", "tuned"], "other items"
    monkeypatch.setattr(regression, "code", lambda: "0.2.0+other")
    assert published(rows=9, bootstrap_samples=201)[0] == ["base", "tuned"], "other code"


def test_a_model_that_forgot_is_told_from_one_that_did_not(
    case: TinyCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "general.txt"
    text.write_text("\n\n".join(f"Passage {number} about the weather in the valley." for number in range(12)))
    settings = {"suites": ["general_text"], "text_file": str(text), "bootstrap_samples": 200}
    use_case = other(case, **settings, margins={"general_text": 50.0})
    wide = publish_regression_report(case.lake, case.environment, use_case, case.checkpoint)
    found = figures(case.lake, wide)
    assert found["passed"] and found["suites"]["general_text"]["items"] == 12

    def spoilt(model: Any, folder: Path) -> Any:
        import torch

        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3.0)
        return model

    monkeypatch.setattr("ft_platform.reporting.publishing.regression.with_adapter", spoilt)
    bad = figures(
        case.lake, publish_regression_report(case.lake, case.environment, other(case, **settings), case.checkpoint)
    )
    assert not bad["passed"] and bad["suites"]["general_text"]["status"] == "beyond_margin"
    assert "worse by more than the margin" in why_forgotten(bad)
    text.write_text(text.read_text() + "\n\nOne passage more.")
    changed = publish_regression_report(case.lake, case.environment, other(case, **settings), case.checkpoint)
    assert figures(case.lake, changed)["suites"]["general_text"]["items"] == 13, (
        "other content of the user's text is another report"
    )


def test_a_text_outside_the_allowed_places_is_not_read(
    case: TinyCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}/open")
    with pytest.raises(SourceError, match="not on the list"):
        publish_regression_report(
            case.lake, case.environment, other(case, text_file=str(tmp_path / "closed.txt")), case.checkpoint
        )


def test_the_champion_stands_beside_unless_it_has_another_base_model(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = case.lake
    with lake.local_copy(case.checkpoint) as folder, lake.scratch("complaints", "adapter_checkpoint") as copy:
        import shutil

        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("manifest.json"))
        (copy / "note.txt").write_text("the same weights under another id")
        manifest = lake.manifest(case.checkpoint)
        old = lake.publish(
            "complaints",
            "adapter_checkpoint",
            "ckpt-old",
            copy,
            parents=[case.splits],
            settings_hash=manifest.settings_hash,
            input_hash="old",
        )
    made = released(lake, old)
    use_case = other(case, **SMALL, suites=["multiple_choice", "general_text"])
    found = figures(lake, publish_regression_report(lake, case.environment, use_case, case.checkpoint))
    assert found["champion"] == {"checkpoint": "ckpt-old", "status": "compared"}
    for one in found["suites"].values():
        assert one["champion"] == one["tuned"] and one["difference_to_champion"]["value"] == 0
        assert one["non_inferior_to_champion"] is True
    from ft_platform.reporting.publishing import regression as publish_regression

    real = publish_regression._training
    monkeypatch.setattr(
        publish_regression,
        "_training",
        lambda lake, version: OTHER if version.artifact_id == "ckpt-old" else real(lake, version),
    )
    apart = publish_regression.measured(lake, case.environment, use_case, case.checkpoint, old)
    assert "champion" not in apart[0] and apart[1]["status"] == "not compared: it has another base model"
    lake.fs.rm(made.uri, recursive=True)


def test_a_checkpoint_of_another_base_model_is_refused(case: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.reporting.publishing.regression._training", lambda *_: OTHER)
    with pytest.raises(VersionRefused, match="trained on base model ffffffffffff"):
        publish_regression_report(case.lake, case.environment, other(case, rows=9), case.checkpoint)


def test_rows_are_the_same_choice_for_every_model(case: TinyCase) -> None:
    from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

    model, tokenizer = tiny_model(), tiny_tokenizer()

    def run(**settings: Any) -> list[list[float]]:
        return suites_of(case.lake, other(case, suites=["general_text"], **settings), tokenizer)["general_text"](
            model, lambda done: None
        ).statistics.tolist()

    assert run(rows=6) == run(rows=6) and len(run(rows=6)) == 6


def with_a_label_head(case: TinyCase) -> Any:
    """The checkpoint again, with a head in the place of the layer that predicts words."""
    import shutil

    from ft_platform.models.label_head import add_label_head, save_head
    from ft_platform_tests.tiny_models import tiny_model

    manifest = case.lake.manifest(case.checkpoint)
    hashes = {"settings_hash": manifest.settings_hash, "input_hash": "head"}
    with case.lake.local_copy(case.checkpoint) as folder, case.lake.scratch("complaints", "adapter_checkpoint") as copy:
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("manifest.json"))
        save_head(add_label_head(tiny_model(), 3), copy)
        return case.lake.publish("complaints", "adapter_checkpoint", "ckpt-head", copy, parents=[case.splits], **hashes)


def test_a_checkpoint_that_scores_labels_is_not_asked_to_write(case: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.models.base_model.load", lambda *_: pytest.fail("a model was loaded"))
    scorer = with_a_label_head(case)
    # The settings do not count: they say `sft`. What is not read need not be readable either.
    use_case = other(case, rows=11, suites=["general_text", "instructions"], text_file="/nowhere/own.txt")
    report = publish_regression_report(case.lake, case.environment, use_case, scorer)
    found = figures(case.lake, report)
    why = "This checkpoint scores labels and writes nothing: 2 suites that ask it to write do not apply."
    assert found == {
        "suites": {},
        "passed": True,
        "not_applicable": why,
        "champion": {"checkpoint": None, "status": "there is none yet"},
        "confidence": 0.95,
    }
    page = case.lake.read_file(report, "report.html").decode()
    assert why in page and "<table" in page and "Suites" not in page and "<img" not in page
    case.lake.fs.rm(scorer.uri, recursive=True)


def test_a_champion_that_scores_labels_is_not_asked_to_write_beside_one_that_writes(case: TinyCase) -> None:
    scorer = with_a_label_head(case)
    use_case = other(case, **SMALL, suites=["multiple_choice"])
    results, about, _ = regression.measured(case.lake, case.environment, use_case, case.checkpoint, scorer)
    assert "champion" not in results and about["status"] == "not compared: it scores labels and writes nothing"
    case.lake.fs.rm(scorer.uri, recursive=True)
