"""The gate fails closed: each piece of evidence, deleted or altered in turn, refuses the release with a sentence."""

import copy
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ft_platform.errors import VersionRefused
from ft_platform.lake.inspection import adopt
from ft_platform.lake.opening import open_lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import decide, newest_evidence, require_accepted
from ft_platform.release.evidence import FILES, OPTIONAL, REQUIRED, Evidence
from ft_platform.release.rule import rules_of
from ft_platform.release.schema import Shown
from ft_platform.stages import STAGES
from ft_platform.training.privacy_attacks.extraction import Copied, extraction
from ft_platform.training.privacy_attacks.membership import SideLosses, membership
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import CHEAPER, alternatives
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.release.evidence_case import (
    OWNERS,
    TEST_ROWS,
    EvidenceCase,
    changed,
    difference,
    figure,
    gap,
    good_figures,
    grouped,
    leaves,
    rate_gap,
    seeds_evidence,
)
from ft_platform_tests.reporting.page_rules import problems_of

EVERY_RULE = {
    "source": {"uri": "unused.csv", "feedback": {"fresh_test": {"share": 0.2}}},
    "gate": {
        "floors": {"macro_f1": 0.5},
        "max_calibration_error": 0.1,
        "max_seconds_per_1000_requests": 60.0,
        "max_money_per_1000_requests": 1.0,
        "max_amplification": 0.05,
        "max_demographic_parity_difference": 0.1,
        "max_equalized_odds_difference": 0.1,
        "max_flip_rate": 0.1,
        "max_exposure_bits": 4.0,
        "max_epsilon": 8.0,
        "min_human_win_rate": 0.5,
        "min_judge_win_rate": 0.5,
    },
    "seed_variation": {"seeds": 3},
    "evaluation": {"golden": [{"name": "period", "prompt": "How long?", "must_say": ["30 days"]}]},
    "fairness": {"sensitive_features": ["region", "age"], "swaps": [{"name": "gender", "terms": [["he", "she"]]}]},
}


def broken(decision) -> dict[str, str]:
    return {ruling.rule: ruling.why for ruling in decision.refusing}


def test_complete_evidence_is_accepted_by_every_rule(tmp_path):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    decision = case.decide()
    assert broken(decision) == {}
    assert decision.accepted
    kinds = {ruling.rule.split("/")[0] for ruling in decision.rulings}
    assert kinds >= {
        "lineage",
        "data",
        "beats",
        "floor",
        "calibration",
        "seconds_per_1000_requests",
        "money_per_1000_requests",
        "fairness",
        "amplification",
    }
    assert kinds >= {
        "memorization",
        "exposure",
        "epsilon",
        "forgetting",
        "seeds",
        "demographic_parity",
        "equalized_odds",
        "flip_rate",
        "human_review",
        "judge",
    }
    assert {"seeds", "seeds/base_few_shot", "seeds/champion"} <= {ruling.rule for ruling in decision.rulings}


@pytest.mark.parametrize("stage", REQUIRED)
def test_a_missing_report_refuses(tmp_path, stage):
    children = {name for name in STAGES if stage in STAGES[name].parents}
    case = EvidenceCase(tmp_path, EVERY_RULE, left_out={stage, *children}).publish()
    assert f"there is no {stage}" in broken(case.decide())[f"lineage/{stage}"]


UNASKED = {
    "champion",
    "metric",
    "mcnemar",
    "p",
    "groups",
    "highest",
    "lowest",
    "of",
    "near_verbatim",
    "baseline_near_verbatim",
    "untrained",
    "untrained_near_verbatim",
}
"""What no rule reads under these settings: there is no champion yet, and the rest is for people to read."""
TEXTS = {
    "status",
    "membership_status",
    "personal_data_status",
    "currency",
    "renderer_hash",
    "gap_metric",
    "best",
    "worst",
    "label",
    "rate",
    "evaluation",
    "alternative",
}
NEEDED = [
    (stage, path)
    for stage, figures in good_figures().items()
    for path in leaves(figures)
    if stage in FILES
    and FILES[stage][1] is not Shown
    and path
    and path[0] != "metric_versions"
    and path[-1] != "10"
    and not UNASKED & set(path)
]


@pytest.mark.parametrize(
    ("stage", "path"), NEEDED, ids=lambda value: value if isinstance(value, str) else ".".join(value)
)
def test_each_value_of_the_evidence_deleted_or_broken_in_turn_refuses(tmp_path, stage, path):
    for value in (..., float("nan"), float("inf"), None, "0.5", True):
        if value == "0.5" and path[-1] in TEXTS:
            continue  # a string like any other
        if value is None and path[0] == "intersections" and "amplification" in path:
            continue  # of pairs of features nobody asks for it
        if value is None and path[-1] == "originals":
            continue  # without a vault there is nothing to compare with
        if value is None and path[-1] == "money" and "fine_tuned" not in path:
            continue  # no price is no fault by itself
        if value is True and path[-1] in ("passed", "higher_is_better", "usable_in_gate", "kept"):
            continue
        refusing = EvidenceCase(tmp_path, EVERY_RULE, changed(good_figures(), stage, path, value)).refusing()
        assert refusing, f"{stage}: {'.'.join(path)} = {value} was accepted"


def test_complete_figures_are_accepted_in_memory_as_well(tmp_path):
    assert EvidenceCase(tmp_path, EVERY_RULE).refusing() == {}


@pytest.mark.parametrize("stage", ["adapter_checkpoint", *REQUIRED])
def test_an_altered_file_refuses(tmp_path, stage):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    folder = Path(case.lake.path_of("shared", "complaints", stage, case.versions[stage].artifact_id))
    file = next(path for path in folder.iterdir() if path.name != "manifest.json")
    file.write_text(file.read_text() + " ")
    assert "does not match its manifest" in broken(case.decide())[f"lineage/{stage}"]


