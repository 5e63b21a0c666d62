"""From a checkpoint to the published `privacy_report`."""

import json
import logging
from typing import Any

import numpy as np

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import figure_metrics, finish_report, report_tracker
from ft_platform.training.dataset import read_splits
from ft_platform.training.privacy_attacks.attack import NO_TEXT, Attacked, Attacker, feature_columns
from ft_platform.training.privacy_attacks.inputs import FIGURES, STAGE, attack_inputs
from ft_platform.training.privacy_attacks.loaded import loaded_base
from ft_platform.training.privacy_attacks.membership import membership, others_of
from ft_platform.training.privacy_attacks.overfitting import overfitting
from ft_platform.training.privacy_attacks.personal_data import personal_data
from ft_platform.training.privacy_attacks.records import trained_on
from ft_platform.training.privacy_attacks.verdict import privacy_verdict
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger(__name__)


def publish_privacy_report(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    checkpoint: ArtifactVersion,
    log: Any = LOG,
) -> ArtifactVersion:
    """The artifact `privacy_report` of a checkpoint: an existing one, or a new one after all attacks.

    Args:
        splits, checkpoint: versions that passed the gate (`lake.gate.require_usable`).

    Raises:
        VersionRefused: the checkpoint was trained with another renderer or base model than it would be attacked with.
        BaseModelError, MissingExtra: nothing was published.
    """
    from ft_platform.reporting.privacy_report import write_privacy_report

    inputs = attack_inputs(environment, use_case, splits, checkpoint)
    draft = Draft(lake, use_case, STAGE, *inputs, [splits, checkpoint])
    if existing := draft.existing():
        return existing
    with report_tracker(environment, draft, log, checkpoint) as tracker:
        tracker.parameters(use_case.settings.attacks.model_dump(mode="json", exclude={"canaries"}))
        attacked = _attacked(lake, environment, use_case, splits, checkpoint)
        found = figures(lake, environment, use_case, splits, checkpoint, attacked)
        with draft.folder() as folder:
            (folder / FIGURES).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
            write_privacy_report(folder, draft, found, attacked.losses)
            info = {"passed": found["passed"], "tracking": tracker.state()}
            counts = {name: found[name] for name in ("members", "others")}
            report = draft.publish(folder, counts=counts, info=info)
        finish_report(tracker, lake, report, _metrics(found))
    return report


def _attacked(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, checkpoint: ArtifactVersion
) -> Attacked:
    table = read_splits(lake, splits, feature_columns(use_case))
    model, tokenizer, renderer = loaded_base(lake, environment, use_case, table, checkpoint)
    with lake.local_copy(checkpoint) as folder:
        return Attacker(use_case, table, model, tokenizer, renderer, trained_on(lake, checkpoint)).attack(folder)


def figures(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    checkpoint: ArtifactVersion,
    attacked: Attacked,
) -> dict[str, Any]:
    """What `privacy.json` holds: counts and figures, never a record's text or a value that was found.

    `{"checkpoint", "records", "members", "others", "membership": {attack: figures} | None, "slices",
    "membership_status", "extraction_rate", "personal_data", "personal_data_status", "terms", "overfitting",
    "differential_privacy": budget | None, "passed", "reasons"}`."""
    settings = use_case.settings.attacks
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    told_apart = membership(
        attacked.losses["train"],
        others_of(attacked.losses),
        settings,
        attacked.kinds,
        of_labels=use_case.settings.task.kind == "classification",
    )
    found = {
        "checkpoint": checkpoint.artifact_id,
        "records": splits.rows,
        "members": told_apart["members"],
        "others": told_apart["others"],
        "membership": told_apart["attacks"],
        "slices": told_apart["slices"],
        "membership_status": told_apart["status"],
        "extraction_rate": attacked.extraction_rate,
        "personal_data": personal_data(lake, environment, use_case, attacked.texts) if attacked.texts else None,
        "personal_data_status": (
            "measured" if attacked.texts else NO_TEXT if attacked.texts is None else "there is no test record to answer"
        ),
        **({"terms": attacked.terms} if attacked.terms is not None else {}),
        "overfitting": overfitting(attacked.losses, training, settings),
        "differential_privacy": training.get("differential_privacy"),
    }
    verdict = privacy_verdict(found, use_case)
    return {**found, "passed": verdict.passed, "reasons": list(verdict.reasons)}


def _metrics(found: dict[str, Any]) -> dict[str, float]:
    """For the tracker."""
    values: dict[str, float] = {
        "passed": float(found["passed"]),
        **{side: float(found[side]) for side in ("members", "others")},
    }
    for name, attack in (found["membership"] or {}).items():
        for figure in ("auc", "at_1_percent", "at_01_percent"):
            values |= figure_metrics(f"membership/{name}_{figure}", attack[figure])
    for name in ("verbatim", "near_verbatim", "baseline"):
        if found["extraction_rate"][name]:
            values |= figure_metrics(f"extraction/{name}", found["extraction_rate"][name])
    if found["overfitting"]["gap"]:
        values |= figure_metrics("overfitting/gap", found["overfitting"]["gap"])
    return {name: value for name, value in values.items() if np.isfinite(value)}
