"""What the labels themselves show: nothing to learn in them, many that are wrong, some that are too rare."""

import numpy as np

from ft_platform.evaluation.comparison import detectable, holm
from ft_platform.evaluation.diagnosis.facts import METRICS, Facts, Finding
from ft_platform.evaluation.intervals import Figure
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.scores import FINE_TUNED

SUBSTANTIAL = 0.61
"""Agreement (kappa) from which Landis and Koch (The measurement of observer agreement, 1977) call it substantial."""
BASELINE = "tfidf_logreg"


def nothing_to_learn(facts: Facts) -> Finding | None:
    """Neither the fine-tuned model nor a word-count model agrees with the test labels more than chance would, nor does
    the latter with training labels that it did not see, and the validation metric did not rise. There must be as many
    test records as show a substantial agreement."""
    confusion = facts.figures["confusion"]
    if FINE_TUNED not in confusion or BASELINE not in confusion or not facts.validations:
        return None
    found = {system: kappa(np.array(confusion[system], float)) for system in (FINE_TUNED, BASELINE)}
    for value, error in found.values():
        if value > facts.z * error or detectable(error, facts.confidence) > SUBSTANTIAL:
            return None
    if facts.opinion is not None and facts.opinion.confusion.size:
        value, error = kappa(facts.opinion.confusion)
        if value > facts.z * error:
            return None
    first, last = facts.validations[0], facts.validations[-1]
    if facts.metric_rose(first, last):
        return None
    accuracy = {system: facts.figures["systems"][system]["accuracy"]["value"] for system in (*found, "majority")}
    course = ""
    if name := facts.metric:
        course = (
            f" On validation records, {METRICS[name]} was {first[name]:.2f} before training, {last[name]:.2f} after."
        )
    return Finding(
        "nothing_to_learn",
        f"There seems to be nothing to learn from these labels: on {facts.figures['test_rows']:,} test records, the"
        f" fine-tuned model (accuracy {accuracy[FINE_TUNED]:.2f}) and a word-count model ({accuracy[BASELINE]:.2f}) are"
        f" no better than chance; always the most common label gets {accuracy['majority']:.2f}."
        f"{course}",
        "Do not train more. Read records beside their labels, and find out where the labels come from.",
        f"ft errors {facts.name} --text",
    )


def kappa(matrix: np.ndarray) -> tuple[float, float]:
    """Agreement beyond chance (Cohen's kappa) of a confusion matrix, and its standard error where there is none
    (Fleiss, Cohen and Everitt, Large sample standard errors of kappa, 1969). Of one answer only: 0 and 0."""
    rows = matrix.sum()
    truth, predicted = matrix.sum(axis=1) / rows, matrix.sum(axis=0) / rows
    chance = float(truth @ predicted)
    variance = chance + chance**2 - float((truth * predicted * (truth + predicted)).sum())
    if chance >= 1:
        return 0.0, 0.0
    value = (float(np.trace(matrix)) / rows - chance) / (1 - chance)
    return value, max(variance, 0.0) ** 0.5 / ((1 - chance) * rows**0.5)


def wrong_labels(facts: Facts) -> Finding | None:
    """Two models that learned in different ways hold labels for wrong, and so many that they may be half of what the
    fine-tuned model gets wrong, the main cause.

    They agree where, of the test records whose label the word-count model is sure is another, the fine-tuned one takes
    its side more often than a coin would. That alone happens on clean records as well, as both find the same ones hard;
    then the share is small beside the errors (measured: docs/how_to/read_an_evaluation.md)."""
    from scipy.stats import binomtest

    agree, against = facts.sides
    if facts.opinion is None or not agree:
        return None
    wrong, found = facts.opinion.wrong, wrong_share(facts)
    errors = 1 - facts.figures["systems"][FINE_TUNED]["accuracy"]["value"]
    by_chance = binomtest(agree, agree + against, alternative="greater").pvalue
    if by_chance > 1 - facts.confidence or 2 * found["value"] < errors:
        return None
    low, high = f"{found['low']:.0%}", f"{found['high']:.0%}"
    twice = facts.opinion.contradictions
    same = f" {twice:,} records have the same text as another one with another label." if twice else ""
    return Finding(
        "wrong_labels",
        f"About {found['value']:.0%} of the training labels seem to be wrong ({low} to {high}; fewer where labels are"
        f" hard to tell apart). A word-count model that did not see them disagrees with {wrong['value']:.0%} of the"
        f" {facts.opinion.surest:,} labels of which it is surest, and on test records the fine-tuned model takes its"
        f" side {agree:,} times and that of the label {against:,} times.{same}",
        f"Check the {suspects(facts):,} training records that are listed, correct their labels in the source, and run"
        " again.",
        f"ft errors {facts.name} --wrong-labels --text",
    )


