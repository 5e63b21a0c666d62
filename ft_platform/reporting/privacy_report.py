"""The privacy report: pictures and one HTML file from the figures of `privacy_attacks`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.reporting.html import number, percent
from ft_platform.reporting.privacy_plots import epochs_plot, losses_plot, roc_plot
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.training.privacy_attacks.membership import SideLosses, means, others_of, scores
from ft_platform.training.privacy_attacks.verdict import TITLES, attacker_in_words, privacy_verdict
from ft_platform.training.privacy_budget import promise
from ft_platform.use_case.named import NamedUseCase

MOST_SLICES = 10
"""Labels and groups in the table; the figures hold all."""
RATES = {
    "verbatim": "training records, word for word",
    "baseline": "test records, word for word",
    "untrained": "training records by the untrained model, word for word",
    "near_verbatim": "training records, nearly word for word",
    "baseline_near_verbatim": "test records, nearly word for word",
    "untrained_near_verbatim": "training records by the untrained model, nearly word for word",
    "gain": "training minus test records, word for word",
}
LOSSES = {
    "train": "training records",
    "validation": "validation records",
    "test": "test records",
    "validation_gap": "validation minus training records",
    "gap": "test minus training records",
    "gap_before": "test minus training records, by who never read them",
}


def write_privacy_report(
    folder: Path, draft: Draft, found: Mapping[str, Any], losses: Mapping[str, SideLosses]
) -> None:
    """`membership.png` and `losses.png` where there are enough records, `loss_by_epoch.png`, and `report.html`."""
    pictures = _pictures(draft.use_case, found, losses)
    overfitting = found["overfitting"]
    write_report_page(
        folder,
        draft,
        "privacy_report.html",
        title=f"Privacy of {draft.use_case.name}",
        found=found,
        verdict=privacy_verdict(found, draft.use_case),
        sentences=sentences(found),
        of_labels=draft.use_case.settings.task.kind == "classification",
        slices=found["slices"][:MOST_SLICES],
        slice_count=len(found["slices"]),
        attacks=[{"title": TITLES[name], **attack} for name, attack in (found["membership"] or {}).items()],
        rates=[{"title": title, "figure": found["extraction_rate"][name]} for name, title in RATES.items()],
        losses=[{"title": title, "figure": overfitting[name]} for name, title in LOSSES.items()],
        settings=draft.use_case.settings.attacks.model_dump(mode="json", exclude={"canaries"}),
        pictures=saved(folder, pictures),
    )


def _pictures(use_case: NamedUseCase, found: Mapping[str, Any], losses: Mapping[str, SideLosses]) -> dict[str, bytes]:
    pictures = {"loss_by_epoch": epochs_plot(found["overfitting"])}
    if not found["membership"]:
        return pictures
    of_labels = use_case.settings.task.kind == "classification"
    train, others = losses["train"], others_of(losses)
    of_train, of_others = (scores(side, of_labels=of_labels) for side in (train, others))
    areas = {name: attack["auc"]["value"] for name, attack in found["membership"].items()}
    by_record = {
        "by who never read them": (means(train.difficulty), means(others.difficulty)),
        "by the trained model": (means(train.after), means(others.after)),
    }
    curves = {name: (of_train[name], of_others[name]) for name in of_train}
    return {"membership": roc_plot(curves, areas), "losses": losses_plot(by_record), **pictures}


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What was promised and what was found, in plain words."""
    said = [promise(found) or "Trained without differential privacy: these figures are measured, not guaranteed."]
    said.append(attacker_in_words(found))
    rates = found["extraction_rate"]
    if rates["verbatim"]:
        said.append(
            f"Extraction: given the start, the model continues {percent(rates['verbatim']['value'])} of"
            f" {rates['rows']} {rates['of']} of training records word for word, and"
            f" {percent(rates['baseline']['value'])} of those of test records, which it never saw."
        )
    else:
        said.append(f"Extraction was not measured: {rates['status']}.")
    personal = found["personal_data"]
    if personal:
        counts = ", ".join(f"{entity} {count}" for entity, count in personal["found"].items()) or "none"
        compared = (
            f"{personal['originals']} of them are originals of the vault"
            if personal["originals"] is not None
            else personal["originals_status"]
        )
        said.append(
            f"Personal data in {personal['samples']} texts that the model wrote: {counts} ({compared}). A finding may"
            " be invented: made-up names count too."
        )
    else:
        said.append(f"Personal data in the model's own texts: {found['personal_data_status']}.")
    gap = found["overfitting"]["gap"]
    said.append(
        f"Overfitting: the loss on test records is {number(gap['value'])} higher than on training records"
        f" ({number(gap['low'])} to {number(gap['high'])})."
        if gap
        else f"Overfitting was not measured: {found['overfitting']['status']}."
    )
    return said
