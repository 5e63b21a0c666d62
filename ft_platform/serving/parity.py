"""Whether an endpoint answers as the released checkpoint did when it was evaluated.

A golden set is drawn from the test split and asked over HTTP, one request for each record. Compared are the token ids
of each prompt (their number, where a server does not tell them), the decision (label, or the whole answer), and the
probability. What differs is named by `causes`. Not covered: what no record of the golden set asks."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from ft_platform.serving.causes import ROUNDING, Asked, Golden, apart_by, causes, whole
from ft_platform.serving.client import exchanged
from ft_platform.serving.evaluated import FINE_TUNED, evaluation_behind
from ft_platform.serving.protocol import UNGUARDED, WITHHELD, acted
from ft_platform.serving.targets.contract import Endpoint
from ft_platform.training.dataset import read_splits
from ft_platform.use_case.named import NamedUseCase

BASE = "base_zero_shot"
LEAST_EQUAL = 0.995
"""Share of equal decisions on another engine than the one that evaluated; ours must have all."""
LARGEST = 0.1
"""Difference of a probability that rounding never makes on our engine; 95 of 100 are within `causes.ROUNDING`."""
ALTERNATIVES = 3
"""Tokens that are told in each place of a written answer."""
CONFIDENCE = 0.95
SHOWN = 10

Ask = Callable[[list[dict[str, str]]], Asked]
"""Question -> what an endpoint answers (`asker`)."""


def golden_set(lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, records: int) -> list[Golden]:
    """Evenly over the test records that the evaluation of this release answered.

    Raises:
        VersionRefused: the evaluation behind the decision is not in the lake any more.
        DataError: none of its records can be asked.
    """
    report = evaluation_behind(lake, release)
    table = read_predictions(lake, report)
    rows = table.to_pylist()
    answered, base = ({row["record_id"]: row for row in rows if row["system"] == one} for one in (FINE_TUNED, BASE))
    said = "predicted" if renderer.labels else "answer"
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
            prompt = tuple(renderer.prompt_ids(messages, longest))
        except NotRendered:
            continue
        untrained = base.get(record_id, {}).get(said)
        found.append(Golden(record_id, question, prompt, row[said] or "", row.get("confidence"), untrained, expected))
    if not found:
        raise DataError(f"no test record of {report.id} can be asked", f"Run: ft run {use_case.name}")
    step = max(1, len(found) // records)
    return found[::step][:records]


def asker(endpoint: Endpoint, has_labels: bool, max_tokens: int, guardrails: bool = True) -> Ask:
    """Asks an endpoint one question: of our server the label with its probability, of another one an answer that is
    written as in the evaluation.

    Args:
        max_tokens: of an answer, as in the evaluation.
        guardrails: False asks our server to leave them out, which needs a key that may, or none at all.
    """

    def send(path: str, body: dict[str, Any]) -> tuple[Any, Mapping[str, str]]:
        whole_body = {**body, **endpoint.extra}
        if endpoint.send:
            return endpoint.send(path, whole_body), {}
        headers = {} if guardrails else {UNGUARDED: "off"}
        return exchanged(endpoint.url, path, whole_body, endpoint.key, headers=headers)

    def ask(messages: list[dict[str, str]]) -> Asked:
        started = time.monotonic()
        if has_labels and endpoint.ours:
            body = {"model": endpoint.model, "input": messages, "return_token_ids": True}
            found, headers = send("/v1/classify", body)
            one = found["data"][0]
            answer, reason, ids = one["label"], "stop", one.get("prompt_token_ids")
            told: dict[str, Any] = {"probabilities": one["probabilities"], "is_answered": not one["abstained"]}
        else:
            body = {"model": endpoint.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}
            body |= {"return_token_ids": True, "logprobs": True, "top_logprobs": ALTERNATIVES}
            found, headers = send("/v1/chat/completions", body)
            one = found["choices"][0]
            answer, reason, ids = one["message"]["content"] or "", one["finish_reason"], found.get("prompt_token_ids")
            told = {"tokens": _tokens(one), "is_answered": reason != WITHHELD}
        prompt = None if ids is None else tuple(ids)
        seconds = time.monotonic() - started
        return Asked(
            answer, prompt, found["usage"]["prompt_tokens"], reason, seconds, guardrails=acted(headers), **told
        )

    return ask


def _tokens(choice: dict[str, Any]) -> tuple[tuple[str, float, dict[str, float]], ...]:
    """Of an answer in OpenAI's form; none where the server tells none."""
    told = (choice.get("logprobs") or {}).get("content") or []
    return tuple(
        (one["token"], one["logprob"], {other["token"]: other["logprob"] for other in one["top_logprobs"]})
        for one in told
    )


