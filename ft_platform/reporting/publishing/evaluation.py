"""Evaluations from the splits to the published artifact: `base_evaluation` and `evaluation_report`."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from ft_platform.evaluation.annotation.figures import figures_of_repairs
from ft_platform.evaluation.champion import champion
from ft_platform.evaluation.champion_system import CHAMPION, require_same_rendering, why_not_comparable
from ft_platform.evaluation.diagnosis.diagnose import diagnose
from ft_platform.evaluation.diagnosis.gather import doubted, facts_of
from ft_platform.evaluation.evaluate import Evaluated, Evaluator, ready_evaluator
from ft_platform.evaluation.fairness_outputs import fairness_tables
from ft_platform.evaluation.files import DOUBTED, GOLDEN, METRICS, PREDICTIONS, read_metrics, read_predictions
from ft_platform.evaluation.fresh import FreshPart
from ft_platform.evaluation.golden_prompts import asked_golden, golden_figures, golden_table
from ft_platform.evaluation.golden_statements import fingerprint as golden_fingerprint
from ft_platform.evaluation.golden_statements import golden_prompts
from ft_platform.evaluation.groundedness import groundedness, meanings_of
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.metric import metric_versions
from ft_platform.evaluation.predictions import outputs_in, predictions_table
from ft_platform.evaluation.records import questions_of
from ft_platform.evaluation.requests import per_thousand
from ft_platform.evaluation.scores import FINE_TUNED, scores
from ft_platform.evaluation.similarities import add_similarities
from ft_platform.evaluation.slices import record_scores, slices
from ft_platform.evaluation.style_figures import style_figures
from ft_platform.evaluation.systems.endpoint import require_shared
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.monitoring.traffic.fresh import FreshRequests, fresh_requests
from ft_platform.tracking import (
    Tracker,
    figure_metrics,
    finish_report,
    report_tracker,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY, reads_words
from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger(__name__)


def publish_base_evaluation(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any = LOG
) -> ArtifactVersion:
    """The artifact `base_evaluation` of these splits: an existing one, or a new one.

    Args:
        splits: a version that passed the gate (`lake.gate.require_usable`).

    Raises:
        BaseModelError, DataError, MissingExtra: nothing was published.
    """
    stage = "base_evaluation"
    draft = Draft(lake, use_case, stage, *evaluation_inputs(use_case, "base", splits), [splits])
    if existing := draft.existing():
        return existing
    if use_case.settings.evaluation.endpoints:
        require_shared(splits)
    with report_tracker(environment, draft, log) as tracker:
        asked = use_case.settings.base_model
        evaluator, resolved = ready_evaluator(lake, environment, use_case, splits, stage, asked)
        tracker.parameters(_parameters(use_case, resolved))
        evaluated = evaluator.base()
        add_similarities(evaluated.outputs, use_case, environment)
        evaluated.meanings = meanings_of(use_case.settings.evaluation)
        figures = _figures(environment, use_case, evaluated, evaluator)
        return _publish(draft, evaluated, figures, tracker)


def publish_evaluation_report(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    checkpoint: ArtifactVersion,
    base_evaluation: ArtifactVersion,
    log: Any = LOG,
) -> ArtifactVersion:
    """The artifact `evaluation_report` of a checkpoint beside the champion and the systems of `base_evaluation`: an
    existing one, or a new one.

    Args:
        splits, checkpoint, base_evaluation: versions that passed the gate.

    Raises:
        VersionRefused: checkpoint and evaluation disagree about renderer, base model or test records; nobody can tell
            what the champion is.
        BaseModelError, DataError, MissingExtra: nothing was published.
    """
    stage = "evaluation_report"
    best = champion(lake, use_case.name, beside=checkpoint)
    requests = fresh_requests(lake, use_case)
    fresh = requests.content_hash if requests else ""
    stated = golden_fingerprint(lake, use_case)
    inputs = evaluation_inputs(use_case, "tuned", splits, checkpoint, base_evaluation, best, fresh, stated)
    draft = Draft(lake, use_case, stage, *inputs, [splits, base_evaluation, checkpoint])
    if existing := draft.existing():
        return existing
    with report_tracker(environment, draft, log, checkpoint) as tracker:
        evaluator, resolved = ready_evaluator(lake, environment, use_case, splits, stage)
        tracker.parameters(_parameters(use_case, resolved))
        part = _fresh_part(lake, evaluator, splits, requests) if requests else None
        about = {}
        if best is not None:
            about[CHAMPION] = _champion(lake, environment, evaluator, resolved, splits, best, part, requests)
        evaluated = _tuned(lake, environment, evaluator, resolved, checkpoint, base_evaluation, about, part)
        figures = _figures(environment, use_case, evaluated, evaluator)
        figures |= {"fresh": {**part.figures(), "content_hash": fresh}} if part else {}
        outputs = {FINE_TUNED: evaluated.outputs[FINE_TUNED]}
        predictions = predictions_table(use_case, evaluated.records.side, outputs)
        figures["slices"] = slices(use_case, predictions)
        facts = facts_of(lake, evaluator, evaluated, figures, checkpoint, record_scores(use_case, predictions))
        figures["diagnosis"] = diagnose(facts)
        if (records := doubted(facts, evaluator)) is not None:
            evaluated.beside[DOUBTED] = records
        if repaired := figures_of_repairs(lake, splits, evaluated):
            figures["repaired"] = repaired
        if answers := asked_golden(evaluator, golden_prompts(lake, use_case)):
            figures["golden"] = golden_figures(answers)
            evaluated.beside[GOLDEN] = golden_table(answers)
        return _publish(draft, evaluated, figures, tracker)


def _tuned(
    lake: Lake,
    environment: Environment,
    evaluator: Evaluator,
    resolved: ResolvedModel,
    checkpoint: ArtifactVersion,
    base_evaluation: ArtifactVersion,
    about: Mapping[str, Mapping[str, Any]],
    fresh: FreshPart | None,
) -> Evaluated:
    """The fine-tuned model evaluated beside the systems of the base evaluation and what was evaluated before. It also
    answers the fresh part.

    Args:
        about: system -> what is said of it.
    """
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    require_same_rendering(training, evaluator.renderer, resolved, checkpoint)
    tuned = _with_adapter_of(lake, checkpoint, evaluator, FINE_TUNED, fresh)
    beside = fairness_tables(evaluator)
    add_similarities(tuned.outputs, evaluator.use_case, environment)
    if fresh and fresh.evaluator:
        add_similarities(fresh.evaluator.evaluated.outputs, evaluator.use_case, environment)
    base = read_metrics(lake, base_evaluation)
    labels = sorted({*evaluator.train.answers, *evaluator.test.answers}) if evaluator.classification else []
    outputs = outputs_in(
        read_predictions(lake, base_evaluation), tuned.records.side, labels, evaluator.schema, evaluator.style
    )
    seconds, answering = {**base["seconds"], **tuned.seconds}, {**base["answer_seconds"], **tuned.answer_seconds}
    meanings = meanings_of(evaluator.settings)
    told = {**base["info"], **tuned.info}
    info = {**told, **{system: {**told.get(system, {}), **one} for system, one in about.items()}}
    return Evaluated(tuned.records, {**outputs, **tuned.outputs}, seconds, answering, info, beside, meanings)


def _champion(
    lake: Lake,
    environment: Environment,
    evaluator: Evaluator,
    resolved: ResolvedModel,
    splits: TableVersion,
    best: ArtifactVersion,
    fresh: FreshPart | None,
    requests: FreshRequests | None,
) -> dict[str, Any]:
    """What is said of the champion. If it can be compared, it has answered the test records and the fresh part; where
    only one of the two models needs a base model, it was asked by an evaluator of its own."""
    of_champion, base, part = evaluator, resolved, fresh
    of_words = reads_words(json.loads(lake.read_file(best, "training.json"))["base_model"])
    apart = of_words != (resolved.uri == WORDS_ONLY.uri)
    if apart:
        asked = WORDS_ONLY if of_words else evaluator.use_case.settings.base_model
        of = (lake, environment, evaluator.use_case, splits, evaluator.stage)
        of_champion, base = ready_evaluator(*of, asked)
        part = _fresh_part(lake, of_champion, splits, requests) if requests else None
    problem = why_not_comparable(lake, best, of_champion, base, part.ids if part else ())
    pairs = [(of_champion, evaluator), *([(part.evaluator, fresh.evaluator)] if part and fresh else [])]
    if any(_ids(one) != _ids(other) for one, other in pairs):
        problem = problem or f"{best.id} can read other test records than this checkpoint"
    if problem:
        return {"checkpoint": best.id, "status": f"not compared: {problem}"}
    _with_adapter_of(lake, best, of_champion, CHAMPION, part)
    if apart:
        for one, other in pairs:
            if one and other:
                other.evaluated.take(CHAMPION, one.evaluated)
    else:  # an adapter changes the model that it is put on
        evaluator.model, _ = base_model.load(resolved, *evaluator.precision)
    return {"checkpoint": best.id, "status": "compared"}


def _ids(evaluator: Evaluator | None) -> list[str]:
    return evaluator.test.rows["record_id"].to_pylist() if evaluator else []


def _with_adapter_of(
    lake: Lake, checkpoint: ArtifactVersion, evaluator: Evaluator, system: str, fresh: FreshPart | None
) -> Evaluated:
    """What was evaluated so far, and the evaluator's model with the adapter of a checkpoint."""
    from ft_platform.models.adapter import with_adapter

    with lake.local_copy(checkpoint) as folder:
        evaluator.model = with_adapter(evaluator.model, folder)
        if fresh:
            fresh.tuned(evaluator.model, system)
        return evaluator.tuned(system)


