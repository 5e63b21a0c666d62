"""One verdict, everywhere: report, check, model card, brief, commands, list and graph say what the gate says, over a
table of figures."""

import html
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets import fairness_report as fairness_asset
from ft_platform.assets import privacy_report as privacy_asset
from ft_platform.assets import release_decision as decision_asset
from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.fairness_summary import summary, summary_lines
from ft_platform.lake.draft import Draft
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import Decision
from ft_platform.release.standing_now import standing_now
from ft_platform.reporting.fairness_report import write_fairness_report
from ft_platform.reporting.model_card import card_values, readme
from ft_platform.reporting.privacy_report import write_privacy_report
from ft_platform.training.privacy_attacks.extraction import Copied, extraction
from ft_platform.training.privacy_attacks.newest import newest_attack
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.evaluation.test_fairness_verdict import REASON, answered
from ft_platform_tests.release.evidence_case import RENDERER, EvidenceCase, figure, good_figures
from ft_platform_tests.reporting import report_figures

LARGE = {("north", "old"): 300, ("north", "young"): 300, ("south", "old"): 300, ("south", "young"): 300}
FEW = {("south", "young"): 3}
ONLY_PAIRS = {("north", "young"): 0.5, ("south", "old"): 0.5}
TRAINING = {
    "renderer_hash": RENDERER,
    "labels": ["card", "loan"],
    "base_model": {"uri": "base", "sha256": "0" * 64},
    "metrics": {"steps": 1, "best_step": 1, "validation_loss_before": 1.0, "validation_loss": 0.5},
    "training": {"recipe": "manual", "rank": 8},
    "stopped_early": False,
}
GROUPS: dict[str, tuple[dict, dict, dict]] = {
    "alike": (LARGE, {}, {}),
    "a gap of one feature": (LARGE, {group: 0.5 for group in LARGE if group[0] == "south"}, {}),
    "a gap of two features together": (LARGE, ONLY_PAIRS, {}),
    "an interval that reaches above the limit": (
        dict.fromkeys(LARGE, 20),
        {("south", "old"): 0.25, ("south", "young"): 0.25},
        {},
    ),
    "a small group of one feature": ({**LARGE, ("island", "old"): 3}, {}, {}),
    "a small group of two features": (LARGE | FEW, {}, {}),
    "a small group that is accepted": (
        LARGE | FEW,
        {},
        {"small_groups": {"region and age": {"south and young": REASON}}},
    ),
    "one large group": ({("north", "old"): 300, ("south", "old"): 3}, {}, {}),
    "pooled": (LARGE | FEW, {}, {"pooled_groups": {"region and age": {"south": ["south and old", "south and young"]}}}),
}
PRIVATE = {
    "alike": {},
    "more found than the limit": {"value": 0.08},
    "an interval that reaches above the limit": {"value": 0.04},
    "an area that warns": {"area": 0.62},
    "a small use case": {"value": 0.04, "records": 500},
    "few long texts": {"rows": 25},
}


class Case(EvidenceCase):
    """Evidence with figures of real groups and attacks, and pages that say what they prove."""

    def checkpoint(self, content: str = "weights") -> ArtifactVersion:
        return self._publish(
            "adapter_checkpoint", {"training.json": TRAINING, "weights.json": content}, f"ckpt-{content}"
        )

    def decided(self) -> tuple[Decision, ArtifactVersion]:
        return self.decide(), self.published_decision()


def case_of(home: Path, attacks: dict[str, Any], sizes: dict, wrong: dict, settings: dict) -> Case:
    """Everything published; the rules that are not about groups or attacks hold."""
    evaluation = {"bootstrap_samples": 1000}
    settings = {"fairness": {"sensitive_features": ["region", "age"], **settings}, "evaluation": evaluation}
    # A reason counts without a name: what is compared are verdicts of groups.
    made = Case(home, settings, good_figures(), policy=Policy(name="tests", approvals=[]))
    made._settle()
    found = fairness(made.use_case, answered(sizes, wrong))
    for one in found["features"].values():
        one["amplification"] = {"value": None, "low": None, "high": None, "status": "not_enough_evidence"}
    made.figures["fairness_report"] = {**found, "data": {}, "swaps": {}, "mitigation": None}
    made.figures["evaluation_report"] |= {"per_class": {}, "win_rates": {}}
    made.figures["evaluation_report"]["systems"]["fine_tuned"] |= {
        name: figure(0.9) for name in ("macro_precision", "macro_recall")
    }
    made.figures["privacy_report"] = attacked(**attacks)
    made.figures["canary_audit"] |= {**report_figures.canaries(), "chance_bits": 1.44}
    made.publish()
    return made


