"""ft demo: its last lines, its exit code, and the control with shuffled answers."""

import argparse
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest
import yaml

from ft_platform.commands import demo
from ft_platform.commands.demo import CONTROL, USE_CASE, with_control
from ft_platform.use_case.file import find_use_cases, load_use_case, use_case_folder
from ft_platform.use_case.settings.environment import SHIPPED, Environment
from ft_platform.use_case.settings.policy import Policy

SYSTEMS = ("nearest_neighbour", "tfidf_logreg", "linear_probe", "base_zero_shot", "base_few_shot", "fine_tuned")


def found(
    decision: str, broken: dict[str, str] | None = None, gain: float = 0.2, simpler: str | None = None
) -> dict[str, Any]:
    """What a run found, in the shape of `results.collect_results`."""
    figure = {"value": gain, "low": gain - 0.05, "high": gain + 0.05}
    return {
        "run_id": "run",
        "test_rows": 374,
        "main_metric": "macro_f1",
        "systems": {system: {"macro_f1": {"value": 0.65, "low": 0.6, "high": 0.7}} for system in SYSTEMS},
        "differences": {system: {"macro_f1": figure} for system in SYSTEMS[:-1]},
        "per_1000_requests": {system: {"seconds": 39.4, "money": None, "currency": "EUR"} for system in SYSTEMS},
        "decision": {
            "decision": decision,
            "checkpoint": "ckpt-1",
            "broken": broken or {},
            "waived": [],
            "simpler": simpler,
        },
    }


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> Callable[..., tuple[int, str, str]]:
    """Runs the command on what a run is said to have found. Returns exit code, output, and the name of the use case."""

    def run(result: dict[str, Any] | None, *, control: bool = False, code: int = 0) -> tuple[int, str, str]:
        asked = []
        monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
        monkeypatch.setattr(
            demo, "run_and_collect", lambda name, arguments, environment: (asked.append(name), (code, result))[1]
        )
        monkeypatch.setattr(demo, "show", lambda found, arguments: None)
        monkeypatch.setattr(demo, "released_and_asked", lambda environment: ["Released and asked."])
        with redirect_stdout(io.StringIO()) as output:
            ended = demo.run(argparse.Namespace(control=control, json=False, overrides=[], select=[]))
        return ended, output.getvalue(), asked[0]

    return run


def test_it_runs_the_shipped_use_case_also_where_there_are_use_cases_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, environment: Environment
) -> None:
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    monkeypatch.setattr(demo, "run_and_collect", lambda name, arguments, used: (len(find_use_cases(used.defs)), None))
    assert find_use_cases(environment.defs) == []
    assert demo.run(argparse.Namespace(control=False)) == len(find_use_cases(SHIPPED))


def test_it_says_what_was_gained_what_it_cost_and_what_comes_next(ran: Callable[..., tuple[int, str, str]]) -> None:
    code, text, name = ran(found("accepted"))
    assert code == 0 and name == USE_CASE
    for title in ("zero-shot", "few-shot", "Linear probe", "TF-IDF", "Nearest training record"):
        assert title in text
    assert text.count("+0.200 (+0.150 to +0.250)  better") == 5
    assert "1,000 answers take 39 s" in text
    assert "Release of ckpt-1: accepted\nEvery rule of the policy holds, without a waiver." in text
    assert len(text.split("Next:")[1].split("Released")[0].strip().splitlines()) == 3
    assert text.endswith("Released and asked.\n")


def test_a_gain_that_may_be_chance_is_not_called_better(ran: Callable[..., tuple[int, str, str]]) -> None:
    assert ran(found("refused", {"beats/base_few_shot": "a tie"}, gain=0.02))[1].count("cannot be told apart") == 5


def test_it_fails_where_the_release_is_refused(ran: Callable[..., tuple[int, str, str]]) -> None:
    code, text, _ = ran(found("refused", {"forgetting": "x"}, simpler="You may not need it."))
    assert code == 1 and "You may not need it.\nRelease of ckpt-1: refused by forgetting." in text
    assert "Released" not in text


def test_the_control_succeeds_where_it_is_refused_and_fails_where_it_is_accepted(
    ran: Callable[..., tuple[int, str, str]],
) -> None:
    code, text, name = ran(found("refused", {"beats/base_few_shot": "a tie"}, gain=0.0), control=True)
    assert code == 0 and name == CONTROL and "Refused, as it must be: beats/base_few_shot." in text
    code, text, _ = ran(found("accepted"), control=True)
    assert code == 1 and "cannot be relied on" in text


def test_a_run_that_fails_or_stops_early_keeps_its_exit_code(ran: Callable[..., tuple[int, str, str]]) -> None:
    assert ran(None, code=130)[0] == 130
    assert ran({"decision": None})[:2] == (0, "")


def test_the_control_differs_from_the_demo_in_its_source_and_in_nothing_else(environment: Environment) -> None:
    control = with_control(environment)
    assert [folder.name for folder in find_use_cases(control.defs)] == [CONTROL]
    one = load_use_case(use_case_folder(SHIPPED, USE_CASE), {}, environment)
    other = load_use_case(use_case_folder(control.defs, CONTROL), {}, control)
    told, changed = one.settings.model_dump(mode="json"), other.settings.model_dump(mode="json")
    assert changed["source"].pop("uri") == told["source"].pop("uri") + "&shuffled=100"
    assert changed == told and other.policy == one.policy


def test_the_demo_asks_for_nothing_less_than_the_rules_do() -> None:
    """No field of `gate`, no limit, no reason that stands for evidence is set in its file."""
    file = SHIPPED / USE_CASE / "defs.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))["attributes"]
    assert "gate" not in settings and "regression" not in settings and "without_" not in json.dumps(settings)
    assert "attacks" not in settings
    assert set(settings["fairness"]) <= {"sensitive_features", "pooled_groups"}
    assert not {path for path in Policy().approvals if path.split(".")[1] in settings.get(path.split(".")[0], {})}
