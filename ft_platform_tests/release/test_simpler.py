"""A decision says first which simpler system is at least as good, with both values and what each costs to run."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.commands.terminal import print_summary
from ft_platform.evaluation.systems import NOT_FINE_TUNED, TITLES
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import Decision
from ft_platform.release.evidence import REQUIRED
from ft_platform.release.simpler import MAY_LOSE
from ft_platform.use_case.settings.gate import alternatives
from ft_platform.use_case.settings.training import REGRESSIONS
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
    " requests; the fine-tuned model reaches 0.900 and takes 40.0 seconds (0.50 EUR) for 1,000 requests. To have the"
    " TF-IDF classifier judged and released in its place: set training.method: tfidf_logreg."
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, None),
        ({"tfidf_logreg": 0.899}, None),
        ({"base_few_shot": 0.95, "champion": 0.95}, None),  # language models
        ({"majority": 0.95}, "requests; the fine-tuned model reaches 0.900"),
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


@pytest.mark.parametrize(
    ("values", "method", "methods"),
    [
        ({"linear_probe": 0.93}, "lora", ["linear_probe"]),
        ({"tfidf_logreg": 0.9}, "lora", ["tfidf_logreg"]),
        ({"tfidf_logreg": 0.91, "linear_probe": 0.93}, "lora", ["tfidf_logreg", "linear_probe"]),
        ({"nearest_neighbour": 0.93}, "lora", []),  # nobody releases that
        ({"linear_probe": 0.93}, "linear_probe", None),
        ({"tfidf_logreg": 0.93, "linear_probe": 0.93}, "linear_probe", ["tfidf_logreg"]),
        ({"tfidf_logreg": 0.93, "linear_probe": 0.93}, "tfidf_logreg", None),  # a probe costs more than words
        ({"majority": 0.93}, "tfidf_logreg", []),
    ],
)
def test_simpler_models_can_be_released_in_place_of_the_model_and_none_is_told_to_replace_itself(
    tmp_path: Path, values: dict[str, float], method: str, methods: list[str] | None
) -> None:
    training = {"training": {"method": method}}
    decision = EvidenceCase(tmp_path, training, figures(**values), method=method).publish().decide()
    said = decision.simpler
    assert (said is None) == (methods is None) and decision.to_dict().get("simpler_methods", []) == (methods or [])
    if said is not None:
        assert f"the {NOT_FINE_TUNED.get(method, 'fine-tuned model')} reaches 0.900" in said.says
        assert [f"set training.method: {one}." in said.says for one in REGRESSIONS] == [
            one in (methods or []) for one in REGRESSIONS
        ]


@pytest.mark.parametrize("method", NOT_FINE_TUNED)
def test_a_model_need_not_beat_itself(tmp_path: Path, method: str) -> None:
    asked = {"gate": {"beats": [*alternatives("classification"), "linear_probe"]}}
    found = figures(tfidf_logreg=0.9, linear_probe=0.9)
    cases = {
        one: EvidenceCase(tmp_path / one, {**asked, "training": {"method": one}}, found, method=one).publish()
        for one in ("lora", method)
    }
    rules = {one: {ruling.rule: ruling.passed for ruling in case.decide().rulings} for one, case in cases.items()}
    assert rules["lora"][f"beats/{method}"] is False, "a tie is refused"
    assert f"beats/{method}" not in rules[method] and rules[method]["beats/majority"]


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


PAIRS = {"only_first": 8, "only_second": 8, "p": 1.0}


def after_a_release(
    home: Path, before: str | None, method: str | None, gain: float, half: float = 0.02, pairs: Any = PAIRS
) -> tuple[EvidenceCase, ArtifactVersion]:
    """A checkpoint of this method with this gain over a released one of another method; and the released one."""
    case = EvidenceCase(home, method=before).publish()
    champion = case.versions["adapter_checkpoint"]
    released(case.lake, champion)
    follow(case, "next", method, gain, half, pairs)
    return case, champion


def follow(
    case: EvidenceCase, name: str, method: str | None, gain: float, half: float = 0.02, pairs: Any = PAIRS
) -> None:
    """Trains a checkpoint of this method, which the reports compare with the one before it, the champion."""
    named = {"checkpoint": case.versions["adapter_checkpoint"].artifact_id, "status": "compared"}
    case.method = method
    case.versions["adapter_checkpoint"] = case.checkpoint(name)
    report = case.figures["evaluation_report"]
    report["info"] = {"champion": named}
    case.figures["regression_report"]["champion"] = named
    report["differences"]["champion"] = {"macro_f1": difference(gain, half)}
    report["tests"]["champion"]["mcnemar"] = pairs
    for stage in ("base_evaluation", *REQUIRED):
        case.versions[stage] = case.add(stage, f"-{name}")


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
    assert decision.evidence.may_lose == 0.0


@pytest.mark.parametrize(("method", "name"), NOT_FINE_TUNED.items())
def test_the_brief_of_a_model_that_is_not_fine_tuned_calls_it_by_its_name_and_compares_it_with_no_other(
    tmp_path: Path, method: str, name: str
) -> None:
    pages = {}
    for one in ("lora", method):
        training = {"training": {"method": one}}
        case = EvidenceCase(tmp_path / one, training, figures(**{method: 0.7}), method=one).publish()
        pages[one] = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    own, others = (Page(pages[one]).words for one in (method, "lora"))
    assert "the fine-tuned model gets about" in others
    assert f"the trained {name} gets about" in own
    assert TITLES[method] in others
    assert TITLES[method] not in own
    assert "ine-tuned" not in own


def test_other_systems_must_be_beaten_by_a_simpler_model_too(tmp_path: Path) -> None:
    case, _ = after_a_release(tmp_path, "lora", "linear_probe", 0.0)
    case.figures["evaluation_report"]["differences"]["base_few_shot"] = {"macro_f1": difference(0.0)}
    case.versions["evaluation_report"] = case.add("evaluation_report", "-tied")
    for stage in REQUIRED:
        case.versions[stage] = case.add(stage, "-tied")
    assert "beats/base_few_shot" in [one.rule for one in case.decide().refusing]


def judged_on_requests(home: Path, method: str, found: dict[str, Any], pairs: Any, **gate: Any) -> Decision:
    """About a checkpoint that ties with a released LoRA adapter on the test split, and has these differences on 300
    fresh requests."""
    asked = {"share": 0.2, "min_records": 50, "max_loss": 0.05}
    attributes = {"source": {"uri": "unused.csv", "feedback": {"fresh_test": asked}}, "gate": gate}
    case = EvidenceCase(home, attributes, method="lora").publish()
    released(case.lake, case.versions["adapter_checkpoint"])
    part: dict[str, Any] = {"records": 300, "first_day": "2026-11-01", "last_day": "2026-11-20"}
    part |= {"differences": {"champion": found}}
    part |= {"tests": {"champion": {"metric": "macro_f1", "p": 1.0, "p_corrected": 1.0, "mcnemar": pairs}}}
    case.figures["evaluation_report"]["fresh"] = part
    for differences in case.figures["evaluation_report"]["differences"].values():
        differences["accuracy"] = difference(0.3)
    follow(case, "next", method, 0.0)
    return case.decide()


@pytest.mark.parametrize(
    ("method", "fresh", "half", "pairs", "accepted"),
    [
        ("linear_probe", -0.02, 0.02, PAIRS, True),
        ("linear_probe", -0.04, 0.02, PAIRS, False),  # the interval reaches -0.06
        ("linear_probe", 0.0, 0.0, {"only_first": 2, "only_second": 20}, False),  # by the exact interval of requests
        ("linear_probe", 0.0, 0.0, None, False),  # there is no exact interval of them
        ("lora", 0.0, 0.02, PAIRS, False),  # a tie of fine-tuned models
    ],
)
def test_on_fresh_requests_a_simpler_model_is_judged_by_the_same_rule(
    tmp_path: Path, method: str, fresh: float, half: float, pairs: Any, accepted: bool
) -> None:
    decision = judged_on_requests(tmp_path, method, {"macro_f1": difference(fresh, half)}, pairs)
    assert [one.rule for one in decision.refusing] == ([] if accepted else ["beats/champion"])
    (why,) = [one.why for one in decision.rulings if one.rule == "beats/champion"]
    assert "on 300 fresh requests of 2026-11-01 to 2026-11-20" in why


def test_a_gain_in_accuracy_on_fresh_requests_needs_the_exact_interval_as_on_the_test_split(tmp_path: Path) -> None:
    for pairs, accepted in (({"only_first": 30, "only_second": 2}, True), ({"only_first": 8, "only_second": 2}, False)):
        gain = (pairs["only_first"] - pairs["only_second"]) / 300
        home = tmp_path / str(pairs["only_first"])
        decision = judged_on_requests(home, "lora", {"accuracy": difference(gain, 0.001)}, pairs, metric="accuracy")
        assert ("beats/champion" not in [one.rule for one in decision.refusing]) == accepted


@pytest.mark.parametrize(
    ("back", "again", "accepted"),
    [
        (0.005, -0.015, False),  # 0.02 of 0.05 are lost already, and the interval reaches -0.035
        (0.005, -0.005, True),
        (0.03, -0.02, True),  # what was lost has been won back
        (0.2, -0.04, False),  # more than that is no credit
    ],
)
def test_models_that_replace_each_other_lose_no_more_together_than_one_may(
    tmp_path: Path, back: float, again: float, accepted: bool
) -> None:
    """A fine-tuned model, a probe that loses 0.025 to it, a fine-tuned one that beats the probe, and a probe."""
    case, _ = after_a_release(tmp_path, "lora", "linear_probe", -0.025)
    for name, method, gain, half in (("back", "lora", back, 0.002), ("again", "linear_probe", again, 0.02)):
        decided = json.loads(case.lake.read_file(case.published_decision(), "decision.json"))
        assert decided["decision"] == "accepted", "or the chain is none"
        released(case.lake, case.versions["adapter_checkpoint"])
        follow(case, name, method, gain, half)
    assert [one.rule for one in case.decide().refusing] == ([] if accepted else ["beats/champion"])


def test_where_nobody_can_tell_what_was_lost_before_nothing_more_may_be(tmp_path: Path) -> None:
    case, _ = after_a_release(tmp_path, "lora", "linear_probe", 0.0)
    assert case.decide().accepted
    file = case.lake.path_of("shared", "complaints", "release_decision", "decision-0", "decision.json")
    Path(file).write_text(json.dumps({"behind": -1.0}))
    assert "beats/champion" in [one.rule for one in case.decide().refusing]
    Path(file).unlink()
    assert "beats/champion" in [one.rule for one in case.decide().refusing]