def _fresh_part(lake: Lake, evaluator: Evaluator, splits: TableVersion, requests: FreshRequests) -> FreshPart:
    table = lake.read_table(splits, requests.rows.schema.names)
    with lake.scratch(evaluator.use_case.name, "fresh_test") as folder:
        folder.mkdir(mode=0o700)
        return FreshPart(evaluator, table, requests.rows, requests.days, requests.changed, folder)


def _parameters(use_case: NamedUseCase, base: ResolvedModel) -> dict[str, Any]:
    """Settings of the evaluation, for the tracker."""
    settings = use_case.settings
    return {
        **settings.evaluation.hashed(),
        "base_model": base.uri,
        "base_model_sha256": base.weights_sha256,
    }


def _figures(
    environment: Environment, use_case: NamedUseCase, evaluated: Evaluated, evaluator: Evaluator
) -> dict[str, Any]:
    import torch

    from ft_platform.models.kernels.own_kernels import kernels

    side, settings = evaluated.records.side, use_case.settings.evaluation
    style = use_case.settings.task.style
    asked = settings.groundedness == "prompt"
    grounded = (
        groundedness(evaluated.outputs, side.answers, questions_of(use_case, side), settings, evaluated.meanings)
        if asked
        else None
    )
    return {
        **scores(evaluated.outputs, use_case.settings.task, settings),
        **({"groundedness": grounded} if grounded else {}),
        **({"style": style_figures(evaluated.outputs, side.answers, style, settings)} if style.on else {}),
        "left_out": evaluated.records.left_out,
        "seconds": evaluated.seconds,
        "answer_seconds": evaluated.answer_seconds,
        "per_1000_requests": per_thousand(
            evaluated.answer_seconds,
            len(evaluated.records.side),
            environment.profile(use_case.settings.compute.profile),
            evaluated.info,
        ),
        "info": evaluated.info,
        "renderer_hash": evaluator.renderer.hash,
        "metric_versions": metric_versions(),
        "dtype": str(evaluator.model.dtype).removeprefix("torch."),
        "device": str(evaluator.model.device),
        "threads": torch.get_num_threads(),
        "kernels": kernels(),
    }


