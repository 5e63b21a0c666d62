"""Checkpoints of a tiny model attacked for real: one that knows its records by heart is flagged, one that learned
nothing sits at chance."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from ft_platform.cli import main
from ft_platform.errors import VersionRefused
from ft_platform.lake.gate import problems_with
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.publishing.privacy import publish_privacy_report
from ft_platform_tests.privacy_attacks.attacked_case import (
    ATTACKS,
    CANARY,
    OVERTRAINED,
    ROWS,
    UNTRAINED,
    VALIDATION,
    Where,
    installed,
    rows_for,
    trained,
)

ATTACKS_MADE = ("loss", "calibrated")
pytestmark = pytest.mark.integration


@dataclass
class Case:
    """A checkpoint and the report of its attacks."""

    where: Where
    checkpoint: ArtifactVersion
    report: ArtifactVersion

    @property
    def found(self) -> dict[str, Any]:
        return json.loads(self.where[1].read_file(self.report, "privacy.json"))


def attacked(where: Where) -> Case:
    environment, lake, use_case, splits = where
    checkpoint = trained(where)
    return Case(where, checkpoint, publish_privacy_report(lake, environment, use_case, splits, checkpoint))


@pytest.fixture(scope="module")
def overtrained(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return attacked(installed(tmp_path_factory.mktemp("over"), "generation", OVERTRAINED))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return attacked(installed(tmp_path_factory.mktemp("un"), "generation", UNTRAINED))


def test_an_overtrained_adapter_is_flagged_by_every_attack(overtrained: Case) -> None:
    found = overtrained.found
    for name in ATTACKS_MADE:
        assert found["membership"][name]["auc"]["low"] > 0.9, name
        assert found["membership"][name]["at_1_percent"]["value"] > 0.5, name
    rates = found["extraction_rate"]
    assert (
        rates["verbatim"]["value"] > 0.1
        and rates["near_verbatim"]["value"] >= rates["verbatim"]["value"]
        and rates["gain"]["low"] > 0
    )
    assert (
        rates["baseline"]["value"] == rates["untrained"]["value"] == 0.0
        and rates["of"] == "answers"
        and rates["rows"] == ROWS
    )
    assert found["overfitting"]["gap"]["low"] > 1
    assert (
        found["overfitting"]["validation_gap"] is None
        and "validation 5; 20 are needed" in found["overfitting"]["status"]
    )
    assert abs(found["overfitting"]["gap_before"]["value"]) < 0.3
    assert not found["passed"] and len(found["reasons"]) >= 3


def test_an_untrained_adapter_sits_at_chance_and_passes(untrained: Case) -> None:
    found = untrained.found
    assert all(one["auc"]["low"] < 0.5 < one["auc"]["high"] for one in found["membership"].values())
    assert found["extraction_rate"]["verbatim"]["value"] == 0.0
    gap, before = found["overfitting"]["gap"], found["overfitting"]["gap_before"]
    assert gap["value"] == pytest.approx(before["value"], abs=1e-3)
    assert found["passed"] and found["reasons"] == [], "a small use case owes the area alone"


def test_the_figures_equal_those_of_scikit_learn_on_plainly_computed_losses(overtrained: Case) -> None:
    """One record at a time through transformers, with the adapter loaded by peft and switched off for the reference."""
    import torch
    from peft import PeftModel
    from sklearn.metrics import roc_auc_score
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ft_platform.models.rendering.renderer import Renderer

    _, _, use_case, _ = overtrained.where
    folder = use_case.settings.base_model.uri
    renderer = Renderer(AutoTokenizer.from_pretrained(folder), use_case.settings.task)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), overtrained.checkpoint.uri
    ).eval()

    def token_losses(row: dict[str, Any]) -> np.ndarray:
        rendered = renderer.example(row["messages"])
        ids = torch.tensor([rendered.input_ids])
        with torch.no_grad():
            chosen = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        return -chosen.numpy()[np.array(rendered.supervised)[1:]]

    rows = [row for row in rows_for("generation") if row["split"] != "validation"]
    truth = [row["split"] == "train" for row in rows]
    after = [token_losses(row) for row in rows]
    with model.disable_adapter():
        before = [token_losses(row) for row in rows]
    found = overtrained.found["membership"]
    assert {len(row) for row in after} == {17}, "16 letters and the end of turn"
    expected = {
        "loss": roc_auc_score(truth, [-row.mean() for row in after]),
        "calibrated": roc_auc_score(truth, [b.mean() - a.mean() for a, b in zip(after, before, strict=True)]),
    }
    assert {name: found[name]["auc"]["value"] for name in found} == pytest.approx(expected, abs=1e-9)
    means = {
        side: (
            np.concatenate(
                [row for row, is_train in zip(after, truth, strict=True) if is_train == (side == "train")]
            ).mean()
        )
        for side in ("train", "test")
    }
    assert overtrained.found["overfitting"]["gap"]["value"] == pytest.approx(means["test"] - means["train"], rel=1e-4)


def test_pages_and_figures_hold_no_words_of_records_and_what_was_made_is_used_again(overtrained: Case) -> None:
    environment, lake, use_case, splits = overtrained.where
    files = {name: lake.read_file(overtrained.report, name) for name in lake.manifest(overtrained.report).files}
    assert {"membership.png", "losses.png", "loss_by_epoch.png"} <= set(files)
    words = {message["content"] for row in rows_for("generation") for message in row["messages"]}
    for name in ("privacy.json", "report.html"):
        text = files[name].decode()
        assert CANARY not in text and not [one for one in words if one in text], name
    page = files["report.html"].decode()
    assert (
        "<script" not in page
        and page.count("data:image/png;base64,") == 3
        and "can be told from others by the loss" in page
    )
    assert publish_privacy_report(lake, environment, use_case, splits, overtrained.checkpoint) == overtrained.report
    assert [parent.name for parent in lake.manifest(overtrained.report).parents] == ["splits", "adapter_checkpoint"]
    assert problems_with(lake, use_case, overtrained.report) == []


def test_the_attack_on_the_command_line_says_what_was_not_measured_and_what_is_out_of_date(
    overtrained: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in overtrained.where[0].to_variables().items():
        monkeypatch.setenv(name, value)
    assert main(["privacy", "attack", "complaints", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["attacker"].startswith("Of 1,000 training records, an attacker would find 1,000")
    assert printed["extraction_rate"]["verbatim"]["value"] > 0
    assert (
        printed["exposure_bits"] is None
        and printed["exposure_bits_interval"] is None
        and "ft run complaints --select canary_audit" in printed["exposure_status"]
    )
    assert printed["problems"] == [] and not printed["passed"]
    assert main(["privacy", "attack", "complaints"]) == 0
    assert "not passed" in capsys.readouterr().out
    path = overtrained.where[0].defs / "complaints" / "defs.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("  attacks:\n", "  attacks:\n    rows: 2000\n"))
    try:
        assert main(["privacy", "attack", "complaints", "--json"]) == 0
        assert any(
            "privacy_report" in problem or "attack-" in problem
            for problem in json.loads(capsys.readouterr().out)["problems"]
        )
    finally:
        path.write_text(whole)


def test_the_check_fails_with_the_reasons_and_passes_without(overtrained: Case, untrained: Case) -> None:
    from ft_platform.assets.privacy_report import build

    results = []
    for case in (overtrained, untrained):
        _, lake, use_case, _ = case.where
        check = build(use_case)[1]
        results.append(check(lake=lake, privacy_report=case.report))
    failed, passed = results
    assert (
        not failed.passed
        and "beyond attacks.max_membership_auc" in failed.description
        and failed.severity == dg.AssetCheckSeverity.ERROR
    )
    assert passed.passed and "The policy accepts the area from so small a use case" in passed.description


def test_the_programs_refuse_splits_whose_check_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ft_platform.programs import attack, canaries
    from ft_platform.stages import check_settings_hash

    where = installed(tmp_path, "generation", UNTRAINED)
    environment, lake, use_case, splits = where
    trained(where)
    lake.add_verdict(splits, "no_leakage", False, check_settings_hash(use_case, "splits", "no_leakage"))
    for name, value in {**environment.to_variables(), "FT_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["program", "--use-case", "complaints"])
    for program in (attack, canaries):
        with pytest.raises(SystemExit):
            program.main()
        assert "check no_leakage of splits@0 failed" in capsys.readouterr().err
    assert lake.artifacts("complaints", "privacy_report") == [] == lake.artifacts("complaints", "canary_audit")


def test_a_use_case_that_was_never_attacked_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, *_ = installed(tmp_path, "generation", UNTRAINED)
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    assert main(["privacy", "attack", "complaints"]) == 1
    assert "no checkpoint of complaints was attacked" in capsys.readouterr().err


@pytest.mark.parametrize("objective", ["sft", "label_head"])
def test_labels_are_attacked_too_and_a_label_head_writes_no_text(tmp_path: Path, objective: str) -> None:
    found = attacked(installed(tmp_path, "classification", {**UNTRAINED, "objective": objective})).found
    assert (found["members"], found["others"], found["records"]) == (ROWS, ROWS + VALIDATION, 2 * ROWS + VALIDATION)
    assert {one["kind"] for one in found["slices"]} == {"label"}
    assert found["overfitting"]["gap_before"] is not None
    if objective == "label_head":
        assert found["extraction_rate"]["verbatim"] is None and "writes no text" in found["extraction_rate"]["status"]
        assert found["personal_data"] is None and "writes no text" in found["personal_data_status"]
    else:
        assert (
            found["extraction_rate"]["of"] == "user texts" and found["personal_data"]["samples"] == ATTACKS["samples"]
        )


def test_only_records_that_the_checkpoint_saw_count_as_training_records(untrained: Case) -> None:
    from ft_platform.models.base_model import load, resolve
    from ft_platform.models.rendering.renderer import Renderer, labels_of
    from ft_platform.training.dataset import read_splits
    from ft_platform.training.privacy_attacks.records import sides, trained_on

    environment, lake, use_case, splits = untrained.where
    table = read_splits(lake, splits)
    members = trained_on(lake, untrained.checkpoint)
    assert members == {row["record_id"] for row in rows_for("generation") if row["split"] == "train"}
    _, tokenizer = load(
        resolve(use_case.settings.base_model, environment.cache_path, environment.unpinned_base_models), "float32"
    )
    renderer = Renderer(tokenizer, use_case.settings.task, labels_of(table))
    fewer = sides(use_case, table, renderer, sorted(members)[:7])
    assert {side: len(sample) for side, sample in fewer.items()} == {"train": 7, "test": ROWS, "validation": VALIDATION}
    whole = sides(use_case, table, renderer, members)
    assert all(row in whole["train"].rows for row in fewer["train"].rows)


def test_a_checkpoint_of_another_instruction_is_refused(untrained: Case) -> None:
    environment, lake, use_case, splits = untrained.where
    task = use_case.settings.task.model_copy(update={"instruction": "Be rude."})
    other = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"task": task})})
    with pytest.raises(VersionRefused, match="was trained with renderer"):
        publish_privacy_report(lake, environment, other, splits, untrained.checkpoint)


CHANGED = {
    "rows": 2000,
    "max_true_positive_rate": 0.04,
    "bootstrap_samples": 500,
    "confidence": 0.8,
    "prefix_tokens": 1,
    "continuation_tokens": 8,
    "extraction_rows": 30,
}
CHANGED |= {"samples": 6, "sample_tokens": 8, "max_membership_auc": 0.9, "max_extraction_gain": 0.5}


@pytest.mark.parametrize("setting", list(CHANGED))
def test_every_setting_makes_the_report_stale(untrained: Case, setting: str) -> None:
    _, lake, use_case, _ = untrained.where
    settings = use_case.settings.attacks.model_copy(update={setting: CHANGED[setting]})
    other = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"attacks": settings})})
    assert any("stale" in problem for problem in problems_with(lake, other, untrained.report))