@pytest.mark.parametrize("stage", ["adapter_checkpoint", *REQUIRED])
def test_a_deleted_manifest_refuses(tmp_path, stage):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    Path(case.lake.path_of("shared", "complaints", stage, case.versions[stage].artifact_id, "manifest.json")).unlink()
    assert f"lineage/{stage}" in broken(case.decide())


RULE_OF = {
    "canary_audit": "exposure",
    "human_review": "human_review",
    "judge_report": "judge",
    "seed_variation": "seeds",
}
"""Evidence that a rule asks for -> the rule."""


def test_there_is_a_rule_for_all_evidence_that_is_looked_for():
    assert set(RULE_OF) == set(OPTIONAL)


@pytest.mark.parametrize("stage", OPTIONAL)
@pytest.mark.parametrize("fault", ["left out", "altered", "without manifest", "without file", "not JSON"])
def test_evidence_that_a_rule_asks_for_deleted_or_altered_refuses(tmp_path, stage, fault):
    case = EvidenceCase(tmp_path, EVERY_RULE, left_out={stage} if fault == "left out" else set()).publish()
    folder = Path(case.lake.path_of("shared", "complaints", stage, stage))
    file = folder / FILES[stage][0]
    if fault == "altered":
        file.write_text(file.read_text() + " ")
    elif fault == "without manifest":
        (folder / "manifest.json").unlink()
    elif fault == "without file":
        file.unlink()
    elif fault == "not JSON":
        file.write_text("{")
    found = broken(case.decide())
    noticed = {"lineage"} if fault == "without manifest" else set()
    assert RULE_OF[stage] in found and {rule.split("/")[0] for rule in found} == {RULE_OF[stage], *noticed}
    words = {"left out": f"there is no {stage}", "without manifest": "", "without file": ""}.get(
        fault, "does not match its manifest"
    )
    assert words in found[RULE_OF[stage]]


@pytest.mark.parametrize(
    ("stage", "section", "change"),
    [("canary_audit", "attacks", {"max_true_positive_rate": 0.04}), ("judge_report", "judge", {"rows": 51})],
)
def test_changed_settings_make_evidence_that_a_rule_asks_for_stale(tmp_path, stage, section, change):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    settings = case.use_case.settings
    other = settings.model_copy(update={section: getattr(settings, section).model_copy(update=change)})
    case.use_case = case.use_case.model_copy(update={"settings": other})
    assert f"settings or code of {stage} changed" in broken(case.decide())[RULE_OF[stage]]


@pytest.mark.parametrize("stage", ["human_review", "judge_report"])
def test_opinions_about_the_answers_of_another_evaluation_refuse(tmp_path, stage):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    case.figures["evaluation_report"]["test_rows"] = 399
    for again in (
        "evaluation_report",
        "fairness_report",
        "roi_report",
        "model_card",
        *(other for other in OPTIONAL if other not in ("canary_audit", stage)),
    ):
        case.versions[again] = case.add(again, "-again")
    found = broken(case.decide())
    assert set(found) == {RULE_OF[stage]}
    assert "was made from evaluation_report, the checkpoint's is evaluation_report-again" in found[RULE_OF[stage]]


CHECKS = [(stage.name, check) for stage in STAGES.values() if stage.kind == "table" for check in stage.checks]


@pytest.mark.parametrize(("stage", "check"), CHECKS)
@pytest.mark.parametrize("fault", ["failed", "deleted", "altered", "of other content"])
def test_a_check_of_the_data_that_did_not_pass_refuses(tmp_path, stage, check, fault):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    version = case.lake.latest("complaints", stage)
    file = Path(f"{case.lake._verdict_folder(version)}/{check}.json")
    if fault == "deleted":
        file.unlink()
    elif fault == "altered":
        file.write_text(json.dumps({**json.loads(file.read_text()), "numbers": {"all": "well"}}))
    else:
        change = {"passed": False} if fault == "failed" else {"content_hash": "0" * 64}
        case.lake._write_signed("complaints", str(file), {**json.loads(file.read_text()), **change})
    assert f"data/{check}/{stage}" in broken(case.decide())


def test_evidence_of_another_checkpoint_refuses(tmp_path):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    reports = {name: case.versions[name] for name in REQUIRED}
    case.versions["adapter_checkpoint"] = case.checkpoint("other weights")
    found = broken(case.decide())
    for stage in reports:
        if "adapter_checkpoint" in STAGES[stage].parents:
            assert "the checkpoint's is" in found[f"lineage/{stage}"]


