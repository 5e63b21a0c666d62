"""What a search shows: every trial, the best settings as lines for the use-case file, and two pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ft_platform.lake.draft import Draft
from ft_platform.reporting.figure import COLOURS, drawing
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.training.experiments.study import FAILED
from ft_platform.use_case.named import NamedUseCase

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def summary(trials: Sequence[Any], use_case: NamedUseCase) -> dict[str, Any]:
    """`{"trials", "best", "present", "snippet", "figures"}` of Optuna's trials.

    A pruned trial has the last loss that was measured; only complete ones can be the best.
    """
    search = use_case.settings.search
    found = [_described(trial) for trial in trials]
    complete = [trial for trial in found if trial["state"] == "complete"]
    best = min(complete, key=lambda trial: (trial["validation_loss"], trial["number"]), default=None)
    training = use_case.settings.training
    present_values = {name: getattr(training, name) for name in search.dimensions}
    known = [] if training.leaves_open(present_values) else complete
    present = next((trial for trial in known if trial["params"] == present_values), None)
    figures: dict[str, float | int] = {
        "trials": len(found),
        **{state: sum(t["state"] == state for t in found) for state in STATES.values()},
    }
    if best:
        figures["best_validation_loss"] = best["validation_loss"]
    if present:
        figures["present_validation_loss"] = present["validation_loss"]
    snippet = yaml.safe_dump({"training": best["params"]}, sort_keys=True) if best else ""
    return {"trials": found, "best": best, "present": present, "snippet": snippet, "figures": figures}


def _described(trial: Any) -> dict[str, Any]:
    measured = trial.value if trial.value is not None else next(reversed(trial.intermediate_values.values()), None)
    return {
        "number": trial.number,
        "state": STATES.get(trial.state.name, trial.state.name.lower()),
        "failed": trial.user_attrs.get(FAILED),
        "params": dict(sorted(trial.params.items())),
        "validation_loss": measured,
        "validations": len(trial.intermediate_values),
        "seconds": trial.user_attrs.get("seconds"),
    }


def write_search_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """Fills `folder` with `search.json`, `best_settings.yaml`, the pictures and `report.html`."""
    (folder / "search.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (folder / "best_settings.yaml").write_text(found["snippet"], encoding="utf-8")
    pictures = {"trials": trials_plot(found["trials"]), "parameters": parameters_plot(found["trials"], draft.use_case)}
    write_report_page(
        folder,
        draft,
        "search_report.html",
        title=f"Search for training settings of {draft.use_case.name}",
        conclusion=conclusion(found),
        snippet=found["snippet"],
        names=sorted(draft.use_case.settings.search.dimensions),
        trials=sorted(
            found["trials"],
            key=lambda trial: (
                trial["state"] != "complete",
                trial["validation_loss"] is None,
                trial["validation_loss"] or 0.0,
            ),
        ),
        settings=draft.use_case.settings.search.model_dump(mode="json"),
        pictures=saved(folder, pictures),
    )


def conclusion(found: Mapping[str, Any]) -> list[str]:
    """What the search says and does not say, in sentences."""
    best, present, figures = found["best"], found["present"], found["figures"]
    counts = f"{figures['complete']} complete, {figures['pruned']} pruned, {figures['failed']} failed"
    sentences = [
        f"The lowest validation loss of {figures['trials']} trials ({counts}) is {best['validation_loss']:.4f}, in"
        f" trial {best['number']}."
    ]
    if present is None:
        sentences.append("The current settings are outside the searched space and were not tried.")
    elif present["number"] == best["number"]:
        sentences.append("Those are the current settings: no other trial did better.")
    else:
        sentences.append(
            f"The current settings have {present['validation_loss']:.4f}, a difference of"
            f" {present['validation_loss'] - best['validation_loss']:.4f}."
        )
    sentences.append(
        "The lowest of many losses is lower than it would be on new records, and each setting was trained with one"
        " seed. Only the evaluation report of a checkpoint says whether the model got better. This page changes"
        " nothing by itself."
    )
    return sentences


def trials_plot(trials: Sequence[Mapping[str, Any]]) -> bytes:
    """Validation loss by trial, and the lowest so far."""
    with drawing(6.4, 3.4) as (figure, axes, buffer):
        for colour, state in zip(COLOURS, ("complete", "pruned"), strict=False):
            shown = [trial for trial in trials if trial["state"] == state and trial["validation_loss"] is not None]
            numbers, losses = [t["number"] for t in shown], [t["validation_loss"] for t in shown]
            axes.scatter(numbers, losses, color=colour, label=state, marker="o" if state == "complete" else "x")
        lowest, steps = None, []
        for trial in trials:
            if trial["state"] == "complete":
                lowest = trial["validation_loss"] if lowest is None else min(lowest, trial["validation_loss"])
                steps.append((trial["number"], lowest))
        numbers, losses = [number for number, _ in steps], [value for _, value in steps]
        axes.step(numbers, losses, where="post", color="grey", linewidth=1, label="lowest so far")
        axes.set(xlabel="trial", ylabel="validation loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return buffer.getvalue()


def parameters_plot(trials: Sequence[Mapping[str, Any]], use_case: NamedUseCase) -> bytes:
    """Validation loss of the complete trials against each searched value."""
    space = use_case.settings.search.dimensions
    complete = [trial for trial in trials if trial["state"] == "complete"]
    with drawing(6.4, 2.4 * len(space)) as (figure, axes, buffer):
        axes.remove()
        grid = figure.subplots(len(space), squeeze=False)
        for (name, dimension), axes in zip(sorted(space.items()), grid[:, 0], strict=True):
            values = [trial["params"][name] for trial in complete]
            if dimension.choices is not None:
                places = {value: place for place, value in enumerate(dimension.choices)}
                axes.set_xticks(range(len(places)), [str(value) for value in places])
                values = [places[value] for value in values]
            axes.scatter(values, [trial["validation_loss"] for trial in complete], color=COLOURS[0])
            axes.set(xlabel=f"training.{name}", ylabel="validation loss")
            if dimension.log:
                axes.set_xscale("log")
                axes.xaxis.set_major_formatter("{x:g}")
                axes.xaxis.set_minor_formatter("")
    return buffer.getvalue()
