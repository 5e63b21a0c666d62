"""What the records show beside their labels: texts that were cut, times that change, answers that do not end; and what
is left where nothing was found."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ft_platform.evaluation.diagnosis.facts import Facts, Finding
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.slices import difference_by_chance
from ft_platform.evaluation.systems import NOT_FINE_TUNED

STEP = 64
"""Lengths in tokens are rounded up to a multiple of this."""


def nothing_left(facts: Facts) -> Finding | None:
    """Every test record is answered as its reference has it: these records cannot show what would be better."""
    if not len(facts.scores) or facts.scores.min() < 1:
        return None
    return Finding(
        "nothing_left",
        f"The model gets all {len(facts.scores):,} test records right.",
        "Nothing more can be learned from these; see what a release still needs.",
        f"ft decide {facts.name}",
    )


def texts_cut(facts: Facts) -> Finding | None:
    """Test records whose text was shortened are answered worse than whole ones, by more than chance."""
    cut = facts.shortened
    if not cut.any() or cut.all():
        return None
    own, rest = facts.scores[cut], facts.scores[~cut]
    by_chance = difference_by_chance(own, rest, bool(facts.labels))
    if by_chance is None or by_chance > 1 - facts.confidence or own.mean() >= rest.mean():
        return None
    of_training, train = facts.limits[0], facts.training["counts"]["train"]
    prompt = _rounded(facts.longest[0])
    settings = [f"evaluation.max_prompt_tokens={prompt}"]
    if train["truncated"]:
        settings.append(f"training.max_length={max(_rounded(sum(facts.longest)), of_training)}")
    return Finding(
        "texts_cut",
        f"{cut.sum():,} of {len(cut):,} test records were cut to {facts.limits[1]:,} tokens, and the model is worse on"
        f" them ({own.mean():.2f} instead of {rest.mean():.2f}). Of the {train['rows']:,} training records,"
        f" {train['truncated']:,} were cut to {of_training:,} tokens.",
        f"Let whole texts in: the longest one of the test records has {facts.longest[0]:,} tokens. It costs time and"
        " memory (ft estimate).",
        facts.run(*settings),
    )


def times_change(facts: Facts) -> Finding | None:
    """Most test records are newer than every training record, and of these the newer ones are answered worse
    (Spearman's rank correlation of day and score)."""
    from scipy.stats import rankdata, spearmanr

    dates = facts.dates
    newer = (dates > facts.newest) if facts.newest and len(dates) else np.zeros(0, bool)
    if not len(newer) or newer.mean() <= 0.5:
        return None
    days, scores = dates[newer], facts.scores[newer]
    if len(set(days)) < 2 or len(set(scores)) < 2:
        return None
    rank = rankdata(np.unique(days, return_inverse=True)[1])
    found: Any = spearmanr(rank, scores)
    if found.statistic >= 0 or found.pvalue > 1 - facts.confidence:
        return None
    late = rank > rank.mean()
    return Finding(
        "times_change",
        f"{newer.sum():,} of {len(dates):,} test records are newer than every training record ({facts.newest[:10]}),"
        f" and the model gets worse with time: {scores[~late].mean():.2f} on the older half of them,"
        f" {scores[late].mean():.2f} on the newer one.",
        "Bring newer records with their answers into the source, then train again.",
        f"ft run {facts.name}",
    )


def answers_do_not_end(facts: Facts) -> Finding | None:
    """Most answers of the fine-tuned model (the whole interval of their share) are empty or fill
    `evaluation.max_new_tokens`: the limit is too low where references do not fit either; else the model does not know
    where an answer begins or ends, as with a wrong chat template."""
    rows, bad = facts.figures["test_rows"], facts.unfinished
    if bad is None or share(bad, rows, facts.confidence)["low"] <= 0.5:
        return None
    limit = facts.limits[2]
    what = f"{bad:,} of {rows:,} answers are empty or do not end within {limit:,} tokens (evaluation.max_new_tokens)"
    if facts.long_references and share(facts.long_references, rows, facts.confidence)["high"] > 0.5:
        return Finding(
            "answers_do_not_end",
            f"{what}, and {facts.long_references:,} references are longer than that too.",
            "Let the model write longer answers.",
            facts.run(f"evaluation.max_new_tokens={_rounded(facts.longest[1])}"),
        )
    return Finding(
        "answers_do_not_end",
        f"{what}, though most references are shorter: the chat template may not fit the base model.",
        "See how the base model reads the records, and where an answer ends.",
        f"ft audit {facts.name} --show 3",
    )


def more_records(facts: Facts) -> Finding:
    """What is left where nothing else was found."""
    recipe = "No fault was found: the recipe did what it could with these records and this base model."
    doubling: Mapping[str, Any] | None = facts.doubling
    method = facts.training["training"].get("method")
    if method in NOT_FINE_TUNED:
        probe = method == "linear_probe"
        return Finding(
            "more_records",
            f"No fault was found: the {NOT_FINE_TUNED[method]} did what it could with these records"
            f"{' and this base model' if probe else ''}.",
            f"Fine-tuning may bring more{', or a larger base model (base_model.uri)' if probe else ''}. See what"
            " fine-tuning would bring.",
            facts.run("training.method=lora"),
        )
    if doubling is None:
        return Finding(
            "more_records",
            recipe,
            "More records or a larger base model may help. Measure what more records would bring.",
            f"ft run {facts.name} --select learning_curve",
        )
    gain = doubling["gain"]
    brings = f"{gain['value']:.3f} ({gain['low']:.3f} to {gain['high']:.3f})"
    if doubling["told_apart"]:
        says, remedy = f"twice the records would lower the validation loss by {brings}", "Bring more records"
    else:
        says = f"it is unclear whether twice the records would lower the validation loss ({brings})"
        remedy = "Try a larger base model (base_model.uri)"
    return Finding(
        "more_records",
        f"{recipe} By the learning curve, {says}.",
        f"{remedy}, then train again.",
        f"ft run {facts.name}",
    )


def _rounded(tokens: int) -> int:
    return -(-tokens // STEP) * STEP
