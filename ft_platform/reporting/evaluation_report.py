"""The evaluation report: one HTML file with every system's figures, the funnel, the course of training, limits and
lineage."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ft_platform.evaluation.files import PREDICTIONS
from ft_platform.evaluation.metric import Metric, metric, metrics_of
from ft_platform.evaluation.mistakes import mistakes
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.slices import slice_metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.evaluation.systems.few_shot import EXAMPLE_TOKENS
from ft_platform.lake.draft import Draft
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting import alt_texts, plain_words, plots
from ft_platform.reporting.evidence_plots import calibration_plot, slices_plot
from ft_platform.reporting.figure import short
from ft_platform.reporting.funnel import funnel_of
from ft_platform.reporting.lineage import lineage_rows, manifests_behind
from ft_platform.reporting.method_words import as_trained, model_words, titled, without_itself
from ft_platform.reporting.report_page import write_report_page
from ft_platform.reporting.verdict import fine_tune_or_prompt, limits, slice_sentences, verdicts
from ft_platform.training import continuing, window
from ft_platform.training.privacy_budget import promise
from ft_platform.training.time_taken import training_seconds
from ft_platform.use_case.named import NamedUseCase

REPORT = "report.html"
MOST_PAIRS = 30
"""Pairs of labels that are mixed up, in the report; `ft errors` has all. No ids: the page goes to trackers and into
evidence packs."""
RULES = {
    "forbidden": "no forbidden phrase",
    "openings": "begins as it should",
    "closings": "ends as it should",
    "min_words": "enough words",
    "max_words": "not too many words",
    "max_sentences": "not too many sentences",
}
NO_FIGURE = {"value": None, "low": None, "high": None, "best": False}


def write_pictures(folder: Path, figures: Mapping[str, Any], use_case: NamedUseCase) -> None:
    """`systems.png`; for labels also `per_class.png`, and `confusion_matrix.png` and `calibration.png` of the last
    system; `slices.png` where there are."""
    main, training = metric(figures["main_metric"]), use_case.settings.training
    figures = without_itself(figures, training.method)
    (folder / "systems.png").write_bytes(plots.systems_plot(titled(figures["systems"], training.method), main))
    if figures["confusion"]:
        systems = list(figures["confusion"])
        last = systems[-1]
        matrix = figures["confusion"][last]
        (name,) = titled({last: matrix}, training.method)
        (folder / "confusion_matrix.png").write_bytes(plots.confusion_matrix_plot(figures["labels"], matrix, name))
        shown = [
            system for system in ("tfidf_logreg", "linear_probe", "base_few_shot", "fine_tuned") if system in systems
        ]
        per_class = titled(figures["per_class"], training.method)
        names = list(titled(dict.fromkeys(shown), training.method))
        (folder / "per_class.png").write_bytes(plots.per_label_plot(per_class, names))
        if last in figures["calibration"]:
            (folder / "calibration.png").write_bytes(calibration_plot(figures["calibration"][last]))
    if figures.get("slices"):
        compared_by, confidence = metric(slice_metric(use_case)), use_case.settings.evaluation.confidence
        overall = figures["systems"]["fine_tuned"]
        (folder / "slices.png").write_bytes(slices_plot(figures["slices"], compared_by, overall, confidence))


def write_report(folder: Path, draft: Draft, figures: Mapping[str, Any]) -> None:
    """`report.html` and `funnel.png`, from figures, predictions in `folder` and manifests of the parents."""
    settings = draft.use_case.settings
    figures = without_itself(figures, settings.training.method)
    metrics, main = metrics_of(settings.task.kind), metric(figures["main_metric"])
    manifests = manifests_behind(draft.lake, draft.parents)
    funnel = funnel_of(manifests)
    (folder / "funnel.png").write_bytes(plots.funnel_plot(funnel))
    checkpoint = next(p for p in draft.parents if isinstance(p, ArtifactVersion) and p.name == "adapter_checkpoint")
    pictures = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}
    tuned = rows_of(pq.read_table(folder / PREDICTIONS), FINE_TUNED)
    wrong = mistakes(draft.use_case, tuned, records=1)
    confidence, counts = settings.evaluation.confidence, slice_metric(draft.use_case) in plain_words.COUNTED
    training = json.loads(draft.lake.read_file(checkpoint, "training.json"))
    gain = plain_words.gain(figures, confidence)
    words = partial(as_trained, method=settings.training.method)
    has_curve = "loss_curve.png" in manifests["adapter_checkpoint"].files
    write_report_page(
        folder,
        draft,
        "evaluation_report.html",
        title=f"Evaluation of {draft.use_case.name}",
        short=[
            ("Verdict", [words(plain_words.quality(figures))]),
            ("What it gains", [words(gain["text"])]),
            ("For whom it is worse", plain_words.worse_for(figures["slices"], confidence, counts)),
            ("What would make it better", plain_words.diagnosed(figures)),
            ("What to do next", plain_words.next_after_evaluation(figures, confidence, draft.use_case.name)),
        ],
        good=gain["good"],
        further=figures["diagnosis"]["further"],
        model=model_words(settings.training.method),
        verdicts=words(verdicts(figures, main, settings.evaluation.confidence)),
        advice=words(fine_tune_or_prompt(figures, main, settings.evaluation.confidence)),
        requests=words([(TITLES.get(system, system), one) for system, one in figures["per_1000_requests"].items()]),
        test_rows=figures["test_rows"],
        confidence=settings.evaluation.confidence,
        bootstrap_samples=settings.evaluation.bootstrap_samples,
        systems=words(metric_table(figures["systems"], metrics)),
        differences=metric_table(figures["differences"], metrics),
        fresh=words(fresh_table(figures.get("fresh"), metrics)),
        groundedness=groundedness_table(figures.get("groundedness")),
        style=style_table(figures.get("style")),
        golden=figures.get("golden"),
        repaired=repaired_table(figures.get("repaired")),
        calibration=figures["calibration"].get("fine_tuned"),
        slices=figures["slices"],
        slice_metric=metric(slice_metric(draft.use_case)).title,
        slice_sentences=slice_sentences(figures["slices"], settings.evaluation.confidence),
        mistakes=wrong[:MOST_PAIRS],
        mistakes_in_all=sum(one["count"] for one in wrong),
        per_class=[{"label": label, **row} for label, row in figures["per_class"].get("fine_tuned", {}).items()],
        funnel=funnel,
        left_out=figures["left_out"],
        training=training_sentence(training),
        limits=words(limits(figures, main, settings.evaluation, EXAMPLE_TOKENS)),
        times=words(
            [
                ("Training of the checkpoint: steps and validations", training_seconds(training["metrics"])),
                *((f"Test records: {TITLES.get(s, s)}", f"{t:,.1f} seconds") for s, t in figures["seconds"].items()),
            ]
        ),
        lineage=lineage_rows(manifests),
        loss=loss_of(training),
        alts=words(picture_alts(figures, FINE_TUNED)),
        pictures={**pictures, "loss_curve": draft.lake.read_file(checkpoint, "loss_curve.png") if has_curve else None},
    )


def metric_table(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metrics: Sequence[Metric]) -> dict[str, Any]:
    """Head and cells of a table of systems, the best value of each metric marked; a system without a metric has an
    empty cell."""
    metrics = [m for m in metrics if any(m.name in found for found in systems.values())]
    best = {
        m.name: (max if m.higher_is_better else min)(
            (f[m.name]["value"] for f in systems.values() if m.name in f), default=None
        )
        for m in metrics
    }
    rows = [
        {
            "title": TITLES.get(system, system),
            "cells": [
                {**found[m.name], "best": found[m.name]["value"] == best[m.name]} if m.name in found else NO_FIGURE
                for m in metrics
            ],
        }
        for system, found in systems.items()
    ]
    return {"metrics": [{"title": m.title, "higher_is_better": m.higher_is_better} for m in metrics], "rows": rows}


def fresh_table(found: Mapping[str, Any] | None, metrics: Sequence[Metric]) -> dict[str, Any] | None:
    """What is told of requests that are kept for testing, with a table of systems and one of differences where there
    are enough; None where none are kept."""
    if found is None:
        return None
    tables = ("systems", "differences")
    return {**found, **{name: metric_table(found[name], metrics) if name in found else None for name in tables}}


def groundedness_table(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Head and cells of the table of claims without support; None where it was not asked for."""
    if found is None:
        return None
    from ft_platform.evaluation.groundedness import FIGURES, REFERENCE

    titles = {**TITLES, REFERENCE: "Reference answers"}
    rows = [
        {"title": titles.get(system, system), "cells": list(figures.values())}
        for system, figures in found["systems"].items()
    ]
    return {"head": [one.title for one in FIGURES.values()], "rows": rows, "meanings": found["meanings"]}


