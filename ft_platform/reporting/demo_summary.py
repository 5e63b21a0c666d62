"""The last lines of `ft demo`: what fine-tuning gained, what it cost, what to do next."""

from typing import Any

from ft_platform.costs.ledger import Ledger
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.training.time_taken import training_seconds
from ft_platform.use_case.settings.environment import Environment

SHOWN = ("base_zero_shot", "base_few_shot", "linear_probe", "tfidf_logreg", "nearest_neighbour")
NEXT = {
    "ft ui": "lineage, checks, plots and the page of the decision",
    "ft demo --control": "the same with shuffled answers: the same rules must refuse it",
    "ft new mine --source FILE": "a use case for records of your own",
}


def summary(found: dict[str, Any], environment: Environment, *, control: bool) -> list[str]:
    """Lines for the terminal.

    Args:
        found: of `results.collect_results`, with an evaluation and a decision.
        control: the answers were shuffled.
    """
    return [
        "",
        *_gains(found),
        "",
        *_divided(found),
        *_cost(found, environment),
        "",
        *_verdict(found, control),
        "",
        *_next(control),
    ]


def _gains(found: dict[str, Any]) -> list[str]:
    main = metric(found["main_metric"])
    lines = [f"What fine-tuning gained: {main.title} on {found['test_rows']:,} test records, with intervals"]
    for system in (name for name in SHOWN if name in found["differences"]):
        gain = found["differences"][system][main.name]
        told = "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "cannot be told apart"
        lines.append(
            f"  over {TITLES[system]:<30} {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})  {told}"
        )
    return lines


def _divided(found: dict[str, Any]) -> list[str]:
    nearest = found["systems"]["nearest_neighbour"][found["main_metric"]]
    return [
        (
            "Train and test differ: all sentences of a customer, and all that are nearly the same, are on one side."
            " Whoever only looks up the most similar"
        ),
        f"training record gets {nearest['value']:.3f} ({nearest['low']:.3f} to {nearest['high']:.3f}).",
    ]


def _cost(found: dict[str, Any], environment: Environment) -> list[str]:
    lake = open_lake(environment)
    rows = [row for row in Ledger(lake).rows() if row["dagster_run"] == found["run_id"]]
    checkpoint = next((row["artifact"] for row in rows if row["program"] == "train" and found["trained"]), None)
    training = f"training {_training(lake, found['use_case'], checkpoint)}, " if checkpoint else "nothing was trained, "
    taken = found["per_1000_requests"]
    programs = f"all programs of this run {sum(row['cpu_seconds'] for row in rows):.0f} CPU-seconds"
    answers = (
        f"1,000 answers take {taken['fine_tuned']['seconds']:.0f} s (the few-shot prompt"
        f" {taken['base_few_shot']['seconds']:.0f} s)"
    )
    return [f"What it cost: {training}{programs}; {answers}. No account, no GPU."]


def _training(lake: Lake, use_case: str, checkpoint: str) -> str:
    version = lake.artifact(use_case, "adapter_checkpoint", checkpoint, verify=False)
    metrics = lake.manifest(version).info["metrics"] if version else {}
    return f"took {training_seconds(metrics)} for {metrics.get('tokens', 0):,} tokens"


def _verdict(found: dict[str, Any], control: bool) -> list[str]:
    accepted = found["decision"]["decision"] == "accepted"
    broken = ", ".join(found["decision"]["broken"])
    if control:
        good = f"Refused, as it must be: {broken}."
        bad = "ACCEPTED, although the answers were shuffled: these rules cannot be relied on."
        return [bad if accepted else good]
    release, waived = f"Release of {found['decision']['checkpoint']}:", ", ".join(found["decision"]["waived"])
    simpler = [found["decision"]["simpler"]] if found["decision"]["simpler"] else []
    if not accepted:
        return [*simpler, f"{release} refused by {broken}."]
    return [
        *simpler,
        f"{release} accepted",
        f"Waived: {waived}." if waived else "Every rule of the policy holds, without a waiver.",
    ]


def _next(control: bool) -> list[str]:
    commands = {"ft demo": "the same with the true answers", **NEXT} if control else NEXT
    return [
        "Next:",
        *(
            f"  {command:<27} {what}"
            for command, what in commands.items()
            if not (control and command == "ft demo --control")
        ),
    ]