def compare(
    ask: Ask,
    golden: Sequence[Golden],
    ours: bool,
    on_record: Callable[[int], None] = lambda done: None,
    most_seconds: float | None = None,
    without_guardrails: Ask | None = None,
) -> dict[str, Any]:
    """Asks an endpoint.

    Args:
        ask: asks the endpoint as everybody does.
        ours: it is our server; else decisions may differ by rounding.
        most_seconds: most that a request may take on average.
        without_guardrails: asks the same endpoint without its guardrails. Records on which a guardrail acted are asked
            again with it, and then compared. Anonymized test records hold invented names, and sometimes a word that
            looks like a name beside a pseudonym, which are replaced as if a person had written them.

    Returns:
        `{"asked", "prompts_compared": "ids" or "counts", "prompts_equal", "decisions_equal": {"value", "low", "high"},
        "ties", "largest_probability_difference", "seconds": {"median", "p95", "mean"}, "ok", "differs": {reason:
        [record ids]}, "causes": [sentence], "guardrails": {name: records it acted on}}`. `ties`: other decisions of our
        engine, each between two that are equally likely but for rounding.
    """
    answers, guardrails, seconds = [], Counter[str](), []
    for number, one in enumerate(golden, 1):
        said = ask(one.messages)
        seconds.append(said.seconds)
        guardrails.update(said.guardrails)
        answers.append(without_guardrails(one.messages) if said.guardrails and without_guardrails else said)
        on_record(number)
    pairs = list(zip(golden, answers, strict=True))
    prompts = [one.record_id for one, said in pairs if not said.has_prompt_of(one)]
    differ = [(one, said) for one, said in pairs if whole(said.answer) != whole(one.decision)]
    ties = [one.record_id for one, said in differ if said.is_tie_with(one)] if ours else []
    apart = {one.record_id: found for one, said in pairs if (found := apart_by(one, said)) is not None}
    unsure = _unsure(apart) if ours else []
    seconds.sort()
    mean = statistics.fmean(seconds)
    slow = most_seconds is not None and mean > most_seconds
    equal = share(len(golden) - len(differ), len(golden), CONFIDENCE)
    enough = len(differ) == len(ties) if ours else equal["value"] >= LEAST_EQUAL
    decisions = [one.record_id for one, _ in differ]
    reasons = {"prompt tokens": prompts, "decisions": decisions, "probabilities": unsure}
    told = causes([pair for pair in pairs if pair[0].record_id not in ties]) if prompts or not enough or unsure else []
    if slow:
        told.append(f"a request takes {mean:.3f} seconds on average, more than the {most_seconds:.3f} of the gate")
    return {
        "asked": len(golden),
        "prompts_compared": "ids" if all(said.prompt is not None for said in answers) else "counts",
        "prompts_equal": not prompts,
        "decisions_equal": equal,
        "ties": len(ties),
        "largest_probability_difference": round(max(apart.values(), default=0.0), 6),
        "seconds": {
            "median": round(statistics.median(seconds), 4),
            "p95": round(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))], 4),
            "mean": round(mean, 4),
        },
        "ok": not prompts and enough and not unsure and not slow,
        "differs": {reason: ids[:SHOWN] for reason, ids in reasons.items() if ids},
        "causes": told,
        "guardrails": dict(guardrails),
    }


def _unsure(apart: Mapping[str, float]) -> list[str]:
    """Records whose probability is further from the evaluation's than rounding explains: beyond `LARGEST`, or, where
    those within `ROUNDING` are fewer than 95 of 100, beyond that."""
    far = [record_id for record_id, difference in apart.items() if difference > ROUNDING]
    return [one for one in far if apart[one] > LARGEST or len(far) > (1 - CONFIDENCE) * len(apart)]


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