def attacked(value: float = 0.02, area: float = 0.52, rows: int = 100, records: int = 3000) -> dict[str, Any]:
    made = report_figures.privacy()
    one = {"auc": figure(area, 0.08), "at_1_percent": {**figure(value), "claimable": 0.009}}
    made["membership"] = {name: {**attack, **one} for name, attack in made["membership"].items()}
    rates = extraction(Copied(rows, 0, 0), Copied(rows, 0, 0), Copied(rows, 0, 0), "user texts", 0.95)
    passed = (value < 0.03 or (value < 0.06 and records < 1000)) and rows > 72
    counts = {"records": records, "members": records // 2, "others": records // 5}
    return {**made, **counts, "extraction_rate": rates, "passed": passed, "reasons": [] if passed else ["a reason"]}


def plain(page: bytes | str) -> str:
    return html.unescape(page.decode() if isinstance(page, bytes) else page)


@pytest.mark.parametrize(("sizes", "wrong", "settings"), GROUPS.values(), ids=GROUPS)
def test_all_that_speak_of_groups_say_what_the_gate_says(
    tmp_path: Path, sizes: dict, wrong: dict, settings: dict
) -> None:
    made = case_of(tmp_path, {}, sizes, wrong, settings)
    decision, published = made.decided()
    rulings = {ruling.rule: ruling for ruling in decision.rulings if ruling.rule.startswith("fairness/")}
    assert set(rulings) == {"fairness/region", "fairness/age", "fairness/pairs"}
    fair = all(ruling.passed for ruling in rulings.values())
    sentences = {name: rulings[f"fairness/{name}"].why for name in ("region", "age")} | {
        "region and age": rulings["fairness/pairs"].why
    }
    passed = {name: rulings[f"fairness/{name}"].passed for name in ("region", "age")} | {
        "region and age": rulings["fairness/pairs"].passed
    }
    report, found = made.versions["fairness_report"], made.figures["fairness_report"]

    check = fairness_asset.build(made.use_case)[1](lake=made.lake, fairness_report=report)
    assert check.passed is fair and check.severity == dg.AssetCheckSeverity.ERROR
    assert all(text in check.description for name, text in sentences.items() if passed[name] is fair)
    evaluation = made.versions["evaluation_report"]
    write_fairness_report(tmp_path, Draft(made.lake, made.use_case, report.name, "fair-1", "", [evaluation]), found)
    page = plain((tmp_path / "report.html").read_text())
    card = readme(
        card_values(
            made.lake,
            made.use_case,
            *(made.versions[name] for name in ("adapter_checkpoint", "evaluation_report", "fairness_report")),
        )
    )
    brief = plain(made.lake.read_file(published, "decision_brief.html"))
    told = summary(report, found, made.use_case)
    lines = "\n".join(summary_lines(told))
    for name, text in sentences.items():
        assert f'<p class="{"note" if passed[name] else "warning"}">{text}</p>' in page, name
        assert (
            text in plain(card).replace("\\_", "_")
            and text in brief
            and f"{'✓' if passed[name] else '✗'} {text}" in lines
        ), name
    assert {one["name"]: one["passed"] for one in told["verdicts"]} == passed
    assert told["within_max_gap"] is found["within_max_gap"] is fair
    the_end_is_told(made, decision, published, fair)


@pytest.mark.parametrize("attacks", PRIVATE.values(), ids=PRIVATE)
def test_all_that_speak_of_attacks_say_what_the_gate_says(tmp_path: Path, attacks: dict[str, Any]) -> None:
    made = case_of(tmp_path, attacks, *GROUPS["alike"])
    decision, published = made.decided()
    (ruling,) = (ruling for ruling in decision.rulings if ruling.rule == "memorization")
    report, found = made.versions["privacy_report"], made.figures["privacy_report"]
    assert ruling.passed is found["passed"]

    check = privacy_asset.build(made.use_case)[1](lake=made.lake, privacy_report=report)
    assert (check.passed, check.severity, check.description) == (ruling.passed, dg.AssetCheckSeverity.ERROR, ruling.why)
    draft = Draft(made.lake, made.use_case, report.name, "attack-1", "", [report])
    write_privacy_report(tmp_path, draft, found, report_figures.privacy_losses())
    page = plain((tmp_path / "report.html").read_text())
    brief = plain(made.lake.read_file(published, "decision_brief.html"))
    told = newest_attack(made.lake, made.use_case)
    assert (told["passed"], told["verdict"]) == (ruling.passed, ruling.why) and ruling.why in brief
    assert told["attacker"] in page and (not ruling.passed or ruling.why.startswith(told["attacker"]))
    for reason in told["reasons"] or [ruling.why]:
        assert f'<p class="{"note" if ruling.passed else "warning"}">{reason}' in page
    the_end_is_told(made, decision, published, ruling.passed)


def the_end_is_told(made: Case, decision: Decision, published: ArtifactVersion, passed: bool) -> None:
    """The graph, the decision's file, its page and `ft list` end as the rules do. Every other rule holds, so one
    verdict decides."""
    assert decision.accepted is passed, decision.refusing
    check = decision_asset.build(made.use_case)[1](lake=made.lake, release_decision=published)
    assert check.passed is passed and check.severity == dg.AssetCheckSeverity.ERROR
    assert all(ruling.why in (check.description or "") for ruling in decision.refusing)
    written = json.loads(made.lake.read_file(published, "decision.json"))
    assert written["decision"] == ("accepted" if passed else "refused")
    standing = standing_now(made.lake, made.use_case)
    assert standing is not None and standing.words == f"release {written['decision']}"
    page = plain(made.lake.read_file(published, "decision_brief.html"))
    assert ("may not be released" in page) is not passed


def test_the_decision_counts_the_records_that_each_small_group_lacks(tmp_path: Path) -> None:
    made = case_of(tmp_path, {}, *GROUPS["a small group of two features"])
    _, published = made.decided()
    rules = {rule["rule"]: rule for rule in json.loads(made.lake.read_file(published, "decision.json"))["rules"]}
    assert rules["fairness/pairs"]["missing"] == {"region and age": {"south and young": 17}}
    assert rules["fairness/region"]["missing"] == {}
    page = plain(made.lake.read_file(published, "decision_brief.html"))
    assert '<td>region and age</td><td>south and young</td><td class="number">17</td>' in page