def _publish(draft: Draft, evaluated: Evaluated, figures: dict[str, Any], tracker: Tracker) -> ArtifactVersion:
    from ft_platform.reporting.evaluation_report import write_pictures, write_report
    from ft_platform.reporting.stage_pages import write_base_report

    with draft.folder() as folder:
        pq.write_table(
            predictions_table(draft.use_case, evaluated.records.side, evaluated.outputs, evaluated.meanings),
            folder / PREDICTIONS,
        )
        for name, table in evaluated.beside.items():
            pq.write_table(table, folder / name)
        (folder / METRICS).write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
        write_pictures(folder, figures, draft.use_case)
        write = write_report if draft.stage == "evaluation_report" else write_base_report
        write(folder, draft, figures)
        report = draft.publish(
            folder,
            counts={"test_rows": figures["test_rows"], "left_out": figures["left_out"]},
            info={"metrics": _main_values(figures), "tracking": tracker.state()},
        )
    finish_report(tracker, draft.lake, report, _metrics(figures))
    return report


def _metrics(figures: dict[str, Any]) -> dict[str, float]:
    """Every figure of every system, its calibration error, and fine-tuned minus each other system with its test, for
    the tracker."""
    systems = {
        f"{system}/{name}": figure for system, found in figures["systems"].items() for name, figure in found.items()
    }
    systems |= {
        f"{FINE_TUNED}_minus_{system}/{name}": figure
        for system, found in figures["differences"].items()
        for name, figure in found.items()
    }
    systems |= {f"{system}/calibration_error": found["ece"] for system, found in figures["calibration"].items()}
    values = {key: value for name, figure in systems.items() for key, value in figure_metrics(name, figure).items()}
    values |= {
        f"{FINE_TUNED}_minus_{system}/{test['metric']}_p_corrected": test["p_corrected"]
        for system, test in figures["tests"].items()
    }
    return {**values, "test_rows": figures["test_rows"]}


def _main_values(figures: dict[str, Any]) -> dict[str, float]:
    """Scores of the last system, the one the artifact is about."""
    return {name: f["value"] for name, f in list(figures["systems"].values())[-1].items()}