def wrong_share(facts: Facts) -> Figure:
    """Estimated share of wrong training labels: those that the cross-validated model holds for wrong where it is
    surest, as far as the fine-tuned model agrees with it on test records. `{"value", "low", "high"}`."""
    assert facts.opinion is not None
    agreed = share(facts.sides[0], max(sum(facts.sides), 1), facts.confidence)
    return {name: facts.opinion.wrong[name] * agreed[name] for name in ("value", "low", "high")}


def suspects(facts: Facts) -> int:
    """How many of the records of doubtful label are listed: as many as seem to be wrong (pruning by noise rate,
    arXiv:1911.00068, section 3.2)."""
    assert facts.opinion is not None
    rows = sum(facts.labels.values())
    return min(len(facts.opinion.places), max(1, round(wrong_share(facts)["value"] * rows)))


def label_too_rare(facts: Facts) -> Finding | None:
    """Labels whose test records are recognized less often than those of the others (Fisher's exact test, Holm's
    correction), and that have fewer training records than every label that does at least as well as the median."""
    from scipy.stats import fisher_exact

    table = {label: row for label, row in facts.figures["per_class"].get(FINE_TUNED, {}).items() if row["support"]}
    if len(table) < 3:
        return None
    hits = {label: round(row["recall"] * row["support"]) for label, row in table.items()}
    all_hits, rows = sum(hits.values()), sum(row["support"] for row in table.values())
    tests = {}
    for label, row in table.items():
        own = [hits[label], row["support"] - hits[label]]
        rest = [all_hits - own[0], rows - all_hits - own[1]]
        tests[label] = float(fisher_exact([own, rest], alternative="less").pvalue)  # type: ignore[attr-defined]
    median = float(np.median([row["f1"] for row in table.values()]))
    enough = min(facts.labels.get(label, 0) for label, row in table.items() if row["f1"] >= median)
    rare = {
        label: enough - facts.labels.get(label, 0)
        for label, p in holm(tests).items()
        if p <= 1 - facts.confidence and table[label]["f1"] < median and facts.labels.get(label, 0) < enough
    }
    if not rare:
        return None
    said = "; ".join(
        f"{label}: {facts.labels.get(label, 0):,} training records, F1 {table[label]['f1']:.2f}" for label in rare
    )
    missing = "; ".join(f"{label}: {count:,}" for label, count in rare.items())
    merged = max(facts.labels.get(label, 0) for label in rare) + 1
    return Finding(
        "label_too_rare",
        f"The model does much worse on rare labels ({said}). Labels with an F1 of at least {median:.2f}, the middle"
        f" one, have {enough:,} training records or more.",
        f"Bring more records of them (missing: {missing}), merge them into other labels (record.label_names), or put"
        " all labels with few records together, as the command does.",
        facts.run("splits.rare_labels=other", f"splits.min_rows_per_label={_rows_in_all(facts, merged)}"),
    )


def _rows_in_all(facts: Facts, train: int) -> int:
    """Records of a label on all sides, from those of the train side."""
    of_all = sum(side["rows"] for side in facts.training["counts"].values()) + facts.figures["test_rows"]
    return max(3, round(train * of_all / max(facts.training["counts"]["train"]["rows"], 1)))
