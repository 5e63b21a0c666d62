"""A decision says first which simpler system is at least as good, with both values and what each costs to run."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.commands.terminal import print_summary
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.evidence import REQUIRED
from ft_platform.release.simpler import MAY_LOSE
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, difference, figure, good_figures
from ft_platform_tests.reporting.page_rules import Page


def figures(**values: float) -> dict[str, Any]:
    """Evidence in which systems have these macro-F1; the fine-tuned model has 0.9."""
    found = good_figures()
    for system, value in values.items():
        found = changed(found, "evaluation_report", ("systems", system, "macro_f1"), figure(value))
        found = changed(found, "evaluation_report", ("differences", system, "macro_f1"), difference(0.9 - value))
    taken = {"seconds": 0.04, "money": None, "currency": "EUR"}
    return changed(found, "evaluation_report", ("per_1000_requests", "tfidf_logreg"), taken)


WINS = (
    "You may not need this model: TF-IDF + logistic regression reaches Macro F1 0.950 and takes 0.04 seconds for 1,000"
    " requests; the fine-tuned model reaches 0.900 and takes 40.0 seconds (0.50 EUR) for 1,000 requests."
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, None),
        ({"tfidf_logreg": 0.899}, None),
        ({"base_few_shot": 0.95, "champion": 0.95}, None),  # language models
        ({"tfidf_logreg": 0.95}, WINS),
        (
            {"linear_probe": 0.9},
            "Linear probe of the base model reaches Macro F1 0.900 and takes 40.0 seconds (0.50 EUR) for 1,000",
        ),
        (
            {"tfidf_logreg": 0.91, "linear_probe": 0.93, "majority": 0.9},
            "Linear probe of the base model reaches Macro F1 0.930 and takes 40.0 seconds (0.50 EUR) for 1,000"
            " requests; TF-IDF + logistic regression reaches Macro F1 0.910 and takes 0.04 seconds",
        ),
    ],
)
def test_values_and_costs_are_named_the_best_system_first(
    values: dict[str, float], words: str | None, tmp_path: Path
) -> None:
    simpler = EvidenceCase(tmp_path, figures=figures(**values)).publish().decide().simpler
    assert simpler is None if words is None else simpler and words in simpler.says


def test_a_linear_probe_can_be_released_in_place_of_the_model_and_is_not_told_to_replace_itself(
    tmp_path: Path,
) -> None:
    found = figures(linear_probe=0.93)
    decision = EvidenceCase(tmp_path / "lora", figures=found).publish().decide()
    assert decision.simpler and "released in its place: set training.method: linear_probe." in decision.simpler.says
    assert decision.to_dict()["simpler_method"] == "linear_probe"
    words = EvidenceCase(tmp_path / "words", figures=figures(tfidf_logreg=0.93)).publish().decide().to_dict()
    assert words["simpler"] and "simpler_method" not in words, "TF-IDF is named, and nothing is offered"
    probe = {"training": {"method": "linear_probe"}}
    assert EvidenceCase(tmp_path / "probe", probe, found).publish().decide().simpler is None


def test_the_metric_of_the_gate_counts(tmp_path: Path) -> None:
    found = changed(
        figures(tfidf_logreg=0.95), "evaluation_report", ("systems", "tfidf_logreg", "accuracy"), figure(0.5)
    )
    case = EvidenceCase(tmp_path, {"gate": {"metric": "accuracy"}}, found).publish()
    assert case.decide().simpler is None


def test_evidence_that_may_not_be_relied_on_says_nothing(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, figures=figures(tfidf_logreg=0.95)).publish()
    file = Path(case.lake.path_of("shared", "complaints", "evaluation_report", "evaluation_report", "metrics.json"))
    file.write_text(file.read_text() + " ")
    assert case.decide().simpler is None


def test_the_command_the_decision_and_its_page_say_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = EvidenceCase(tmp_path, figures=figures(tfidf_logreg=0.95)).publish()
    write_use_case(tmp_path / "defs", "complaints", case.attributes_used)
    for name, value in {"FT_HOME": tmp_path, "FT_DEFS": tmp_path / "defs"}.items():
        monkeypatch.setenv(name, str(value))
    assert main(["decide", "complaints"]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == WINS
    assert "refused" in second and second.endswith("This rests on 400 of 400 test records.")
    decision = case.published_decision()
    found = json.loads(case.lake.read_file(decision, "decision.json"))
    assert found["simpler"] == WINS
    broken = [rule["rule"] for rule in found["rules"] if not rule["passed"]]
    assert broken == ["beats/tfidf_logreg"]
    page = case.lake.read_file(decision, "decision_brief.html").decode()
    assert page.index(WINS) < page.index("It may not be released")


def test_a_run_says_it_before_how_the_release_ended(capsys: pytest.CaptureFixture[str]) -> None:
    decision = {
        "checkpoint": "ckpt-1",
        "words": "succeeded, release refused",
        "waived": [],
        "broken": {},
        "brief": "b",
        "tested": None,
    }
    shown = {"funnel": [], "systems": {}, "reused": [], "trained": True, "seconds": {}, "report": None}
    print_summary({**shown, "decision": {**decision, "simpler": WINS}})
    said = capsys.readouterr().out
    assert said.index("You may not need this model") < said.index("release refused")
    print_summary({**shown, "decision": {**decision, "simpler": None}})
    assert "None" not in capsys.readouterr().out


PAIRS = {"only_first": 8, "only_second": 8}


def after_a_release(
    home: Path, before: str | None, method: str | None, gain: float, half: float = 0.02, pairs: Any = PAIRS
) -> tuple[EvidenceCase, ArtifactVersion]:
    """A checkpoint of this method with this gain over a released one of another method; and the released one."""
    case = EvidenceCase(home, method=before).publish()
    champion = case.versions["adapter_checkpoint"]
    released(case.lake, champion)
    case.method = method
    case.versions["adapter_checkpoint"] = case.checkpoint("next")
    named = {"checkpoint": "ckpt-weights", "status": "compared"}
    report = case.figures["evaluation_report"]
    report["info"] = case.figures["regression_report"]["champion"] = {"champion": named}
    case.figures["regression_report"]["champion"] = named
    report["differences"]["champion"] = {"macro_f1": difference(gain, half)}
    report["tests"]["champion"]["mcnemar"] = pairs
    for stage in ("base_evaluation", *REQUIRED):
        case.versions[stage] = case.add(stage, "-next")
    return case, champion


@pytest.mark.parametrize(
    ("before", "method", "gain", "half", "pairs", "accepted"),
    [
        ("lora", "linear_probe", 0.0, 0.02, PAIRS, True),
        ("lora", "linear_probe", -0.02, 0.02, PAIRS, True),
        (None, "linear_probe", 0.0, 0.02, PAIRS, True),  # the champion is older than other methods
        ("linear_probe", "tfidf_logreg", 0.0, 0.02, PAIRS, True),
        ("lora", "linear_probe", -0.04, 0.02, PAIRS, False),  # the interval reaches -0.06
        ("lora", "linear_probe", -0.2, 0.02, PAIRS, False),  # clearly worse
        ("lora", "linear_probe", 0.0, 0.06, PAIRS, False),  # nobody can tell
        ("lora", "linear_probe", 0.0, 0.0, {"only_first": 20, "only_second": 40}, False),  # by the exact interval
        ("lora", "linear_probe", 0.0, 0.0, None, False),  # there is no exact interval
        ("lora", "lora", 0.0, 0.02, PAIRS, False),  # a tie of fine-tuned models
        ("lora", "full", 0.0, 0.02, PAIRS, False),
        ("linear_probe", "linear_probe", 0.0, 0.02, PAIRS, False),
        ("linear_probe", "lora", 0.0, 0.02, PAIRS, False),  # a fine-tuned model that ties with the probe
        ("tfidf_logreg", "linear_probe", 0.0, 0.02, PAIRS, False),
        ("lora", None, 0.0, 0.02, PAIRS, False),  # nobody knows what it is
    ],
)
def test_in_place_of_the_champion_a_simpler_model_need_only_not_be_worse(
    tmp_path: Path, before: str | None, method: str | None, gain: float, half: float, pairs: Any, accepted: bool
) -> None:
    case, _ = after_a_release(tmp_path, before, method, gain, half, pairs)
    decision = case.decide()
    assert [one.rule for one in decision.refusing] == ([] if accepted else ["beats/champion"])
    ruling = next(one for one in decision.rulings if one.rule == "beats/champion")
    assert ("a simpler model than the champion" in ruling.why) == accepted
    assert f"a simpler kind of model may be up to {MAY_LOSE:g} worse" in ruling.needed


def test_who_rewrites_what_the_champion_was_made_with_makes_no_model_simpler(tmp_path: Path) -> None:
    case, champion = after_a_release(tmp_path, "linear_probe", "linear_probe", 0.0)
    file = Path(case.lake.path_of("shared", "complaints", "adapter_checkpoint", champion.artifact_id, "training.json"))
    file.write_text(file.read_text().replace("linear_probe", "lora"))
    decision = case.decide()
    assert "beats/champion" in [one.rule for one in decision.refusing]
    assert not decision.evidence.simpler


def test_the_brief_of_a_probe_calls_it_one_and_compares_it_with_no_probe(tmp_path: Path) -> None:
    pages = {}
    for method in ("lora", "linear_probe"):
        training = {"training": {"method": method}}
        case = EvidenceCase(tmp_path / method, training, figures(linear_probe=0.7), method=method).publish()
        pages[method] = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    assert "the fine-tuned model gets about" in pages["lora"]
    assert "the trained linear probe gets about" in pages["linear_probe"]
    assert "inear probe of the base model" in pages["lora"]
    assert "inear probe of the base model" not in pages["linear_probe"]
    assert "ine-tuned" not in Page(pages["linear_probe"]).words


def test_other_systems_must_be_beaten_by_a_simpler_model_too(tmp_path: Path) -> None:
    case, _ = after_a_release(tmp_path, "lora", "linear_probe", 0.0)
    case.figures["evaluation_report"]["differences"]["base_few_shot"] = {"macro_f1": difference(0.0)}
    case.versions["evaluation_report"] = case.add("evaluation_report", "-tied")
    for stage in REQUIRED:
        case.versions[stage] = case.add(stage, "-tied")
    assert "beats/base_few_shot" in [one.rule for one in case.decide().refusing]
