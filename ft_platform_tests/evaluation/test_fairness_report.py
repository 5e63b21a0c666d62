"""The whole fairness report of a tiny model that is really trained: swapped terms, mitigation before and after,
amplification, data."""

import io
import json
import re
from typing import Any

import pyarrow.parquet as pq
import pytest

from ft_platform.evaluation.fairness_outputs import MITIGATED, SWAPS, groups_of
from ft_platform.evaluation.fairness_summary import summary
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.mitigation_figures import NOTHING_BEFORE, evaluation_before, mitigation_figures
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.records import side_of
from ft_platform.lake.gate import problems_with
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.fairness_sections import mitigation_section
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform_tests.evaluation.fair_case import FairCase, fair_case
from ft_platform_tests.evaluation.tiny_case import CANARY, HOSTILE


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> FairCase:
    return fair_case(tmp_path_factory.mktemp("labels"), "classification")


@pytest.fixture(scope="module")
def plain(labels: FairCase) -> ArtifactVersion:
    return labels.fairness()


def figures(case: FairCase, report: ArtifactVersion) -> dict[str, Any]:
    return json.loads(case.lake.read_file(report, "fairness.json"))


def table(case: FairCase, version: ArtifactVersion, name: str):
    return pq.read_table(io.BytesIO(case.lake.read_file(version, name)))


def test_a_word_that_the_label_follows_from_flips_answers_and_one_that_says_nothing_flips_fewer(
    labels: FairCase, plain: ArtifactVersion
) -> None:
    found = figures(labels, plain)["swaps"]
    assert found["words"]["flip_rate"]["value"] > 0.8 and found["words"]["rows"] == 20
    assert found["gender"]["rows"] == 20 and found["gender"]["flip_rate"]["value"] < found["words"]["flip_rate"]["low"]
    assert found["absent"] == {
        "rows": 0,
        "flip_rate": None,
        "flips": [],
        "chrf_distance": None,
        "repeat_rate": None,
        "status": "not_enough_evidence",
    }
    flips = {(flip["from"], flip["to"]) for flip in found["words"]["flips"]}
    assert {("card", "loan"), ("loan", "card")} <= flips


def test_swapped_answers_are_those_of_the_model_to_the_swapped_prompt(labels: FairCase, plain: ArtifactVersion) -> None:
    from ft_platform.models import base_model
    from ft_platform.models.adapter import with_adapter
    from ft_platform.models.kernels.packed_forward import padded_forward
    from ft_platform.models.rendering.renderer import Renderer, labels_of

    evaluation = labels.evaluation()
    rows = table(labels, evaluation, SWAPS)
    expected = ["swap", "record_id", "label", "predicted", "swapped", "changed", "repeated_changed", "chrf_distance"]
    assert rows.schema.names == expected
    tuned = rows_of(read_predictions(labels.lake, evaluation), "fine_tuned")
    predicted = dict(zip(tuned["record_id"].to_pylist(), tuned["predicted"].to_pylist(), strict=True))
    splits, settings = labels.lake.read_table(labels.splits), labels.use_case().settings
    model, tokenizer = base_model.load(
        base_model.resolve(settings.base_model, labels.environment.cache_path), "float32", "none"
    )
    checkpoint = labels.lake.artifacts("complaints", "adapter_checkpoint")[-1]
    renderer = Renderer(tokenizer, settings.task, labels_of(splits))
    with labels.lake.local_copy(checkpoint) as folder:
        model = with_adapter(model, folder)
    texts = {row["record_id"]: row["messages"][0]["content"] for row in splits.to_pylist()}
    import torch

    from ft_platform.models.kernels.packed_attention import Segment

    for row in [row for row in rows.to_pylist() if row["swap"] == "words"][:6]:
        assert row["predicted"] == predicted[row["record_id"]]
        assert row["changed"] == (row["swapped"] != row["predicted"])
        text = texts[row["record_id"]]
        swapped = text.replace("swipe", "house") if "swipe" in text else text.replace("house", "swipe")
        prompt = renderer.prompt_ids([{"role": "user", "content": swapped}])
        scores = {}
        for label in renderer.labels:
            answer = renderer.answer_ids(label)
            keep = [(0, len(prompt) - 1 + place) for place in range(len(answer))]
            with torch.no_grad():
                logits = padded_forward(model, [Segment([*prompt, *answer[:-1]])], [], keep)
            scores[label] = float(torch.log_softmax(logits.float(), dim=-1)[range(len(answer)), answer].sum())
        assert row["swapped"] == max(scores, key=lambda label: scores[label])


