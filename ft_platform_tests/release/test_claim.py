"""A model that only suggests owes less proof of its quality, nothing else, and stays one that suggests until the gate
decides anew."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.errors import VersionRefused
from ft_platform.evaluation.abstaining import ALWAYS
from ft_platform.release.releasing import release, roll_back
from ft_platform.reporting.publishing.deploying import deploy
from ft_platform.serving.evaluated import abstaining_of
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.guardrails import Guardrails
from ft_platform_tests.release.evidence_case import changed, difference, figure, good_figures
from ft_platform_tests.release.test_releasing import Case

FLOORS = {"floors": {"accuracy": 0.9}}
SUGGESTS = {**FLOORS, "claim": "suggests"}
QUALITY = ("systems", "fine_tuned", "accuracy")


def evaluated(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return changed(good_figures(), "evaluation_report", path, value)


UNPROVEN = evaluated(QUALITY, figure(0.92, 0.05))
"""Above the floor, and nobody knows for sure."""
WORSE = evaluated(QUALITY, figure(0.8, 0.05))
JUST_BELOW = evaluated(QUALITY, figure(0.89, 0.05))
"""Its interval reaches above the floor, and it does not."""


def refusing(tmp_path: Path, gate: dict[str, Any], figures: dict[str, Any]) -> list[str]:
    case = Case(tmp_path, {"gate": gate}, figures)
    return list(case.refusing())


@pytest.mark.parametrize(
    ("figures", "decides", "suggests"),
    [
        (UNPROVEN, ["floor/accuracy"], []),
        (WORSE, ["floor/accuracy"], ["floor/accuracy"]),
        (JUST_BELOW, ["floor/accuracy"], ["floor/accuracy"]),
        (evaluated(QUALITY, figure(0.98, 0.01)), [], []),
    ],
)
def test_a_floor_that_is_only_not_proven_is_enough_for_a_suggestion_and_a_worse_model_is_not(
    tmp_path: Path, figures: dict[str, Any], decides: list[str], suggests: list[str]
) -> None:
    assert refusing(tmp_path / "a", FLOORS, figures) == decides
    assert refusing(tmp_path / "b", SUGGESTS, figures) == suggests


@pytest.mark.parametrize(
    ("system", "gain", "suggests"),
    [
        ("tfidf_logreg", 0.01, True),
        ("base_few_shot", 0.01, True),
        ("tfidf_logreg", 0.0, False),
        ("tfidf_logreg", -0.01, False),
        ("champion", 0.01, False),
    ],
)
def test_a_gain_that_is_only_not_proven_is_enough_but_no_loss_and_no_tie_with_the_champion(
    tmp_path: Path, system: str, gain: float, suggests: bool
) -> None:
    figures = evaluated(("differences", system, "macro_f1"), difference(gain, 0.02))
    figures = changed(figures, "evaluation_report", ("info",), {"champion": {"checkpoint": "ckpt-before"}})
    for gate in ({}, {"claim": "suggests"}):
        case = Case(tmp_path, {"gate": gate}, figures, champion="ckpt-before")
        assert (f"beats/{system}" in case.refusing()) == (not (gate and suggests)), gate


@pytest.mark.parametrize(
    ("stage", "path", "value", "rule"),
    [
        ("fairness_report", ("features", "region", "differences", "accuracy"), "gap", "fairness/region"),
        ("privacy_report", ("membership",), {}, "memorization"),
        ("evaluation_report", ("test_rows",), 60, "test_records"),
        ("regression_report", ("suites", "general_text", "difference"), figure(0.2), "forgetting"),
        ("evaluation_report", ("golden", "period", "kept"), False, ""),
    ],
)
def test_nothing_else_is_asked_less_of(tmp_path: Path, stage: str, path: tuple, value: Any, rule: str) -> None:
    value = {**figure(0.4), "best": "north", "worst": "south"} if value == "gap" else value
    figures = changed(good_figures(), stage, path, value)
    found = [refusing(tmp_path / name, gate, figures) for name, gate in (("a", FLOORS), ("b", SUGGESTS))]
    assert set(found[1]) >= {one for one in found[0] if not one.startswith(("floor/", "beats/"))}
    assert not rule or rule in found[1]


def test_recall_permission_and_signatures_are_asked_for_as_before(tmp_path: Path) -> None:
    release_ = {"intended_use": "Routing of complaints.", "approvals": ["compliance"]}
    case = Case(tmp_path, {"gate": SUGGESTS, "release": release_}, UNPROVEN, recall={"status": "not_measured"})
    assert "recall" in case.refusing()
    case = Case(tmp_path, {"gate": SUGGESTS, "release": release_}, UNPROVEN)
    case.publish()
    with pytest.raises(VersionRefused, match="compliance"):
        case.released()


def test_a_refusal_names_the_records_that_would_prove_it_and_the_smaller_claim(tmp_path: Path) -> None:
    case = Case(tmp_path, {"gate": FLOORS}, UNPROVEN)
    case.publish()
    decision = case.decide()
    (ruling,) = decision.refusing
    assert "about 2,100 more test records like these would prove it" in ruling.why
    told = decision.to_dict()["answers"]
    assert "a person decides on every request" in told
    assert "ft run complaints --set gate.claim=suggests --keep" in told


@pytest.mark.parametrize("figures", [WORSE, JUST_BELOW])
def test_a_worse_model_is_not_offered_as_a_suggestion_and_no_number_of_records_is_named(
    tmp_path: Path, figures: dict[str, Any]
) -> None:
    case = Case(tmp_path, {"gate": FLOORS}, figures)
    case.publish()
    decision = case.decide()
    assert "suggests" not in (decision.to_dict()["answers"] or "")
    assert "more test records" not in decision.refusing[0].why


def claiming(case: Case, claim: str, **more: Any) -> None:
    """Somebody edits the file."""
    gate = {**case.attributes_used["gate"], "claim": claim}
    settings = UseCase.model_validate({**case.attributes_used, "gate": gate, **more})
    case.use_case = case.use_case.model_copy(update={"settings": settings})


def test_a_release_that_suggests_leaves_every_request_to_a_person_whatever_the_file_says_later(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, {"gate": SUGGESTS}, UNPROVEN)
    case.publish()
    assert case.decide().to_dict()["claim"] == "suggests"
    case.released()
    found = case.newest()
    assert found.record["claim"] == "suggests"
    claiming(case, "decides")
    for guardrails in (Guardrails(), Guardrails(abstain_below="none"), Guardrails(abstain_below=0.1)):
        abstaining = abstaining_of(case.lake, found, guardrails)
        assert abstaining is not None
        assert abstaining.below == ALWAYS
        assert abstaining.answered == 0.0


def test_a_decision_about_a_suggestion_releases_nothing_that_decides(tmp_path: Path) -> None:
    case = Case(tmp_path, {"gate": SUGGESTS}, evaluated(QUALITY, figure(0.98, 0.01)))
    case.publish()
    decision, checkpoint = case.published_decision(), case.versions["adapter_checkpoint"]
    claiming(case, "decides")
    assert case.decide().accepted  # it would hold as a decision, but nobody has decided so
    with pytest.raises(VersionRefused, match=r"is about a model that suggests, and gate.claim is decides now"):
        release(case.lake, case.use_case, decision, checkpoint, lambda _: {})


def test_a_decision_about_one_that_decides_is_not_kept_by_claiming_less_later(tmp_path: Path) -> None:
    case = Case(tmp_path, {"gate": {**FLOORS, "claim": "decides"}}, evaluated(QUALITY, figure(0.98, 0.01)))
    case.publish()
    decision, checkpoint = case.published_decision(), case.versions["adapter_checkpoint"]
    claiming(case, "suggests")
    with pytest.raises(VersionRefused, match="is about a model that decides"):
        release(case.lake, case.use_case, decision, checkpoint, lambda _: {})


def test_going_back_to_a_release_that_suggests_stays_a_suggestion(tmp_path: Path) -> None:
    case = Case(tmp_path, {"gate": SUGGESTS}, UNPROVEN)
    case.publish()
    case.released()
    first = case.newest()
    case.figures = changed(case.figures, "evaluation_report", ("differences", "champion", "macro_f1"), difference(0.1))
    case.again("next")
    case.released()
    roll_back(case.lake, case.use_case, first.id, reason="Wrong answers since Monday")
    assert case.newest().record["claim"] == "suggests"


def test_a_release_that_suggests_goes_to_no_target_that_would_let_it_decide(tmp_path: Path) -> None:
    elsewhere = {
        "serving": {"targets": {"vllm": {"kind": "vllm", "url": "http://127.0.0.1:8000/v1", "folder": "/srv/m"}}}
    }
    with pytest.raises(ValueError, match="needs targets of kind `local` only, not vllm"):
        Case(tmp_path / "a", {"gate": SUGGESTS, **elsewhere}).refusing()
    case = Case(tmp_path / "b", {"gate": SUGGESTS}, UNPROVEN)
    case.publish()
    case.released()
    claiming(case, "decides", **elsewhere)
    with pytest.raises(VersionRefused, match="only suggests"):
        deploy(case.lake, Environment(home=case.home), case.use_case, "vllm", case.newest())


def test_only_a_label_can_be_suggested(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.refusing()
    task = {"kind": "generation", "instruction": "Answer the letter."}
    record = {"id": "id", "text": "text", "answer": "answer", "consent": "consent"}
    attributes = {**case.attributes_used, "task": task, "record": record, "gate": {"claim": "suggests"}}
    attributes |= {"fairness": {}, "privacy": {}, "governance": case.attributes_used["governance"]}
    with pytest.raises(ValueError, match=r"`gate.claim: suggests` needs `task.kind: classification`"):
        UseCase.model_validate(attributes)


def test_decisions_of_before_stay_as_they_were(tmp_path: Path) -> None:
    case = Case(tmp_path, {})
    case.publish()
    assert "claim" not in case.decide().to_dict()
    case.released()
    assert "claim" not in case.newest().record
    assert "claim" not in case.use_case.settings.gate.hashed()