def style_table(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Systems by rule and by forbidden phrase; None where no style is asked for."""
    if found is None:
        return None
    from ft_platform.evaluation.groundedness import REFERENCE

    titles = {**TITLES, REFERENCE: "Reference answers"}
    systems = found["systems"]
    return {
        "systems": [titles.get(system, system) for system in systems],
        "rules": [
            (RULES.get(rule, rule), [one[rule] for one in systems.values()]) for rule in next(iter(systems.values()))
        ],
        "phrases": [(phrase, [counts[system] for system in systems]) for phrase, counts in found["phrases"].items()],
        "rubric": found["rubric"],
    }


def repaired_table(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Systems by the labels of the source and by the repaired ones; None where no test record was repaired."""
    if found is None:
        return None
    names = list(next(iter(found["systems"].values()), {}))
    return {
        **found,
        "metrics": [metric(name).title for name in names],
        "systems": [(TITLES.get(system, system), list(one.values())) for system, one in found["systems"].items()],
    }


def picture_alts(figures: Mapping[str, Any], system: str) -> dict[str, str]:
    """What `write_pictures` shows, by the name of the picture.

    Args:
        system: the last one, which the pictures of one system are about.
    """
    labels = [{"label": label, **row} for label, row in figures["per_class"].get(system, {}).items()]
    alts = {"systems": alt_texts.systems(figures["systems"], metric(figures["main_metric"]))}
    if figures["confusion"]:
        alts["confusion_matrix"] = alt_texts.confusion(figures["labels"], figures["confusion"][system])
        alts["per_class"] = alt_texts.labels(labels, TITLES.get(system, short(system)))
    if system in figures["calibration"]:
        alts["calibration"] = alt_texts.calibration(figures["calibration"][system])
    return alts


def loss_of(training: Mapping[str, Any]) -> dict[str, float]:
    """Validation loss before and after, from a checkpoint's `training.json`."""
    found = training["metrics"]
    return {"before": found["validation_loss_before"], "after": found["validation_loss"]}


def training_sentence(training: Mapping[str, Any]) -> str:
    """What was trained, from a checkpoint's `training.json`."""
    metrics, settings, base = training["metrics"], training["training"], training["base_model"]
    stopped = "stopped early by validation" if training["stopped_early"] else "all planned steps"
    if settings.get("method") == "tfidf_logreg":
        learned = (
            f"TF-IDF + logistic regression, without a base model. Validation loss {metrics['validation_loss']:.3f}."
        )
        return " ".join(filter(None, [learned, window.in_words(training.get("chosen_records", {}))]))
    trained = (
        f"Linear probe of {base['uri']} (weights {base['sha256'][:12]}), whose own weights are as they were. Validation"
        f" loss {metrics['validation_loss']:.3f}."
        if settings.get("method") == "linear_probe"  # checkpoints from before there was one do not say
        else f"LoRA of rank {settings['rank']} on {base['uri']} (weights {base['sha256'][:12]}), {metrics['steps']}"
        f" optimizer steps ({stopped}), adapter of step {metrics['best_step']} kept. Validation loss"
        f" {metrics['validation_loss_before']:.3f} before, {metrics['validation_loss']:.3f} after."
    )
    chosen = window.in_words(training.get("chosen_records", {}))
    return " ".join(filter(None, [trained, continuing.in_words(training), chosen, promise(training)]))
