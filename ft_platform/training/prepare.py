"""What the loop needs: a model with trainable weights, a loss, and both sides of the split as tokens."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ft_platform.errors import ConfigError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models import base_model
from ft_platform.models.adapter import put_weights
from ft_platform.models.rendering.renderer import Renderer, labels_of, shared_prefix
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.training.audit_verdict import require_audited_renderer
from ft_platform.training.batches import labelled_prompts, split_off_prefix, with_persons
from ft_platform.training.continuing import require_same_rendering
from ft_platform.training.dataset import read_splits, render_split
from ft_platform.training.mitigation import columns_for, mitigated, weighted, with_swapped_copies
from ft_platform.training.prepared import Prepared
from ft_platform.training.privacy_budget import require_opacus
from ft_platform.training.recipe import facts_of, recipe_for
from ft_platform.training.rendered import RenderedSplit
from ft_platform.training.window import date_columns, within_window
from ft_platform.training.words import learned, run_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training

PERSON = "subject_id"
"""Column with the pseudonym of whose record it is."""


def prepare(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    fused: bool = True,
    start: ArtifactVersion | None = None,
    divided: bool = False,
) -> Prepared:
    """Loads the base model, renders the splits and adds the weights that are trained; a regression is solved here.

    Args:
        fused: replace layers by faster ones with the same result up to rounding.
        start: the checkpoint that training continues from, or None: from the base model.
        divided: divide the weights between the processes, each of which reads its own part.

    Raises:
        BaseModelError: the base model cannot be loaded.
        DataError: nothing is left to learn from.
        ConfigError: `training.target_modules` names no module of this model, `training.gradient_checkpointing` is not
            for it, or it cannot be divided.
        MissingExtra: `training.differential_privacy` needs Opacus.
        VersionRefused: `start` was trained on another base model, other labels or other prompts, or is damaged.
    """
    from ft_platform.models.kernels.acceleration import accelerated
    from ft_platform.models.kernels.fused_lora import layers_in_words
    from ft_platform.training.lora import with_trainable_weights
    from ft_platform.training.precision import in_bfloat16
    from ft_platform.training.sharding import divide, put_own_parts, require_divisible

    settings, base_settings = use_case.settings, use_case.settings.trained_base
    mitigation, private = settings.fairness.in_training, settings.training.differential_privacy.on
    if private:
        require_opacus()
    persons = [PERSON] if (private or settings.training.method == "tfidf_logreg") and settings.record.subject else []
    whole = read_splits(lake, splits, [*columns_for(mitigation), *persons, *date_columns(settings.training)])
    table, chosen = within_window(whole, settings.training, use_case.name)
    table = with_swapped_copies(table, mitigation)
    base = base_model.resolve_here(base_settings, environment)
    if divided:
        require_divisible(settings.training.objective, base_settings.quantization)
    by_parts = divided and not settings.training.dora  # whose first magnitudes come from whole weights
    model, tokenizer = base_model.load(base, base_settings.dtype, base_settings.quantization, by_parts)
    renderer = Renderer(tokenizer, settings.task, labels_of(whole))
    require_audited_renderer(lake, splits, renderer.hash)
    if start:
        lake.verify_artifact(start)
        require_same_rendering(use_case, start, json.loads(lake.read_file(start, "training.json")), renderer, base)
    sides = {side: render_split(table, side, renderer, use_case) for side in ("train", "validation")}
    sides["train"] = mitigated(sides["train"], table, mitigation, settings.training.seed)
    recipe = recipe_for(settings, facts_of(sides, model))
    training = recipe.training
    if training.method == "tfidf_logreg":
        words = learned(sides, _persons(table, sides["train"]), tokenizer.decode, renderer.labels)
        rows, validation = (side.rows for side in sides.values())
        return Prepared(
            words, None, rows, validation, sides, renderer, base, "no batches", "none", words.dtype, recipe, chosen
        )
    if divided:
        require_divisible(training.objective, base_settings.quantization)
    computed_in = model.dtype
    prefix = shared_prefix(
        [row for side in sides.values() for row in [*side.rows, *side.rejected]], renderer.prefix_ids()
    )
    if training.method == "linear_probe":
        start_of_head = _probe(model, renderer, sides)
    else:
        start_of_head = _head_start(training, model, renderer, sides["train"], len(prefix))
    model = with_trainable_weights(model, training, len(renderer.labels), start_of_head, fused)
    if divided:
        divide(model, base.folder, computed_in)
    forward, batching = accelerated(model, settings.compute)
    untried = "all weights are trained" if training.method == "full" else "weights are divided" if divided else ""
    if (
        model.dtype != computed_in
    ):  # all weights are trained, in float32; products are still made in the precision of the settings
        forward = in_bfloat16(forward)
    objective, rows, validation = _learning(
        training, model, forward, prefix, sides, renderer, settings.evaluation.max_new_tokens
    )
    if start:  # after the objective: the reference of dpo is the base model
        with lake.local_copy(start) as folder:
            (put_own_parts if divided else put_weights)(model, folder)
    rows = weighted(rows, sides["train"].weights) if sides["train"].weights else rows
    if persons:
        rows = with_persons(rows, _persons(table, sides["train"]))
    batching += ", each record alone (differential privacy)" if private else ""
    layers, dtype = layers_in_words(model, untried), str(computed_in).removeprefix("torch.")
    prepared = Prepared(
        model, objective, rows, validation, sides, renderer, base, batching, layers, dtype, recipe, chosen
    )
    if training.gradient_checkpointing == "always":
        prepared.recompute_layers()
    return prepared


def _persons(table: pa.Table, side: RenderedSplit) -> list[str | None]:
    """Whose each row is: a pseudonym, or None: nobody is named."""
    if PERSON not in table.column_names:
        return [None] * len(side.rows)
    whose = dict(zip(table["record_id"].to_pylist(), table[PERSON].to_pylist(), strict=True))
    return [whose[record_id] for record_id in side.record_ids]


def _probe(model: Any, renderer: Renderer, sides: Mapping[str, RenderedSplit]) -> Any:
    """The weights of a label head that is a linear probe of the base model.

    Raises:
        DataError: no training record has one of the labels.
    """
    import torch

    from ft_platform.models.prompt_states import prompt_states
    from ft_platform.training.linear_probe import probe_weights

    of = sides["train"], sides["validation"]
    train, validation = (prompt_states(model, [one.input_ids[: one.prompt_length] for one in side.rows]) for side in of)
    weights = probe_weights((train, validation), (of[0].answers, of[1].answers), renderer.labels)
    return torch.from_numpy(weights)


def _head_start(training: Training, model: Any, renderer: Renderer, side: RenderedSplit, prefix: int) -> Any:
    """The weights that a label head starts with, or None: at random, or there is no head.

    Raises:
        ConfigError: a label is described that no record has.
    """
    from ft_platform.training.head_start import MOST_TEXTS, at_label_tokens, at_typical_tokens

    if training.objective != "label_head" or training.label_head_start == "random":
        return None
    words = model.get_output_embeddings().weight
    described = training.label_descriptions
    if unknown := sorted(set(described) - set(renderer.labels)):
        raise ConfigError(
            [f"training.label_descriptions: no record has the label {', '.join(unknown)}"],
            f"The labels are: {', '.join(renderer.labels)}",
        )
    labels = [renderer.text.content(described.get(label, label)) for label in renderer.labels]
    if training.label_head_start == "label_tokens":
        return at_label_tokens(words, labels)
    numbers = {label: number for number, label in enumerate(renderer.labels)}
    chosen = range(0, len(side.rows), len(side.rows) // MOST_TEXTS + 1)
    texts = [side.rows[row].input_ids[prefix : side.rows[row].prompt_length] for row in chosen]
    return at_typical_tokens(words, labels, texts, [numbers[side.answers[row]] for row in chosen])


def _learning(
    training: Training,
    model: Any,
    forward: Any,
    prefix: list[int],
    sides: dict[str, RenderedSplit],
    renderer: Renderer,
    new_tokens: int,
) -> tuple[Any, Sequence[Any], Sequence[Any]]:
    """The objective, and what it takes of both sides."""
    from ft_platform.training.asking import AskedAnswers
    from ft_platform.training.objectives import AnswerLoss, LabelLoss
    from ft_platform.training.preferences import Pair, PreferenceLoss, with_reference

    if training.objective == "sft":
        rows, validation = (split_off_prefix(side.rows, prefix) for side in sides.values())
        if training.keep == "best_metric" and not renderer.labels:
            asked = AskedAnswers(forward, prefix, renderer, sides["validation"].rows, new_tokens)
            return asked, rows, validation
        return AnswerLoss(forward, prefix), rows, validation
    if training.objective == "label_head":
        rows, validation = (
            labelled_prompts(side.rows, side.answers, renderer.labels, prefix) for side in sides.values()
        )
        return LabelLoss(forward, prefix, training.label_smoothing), rows, validation
    pairs = []
    for side in sides.values():
        answers = zip(split_off_prefix(side.rows, prefix), split_off_prefix(side.rejected, prefix), strict=True)
        pairs.append([Pair(chosen, rejected) for chosen, rejected in answers])
    if training.objective == "dpo":
        pairs = [with_reference(model, forward, prefix, side, training.micro_batch_tokens) for side in pairs]
    return PreferenceLoss(training.objective, training.beta, forward, prefix), pairs[0], pairs[1]


def fit(prepared: Prepared, training: Training, **options: Any) -> Any:
    """`training.loop.train` on what was prepared; `options` are its `on_step`, `states` and `limit`."""
    from ft_platform.training.loop import train

    if isinstance(prepared.model, TextClassifier):
        run = run_of(prepared.model, prepared.sides["validation"], prepared.renderer.labels)
        if on_step := options.get("on_step"):
            on_step(0, run.curve[0])
        return run
    return train(prepared.model, prepared.objective, prepared.rows, prepared.validation, training, **options)
