"""The regression report from a checkpoint to the published artifact."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.champion import champion
from ft_platform.evaluation.inputs import regression_inputs, writes
from ft_platform.evaluation.regression import (
    SuiteResult,
    compare,
    general_text,
    instructions,
    multiple_choice,
    nothing_to_ask,
)
from ft_platform.evaluation.suites import TEXT, choice_items, instruction_items, passages
from ft_platform.lake.draft import Draft
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models import base_model
from ft_platform.models.adapter import with_adapter
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress
from ft_platform.process.code_hash import code
from ft_platform.tracking import (
    Tracker,
    figure_metrics,
    finish_report,
    report_tracker,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

LOG = logging.getLogger(__name__)
STAGE = "regression_report"
FIGURES, ITEMS = "regression.json", "items.parquet"

Suite = Callable[[Any, Callable[[int], None]], SuiteResult]


def publish_regression_report(
    lake: Lake, environment: Environment, use_case: NamedUseCase, checkpoint: ArtifactVersion, log: Any = LOG
) -> ArtifactVersion:
    """The artifact `regression_report` of a checkpoint: an existing one, or a new one with figures, picture and page.

    Args:
        checkpoint: a version that passed the gate (`lake.gate.require_usable`).

    Raises:
        VersionRefused: the base model is another than the checkpoint was trained on, or nobody can tell what the
            champion is.
        BaseModelError, SourceError, MissingExtra: nothing was published.
    """
    best = champion(lake, use_case.name, beside=checkpoint)
    draft = Draft(lake, use_case, STAGE, *regression_inputs(lake, use_case, checkpoint, best), [checkpoint])
    if existing := draft.existing():
        return existing
    with report_tracker(environment, draft, log, checkpoint) as tracker:
        tracker.parameters(use_case.settings.regression.model_dump(mode="json"))
        settings = use_case.settings.regression
        if writes(lake, checkpoint):
            results, about_champion, base_inputs = measured(lake, environment, use_case, checkpoint, best)
            found = compare(settings, results["base"], results["tuned"], results.get("champion"))
        else:
            results, about_champion, base_inputs = {}, _about(best), ""
            found = nothing_to_ask(settings)
        found |= {"champion": about_champion, "confidence": settings.confidence}
        return _publish(draft, results, found, base_inputs, tracker)


def _about(best: ArtifactVersion | None) -> dict[str, Any]:
    return {"checkpoint": best.id if best else None, "status": "compared" if best else "there is none yet"}


def measured(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    best: ArtifactVersion | None,
) -> tuple[dict[str, dict[str, SuiteResult]], dict[str, Any], str]:
    """Every suite for `base`, `tuned` and, where there is one on the same base model, `champion`; what is to be said
    about the champion; and the hash of what the figures of `base` depend on."""
    resolved = base_model.resolve_here(use_case.settings.base_model, environment)
    if difference := resolved.other_than(_training(lake, checkpoint)):
        raise VersionRefused(
            f"checkpoint {checkpoint.id} was trained on {difference}", f"Train again: ft run {use_case.name}"
        )
    model, tokenizer = base_model.load(
        resolved, use_case.settings.base_model.dtype, use_case.settings.base_model.quantization
    )
    suites = suites_of(lake, use_case, tokenizer)
    about = _about(best)
    if best and not writes(lake, best):
        best, about["status"] = None, "not compared: it scores labels and writes nothing"
    if best and resolved.other_than(_training(lake, best)):
        best, about["status"] = None, "not compared: it has another base model"
    systems = {"base": None, "tuned": checkpoint, **({"champion": best} if best else {})}
    inputs = _base_inputs(lake, use_case, resolved.weights_sha256, model)
    results = {}
    for number, (system, version) in enumerate(systems.items()):
        if version is None and (before := measured_before(lake, use_case, inputs)):
            results[system] = before
            continue
        if version is not None:
            # An adapter changes the model that it is put on.
            if number > 1:
                model, _ = base_model.load(
                    resolved, use_case.settings.base_model.dtype, use_case.settings.base_model.quantization
                )
            with lake.local_copy(version) as folder:
                model = with_adapter(model, folder)
        results[system] = _run(model, suites, system, number, len(systems))
    return results, about, inputs


def _base_inputs(lake: Lake, use_case: NamedUseCase, weights_sha256: str, model: Any) -> str:
    """Hash of all that the base model's figures depend on: no checkpoint is among it."""
    import torch
    import transformers

    from ft_platform.models.kernels.own_kernels import kernels

    settings = use_case.settings
    asked = settings.regression.model_dump(mode="json", include={"suites", "harness_tasks", "rows", "seed"})
    versions = [code(), torch.__version__, transformers.__version__]
    computed = [*versions, torch.get_num_threads(), kernels(), str(model.device)]
    return settings_hash(
        {
            "weights": [weights_sha256, str(model.dtype), settings.base_model.quantization],
            "asked": asked,
            "text": hashlib.sha256(_text(lake, settings.regression.text_file)).hexdigest(),
            "computed": computed,
        }
    )