def test_every_feature_has_amplification_and_data_with_the_figures_of_the_predictions(
    labels: FairCase, plain: ArtifactVersion
) -> None:
    from fairlearn.metrics import demographic_parity_difference

    found = figures(labels, plain)
    amplification = found["features"]["region"]["amplification"]
    frame = read_predictions(labels.lake, labels.evaluation()).to_pandas()
    gaps = {}
    for system in ("fine_tuned", "base_zero_shot", "base_few_shot"):
        rows = frame[frame["system"] == system]
        given = rows["predicted"] == amplification["label"]
        gaps[system] = demographic_parity_difference(given, given, sensitive_features=rows["feature_region"])
    for system in ("base_zero_shot", "base_few_shot"):
        assert amplification["versus"][system]["value"] == pytest.approx(gaps["fine_tuned"] - gaps[system])
    assert found["data"]["region"]["groups"]["north"]["rows"] == 50 and found["data"]["region"]["status"] == "compared"
    assert found["mitigation"] is None


def test_group_label_figures_equal_scikit_learn_and_fairlearn(labels: FairCase, plain: ArtifactVersion) -> None:
    from fairlearn.metrics import (
        MetricFrame,
        equalized_odds_ratio,
        false_negative_rate,
        false_positive_rate,
        selection_rate,
    )
    from sklearn.metrics import f1_score, precision_score, recall_score

    region = figures(labels, plain)["features"]["region"]
    rows = rows_of(read_predictions(labels.lake, labels.evaluation()), "fine_tuned").to_pandas()
    metrics = {
        "precision": precision_score,
        "recall": recall_score,
        "f1": f1_score,
        "selection_rate": selection_rate,
        "false_positive_rate": false_positive_rate,
        "false_negative_rate": false_negative_rate,
    }
    for label in ("card", "loan"):
        truth, given = rows["label"] == label, rows["predicted"] == label
        frame = MetricFrame(metrics=metrics, y_true=truth, y_pred=given, sensitive_features=rows["feature_region"])
        for group, expected in frame.by_group.iterrows():
            found = region["groups"][group]["label_figures"][label]
            seen = {name: value for name, value in found.items() if value is not None}
            assert seen == {name: pytest.approx(expected[name]) for name, value in found.items() if value is not None}
            assert all(expected[name] == 0 for name, value in found.items() if value is None)
    odds = region["equalized_odds"]
    truth, given = rows["label"] == odds["label"], rows["predicted"] == odds["label"]
    assert odds["ratio"] == pytest.approx(equalized_odds_ratio(truth, given, sensitive_features=rows["feature_region"]))
    for name, error in region["errors"].items():
        assert error["value"] >= 0 and error["rate"] == name


def test_intervals_of_rates_and_ratios_stand_on_the_page_and_in_the_summary(
    labels: FairCase, plain: ArtifactVersion
) -> None:
    shown = summary(plain, figures(labels, plain), labels.use_case())["features"]["region"]
    page = labels.lake.read_file(plain, "report.html").decode()
    for name in ("selection_rate", "recall", "false_positive_rate"):
        value, ends = (shown["groups"]["north"][key]["card"][name] for key in ("label_figures", "label_intervals"))
        assert ends["low"] <= value <= ends["high"]
        assert f'{value:.3f}<br><span class="interval">{ends["low"]:.3f} to {ends["high"]:.3f}</span>' in page
    parity = shown["demographic_parity_difference"]
    assert parity["ratio_low"] <= parity["ratio"]
    assert f'{parity["ratio"]:.3f}<br><span class="interval">{parity["ratio_low"]:.3f} to ' in page


@pytest.mark.parametrize(
    "mitigation",
    ["threshold_optimizer", pytest.param("exponentiated_gradient", marks=pytest.mark.slow), "correlation_remover"],
)
def test_a_mitigation_of_outputs_is_measured_before_and_after_in_one_run(
    labels: FairCase, plain: ArtifactVersion, mitigation: str
) -> None:
    chosen = {"mitigation": mitigation, "mitigation_label": "card"}
    evaluation = labels.evaluation(**chosen)
    assert labels.lake.manifest(evaluation).parents[-1] == labels.lake.manifest(labels.evaluation()).parents[-1], (
        "nothing is trained again"
    )
    found = figures(labels, labels.fairness(**chosen))["mitigation"]
    systems = {"threshold_optimizer": ["before", "mitigated"]}.get(mitigation, ["before", "head", "mitigated"])
    assert list(found["systems"]) == systems and found["status"] == "measured" and found["where"] == "outputs"
    rows = table(labels, evaluation, MITIGATED)
    test = side_of(labels.use_case(), labels.lake.read_table(labels.splits), "test")
    assert rows_of(rows, "mitigated")["record_id"].to_pylist() == test.rows["record_id"].to_pylist()
    assert rows_of(rows, "mitigated")["label"].to_pylist() == test.answers
    right = [t == p for t, p in zip(test.answers, rows_of(rows, "mitigated")["predicted"].to_pylist(), strict=True)]
    assert found["systems"]["mitigated"]["quality"]["accuracy"]["value"] == pytest.approx(sum(right) / len(right))
    from fairlearn.metrics import demographic_parity_difference

    given = [p == "card" for p in rows_of(rows, "mitigated")["predicted"].to_pylist()]
    gap = demographic_parity_difference(given, given, sensitive_features=groups_of(test, "region"))
    assert found["label"] == "card" and found["systems"]["mitigated"]["gap"]["value"] == pytest.approx(gap)
    assert found["change"]["gap"]["value"] == pytest.approx(gap - found["systems"]["before"]["gap"]["value"])
    assert found["change"]["quality"]["accuracy"]["low"] <= found["change"]["quality"]["accuracy"]["value"]