def test_a_report_about_another_evaluation_of_the_same_checkpoint_refuses(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    case.figures["evaluation_report"]["test_rows"] = 399
    versions = {name: case.versions[name] for name in REQUIRED}
    versions["evaluation_report"] = case.add("evaluation_report", "-again")
    found = broken(decide(case.lake, case.use_case, case.versions["adapter_checkpoint"], versions))
    assert {"lineage/fairness_report", "lineage/model_card", "lineage/roi_report"} <= set(found)
    assert not {"lineage/evaluation_report", "lineage/privacy_report"} & set(found)
    seen = found["lineage/fairness_report"]
    assert "was made from evaluation_report, the checkpoint's is evaluation_report-again" in seen


def test_evidence_made_with_another_prompt_template_refuses(tmp_path):
    figures = changed(good_figures(), "evaluation_report", ("renderer_hash",), "other")
    case = EvidenceCase(tmp_path, figures=figures).publish()
    assert "a different prompt template" in broken(case.decide())["lineage/evaluation_report"]


def test_evidence_made_with_another_version_of_a_metric_refuses(tmp_path):
    figures = changed(good_figures(), "evaluation_report", ("metric_versions", "macro_f1"), "0" * 12)
    case = EvidenceCase(tmp_path, figures=figures).publish()
    assert "a different version of the metrics macro_f1" in broken(case.decide())["lineage/evaluation_report"]


def test_changed_settings_of_a_report_refuse(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    settings = case.use_case.settings
    stricter = settings.fairness.model_copy(update={"max_gap": 0.1})
    case.use_case = case.use_case.model_copy(update={"settings": settings.model_copy(update={"fairness": stricter})})
    assert "is stale" in broken(case.decide())["lineage/fairness_report"]


def test_withdrawn_records_refuse(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    case.lake.add_verdict(
        case.lake.latest("complaints", "permitted_records"),
        NOT_TAINTED,
        False,
        "s",
        {"rows": 1, "reasons": {"consent_withdrawn": 1}},
    )
    assert "tainted" in broken(case.decide())["lineage/adapter_checkpoint"]


ONE_SMALL = grouped(north=TEST_ROWS // 2, south=TEST_ROWS // 2 - 3, island=3)
ONE_LARGE = grouped(north=TEST_ROWS - 3, south=3)


BREAKS = {
    "evaluation_report": [
        ("differences.base_few_shot.macro_f1", difference(0.0, 0.0), "beats/base_few_shot", "a tie"),
        ("differences.base_few_shot.macro_f1", difference(0.01), "beats/base_few_shot", "a tie"),
        ("differences.base_few_shot.macro_f1", difference(-0.2), "beats/base_few_shot", "worse"),
        # A reference project read a metric that its evaluation did not write.
        ("differences.base_few_shot", {"f1": difference(0.2)}, "beats/base_few_shot", "has no macro_f1"),
        ("systems.fine_tuned.macro_f1", figure(0.51), "floor/macro_f1", "0.510"),
        ("calibration.fine_tuned.ece", figure(0.09), "calibration", "0.090"),
        ("per_1000_requests.fine_tuned.seconds", 61.0, "seconds_per_1000_requests", "61.00 seconds"),
        ("per_1000_requests.fine_tuned.money", 1.5, "money_per_1000_requests", "1.50 EUR"),
        ("per_1000_requests.fine_tuned.money", None, "money_per_1000_requests", "no price"),
        ("test_rows", 0, "beats/base_few_shot", "test_rows"),
    ],
    "fairness_report": [
        ("features.region.differences.accuracy", gap(0.3), "fairness/region", "0.300"),
        ("features.region.differences.accuracy", gap(0.19), "fairness/region", "reaches above the limit"),
        ("features.region.differences.accuracy", {**gap(0.1), "value": 0.3}, "fairness/region", "0.300"),
        ("features.region.status", "not_enough_evidence", "fairness/region", "its figures say within_max_gap"),
        ("features.region.status", "fair", "fairness/region", "is not valid evidence"),
        (
            "features.region.groups",
            ONE_SMALL,
            "fairness/region",
            "region: not enough evidence. A group has fewer than 20 test records",
        ),
        ("features.region.groups", ONE_SMALL, "fairness/region", "island needs 17 more"),
        ("features.region.groups", ONE_SMALL, "amplification/region", "island needs 17 more"),
        ("features.region.groups", ONE_LARGE, "fairness/region", "Fewer than two groups have 20 test records"),
        ("features.region.groups", ONE_LARGE, "amplification/region", "not enough evidence"),
        ("features.region.groups", {}, "fairness/region", "is not valid evidence"),
        ("features.region.groups.north.rows", 20, "fairness/region", "contain 20020 of 40000 test records"),
        ("features.region.groups.north.accuracy", None, "fairness/region", "Figures of groups are missing"),
        ("features.region.groups.north.accuracy", figure(0.3), "fairness/region", "differs by 0.600"),
        ("features.region.differences.accuracy.best", "west", "fairness/region", "Figures of groups are missing"),
        ("features.age", ..., "fairness/age", "features has no age"),
        ("intersections.region and age.differences.accuracy", gap(0.3), "fairness/pairs", "region and age"),
        ("intersections.region and age.differences.accuracy", gap(0.19), "fairness/pairs", "reaches above the limit"),
        ("intersections.region and age.groups", ONE_SMALL, "fairness/pairs", "island needs 17 more"),
        ("intersections.region and age.groups", ONE_LARGE, "fairness/pairs", "Fewer than two groups"),
        ("intersections", {}, "fairness/pairs", "intersections has no region and age"),
        ("features.region.amplification", figure(0.06), "amplification/region", "+0.060"),
        ("features.age.demographic_parity", rate_gap(0.09), "demographic_parity/age", "reaches above the limit"),
        (
            "features.age.demographic_parity",
            rate_gap(0.2),
            "demographic_parity/age",
            "selection rate of mortgage differs by 0.200",
        ),
        ("features.age.demographic_parity", None, "demographic_parity/age", "not enough evidence"),
        ("features.age.groups", ONE_SMALL, "demographic_parity/age", "not enough evidence"),
        ("features.age.equalized_odds", rate_gap(0.09), "equalized_odds/age", "reaches above the limit"),
        (
            "features.age.equalized_odds",
            None,
            "equalized_odds/age",
            "no label has enough test records in every group of age",
        ),
        ("features.age.groups", ONE_SMALL, "equalized_odds/age", "not enough evidence"),
        ("swaps.gender.flip_rate", figure(0.09), "flip_rate/gender", "reaches above the limit"),
        ("swaps.gender.flip_rate", figure(0.3), "flip_rate/gender", "0.300 (0.280 to 0.320) of 80 answers change"),
        (
            "swaps.gender",
            {"rows": 3, "flip_rate": None, "status": "not_enough_evidence"},
            "flip_rate/gender",
            "3 test prompts contain",
        ),
        ("swaps.gender.status", "not_enough_evidence", "flip_rate/gender", "not enough evidence"),
        ("swaps", {}, "flip_rate/gender", "swaps has no gender"),
    ],
    "privacy_report": [
        ("membership.calibrated", ..., "memorization", "Membership was not measured"),
        ("membership.loss.auc", figure(0.7), "memorization", "can be told from others by the loss"),
        ("membership.loss.at_1_percent", figure(0.04), "memorization", "An attacker may find 4.0% (2.0% to 6.0%)"),
        ("membership.loss.at_1_percent", figure(0.08), "memorization", "finds 8.0% (6.0% to 10.0%)"),
        ("extraction_rate.gain", None, "memorization", "Extraction was"),
    ],
    "regression_report": [
        ("suites.general_text.difference", figure(0.06), "forgetting", "general_text"),
        ("suites", {}, "forgetting", "suites"),
    ],
    "canary_audit": [("exposure_bits.1", figure(3.9, 0.5), "exposure", "3.900")],
    "human_review": [("win_rate", figure(0.51), "human_review", "0.510"), ("rows", 0, "human_review", "rows")],
    "judge_report": [
        ("win_rate", figure(0.51), "judge", "0.510"),
        ("usable_in_gate", False, "judge", "not calibrated against people"),
    ],
    "seed_variation": [
        # One seed above few-shot, two below it: the mean is luck of the first.
        (
            "",
            seeds_evidence((0.2, -0.1, -0.1)),
            "seeds/base_few_shot",
            "on average of 3 seeds, better for 1 of them: a tie",
        ),
        ("", seeds_evidence((-0.2, -0.1, -0.1)), "seeds/base_few_shot", "it is worse"),
        ("", seeds_evidence((0.2, float("nan"), 0.2)), "seeds/base_few_shot", "is not valid evidence"),
        ("differences.base_few_shot", ..., "seeds/base_few_shot", "cover different systems"),
        (
            "differences.base_few_shot.macro_f1.values",
            [0.2, 0.2],
            "seeds/base_few_shot",
            "does not have one value per seed",
        ),
        (
            "seeds",
            [{"seed": 17 + n, "adapter_sha256": str(n)} for n in range(2)],
            "seeds",
            "does not have one value per seed",
        ),
        (
            "seeds",
            [{"seed": n, "adapter_sha256": str(n)} for n in range(3)],
            "seeds",
            "seeds [0, 1, 2], expected [17, 18, 19]",
        ),
        (
            "seeds",
            [{"seed": 17 + n, "adapter_sha256": "same"} for n in range(3)],
            "seeds",
            "two seeds have the same weights",
        ),
        ("main_metric", "f1", "seeds", "the main metric has no value"),
    ],
}
"""Report -> (what is changed in it, its value, the rule that refuses, words of its reason)."""


@pytest.mark.parametrize(
    ("stage", "path", "value", "rule", "words"), [(stage, *row) for stage, rows in BREAKS.items() for row in rows]
)
def test_each_rule_refuses_what_breaks_it(tmp_path, stage, path, value, rule, words):
    keys = tuple(filter(None, path.split(".")))
    found = EvidenceCase(tmp_path, EVERY_RULE, changed(good_figures(), stage, keys, value)).refusing()
    assert words in found[rule], found


PARITY, ODDS = [(f"{kind}/region", f"{kind}/age") for kind in ("demographic_parity", "equalized_odds")]


def test_each_limit_counts_to_the_upper_end_of_the_interval(tmp_path):
    # Values are 0.05 (calibration), 0.03 (gap), 0.01 (amplification), 0.04 and 0.06 (rates), 0.03 (flips), all with
    # 0.02 to either side; 1.5 bits with 0.5.
    for rules, at, below in (
        (("calibration",), {"gate": {"max_calibration_error": 0.071}}, {"gate": {"max_calibration_error": 0.06}}),
        (
            ("fairness/region", "fairness/age", "fairness/pairs"),
            {"fairness": {"max_gap": 0.05}},
            {"fairness": {"max_gap": 0.04}},
        ),
        (
            ("amplification/region", "amplification/age"),
            {"gate": {"max_amplification": 0.03}},
            {"gate": {"max_amplification": 0.02}},
        ),
        (
            PARITY,
            {"gate": {"max_demographic_parity_difference": 0.061}},
            {"gate": {"max_demographic_parity_difference": 0.05}},
        ),
        (ODDS, {"gate": {"max_equalized_odds_difference": 0.081}}, {"gate": {"max_equalized_odds_difference": 0.07}}),
        (("flip_rate/gender",), {"gate": {"max_flip_rate": 0.051}}, {"gate": {"max_flip_rate": 0.04}}),
        (("exposure",), {"gate": {"max_exposure_bits": 2.0}}, {"gate": {"max_exposure_bits": 1.9}}),
    ):
        features = EVERY_RULE["fairness"]
        kept, refused = (
            {**settings, "fairness": {**features, **settings.get("fairness", {})}} for settings in (at, below)
        )
        assert EvidenceCase(tmp_path, kept).refusing() == {}
        found = EvidenceCase(tmp_path, refused).refusing()
        assert set(found) == set(rules) and all("ts interval reaches above the limit" in why for why in found.values())


def test_of_three_features_every_pair_needs_evidence_and_the_widest_gap_is_told(tmp_path):
    names = ("region", "age", "channel")
    case = EvidenceCase(tmp_path, {"fairness": {"sensitive_features": list(names)}}, features=names)
    compared = case.figures["fairness_report"]["features"]["region"]
    pairs = {pair: copy.deepcopy(compared) for pair in ("region and age", "region and channel", "age and channel")}
    case.figures["fairness_report"] |= {"features": dict.fromkeys(names, compared), "intersections": pairs}
    assert case.refusing() == {}
    pairs["age and channel"]["groups"] = ONE_SMALL
    assert case.refusing()["fairness/pairs"].startswith(
        "age and channel: not enough evidence. A group has fewer than 20 test records: island needs 17 more."
    )
    pairs["region and age"]["differences"]["accuracy"] = gap(0.3)
    why = case.refusing()["fairness/pairs"]
    assert why.startswith("region and age: above the limit. Accuracy differs by 0.300")
    assert "more than the limit of 0.2" in why and "island needs 17 more" in why
    del pairs["age and channel"]
    assert case.refusing() == {"fairness/pairs": "Not proven: intersections has no age and channel."}


SEEDS = {"seed_variation": {"seeds": 3}}
SEED_RULES = {"seeds", *(f"seeds/{system}" for system in (*CHEAPER, "base_few_shot"))}
ASKS_FOR_NO_SYSTEM = Policy(name="tests", beats=[], approvals=[])
MAY_LOSE = dict.fromkeys(alternatives("classification"), "It is a test of the gate, not of a model.")


def test_seeds_that_were_asked_for_and_not_trained_refuse_whatever_the_gate_asks_for(tmp_path):
    for gate, rules in (({}, SEED_RULES), ({"may_lose_to": MAY_LOSE, "floors": {"macro_f1": 0.5}}, {"seeds"})):
        case = EvidenceCase(
            tmp_path / str(len(gate)), {**SEEDS, "gate": gate}, left_out={"seed_variation"}, policy=ASKS_FOR_NO_SYSTEM
        ).publish()
        found = broken(case.decide())
        assert set(found) == rules
        assert "there is no seed_variation of this checkpoint" in found["seeds"]


def test_without_seeds_asked_for_nothing_is_refused(tmp_path):
    case = EvidenceCase(tmp_path, left_out={"seed_variation"}).publish()
    assert case.decide().accepted
    assert not [ruling.rule for ruling in case.decide().rulings if ruling.rule.startswith("seeds")]


@pytest.mark.parametrize("fault", ["altered", "other evaluation", "other template", "other metric", "more seeds"])
def test_stale_evidence_about_seeds_refuses(tmp_path, fault):
    change = {"other template": ("renderer_hash",), "other metric": ("metric_versions", "macro_f1")}.get(fault)
    figures = changed(good_figures(), "seed_variation", change, "other") if change else good_figures()
    case = EvidenceCase(tmp_path, SEEDS, figures).publish()
    if fault == "altered":
        file = Path(case.lake.path_of("shared", "complaints", "seed_variation", "seed_variation", "seeds.json"))
        file.write_text(file.read_text().replace("0.2", "0.9"))
    elif fault == "other evaluation":
        case.figures["evaluation_report"]["test_rows"] = 399
        for stage in ("evaluation_report", "fairness_report", "roi_report", "model_card"):
            case.versions[stage] = case.add(stage, "-again")
    elif fault == "more seeds":
        settings = case.use_case.settings
        more = settings.model_copy(update={"seed_variation": settings.seed_variation.model_copy(update={"seeds": 4})})
        case.use_case = case.use_case.model_copy(update={"settings": more})
    words = {
        "altered": "does not match its manifest",
        "other evaluation": "was made from evaluation_report, the checkpoint's is evaluation_report-again",
        "other template": "was made with a different prompt template from the checkpoint's",
        "other metric": "was made with a different version of the metrics macro_f1",
        "more seeds": "settings or code of seed_variation changed",
    }
    found = broken(case.decide())
    assert set(found) == SEED_RULES and words[fault] in found["seeds"]


def test_over_seeds_the_margin_and_the_direction_of_the_metric_count_too(tmp_path):
    assert set(EvidenceCase(tmp_path, {**SEEDS, "gate": {"margin": 0.14}}).refusing()) == set()
    assert set(EvidenceCase(tmp_path, {**SEEDS, "gate": {"margin": 0.16}}).refusing()) == SEED_RULES - {"seeds"}


def test_the_champion_must_be_beaten_over_the_seeds_too(tmp_path):
    champion = {"checkpoint": "ckpt-now", "status": "compared"}
    case = EvidenceCase(tmp_path, SEEDS, champion="ckpt-now")
    case.figures["evaluation_report"]["info"] = {"champion": champion}
    case.figures["regression_report"]["champion"] = champion
    assert set(case.refusing()) == {"seeds/champion"}, "seed_variation was not compared with the champion"
    case.figures["seed_variation"]["systems"]["champion"] = case.figures["seed_variation"]["systems"]["base_few_shot"]
    case.figures["seed_variation"]["differences"]["champion"] = case.figures["seed_variation"]["differences"][
        "base_few_shot"
    ]
    assert case.refusing() == {}
    case.figures["evaluation_report"]["info"] = {"champion": {"checkpoint": "ckpt-former", "status": "compared"}}
    assert "seeds/champion" in case.refusing()
    case.figures["evaluation_report"]["info"] = {"champion": champion}
    case.figures["seed_variation"]["differences"]["champion"] = {
        "macro_f1": {**figure(0.0), "sd": 0.01, "values": [0.0] * 3}
    }
    rule = next(one for one in rules_of(case.use_case, case.champion) if one.name == "seeds/champion")
    items = {"evaluation_report": case._item("evaluation_report"), "seed_variation": case._item("seed_variation")}
    checkpoint = ArtifactVersion("complaints", "adapter_checkpoint", "ckpt-next", "", "")
    for may_lose in (0.06, 0.0):  # a simpler model need not be better
        evidence = Evidence(checkpoint, (), {}, {}, items, (), may_lose=may_lose)
        assert rule.judge(evidence).passed == bool(may_lose)


def test_too_few_records_to_attack_refuse_with_the_count_that_is_needed(tmp_path):
    losses = SideLosses([np.ones(3)] * 5, [np.ones(3)] * 5)
    few = membership(losses, losses, Attacks(), {}, of_labels=False)
    too_short = extraction(Copied(4, 0, 0), Copied(7, 0, 0), Copied(4, 0, 0), "user texts", 0.95)
    figures = good_figures()
    attacked = {"members": 5, "others": 5, "membership": few["attacks"], "membership_status": few["status"]}
    figures["privacy_report"] |= {**attacked, "extraction_rate": too_short}
    refusing = EvidenceCase(tmp_path, EVERY_RULE, figures).refusing()
    assert refusing == {
        "memorization": (
            "Membership was not measured (too few records: 5 of training and 5 others); about 614 training and 614"
            " other records (of the test and validation splits) are enough; Extraction was not measured (too few texts"
            " are long enough to continue: 4 per side); at least 73 long texts of training and 73 of test records are"
            " needed."
        )
    }
    heads = {**EVERY_RULE, "training": {"objective": "label_head"}}
    figures["privacy_report"] |= {name: good_figures()["privacy_report"][name] for name in attacked}
    assert EvidenceCase(tmp_path, heads, figures).refusing() == {}


def test_a_decision_says_that_originals_were_not_compared_and_refuses_where_they_are_kept(tmp_path):
    found = {"samples": 30, "texts_with_finding": 2, "originals": None, "originals_status": "not compared: no key"}
    figures = changed(good_figures(), "privacy_report", ("personal_data",), found)
    without = EvidenceCase(tmp_path / "without", {}, figures).publish()
    (ruling,) = (one for one in without.decide().rulings if one.rule == "memorization")
    assert ruling.passed
    assert "personal data in 2 of 30 texts that it wrote: not compared with originals, none are kept" in ruling.why
    refusing = EvidenceCase(tmp_path / "kept", {"privacy": {"vault": True}}, figures).refusing()
    assert "not compared with the originals in the vault (not compared: no key)" in refusing["memorization"]


def test_figures_of_an_attack_count_whatever_the_report_says_of_itself(tmp_path):
    passed = changed(good_figures(), "privacy_report", ("membership", "loss", "auc"), figure(0.75, 0.05))
    assert (
        "area 0.75 (0.70 to 0.80), beyond attacks.max_membership_auc 0.65"
        in EvidenceCase(tmp_path, {}, passed).refusing()["memorization"]
    )


def test_a_higher_margin_refuses_what_a_lower_one_accepts(tmp_path):
    assert EvidenceCase(tmp_path, {"gate": {"margin": 0.17}}).refusing() == {}
    assert set(EvidenceCase(tmp_path, {"gate": {"margin": 0.19}}).refusing()) == {"beats/base_few_shot"}


def test_where_lower_is_better_the_difference_counts_the_other_way(tmp_path):
    record = {"id": "id", "text": "text", "answer": "label", "consent": "consent"}
    task = {"kind": "generation", "instruction": "Help."}
    attributes = {"task": task, "gate": {"metric": "answer_loss"}, "record": record}
    figures = changed(
        good_figures(), "evaluation_report", ("differences", "base_few_shot"), {"answer_loss": difference(-0.3)}
    )
    assert "beats/base_few_shot" not in EvidenceCase(tmp_path, attributes, figures).refusing()
    figures = changed(
        good_figures(), "evaluation_report", ("differences", "base_few_shot"), {"answer_loss": difference(0.3)}
    )
    assert "worse" in EvidenceCase(tmp_path, attributes, figures).refusing()["beats/base_few_shot"]


def test_without_sensitive_features_a_reason_is_needed(tmp_path):
    none = {"fairness": {"sensitive_features": []}}
    assert set(EvidenceCase(tmp_path, none).refusing()) == {"fairness"}
    reasoned = {**none, "gate": {"without_sensitive_features": "The records hold parts of machines, no persons."}}
    assert EvidenceCase(tmp_path, reasoned, policy=Policy(name="tests", approvals=[])).refusing() == {}


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"gate": {"max_amplification": 0.1}}, "gate.max_amplification` needs `fairness.sensitive_features"),
        (
            {"gate": {"max_demographic_parity_difference": 0.1}},
            "gate.max_demographic_parity_difference` needs `fairness.sensitive_features",
        ),
        (
            {"gate": {"max_equalized_odds_difference": 0.1}},
            "gate.max_equalized_odds_difference` needs `fairness.sensitive_features",
        ),
        ({"gate": {"max_flip_rate": 0.1}}, "gate.max_flip_rate` needs `fairness.swaps"),
        (
            {
                "gate": {"max_equalized_odds_difference": 0.1},
                "fairness": {"sensitive_features": ["region"]},
                "task": {"kind": "generation", "instruction": "Help."},
                "record": {"id": "id", "text": "text", "answer": "label", "consent": "consent"},
            },
            "gate.max_equalized_odds_difference` needs `task.kind: classification",
        ),
    ],
)
def test_a_limit_that_nothing_could_be_compared_with_is_no_setting(tmp_path, attributes, problem):
    with pytest.raises(ValueError, match=problem):
        EvidenceCase(tmp_path, {"fairness": {"sensitive_features": []}, **attributes}).refusing()