def measured_before(lake: Lake, use_case: NamedUseCase, base_inputs: str) -> dict[str, SuiteResult] | None:
    """The base model on every suite, from an earlier report of the use case with the same `base_inputs`: item for item
    what it would be again. None where there is none that is whole."""
    for report in lake.artifacts(use_case.name, STAGE):
        if lake.manifest(report).info.get("base_inputs") != base_inputs:
            continue
        if lake.intact_artifact(use_case.name, STAGE, report.artifact_id) is None:
            continue
        items = pq.read_table(lake.open_file(report, ITEMS)).to_pandas()
        return {
            name: SuiteResult(one["metric"], one["higher_is_better"], _statistics(items, name))
            for name, one in json.loads(lake.read_file(report, FIGURES))["suites"].items()
        }
    return None


def _statistics(items: Any, suite: str) -> np.ndarray:
    of_base = items[(items["suite"] == suite) & (items["system"] == "base")].sort_values("item")
    return of_base[["numerator", "denominator"]].to_numpy(float)


def _training(lake: Lake, checkpoint: ArtifactVersion) -> dict[str, Any]:
    return json.loads(lake.read_file(checkpoint, "training.json"))


def suites_of(lake: Lake, use_case: NamedUseCase, tokenizer: Any) -> dict[str, Suite]:
    """Name -> function of a model and a listener, for every suite of the settings, on the same seeded choice of
    items."""
    settings = use_case.settings.regression
    renderer = Renderer(tokenizer, Task(kind="generation"))

    def chosen(items: list) -> list:
        if settings.rows is None or len(items) <= settings.rows:
            return items
        return [
            items[place]
            for place in sorted(np.random.default_rng(settings.seed).permutation(len(items))[: settings.rows].tolist())
        ]

    found: dict[str, Suite] = {}
    if "general_text" in settings.suites:
        texts = chosen(passages(_text(lake, settings.text_file)))
        found["general_text"] = lambda model, tick: general_text(model, renderer, texts, tick)
    if "multiple_choice" in settings.suites:
        questions = chosen(choice_items())
        found["multiple_choice"] = lambda model, tick: multiple_choice(model, renderer, questions, tick)
    if "instructions" in settings.suites:
        asked = chosen(instruction_items())
        found["instructions"] = lambda model, tick: instructions(model, tokenizer, renderer, asked, tick)
    for task in settings.harness_tasks:
        from ft_platform.evaluation.harness import harness_suite

        found[task] = harness_suite(task, tokenizer, settings.rows)
    return found


def _text(lake: Lake, text_file: str | None) -> bytes:
    if text_file is None:
        return TEXT.read_bytes()
    fs, path = filesystem(text_file, fsspec_options(text_file, lake.storage_options))
    return bytes(fs.cat_file(path))  # type: ignore[arg-type]


def _run(model: Any, suites: Mapping[str, Suite], system: str, number: int, systems: int) -> dict[str, SuiteResult]:
    results = {}
    for place, (name, suite) in enumerate(suites.items()):
        progress.report(STAGE, number * len(suites) + place, systems * len(suites), "suites", system=system, suite=name)
        results[name] = suite(model, lambda done: None)
    progress.report(STAGE, (number + 1) * len(suites), systems * len(suites), "suites", system=system)
    return results


def items_table(results: Mapping[str, Mapping[str, SuiteResult]]) -> pa.Table:
    """One row per suite, item and system: the two numbers whose sums make the score. No text."""
    rows = [
        {"suite": suite, "item": item, "system": system, "numerator": float(top), "denominator": float(bottom)}
        for system, suites in results.items()
        for suite, result in suites.items()
        for item, (top, bottom) in enumerate(result.statistics)
    ]
    types = [
        ("suite", pa.string()),
        ("item", pa.int64()),
        ("system", pa.string()),
        ("numerator", pa.float64()),
        ("denominator", pa.float64()),
    ]
    return pa.Table.from_pylist(rows, pa.schema(types))


def _publish(
    draft: Draft,
    results: Mapping[str, Mapping[str, SuiteResult]],
    found: dict[str, Any],
    base_inputs: str,
    tracker: Tracker,
) -> ArtifactVersion:
    from ft_platform.reporting.regression_report import write_regression_report

    with draft.folder() as folder:
        (folder / FIGURES).write_text(
            json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
        )
        if results:
            pq.write_table(items_table(results), folder / ITEMS)
        write_regression_report(folder, draft, found)
        report = draft.publish(
            folder,
            counts={"items": sum(one["items"] for one in found["suites"].values()), "suites": len(found["suites"])},
            info={
                "passed": found["passed"],
                "champion": found["champion"],
                "base_inputs": base_inputs,
                "tracking": tracker.state(),
            },
        )
    finish_report(tracker, draft.lake, report, _metrics(found))
    return report


def _metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """Scores of every suite and their differences, for the tracker."""
    values: dict[str, float] = {"passed": float(found["passed"])}
    for suite, one in found["suites"].items():
        for name in ("base", "tuned", "champion", "difference"):
            if one[name] is not None:
                values |= figure_metrics(f"{suite}/{name}", one[name])
    return values
