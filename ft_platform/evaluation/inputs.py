"""What an evaluation depends on. No torch here: the orchestrator asks before it starts a program."""

from pathlib import Path
from typing import Literal

from ft_platform.evaluation.metric import metric_versions
from ft_platform.lake.fingerprint import fingerprint
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.base_model import weights_sha256
from ft_platform.models.guards.own_files import SCORES_LABELS
from ft_platform.models.sentence_encoder import encoder_fingerprint
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.allowed_sources import require_allowed
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.hash import settings_hash

Which = Literal["base", "tuned"]


def evaluation_inputs(
    use_case: NamedUseCase,
    which: Which,
    splits: TableVersion,
    checkpoint: ArtifactVersion | None = None,
    base_evaluation: ArtifactVersion | None = None,
    champion: ArtifactVersion | None = None,
    fresh: str = "",
    golden: str = "",
) -> tuple[str, str]:
    """Id of the evaluation that these inputs give, and their hash: content of the parents, settings and code version.

    Args:
        which: `base` for artifact `base_evaluation`, `tuned` for artifact `evaluation_report`.
        checkpoint, base_evaluation: needed for `tuned`.
        champion: of `tuned`, where there is one.
        fresh: hash of the requests that are kept for testing, for `tuned`; empty where none are kept.
        golden: hash of the golden prompts that experts wrote beside the file, for `tuned`; empty where there are none.

    Raises:
        ValueError: a parent is missing.
        ConfigError: `evaluation.groundedness_model` is no folder with a model.
    """
    named = use_case.settings.evaluation.similarity_model
    similar = local_weights("similarity_model", named) if named else {}
    encoder = use_case.settings.evaluation.groundedness_model
    similar |= {"groundedness_model": encoder_fingerprint(encoder, "evaluation.groundedness_model")} if encoder else {}
    if which == "base":
        weights = local_weights("base_model", use_case.settings.base_model)
        inputs = input_hash(use_case, "base_evaluation", [splits], metrics=_metrics(), **weights, **similar)
        return f"base-{inputs[:12]}", inputs
    if checkpoint is None or base_evaluation is None:
        raise ValueError("the evaluation of a fine-tuned model needs its checkpoint and the base evaluation")
    languages = use_case.settings.cleaning.allowed_languages
    told_apart = {"languages": ",".join(languages)} if len(languages) > 1 else {}
    beside = {**similar, **told_apart, **({"champion": champion.content_hash} if champion else {})}
    beside |= {"fresh": fresh} if fresh else {}
    beside |= {"golden": golden} if golden else {}
    parents = [splits, base_evaluation, checkpoint]
    inputs = input_hash(use_case, "evaluation_report", parents, metrics=_metrics(), **beside)
    return f"eval-{inputs[:12]}", inputs


def _metrics() -> str:
    """Changed code of a metric is another evaluation."""
    return settings_hash({"metrics": metric_versions()})


def local_weights(name: str, model: BaseModelSettings) -> dict[str, str]:
    """The hash of a model's weights where it is a folder or file, which can change under the same name; a pinned
    package, revision or sha256 cannot."""
    path = Path(model.uri).expanduser()
    return {name: weights_sha256(path)} if path.exists() else {}


def regression_inputs(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion, champion: ArtifactVersion | None
) -> tuple[str, str]:
    """Id and hash of the regression report of a checkpoint: checkpoint, champion, settings, and of one that writes the
    items that come with the platform and the content of the user's text.

    Raises:
        SourceError: `regression.text_file` may not be read or does not exist.
    """
    from ft_platform.evaluation.suites import shipped_hash

    text_file = use_case.settings.regression.text_file
    asked = writes(lake, checkpoint)
    extra = {"suites": shipped_hash() if asked else "", "champion": champion.content_hash if champion else ""}
    if text_file and asked:
        require_allowed(text_file, "regression.text_file")
        extra["text_file"] = fingerprint(text_file, "regression.text_file", lake.storage_options)
    inputs = input_hash(use_case, "regression_report", [checkpoint], **extra)
    return f"regr-{inputs[:12]}", inputs


def writes(lake: Lake, checkpoint: ArtifactVersion) -> bool:
    """Whether a checkpoint writes; one with a label head, or a classifier of words, scores labels and nothing else."""
    return not {*SCORES_LABELS} & lake.manifest(checkpoint).files.keys()


def fairness_inputs(
    use_case: NamedUseCase, evaluation_report: ArtifactVersion, before: ArtifactVersion | None = None
) -> tuple[str, str]:
    """Id and hash of the fairness report of an evaluation.

    Args:
        before: an evaluation without the mitigation, where the report compares with one.
    """
    compared = {"before": before.content_hash} if before else {}
    inputs = input_hash(use_case, "fairness_report", [evaluation_report], **compared)
    return f"fair-{inputs[:12]}", inputs


def model_card_inputs(
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    evaluation_report: ArtifactVersion,
    fairness_report: ArtifactVersion,
) -> tuple[str, str]:
    """Id and hash of the model card of a checkpoint with its reports. What the card quotes from other sections counts
    too."""
    governance = use_case.settings.governance
    licence = governance.licence or ""
    quoted = {"description": use_case.settings.description, "purpose": governance.purpose, "licence": licence}
    inputs = input_hash(use_case, "model_card", [checkpoint, evaluation_report, fairness_report], **quoted)
    return f"card-{inputs[:12]}", inputs