def test_after_a_release_the_next_checkpoint_must_beat_it(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    assert case.decide().accepted
    decision = case.published_decision()
    require_accepted(case.lake, case.use_case, decision)
    released(case.lake, case.versions["adapter_checkpoint"])
    case.versions["adapter_checkpoint"] = case.checkpoint("next")
    champion = {"checkpoint": "ckpt-weights", "status": "compared"}
    case.figures["evaluation_report"]["info"] = {"champion": champion}
    case.figures["regression_report"]["champion"] = champion
    del case.figures["evaluation_report"]["differences"]["champion"]
    for stage in ("base_evaluation", *REQUIRED):
        case.versions[stage] = case.add(stage, "-next")
    assert set(broken(case.decide())) == {"beats/champion"}


def test_reports_that_compare_with_a_former_champion_refuse(tmp_path):
    case = EvidenceCase(tmp_path, champion="ckpt-newest")
    for former in (
        {"checkpoint": None, "status": "there is none yet"},
        {"checkpoint": "ckpt-former", "status": "compared"},
    ):
        case.figures["evaluation_report"]["info"] = {"champion": former}
        case.figures["regression_report"]["champion"] = former
        found = case.refusing()
        assert set(found) == {"beats/champion", "forgetting"}
        assert all("ckpt-newest is the champion now" in why for why in found.values())
    newest = {"checkpoint": "ckpt-newest", "status": "compared"}
    case.figures["evaluation_report"]["info"] = {"champion": newest}
    case.figures["regression_report"]["champion"] = newest
    assert case.refusing() == {}


NOTHING_TO_ASK = {
    "suites": {},
    "not_applicable": "This checkpoint scores labels and writes nothing: 3 suites that ask it to write do not apply.",
    "champion": {"checkpoint": None},
}


def test_a_checkpoint_that_scores_labels_keeps_the_rule_for_the_reason_that_is_told(tmp_path):
    case = EvidenceCase(tmp_path, writes=False)
    case.figures["regression_report"] = NOTHING_TO_ASK
    decision = case.publish().decide()
    ruling = next(one for one in decision.rulings if one.rule == "forgetting")
    assert ruling.passed and ruling.value is None
    assert ruling.why == f"{NOTHING_TO_ASK['not_applicable']} Its labels are judged by the rules of the evaluation."
    brief = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    assert NOTHING_TO_ASK["not_applicable"] in brief


def test_a_checkpoint_that_writes_cannot_be_passed_by_a_report_without_suites(tmp_path):
    case = EvidenceCase(tmp_path)
    case.figures["regression_report"] = NOTHING_TO_ASK
    found = broken(case.publish().decide())
    assert set(found) == {"forgetting"} and "the checkpoint writes nothing, and it does" in found["forgetting"]
    case.figures["regression_report"] = good_figures()["regression_report"] | {"not_applicable": "so it is"}
    assert "or both" in case.refusing()["forgetting"]


def test_a_checkpoint_that_writes_needs_every_suite_of_the_policy(tmp_path):
    policy = Policy(name="bank", suites=["general_text", "instructions"])
    found = EvidenceCase(tmp_path, policy=policy).refusing()
    assert "lacks instructions, which policy bank 1 asks for" in found["forgetting"]


@pytest.mark.parametrize(
    ("gain", "passed", "said"),
    [
        ({"accuracy": difference(0.0)}, True, "+0.000 (-0.020 to +0.020) against the champion, margin 0.15"),
        ({"accuracy": difference(-0.14)}, False, "-0.140 (-0.160 to -0.120) against the champion, margin 0.15"),
        ({}, True, "cannot be compared with the champion's"),
    ],
    ids=["as right", "less right", "not compared"],
)
def test_what_a_label_scorer_can_lose_is_labels_that_the_champion_has_right(tmp_path, gain, passed, said):
    champion = {"checkpoint": "ckpt-now", "status": "compared"}
    case = EvidenceCase(tmp_path, champion="ckpt-now", writes=False)
    case.figures["evaluation_report"]["info"] = {"champion": champion}
    case.figures["evaluation_report"]["differences"]["champion"] |= gain
    case.figures["regression_report"] = NOTHING_TO_ASK | {"champion": champion}
    case._settle()
    rule = next(rule for rule in rules_of(case.use_case, case.champion) if rule.name == "forgetting")
    items = {stage: case._item(stage) for stage in ("regression_report", "evaluation_report")}
    version = items["regression_report"].version
    assert version is not None
    found = rule.judge(Evidence(version, (), {}, {}, items, (), 0, False))
    assert found.passed is passed and said in found.why and NOTHING_TO_ASK["not_applicable"] in found.why


def test_a_gate_that_asks_nothing_of_the_quality_is_no_gate(tmp_path):
    with pytest.raises(ValueError, match="any model would be good enough"):
        EvidenceCase(tmp_path, {"gate": {"may_lose_to": MAY_LOSE}}).refusing()
    attributes = {"gate": {"may_lose_to": MAY_LOSE, "floors": {"macro_f1": 0.5}}}
    assert EvidenceCase(tmp_path, attributes, policy=ASKS_FOR_NO_SYSTEM).refusing() == {}


def test_an_accepted_decision_does_not_outlive_its_evidence(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    decision = case.published_decision()
    require_accepted(case.lake, case.use_case, decision)
    case.lake.add_verdict(
        case.lake.latest("complaints", "permitted_records"),
        NOT_TAINTED,
        False,
        "s",
        {"rows": 1, "reasons": {"consent_withdrawn": 1}},
    )
    with pytest.raises(VersionRefused, match="no longer holds"):
        require_accepted(case.lake, case.use_case, decision)


def test_a_refused_decision_is_no_licence(tmp_path):
    case = EvidenceCase(tmp_path, figures=changed(good_figures(), "privacy_report", ("membership",), None)).publish()
    decision = case.published_decision()
    found = json.loads(case.lake.read_file(decision, "decision.json"))
    assert found["decision"] == "refused"
    with pytest.raises(VersionRefused, match="refuses ckpt-weights"):
        require_accepted(case.lake, case.use_case, decision)


def test_the_brief_says_what_was_decided_and_what_is_not_known(tmp_path):
    case = EvidenceCase(tmp_path, figures=changed(good_figures(), "evaluation_report", ("test_rows",), 0)).publish()
    decision = case.published_decision()
    text = case.lake.read_file(decision, "decision_brief.html").decode()
    assert "may not be released" in text and "One training (seed 17) was evaluated" in text
    assert "Not known: metrics.json of evaluation_report is not valid evidence: test_rows" in text
    assert date.today().isoformat()[:4] in text


REVIEW = {
    "evaluation": "evaluation_report",
    "win_rate": figure(0.64, 0.1),
    "rows": 75,
    "alternative": "base_few_shot",
    "confidence": 0.95,
}
SAID = (
    "Experts prefer the trained model to “Base model, few-shot” in 64 % of the 75 judged records (54 to 74 %, 95 %"
    " interval; a tie counts half)."
)


def test_the_brief_says_what_experts_preferred_where_they_judged_this_checkpoint(tmp_path):
    figures = changed(good_figures(), "human_review", (), REVIEW)
    case = EvidenceCase(tmp_path, figures=figures, left_out={"human_review"})
    case.figures["evaluation_report"]["test_rows"] = 0  # the rest of the page is not what is tested
    case = case.publish()
    before = case.published_decision()
    assert "Experts" not in case.lake.read_file(before, "decision_brief.html").decode()
    case.add("human_review")
    after = case.published_decision()
    text = case.lake.read_file(after, "decision_brief.html").decode()
    assert after != before, "a review that came later is another decision"
    assert SAID in text and problems_of(text) == []


def test_the_brief_does_not_quote_a_review_of_another_evaluation(tmp_path):
    figures = changed(good_figures(), "human_review", (), REVIEW)
    case = EvidenceCase(tmp_path, figures=figures, left_out={"human_review"})
    case.figures["evaluation_report"]["test_rows"] = 0
    case = case.publish()
    case.add("human_review")
    case.figures["evaluation_report"]["left_out"] = {"too_long": 1}
    case.versions["evaluation_report"] = case.add("evaluation_report", "-later")
    for stage in ("fairness_report", "roi_report", "model_card"):
        case.versions[stage] = case.add(stage, "-later")
    text = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    assert "Experts prefer" not in text


def test_the_brief_shows_the_seeds_or_says_why_they_are_not_known(tmp_path):
    for left_out, words in (
        (set(), "for all 3 seeds"),
        ({"seed_variation"}, "Not known: there is no seed_variation of this checkpoint"),
    ):
        case = EvidenceCase(tmp_path / str(len(left_out)), SEEDS, left_out=left_out)
        case.figures["evaluation_report"]["test_rows"] = 0  # the rest of the page is not what is tested
        case = case.publish()
        decision = case.published_decision()
        text = case.lake.read_file(decision, "decision_brief.html").decode()
        assert words in text and (" of each seed: " in text) is not bool(left_out) and problems_of(text) == []


def test_a_decision_that_rested_on_content_erased_since_was_valid_and_permits_no_release(tmp_path):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    assert case.decide().accepted
    splits = case.versions["splits"]
    case.lake.note_erased(splits, "erasure request 7")
    shutil.rmtree(splits.uri)
    found = broken(case.decide())
    seen = found["lineage/adapter_checkpoint"]
    assert "splits@0 was valid when it was made, but its content has been erased since (erasure request 7" in seen
    assert "lineage/signatures" not in found


def test_a_lake_that_was_signed_afterwards_says_so_in_the_decision(tmp_path):
    case = EvidenceCase(tmp_path, EVERY_RULE).publish()
    shutil.rmtree(tmp_path / "seals")
    shutil.rmtree(case.lake.path_of("shared", "complaints", "seals"))
    lake = open_lake(Environment(home=tmp_path))
    with pytest.raises(VersionRefused, match="written before its versions were signed"):
        newest_evidence(lake, case.use_case, case.versions["adapter_checkpoint"])
    files = adopt(lake, "complaints").files
    decision = decide(
        lake,
        case.use_case,
        case.versions["adapter_checkpoint"],
        newest_evidence(lake, case.use_case, case.versions["adapter_checkpoint"]),
    )
    assert decision.accepted
    [ruling] = [ruling for ruling in decision.rulings if ruling.rule == "lineage/signatures"]
    assert f"{files} of them were written before there were signatures and signed afterwards." in ruling.why


def test_who_joins_a_team_makes_no_decision_stale(tmp_path):
    case = EvidenceCase(tmp_path).publish()
    assert case.decide().accepted
    teams = {"complaints": [*OWNERS["teams"]["complaints"], "bo.lund@example.org"]}
    owners = case.use_case.settings.owners.model_copy(update={"teams": teams})
    settings = case.use_case.settings.model_copy(update={"owners": owners})
    case.use_case = case.use_case.model_copy(update={"settings": settings})
    assert broken(case.decide()) == {}


def test_the_brief_asks_for_the_signatures_that_a_release_asks_for_and_no_others(tmp_path):
    """As `ft sign`, the home page and the page of signatures."""

    def brief(**release):
        attributes = {"release": {"intended_use": "Routing of complaints.", **release}}
        case = EvidenceCase(tmp_path / str(len(release)), attributes).publish()
        return case.lake.read_file(case.published_decision(), "decision_brief.html").decode()

    asks_nobody, asks = brief(), brief(approvals=["compliance"])
    assert "A release of this use case asks for no signature" in asks_nobody
    assert "Release it: ft release complaints" in asks_nobody
    assert "People must still sign" not in asks_nobody and "____" not in asks_nobody
    assert "People must still sign" in asks and "ft sign complaints --as compliance --by E-MAIL" in asks
    assert "Ask the people named in the release decision to sign" in asks


def test_the_brief_says_what_the_base_model_was_asked(tmp_path):
    task = {"kind": "classification", "instruction": "Choose one of: {labels}. Be wrong on purpose."}
    case = EvidenceCase(tmp_path, {"task": task}).publish()
    page = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    assert (
        "Be wrong on purpose." in page and "The few-shot prompt adds 4 training records and no words of its own" in page
    )
