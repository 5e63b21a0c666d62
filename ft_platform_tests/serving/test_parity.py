"""An endpoint that answers otherwise than the evaluation is told apart, and why."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ft_platform.evaluation.golden_prompts import read_golden
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.lake.releases import releases
from ft_platform.serving.causes import Asked, Golden
from ft_platform.serving.golden import golden_set
from ft_platform.serving.guardrails.effect import effect
from ft_platform.serving.parity import _unsure, asker, compare, in_words, measured
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.contract import Endpoint
from ft_platform.serving.trial import served
from ft_platform_tests.evaluation.tiny_case import HOSTILE
from ft_platform_tests.serving.installations import Installation, copied

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["label_head", "sft", "answers"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "answers":
        return Installation(home, "sft", "generation")
    return Installation(home, request.param)


def golden_of(made: Installation) -> list[Golden]:
    release = releases(made.lake, "complaints")[0]
    return golden_set(made.lake, made.use_case, release, renderer_of(made.environment, made.lake, release), 12)


def asked(made: Installation, golden: list[Golden], model: str = "complaints") -> dict[str, Any]:
    labels = made.use_case.settings.task.kind == "classification"
    with served(made.environment, ["complaints"]) as url:
        of = (Endpoint(url, model, ours=True), labels, 8)
        return compare(asker(*of), golden, True, 100, without_guardrails=asker(*of, guardrails=False))


def test_our_server_answers_as_the_evaluation(made: Installation) -> None:
    found = asked(made, golden_of(made))
    assert found["ok"] and found["asked"] == 12 and not found["differs"]
    assert found["prompts_compared"] == "ids" and found["prompts_equal"] and not found["causes"]
    assert found["seconds"]["p95"] > 0 and found["decisions_equal"]["value"] == 1.0
    assert found["largest_probability_difference"] < 1e-4
    # The records of this test were not anonymized: `Case 8 zanzibar-canary-4711` looks like a place.
    assert found["guardrails"]["personal_data"] == 12


def test_what_a_guardrail_changes_is_seen_where_it_cannot_be_left_out(made: Installation) -> None:
    labels = made.use_case.settings.task.kind == "classification"
    with served(made.environment, ["complaints"]) as url:
        found = compare(asker(Endpoint(url, "complaints", ours=True), labels, 8), golden_of(made), True, 100)
    assert not found["ok"] and not found["prompts_equal"] and found["guardrails"]["personal_data"] == 12


def test_the_effect_of_guardrails_is_measured_on_the_same_records(made: Installation) -> None:
    golden, task = golden_of(made), made.use_case.settings.task
    with served(made.environment, ["complaints"]) as url:
        of = (Endpoint(url, "complaints", ours=True), task.kind == "classification", 8)
        found = effect(asker(*of), asker(*of, guardrails=False), golden, task)
    assert found["records"] == 12 and found["acted"]["personal_data"] == 12
    assert found["metric"] == ("accuracy" if task.kind == "classification" else "chrf")
    without = compare_quality(golden, task.kind)
    assert found["quality"]["without"] == pytest.approx(without)
    assert found["added_seconds"]["median"] <= found["added_seconds"]["p95"]


def compare_quality(golden: list[Golden], kind: str) -> float:
    """Of the decisions of the evaluation."""
    if kind == "classification":
        return sum(one.decision == one.expected for one in golden) / len(golden)
    return sum(chrf(one.expected, one.decision) for one in golden) / len(golden)


def test_other_weights_are_told_apart(made: Installation, tmp_path: Path) -> None:
    installation = copied(made, tmp_path / "home")
    golden = golden_of(installation)
    installation.releases(installation.another(_without_training))
    found = asked(installation, golden)
    assert not found["ok"] and found["differs"].keys() & {"decisions", "probabilities"}
    assert found["causes"][0].startswith("adapter: ")


def test_another_scaling_is_told_apart(made: Installation, tmp_path: Path) -> None:
    installation = copied(made, tmp_path / "home")
    golden = golden_of(installation)
    installation.releases(installation.another(_scaled))
    found = asked(installation, golden)
    assert not found["ok"] and found["differs"].keys() & {"decisions", "probabilities"}
    assert "lora_alpha" in found["causes"][0]


def test_another_prompt_is_told_apart(made: Installation) -> None:
    golden = [dataclasses.replace(one, prompt=(1, *one.prompt)) for one in golden_of(made)]
    found = asked(made, golden)
    assert not found["ok"] and not found["prompts_equal"] and len(found["differs"]["prompt tokens"]) == 10
    assert found["causes"] == ["chat template: 12 of 12 prompts are rendered otherwise, each -1 tokens; hand over ours"]


def test_a_request_that_takes_longer_than_the_gate_allows_is_refused(made: Installation) -> None:
    golden, slow = golden_of(made)[:2], Asked("x", None, 3, "stop", 2.0)
    found = compare(lambda messages: slow, golden, False, 100, most_seconds=1.0)
    assert not found["ok"] and found["causes"][-1].startswith("a request takes 2.000 seconds on average")


def evaluated(records: int, label: str = "card", probability: float | None = 0.9) -> list[Golden]:
    return [Golden(str(n), [{"role": "user", "content": str(n)}], (1, 2), label, probability) for n in range(records)]


def answering(wrong: int, ties: int = 0, golden: str = "card", tokens: Any = ()) -> Any:
    """The first `wrong` records get another answer, the next `ties` one that is equally likely but for rounding."""

    def ask(messages: list[dict[str, str]]) -> Asked:
        number = int(messages[0]["content"])
        if number < wrong:
            return Asked("loan", (1, 2), 2, "stop", 0.1, {"card": 0.3, "loan": 0.7})
        if number < wrong + ties:
            return Asked("loan", (1, 2), 2, "stop", 0.1, {"card": 0.49, "loan": 0.51}, tokens)
        return Asked(golden, (1, 2), 2, "stop", 0.1, {"card": 0.52, "loan": 0.48})

    return ask


@pytest.mark.parametrize(
    ("records", "wrong", "ours", "ok"),
    [
        (200, 0, False, True),
        (200, 1, False, True),  # 99.5 %
        (200, 2, False, False),
        (100, 1, False, False),
        (1000, 5, False, True),
        (1000, 6, False, False),
        (1000, 1, True, False),  # on our engine all must be equal, but for ties
    ],
)
def test_so_many_decisions_are_equal_on_another_engine(records: int, wrong: int, ours: bool, ok: bool) -> None:
    found = compare(answering(wrong), evaluated(records, probability=0.52), ours, 1000)
    assert found["ok"] is ok
    assert found["decisions_equal"]["value"] == (records - wrong) / records
    assert bool(found["causes"]) is not ok


@pytest.mark.parametrize(("ties", "ok"), [(2, True), (10, True), (11, False), (200, False)])
def test_ties_are_no_more_than_the_evaluation_could_not_see(ties: int, ok: bool) -> None:
    """Half of the widest interval of 374 records is 0.0504 (Wilson, 187 of 374), so 10 of 200 and not 11."""
    found = compare(answering(0, ties), evaluated(200, probability=0.52), True, 374)
    assert found["most_others"] == pytest.approx(0.0504, abs=1e-4)
    assert found["ties"] == ties
    assert found["ok"] is ok


def test_open_answers_that_part_at_a_tie_are_alike_on_another_engine_too() -> None:
    """The server's next token was 0.1 nats ahead of the one that was evaluated."""
    tie = (("loan", -0.6, {"loan": -0.6, "card": -0.7}),)
    apart = (("loan", -0.1, {"loan": -0.1, "card": -2.7}),)
    golden = evaluated(200, probability=None)
    assert compare(answering(0, 5, tokens=tie), golden, False, 374)["ok"]
    assert not compare(answering(0, 5, tokens=apart), golden, False, 374)["ok"]
    assert not compare(answering(0, 20, tokens=tie), golden, False, 374)["ok"]