def test_a_mitigation_in_training_is_compared_with_the_evaluation_without_it(
    labels: FairCase, plain: ArtifactVersion
) -> None:
    use_case, evaluation = labels.use_case(mitigation="reweighting"), labels.evaluation(mitigation="reweighting")
    before = evaluation_before(labels.lake, use_case, evaluation)
    assert before == labels.evaluation()
    report = publish_fairness(labels.lake, use_case, evaluation)
    found = figures(labels, report)["mitigation"]
    assert found["compared_with"] == before.artifact_id and found["status"] == "measured"
    assert list(found["systems"]) == ["before", "mitigated"]
    accuracies = {
        name: rows_of(read_predictions(labels.lake, version), "fine_tuned")["correct"].to_pylist()
        for name, version in (("before", before), ("mitigated", evaluation))
    }
    for name, correct in accuracies.items():
        assert found["systems"][name]["quality"]["accuracy"]["value"] == pytest.approx(sum(correct) / len(correct))
        assert found["systems"][name]["swaps"]["words"]["rows"] == 20
    assert "trade_off.png" in labels.lake.manifest(report).files
    assert problems_with(labels.lake, use_case, report) == []


def test_without_an_evaluation_to_compare_with_a_mitigation_has_no_figures(labels: FairCase) -> None:
    use_case, evaluation = labels.use_case(mitigation="reweighting"), labels.evaluation(mitigation="reweighting")
    found = mitigation_figures(labels.lake, use_case, evaluation, None)
    assert found is not None and found["status"] == NOTHING_BEFORE and found["systems"] == {}
    assert found["compared_with"] is None
    section = mitigation_section(found)
    assert section is not None and not section["good"] and "has no before and after" in section["sentence"]
    other = labels.use_case(mitigation="reweighting", swaps=[])
    assert evaluation_before(labels.lake, other, evaluation) == labels.evaluation(), (
        "the settings of the two evaluations decide, not those of today"
    )


def test_pages_show_everything_and_nothing_of_a_record(labels: FairCase, plain: ArtifactVersion) -> None:
    for report in (
        plain,
        labels.fairness(mitigation="threshold_optimizer", mitigation_label="card"),
        labels.fairness(mitigation="reweighting"),
    ):
        text = labels.lake.read_file(report, "report.html").decode()
        assert "<script>" not in text and CANARY not in text and HOSTILE not in text
        assert not re.search(r"https?://", text)
        assert "What training did to the gaps" in text and "The data" in text and "False negative rate" in text
        assert ("costs and benefits" in text) is (report is not plain)
        assert "of the answers change" in text and "absent: not enough evidence" in text
        for name in [*labels.lake.manifest(report).files, "manifest.json"]:
            assert CANARY.encode() not in labels.lake.read_file(report, name)


@pytest.mark.integration
def test_texts_are_compared_with_the_swapped_answer_and_with_the_same_prompt_asked_again(tmp_path) -> None:
    case = fair_case(tmp_path, "generation", 50, epochs=1)
    report = case.fairness()
    found, rows = figures(case, report), table(case, case.evaluation(), SWAPS).to_pylist()
    assert found["swaps"]["gender"]["rows"] == 10 and 0 <= found["swaps"]["gender"]["chrf_distance"]["value"] <= 1
    expected = sum(r["changed"] for r in rows if r["swap"] == "gender") / 10
    assert found["swaps"]["gender"]["flip_rate"]["value"] == expected
    assert found["swaps"]["gender"]["repeat_rate"]["value"] == 0.0, "float32 and the same batch size: the same answers"
    assert all(row["label"] is None and row["predicted"] is None for row in rows), "no text is stored"
    assert all((row["chrf_distance"] == 0.0) is not row["changed"] or row["changed"] for row in rows)
    region = found["features"]["region"]
    assert set(region["traits"]["groups"]["north"]) == {"answer_words", "sentiment", "toxicity"}
    assert region["amplification"]["metric"] == "rouge_l"
    page = case.lake.read_file(report, "report.html").decode()
    assert "How answers are worded" in page and CANARY not in page.replace(CANARY.upper(), "")
