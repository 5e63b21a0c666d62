"""Pairs of answers through the whole graph: what people like less is cleaned and anonymized as every other text, and
DPO learns from it."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.lake.gate import require_usable
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import run_use_case
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, run_here
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.integration

SECRET = "mary.example@mail.example"


def pairs() -> list[dict[str, str]]:
    """Fictitious questions with a polite answer, and a curt one that names a person's address."""
    rows = []
    for number, record in enumerate(records(20)):
        liked, less = (
            f"We are sorry about case {number} and look into it today.",
            f"Case {number} is old. Ask {SECRET} about it,   please.",
        )
        rows.append({"id": record["id"], "prompt": record["text"], "chosen": liked, "rejected": less, "consent": "yes"})
    return rows


@pytest.fixture
def preference_case(tmp_path: Path, environment: Environment) -> Any:
    source = tmp_path / "pairs.jsonl"
    source.write_text("\n".join(map(json.dumps, pairs())))
    attributes = {
        **{name: value for name, value in minimal_attributes(str(source)).items() if name != "fairness"},
        "task": {"kind": "generation", "instruction": "Answer the customer."},
        "record": {"chat_format": "preference", "id": "id", "consent": "consent"},
        "base_model": {"uri": str(save_tiny_model(tmp_path / "model")), "dtype": "float32"},
        "training": {"recipe": "manual", "objective": "dpo", "max_steps": 3, "batch_rows": 8, "rank": 4},
        "evaluation": {"bootstrap_samples": 100, "max_new_tokens": 8, "max_test_rows": 10},
    }
    write_use_case(environment.defs, "complaints", attributes)
    return load_use_case(environment.defs / "complaints")


def test_pairs_become_a_checkpoint_and_no_personal_data_of_the_other_answer_goes_on(
    environment, preference_case, monkeypatch, quick_stages
):
    monkeypatch.setattr("ft_platform.compute.backends.local.run", run_here)
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = run_use_case("complaints", environment=environment, instance=instance)
    assert outcome.success, outcome.error
    lake = open_lake(environment)
    rows = lake.read_table(lake.latest("complaints", "splits"), ["messages"])["messages"].to_pylist()
    assert all([m["role"] for m in messages] == ["user", "assistant", "rejected"] for messages in rows)
    rejected = [messages[2]["content"] for messages in rows]
    assert all(SECRET not in text and "   " not in text for text in rejected), "neither anonymized nor cleaned"
    (checkpoint,) = lake.artifacts("complaints", "adapter_checkpoint")
    require_usable(lake, preference_case, checkpoint)
    told = json.loads(lake.read_file(checkpoint, "training.json"))
    assert told["training"]["objective"] == "dpo" and told["curve"][0]["validation_loss"] == pytest.approx(
        0.6931, abs=1e-3
    )