def test_golden_prompts_are_asked_of_the_endpoint_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["card", "loan", HOSTILE]
    golden = [
        {"name": "any_label", "prompt": "My card was swiped.", "must_say": [labels]},
        {"name": "no_label", "prompt": "My card was swiped.", "must_say": ["none of them"]},
    ]
    made = Installation(tmp_path, "label_head", golden=golden)
    release = releases(made.lake, "complaints")[0]
    with served(made.environment, ["complaints"]) as url:
        of = (release, renderer_of(made.environment, made.lake, release), Endpoint(url, "complaints", ours=True), 12)
        found = measured(made.lake, made.use_case, *of)
        evaluated = read_golden(made.lake, made.report)
        # An evaluation in which the second prompt was kept, beside an endpoint that does not keep it.
        planted = [evaluated[0], dataclasses.replace(evaluated[1], answer="none of them")]
        monkeypatch.setattr("ft_platform.serving.parity.read_golden", lambda *_: planted)
        broken = measured(made.lake, made.use_case, *of)
    assert found["ok"] and found["golden"] == {"asked": 2, "kept": 1, "broken": []}
    assert in_words(found).endswith("1 of 2 golden prompts are answered as experts ask.")
    assert not broken["ok"] and broken["golden"] == {"asked": 2, "kept": 1, "broken": ["no_label"]}
    assert in_words(broken).endswith("The evaluation kept these, and the endpoint does not: no_label.")
    assert not broken["differs"], "nothing but the golden prompt"


def _without_training(folder: Path) -> None:
    """Every trained number turned round."""
    from safetensors.torch import load_file, save_file

    for file in folder.glob("*.safetensors"):
        save_file({name: -10 * tensor for name, tensor in load_file(file).items()}, file)


def _scaled(folder: Path) -> None:
    """alpha / r as if alpha was ten thousand times as large."""
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 10_000 * config["lora_alpha"]}))


@pytest.mark.parametrize(
    ("far", "of", "refused"), [(2, 20, 0), (3, 20, 3), (5, 50, 0), (6, 50, 6), (9, 100, 0), (10, 100, 10)]
)
def test_so_many_probabilities_are_further_away_than_rounding_takes_them(far: int, of: int, refused: int) -> None:
    apart = {str(number): 0.03 if number < far else 0.001 for number in range(of)}
    assert len(_unsure(apart)) == refused
    assert len(_unsure({**apart, "0": 0.11})) == max(refused, 1)


def test_what_rounding_does_is_seldom_refused() -> None:
    draw = random.Random(1)
    refused = [bool(_unsure({str(n): 0.03 * (draw.random() < 0.05) for n in range(50)})) for _ in range(1000)]
    assert sum(refused) <= 60, "one in twenty where rounding takes as many as it ever does"
