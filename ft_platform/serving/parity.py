"""Whether an endpoint answers as the released checkpoint did when it was evaluated.

A golden set is drawn from the test split and asked over HTTP, one request for each record. Compared are the token ids
of each prompt (their number, where a server does not tell them), the decision (label, or the whole answer), and the
probability. What differs is named by `causes`. Not covered: what no record of the golden set asks."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ft_platform.evaluation.golden_prompts import kept_elsewhere, read_golden
from ft_platform.evaluation.proportions import share
from ft_platform.lake.releases import Release
from ft_platform.lake.store import Lake
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress
from ft_platform.serving.causes import ROUNDING, Asked, Golden, apart_by, causes, whole
from ft_platform.serving.client import exchanged
from ft_platform.serving.evaluated import evaluation_behind
from ft_platform.serving.golden import evaluated_records, golden_set
from ft_platform.serving.protocol import TRIAL, UNGUARDED, WITHHELD, acted
from ft_platform.serving.targets.contract import Endpoint
from ft_platform.use_case.named import NamedUseCase

LEAST_EQUAL = 0.995
"""Share of decisions on another engine than the one that evaluated that are equal or ties; on ours all must be."""
LARGEST = 0.1
"""Difference of a probability that rounding never makes on our engine."""
MOST_FAR = 0.05
"""Share of the probabilities that rounding takes further than `causes.ROUNDING`."""
ALTERNATIVES = 3
"""Tokens that are told in each place of a written answer."""
CONFIDENCE = 0.95
SHOWN = 10

Ask = Callable[[list[dict[str, str]]], Asked]
"""Question -> what an endpoint answers (`asker`)."""


def measured(
    lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, endpoint: Endpoint, records: int
) -> dict[str, Any]:
    """Asks an endpoint these many test records, and the golden prompts of experts, as everybody does, and compares
    (`compare`).

    Returns:
        What `compare` says, and `golden`: what `kept_elsewhere` says.
    """
    golden = golden_set(lake, use_case, release, renderer, records)
    per_1000 = use_case.settings.gate.max_seconds_per_1000_requests
    of = (endpoint, bool(renderer.labels), release.record["asked"]["max_new_tokens"])
    ask = asker(*of)
    found = compare(
        ask,
        golden,
        endpoint.ours,
        evaluated_records(lake, release),
        lambda done: progress.report("parity", done, len(golden), "records asked"),
        None if per_1000 is None else per_1000 / 1000,
        asker(*of, guardrails=False) if endpoint.ours else None,
    )
    prompts = read_golden(lake, evaluation_behind(lake, release))
    kept = kept_elsewhere(prompts, lambda prompt: ask([{"role": "user", "content": prompt}]).answer)
    return {**found, "golden": kept, "ok": found["ok"] and not kept["broken"]}


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
        headers = {TRIAL: "on", **({} if guardrails else {UNGUARDED: "off"})}
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
    evaluated: int,
    on_record: Callable[[int], None] = lambda done: None,
    most_seconds: float | None = None,
    without_guardrails: Ask | None = None,
) -> dict[str, Any]:
    """Asks an endpoint.

    Args:
        ask: asks the endpoint as everybody does.
        ours: it is our server; else decisions may differ by rounding.
        evaluated: how many records the evaluation asked (`most_others`).
        most_seconds: most that a request may take on average.
        without_guardrails: asks the same endpoint without its guardrails. Records on which a guardrail acted are asked
            again with it, and then compared. Anonymized test records hold invented names, and sometimes a word that
            looks like a name beside a pseudonym, which are replaced as if a person had written them.

    Returns:
        `{"asked", "prompts_compared": "ids" or "counts", "prompts_equal", "decisions_equal": {"value", "low", "high"},
        "ties", "largest_probability_difference", "seconds": {"median", "p95", "mean"}, "ok", "differs": {reason:
        [record ids]}, "causes": [sentence], "guardrails": {name: records it acted on}, "most_others"}`. `ties`: other
        decisions between two that are equally likely but for rounding. `most_others`: share of other decisions, ties
        among them, that is still the same model.
    """
    answers, guardrails, seconds = [], Counter[str](), []
    for number, one in enumerate(golden, 1):
        said = ask(one.messages)
        seconds.append(said.seconds)
        guardrails.update(said.guardrails)
        answers.append(without_guardrails(one.messages) if said.guardrails and without_guardrails else said)
        on_record(number)
    pairs = list(zip(golden, answers, strict=True))
    took = _of_a_request(seconds)
    slow = most_seconds is not None and took["mean"] > most_seconds
    found = _differences(pairs, ours, most_others(evaluated))
    if slow:
        found["causes"].append(
            f"a request takes {took['mean']:.3f} seconds on average, more than the {most_seconds:.3f} of the gate"
        )
    return {
        **found,
        "asked": len(golden),
        "prompts_compared": "ids" if all(said.prompt is not None for said in answers) else "counts",
        "seconds": took,
        "ok": found["ok"] and not slow,
        "guardrails": dict(guardrails),
    }


def _of_a_request(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    found = {
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "mean": statistics.fmean(ordered),
    }
    return {name: round(value, 4) for name, value in found.items()}


def most_others(evaluated: int) -> float:
    """Share of other decisions that an evaluation of so many records cannot see: half of the widest interval that it
    gives a share (Wilson). As many may be ties; beyond it, accuracy could have left the interval of the evaluation."""
    return share(evaluated / 2, evaluated, CONFIDENCE)["high"] - 0.5


def _differences(pairs: Sequence[tuple[Golden, Asked]], ours: bool, most: float) -> dict[str, Any]:
    """What of the answers is not as in the evaluation, and why.

    Args:
        most: of `most_others`.
    """
    prompts = [one.record_id for one, said in pairs if not said.has_prompt_of(one)]
    differ = [(one, said) for one, said in pairs if whole(said.answer) != whole(one.decision)]
    ties = [one.record_id for one, said in differ if said.is_tie_with(one)]
    apart = {one.record_id: found for one, said in pairs if (found := apart_by(one, said)) is not None}
    unsure = _unsure(apart) if ours else []
    equal = share(len(pairs) - len(differ), len(pairs), CONFIDENCE)
    left = (len(differ) - len(ties)) / len(pairs)
    too_many = len(differ) / len(pairs) > most
    ok = not too_many and left <= (0.0 if ours else 1 - LEAST_EQUAL) and not prompts and not unsure
    reasons = {"prompt tokens": prompts, "decisions": [one.record_id for one, _ in differ], "probabilities": unsure}
    told = [pair for pair in pairs if too_many or pair[0].record_id not in ties]
    return {
        "prompts_equal": not prompts,
        "decisions_equal": equal,
        "ties": len(ties),
        "most_others": most,
        "largest_probability_difference": round(max(apart.values(), default=0.0), 6),
        "ok": ok,
        "differs": {reason: ids[:SHOWN] for reason, ids in reasons.items() if ids},
        "causes": [] if ok else causes(told),
    }


def in_words(found: Mapping[str, Any]) -> str:
    """What a comparison says, in one sentence for each thing that differs."""
    equal = found["decisions_equal"]
    prompts = "" if found["prompts_compared"] == "ids" else " (their number: the server does not tell ids)"
    ties = f" ({found['ties']:,} of the others are ties but for rounding)" if found["ties"] else ""
    said = (
        f"{equal['value']:.1%} of {found['asked']:,} test records get the decision of the evaluation{ties}, and the"
        f" token ids of prompts are {'equal' if found['prompts_equal'] else 'others'}{prompts}."
    )
    return " ".join([said, *(f"Likely cause: {cause}." for cause in found["causes"]), *golden_in_words(found)])


def golden_in_words(found: Mapping[str, Any]) -> list[str]:
    """What a comparison says of golden prompts; nothing where none was asked."""
    golden = found.get("golden")
    if not golden or not golden["asked"]:
        return []
    broken = f" The evaluation kept these, and the endpoint does not: {', '.join(golden['broken'])}."
    kept = f"{golden['kept']:,} of {golden['asked']:,} golden prompts are answered as experts ask."
    return [kept + (broken if golden["broken"] else "")]


def _unsure(apart: Mapping[str, float]) -> list[str]:
    """Records whose probability is further from the evaluation's than rounding explains: beyond `LARGEST`, or, where
    surely more than `MOST_FAR` of all are beyond `ROUNDING`, those."""
    far = [record_id for record_id, difference in apart.items() if difference > ROUNDING]
    too_many = bool(far) and share(len(far), len(apart), CONFIDENCE)["low"] > MOST_FAR
    return [one for one in far if too_many or apart[one] > LARGEST]
