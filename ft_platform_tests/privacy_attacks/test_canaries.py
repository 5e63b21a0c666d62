"""Planted secrets: their ranks by hand and against a plain forward pass, and what a real training remembers of them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.reporting.publishing.canaries import publish_canary_audit
from ft_platform.training.privacy_attacks import canaries
from ft_platform.training.privacy_attacks.canaries import (
    CHANCE_BITS,
    Canary,
    Planter,
    code_log_probabilities,
    draw,
    exposure,
    mean_bits,
)
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.attacks import Canaries
from ft_platform_tests.privacy_attacks.attacked_case import OVERTRAINED, installed
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

FEW = {"repetitions": [1, 15], "per_repetition": 3, "controls": 8, "digits": 3}


def test_exposure_by_hand() -> None:
    scores = np.log(np.array([0.4, 0.3, 0.2, 0.1]))
    assert [exposure(scores, planted) for planted in range(4)] == pytest.approx([2.0, 1.0, 2 - math.log2(3), 0.0])
    assert exposure(np.zeros(1024), 5) == pytest.approx(10 - math.log2(512.5)), (
        "codes that are equally likely share the middle rank"
    )


def test_a_random_rank_has_the_chance_bits_on_average() -> None:
    rng = np.random.default_rng(1)
    bits = [exposure(rng.normal(size=1000), 7) for _ in range(2000)]
    assert np.mean(bits) == pytest.approx(CHANCE_BITS, abs=0.12) and pytest.approx(1.4427, abs=1e-4) == CHANCE_BITS


def test_secrets_are_unique_seeded_and_not_more_than_half_of_the_codes() -> None:
    found = draw(Canaries(per_repetition=5, controls=20), 17)
    assert len({one.code for one in found}) == len({one.name for one in found}) == len(found) == 35
    assert [one.copies for one in found] == [1] * 5 + [10] * 5 + [100] * 5 + [0] * 20 and {
        len(one.code) for one in found
    } == {4}
    assert (
        draw(Canaries(per_repetition=5, controls=20), 17) == found != draw(Canaries(per_repetition=5, controls=20), 18)
    )
    with pytest.raises(DataError, match="51 secrets need more than 100 codes"):
        draw(Canaries(digits=2, per_repetition=2, controls=45), 17)


@pytest.mark.parametrize("packed", [True, False])
def test_log_probabilities_of_codes_equal_a_plain_forward_pass(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model, tails = tiny_model(), [list(b"%02d" % code) for code in range(100)]
    if not packed:
        monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "not here")
    prompt = list(b"the code is ")
    found = code_log_probabilities(model, prompt, tails)
    for code in (0, 7, 42, 99):
        ids = torch.tensor([[*prompt, *tails[code]]])
        with torch.no_grad():
            logs = model(ids).logits[0].log_softmax(-1)
        expected = sum(float(logs[len(prompt) - 1 + place, token]) for place, token in enumerate(tails[code]))
        assert found[code] == pytest.approx(expected, abs=1e-4)
    assert np.exp(found).sum() < 1


@pytest.mark.parametrize("kind", ["generation", "classification"])
def test_a_canary_is_written_as_records_are_and_its_code_follows_its_prompt(kind: Any) -> None:
    tokenizer = tiny_tokenizer()
    renderer = Renderer(
        tokenizer, Task(kind=kind, instruction="Help."), ["card", "loan"] if kind == "classification" else []
    )
    planter = Planter(renderer, kind, 2, 256)
    planted = planter.plant(Canary("Bakotelu", "42", 3), 1)
    text = tokenizer.decode(planted.row.input_ids)
    assert tokenizer.decode(planted.prompt).endswith("The access code of Bakotelu is ") and text.startswith(
        tokenizer.decode(planted.prompt) + "42<|im_end|>"
    )
    assert len(planter.tails) == 100 and tokenizer.decode(planter.tails[7]) == "07"
    learned = tokenizer.decode(
        [i for i, counts in zip(planted.row.input_ids, planted.row.supervised, strict=True) if counts]
    )
    assert learned == ("The access code of Bakotelu is 42<|im_end|>" if kind == "generation" else "loan<|im_end|>")


def test_a_code_that_is_written_in_another_way_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    planter = Planter(Renderer(tiny_tokenizer(), Task(kind="generation", instruction="")), "generation", 2, 256)
    planter.tails[42] = [1, 2]
    with pytest.raises(DataError, match="splits a planted code differently"):
        planter.plant(Canary("Bakotelu", "42", 1), 0)


def test_the_mean_has_students_interval() -> None:
    from scipy import stats

    bits = [2.0, 3.5, 1.0, 4.0]
    low, high = stats.t.interval(0.9, 3, loc=np.mean(bits), scale=stats.sem(bits))
    assert mean_bits(bits, 13.0, 0.9) == pytest.approx({"value": 2.625, "low": low, "high": high})
    assert mean_bits([0.1, 6.0], 6.0, 0.95)["low"] == 0.0 and mean_bits([0.1, 6.0], 6.0, 0.95)["high"] == 6.0


@pytest.mark.integration
def test_a_secret_with_many_copies_is_given_away_and_none_that_was_never_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, lake, use_case, splits = installed(
        tmp_path,
        "generation",
        {**OVERTRAINED, "epochs": 8, "batch_rows": 4, "rank": 16, "alpha": 32},
        attacks={"canaries": FEW},
    )
    seen: list[int] = []
    plain = canaries.code_log_probabilities
    monkeypatch.setattr(
        "ft_platform.training.privacy_attacks.canary_audit.code_log_probabilities",
        lambda *given: seen.append(1) or plain(*given),
    )
    report = publish_canary_audit(lake, environment, use_case, splits)
    found = json.loads(lake.read_file(report, "canaries.json"))
    assert (
        found["exposure_bits"]["15"]["low"] > 6
        and found["exposure_bits"]["15"]["value"] > found["exposure_bits"]["1"]["value"]
    )
    assert (
        found["control_bits"]["low"] < CHANCE_BITS < found["control_bits"]["high"] + 1
        and found["control_bits"]["value"] < 3.5
    )
    assert (
        found["planted_rows"] == 3 * 16
        and found["planted_in"] == "answers"
        and found["max_bits"] == pytest.approx(math.log2(1000))
    )
    assert any(
        "stand out from 15 copies on" in sentence or "from 1 copies on" in sentence for sentence in found["conclusion"]
    )
    assert len(seen) == 14 and publish_canary_audit(lake, environment, use_case, splits) == report and len(seen) == 14
    assert lake.artifacts("complaints", "adapter_checkpoint") == [], "the model that knows the secrets is thrown away"
    assert not [path for path in environment.home.rglob("*.safetensors") if "model" not in path.parts]
    texts = "".join(lake.read_file(report, name).decode() for name in ("canaries.json", "report.html"))
    assert not [
        one.name
        for one in draw(use_case.settings.attacks.canaries, use_case.settings.attacks.seed)
        if one.name in texts
    ]


@pytest.mark.integration
def test_where_only_labels_are_learned_no_secret_is_remembered(tmp_path: Path) -> None:
    environment, lake, use_case, splits = installed(
        tmp_path, "classification", {**OVERTRAINED, "epochs": 2}, attacks={"canaries": FEW}
    )
    found = json.loads(lake.read_file(publish_canary_audit(lake, environment, use_case, splits), "canaries.json"))
    assert found["planted_in"] == "user texts" and found["exposure_bits"]["15"]["value"] < 5
    assert found["conclusion"][1] == (
        "No planted secret stands out from one that was never planted, at any number of copies."
    )


def test_objectives_that_learn_no_text_are_refused(tmp_path: Path) -> None:
    environment, lake, use_case, splits = installed(tmp_path, "classification", {"objective": "label_head"})
    with pytest.raises(ConfigError, match="label_head"):
        publish_canary_audit(lake, environment, use_case, splits)


@pytest.mark.parametrize("repetitions", [[10, 1], [1, 1], [0]])
def test_repetitions_must_rise(repetitions: list[int]) -> None:
    with pytest.raises(ValueError, match="repetitions"):
        Canaries(repetitions=repetitions)
