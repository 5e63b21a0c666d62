"""Whether an endpoint answers as the released checkpoint did when it was evaluated.

A golden set is drawn from the test split and asked over HTTP, one request for each record. Compared are the number of
tokens of each prompt (a server does not tell the ids), the decision (label, or the whole answer), and the probability.
Covered: another prompt template or instruction, texts cut elsewhere, another adapter or scaling, another precision,
another end of turn: each changes decisions or counts. Not covered: what no record of the golden set asks."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import DataError
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.records import side_of
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.releases import Release
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.rendering.renderer import NotRendered, Renderer
from ft_platform.models.rendering.turns import ANSWERS
from ft_platform.serving.evaluated import FINE_TUNED, evaluation_behind
from ft_platform.training.dataset import read_splits
from ft_platform.use_case.named import NamedUseCase

LEAST_EQUAL = 0.995
"""Share of equal decisions on another engine than the one that evaluated; ours must have all."""
TOLERANCE = 0.02
"""Largest difference of a probability that rounding explains on our engine (bfloat16, another batch)."""
CONFIDENCE = 0.95
SHOWN = 10

Ask = Callable[[list[dict[str, str]]], Mapping[str, Any]]
"""Question -> what the endpoint answers (`trial.ask_conversation`)."""


@dataclass(frozen=True)
class Golden:
    """One record of the golden set.

    Attributes:
        messages: the question.
        prompt_tokens: of the rendered prompt.
        decision: label, or the answer that was written.
        probability: of the label; None for answers.
        expected: right label, or reference answer.
    """

    record_id: str
    messages: list[dict[str, str]]
    prompt_tokens: int
    decision: str
    probability: float | None
    expected: str = field(default="", repr=False)


def golden_set(lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, records: int) -> list[Golden]:
    """Evenly over the test records that the evaluation of this release answered.

    Raises:
        VersionRefused: the evaluation behind the decision is not in the lake any more.
        DataError: none of its records can be asked.
    """
    report = evaluation_behind(lake, release)
    table = read_predictions(lake, report)
    answered = {row["record_id"]: row for row in table.to_pylist() if row["system"] == FINE_TUNED}
    side = side_of(use_case, read_splits(lake, _splits(lake, report)), "test")
    longest = release.record["asked"]["max_prompt_tokens"]
    found = []
    records_of_side = zip(side.rows["record_id"].to_pylist(), side.messages(), side.answers, strict=True)
    for record_id, messages, expected in records_of_side:
        row = answered.get(record_id)
        question = _question(messages)
        if row is None or question is None:
            continue
        try:
            tokens = len(renderer.prompt_ids(messages, longest))
        except NotRendered:
            continue
        decision = row["predicted"] if renderer.labels else row["answer"]
        found.append(Golden(record_id, question, tokens, decision or "", row.get("confidence"), expected))
    if not found:
        raise DataError(f"no test record of {report.id} can be asked", f"Run: ft run {use_case.name}")
    step = max(1, len(found) // records)
    return found[::step][:records]


def compare(
    ask: Ask,
    golden: Sequence[Golden],
    ours: bool,
    on_record: Callable[[int], None] = lambda done: None,
    without_guardrails: Ask | None = None,
) -> dict[str, Any]:
    """Asks an endpoint.

    Args:
        ask: asks the endpoint as everybody does.
        ours: it is our server; else decisions may differ by rounding.
        without_guardrails: asks the same endpoint without its guardrails. Records on which a guardrail acted are asked
            again with it, and then compared. Anonymized test records hold invented names, and sometimes a word that
            looks like a name beside a pseudonym, which are replaced as if a person had written them.

    Returns:
        `{"asked", "prompts_equal", "decisions_equal": {"value", "low", "high"}, "largest_probability_difference",
        "guardrails": {name: records it acted on}, "ok", "differs": {reason: [record ids]}}`.
    """
    prompts, decisions, probabilities = [], [], []
    largest, guardrails = 0.0, Counter[str]()
    for number, one in enumerate(golden, 1):
        said = ask(one.messages)
        if acted := said.get("guardrails"):
            guardrails.update(acted)
            said = without_guardrails(one.messages) if without_guardrails else said
        if said["prompt_tokens"] != one.prompt_tokens:
            prompts.append(one.record_id)
        if _whole(said["answer"]) != _whole(one.decision):
            decisions.append(one.record_id)
        if one.probability is not None and said["probability"] is not None:
            largest = max(largest, difference := abs(one.probability - said["probability"]))
            probabilities += [one.record_id] if difference > TOLERANCE else []
        on_record(number)
    equal = share(len(golden) - len(decisions), len(golden), CONFIDENCE)
    enough = equal["value"] == 1.0 if ours else equal["value"] >= LEAST_EQUAL
    reasons = {"prompt tokens": prompts, "decisions": decisions, "probabilities": probabilities if ours else []}
    return {
        "asked": len(golden),
        "prompts_equal": not prompts,
        "decisions_equal": equal,
        "largest_probability_difference": round(largest, 6),
        "guardrails": dict(guardrails),
        "ok": not prompts and enough and not reasons["probabilities"],
        "differs": {reason: ids[:SHOWN] for reason, ids in reasons.items() if ids},
    }


def _whole(answer: str) -> str:
    """Without what a server does not show: blanks at both ends, a letter that the longest answer cuts."""
    return answer.strip().rstrip("\ufffd").strip()


def _splits(lake: Lake, report: ArtifactVersion) -> TableVersion:
    """The splits behind an evaluation."""
    parent = next(one for one in lake.manifest(report).parents if one.name == "splits")
    splits = version_of_parent(lake, report.use_case, parent)
    assert isinstance(splits, TableVersion)
    return splits


def _question(messages: Sequence[dict[str, str]]) -> list[dict[str, str]] | None:
    """Without the answer at the end; None where it cannot be asked in OpenAI's form (tools)."""
    asked = list(messages[:-1]) if messages and messages[-1]["role"] in ANSWERS else list(messages)
    plain = all(one["role"] in ("system", "user", "assistant") for one in asked)
    return asked if asked and plain else None
