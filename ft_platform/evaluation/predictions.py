"""The predictions table of an evaluation: one row per record and system, and back to outputs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.groundedness import Meanings, statistics
from ft_platform.evaluation.json_answers import field_counts, meets_schema, read_object
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.evaluation.metrics.refusal_rate import refuses
from ft_platform.evaluation.metrics.rouge_l import rouge_l
from ft_platform.evaluation.metrics.style import rules_kept
from ft_platform.evaluation.outputs import LabelOutputs, Outputs, TextOutputs
from ft_platform.evaluation.records import Side, questions_of
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.answer_style import Style


def predictions_table(
    use_case: NamedUseCase, side: Side, outputs: dict[str, Outputs], meanings: Meanings | None = None
) -> pa.Table:
    """One row per record and system. Columns: record_id, text_characters, feature_*, system; where they are known,
    record_date (`record.date`) and language (the likeliest of `cleaning.allowed_languages`, where there are several).

    For labels label, predicted, correct, confidence. For texts answer, rouge_l, chrf, answer_loss (nats per token) and
    answer_tokens (both null for endpoints), refusal_rate (0 or 1), rejected_loss_sum (nats, null but for pairs of
    answers), similarity (null without `evaluation.similarity_model`); with `evaluation.groundedness` claims and
    unsupported_claims (sentences); with `task.style` keeps_style; for answers in JSON fields_right, fields_stated,
    fields_expected, valid_json, valid_by_schema. No record's text; `answer` is what the model wrote.

    Args:
        meanings: of `groundedness.meanings_of`.
    """
    described = {name: side.rows[name] for name in ("record_id", "text_characters", *feature_columns(use_case))}
    described |= _known(use_case, side)
    contexts = questions_of(use_case, side) if use_case.settings.evaluation.groundedness == "prompt" else None
    parts = [
        pa.table({**described, "system": [system] * len(side), **_columns(found), **_claims(found, contexts, meanings)})
        for system, found in outputs.items()
    ]
    return pa.concat_tables(parts)


def _known(use_case: NamedUseCase, side: Side) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if use_case.settings.record.date:
        found["record_date"] = side.rows["record_date"]
    if len(languages := use_case.settings.cleaning.allowed_languages) > 1:
        from ft_platform.cleaning.language import likeliest

        found["language"] = pa.array(likeliest(side.texts, languages), pa.string())
    return found


def _claims(outputs: Outputs, contexts: list[str] | None, meanings: Meanings | None) -> dict[str, pa.Array]:
    if contexts is None or isinstance(outputs, LabelOutputs):
        return {}
    found = statistics(outputs.answers, contexts, meanings)
    return {
        name: pa.array(found[:, place].astype(int), pa.int64())
        for place, name in enumerate(("claims", "unsupported_claims"))
    }


def _columns(outputs: Outputs) -> dict[str, pa.Array]:
    if isinstance(outputs, LabelOutputs):
        correct = [t == p for t, p in zip(outputs.truth, outputs.predicted, strict=True)]
        confidence = [None] * len(outputs) if outputs.confidence is None else outputs.confidence.tolist()
        return {
            "label": pa.array(outputs.truth, pa.string()),
            "predicted": pa.array(outputs.predicted, pa.string()),
            "correct": pa.array(correct, pa.bool_()),
            "confidence": pa.array(confidence, pa.float64()),
        }
    rows = len(outputs)
    losses = outputs.loss_sums / outputs.tokens if outputs.has_losses else [None] * rows
    pairs = list(zip(outputs.references, outputs.answers, strict=True))
    extracted: dict[str, pa.Array] = {}
    if outputs.schema is not None:
        counts = [field_counts(r, a) for r, a in pairs]
        extracted = {
            name: pa.array([row[place] for row in counts], pa.int64())
            for place, name in enumerate(("fields_right", "fields_stated", "fields_expected"))
        }
        read = [read_object(a) for a in outputs.answers]
        extracted["valid_json"] = pa.array([one is not None for one in read], pa.bool_())
        extracted["valid_by_schema"] = pa.array([meets_schema(one, outputs.schema) for one in read], pa.bool_())
    if outputs.style.checkable:
        kept = [all(rules_kept(outputs.style, answer).values()) for answer in outputs.answers]
        extracted["keeps_style"] = pa.array(kept, pa.bool_())
    rejected = [None if np.isnan(one) else one for one in outputs.rejected_loss_sums] or [None] * rows
    similar = outputs.similarities.tolist() or [None] * rows
    return {
        **extracted,
        "similarity": pa.array(similar, pa.float64()),
        "rejected_loss_sum": pa.array(rejected, pa.float64()),
        "rouge_l": pa.array([rouge_l(r, a) for r, a in pairs], pa.float64()),
        "chrf": pa.array([chrf(r, a) for r, a in pairs], pa.float64()),
        "refusal_rate": pa.array([float(refuses(answer)) for answer in outputs.answers], pa.float64()),
        "answer_loss": pa.array(losses, pa.float64()),
        "answer_tokens": pa.array(outputs.tokens if outputs.has_losses else [None] * rows, pa.int64()),
        "answer": pa.array(outputs.answers, pa.string()),
    }


def systems_in(predictions: pa.Table) -> list[str]:
    return predictions["system"].unique().to_pylist()


def rows_of(predictions: pa.Table, system: str) -> pa.Table:
    return predictions.filter(pc.field("system") == system)


def outputs_in(
    predictions: pa.Table,
    side: Side,
    labels: list[str],
    schema: dict[str, Any] | None = None,
    style: Style = Style(),
) -> dict[str, Outputs]:
    """Outputs of every system in a predictions table.

    Args:
        side: the test records now; the references of a generation task come from here.
        labels: of the use case.
        schema: of answers in JSON (`Task.schema_of_answers`).
        style: of answers (`task.style`).

    Raises:
        VersionRefused: the table is of other test records, so its figures cannot stand beside these.
    """
    found: dict[str, Outputs] = {}
    for system in systems_in(predictions):
        rows = rows_of(predictions, system)
        if rows["record_id"].to_pylist() != side.rows["record_id"].to_pylist():
            problem = f"the predictions of {system} are of other test records than this evaluation"
            raise VersionRefused(problem, "Materialize base_evaluation again")
        if "predicted" in rows.schema.names:
            confidence = None if rows["confidence"].null_count else rows["confidence"].to_numpy()
            predicted = rows["predicted"].to_pylist()
            truth = rows["label"].to_pylist()
            found[system] = LabelOutputs([*labels, *sorted({*predicted} - {*labels})], truth, predicted, confidence)
        elif rows["answer_tokens"].null_count:
            answers = rows["answer"].to_pylist()
            found[system] = TextOutputs(
                side.answers, answers, schema=schema, similarities=_similarities(rows), style=style
            )
        else:
            tokens = np.asarray(rows["answer_tokens"].to_numpy())
            losses, rejected = rows["answer_loss"].to_numpy() * tokens, rows["rejected_loss_sum"]
            rejected = (
                np.empty(0)
                if rejected.null_count == len(rejected)
                else np.array([np.nan if one is None else one for one in rejected.to_pylist()])
            )
            found[system] = TextOutputs(
                side.answers, rows["answer"].to_pylist(), losses, tokens, schema, rejected, _similarities(rows), style
            )
    return found


def _similarities(rows: pa.Table) -> np.ndarray:
    column = rows["similarity"]
    return np.empty(0) if column.null_count else column.to_numpy()
