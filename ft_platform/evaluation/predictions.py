"""The predictions table of an evaluation: one row per record and system, and back to outputs."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.groundedness import statistics
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.evaluation.metrics.refusal_rate import refuses
from ft_platform.evaluation.metrics.rouge_l import rouge_l
from ft_platform.evaluation.outputs import LabelOutputs, Outputs, TextOutputs
from ft_platform.evaluation.records import Side, questions_of
from ft_platform.records import feature_columns
from ft_platform.use_case import NamedUseCase


def predictions_table(use_case: NamedUseCase, side: Side, outputs: dict[str, Outputs]) -> pa.Table:
    """Columns: record_id, text_characters, feature_*, system; for labels label, predicted, correct, confidence; for texts answer, rouge_l,
    chrf, answer_loss (nats per token), answer_tokens, refusal_rate (0 or 1), and with `evaluation.groundedness` claims and unsupported_claims (sentences).
    No record's text; `answer` is what the model wrote."""
    described = {name: side.rows[name] for name in ("record_id", "text_characters", *feature_columns(use_case))}
    contexts = questions_of(use_case, side) if use_case.settings.evaluation.groundedness == "prompt" else None
    parts = [pa.table({**described, "system": [system] * len(side), **_columns(found), **_claims(found, contexts)}) for system, found in outputs.items()]
    return pa.concat_tables(parts)


def _claims(outputs: Outputs, contexts: list[str] | None) -> dict[str, pa.Array]:
    if contexts is None or isinstance(outputs, LabelOutputs):
        return {}
    found = statistics(outputs.answers, contexts)
    return {name: pa.array(found[:, place].astype(int), pa.int64()) for place, name in enumerate(("claims", "unsupported_claims"))}


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
    pairs = list(zip(outputs.references, outputs.answers, strict=True))
    return {
        "rouge_l": pa.array([rouge_l(r, a) for r, a in pairs], pa.float64()),
        "chrf": pa.array([chrf(r, a) for r, a in pairs], pa.float64()),
        "refusal_rate": pa.array([float(refuses(answer)) for answer in outputs.answers], pa.float64()),
        "answer_loss": pa.array(outputs.loss_sums / outputs.tokens, pa.float64()),
        "answer_tokens": pa.array(outputs.tokens, pa.int64()),
        "answer": pa.array(outputs.answers, pa.string()),
    }


def systems_in(predictions: pa.Table) -> list[str]:
    return predictions["system"].unique().to_pylist()


def rows_of(predictions: pa.Table, system: str) -> pa.Table:
    return predictions.filter(pc.field("system") == system)


def outputs_in(predictions: pa.Table, side: Side, labels: list[str]) -> dict[str, Outputs]:
    """Outputs of every system in a predictions table.

    Args:
        side: the test records now; the references of a generation task come from here.
        labels: of the use case.

    Raises:
        VersionRefused: the table is of other test records, so its figures cannot stand beside these.
    """
    found: dict[str, Outputs] = {}
    for system in systems_in(predictions):
        rows = rows_of(predictions, system)
        if rows["record_id"].to_pylist() != side.rows["record_id"].to_pylist():
            raise VersionRefused(f"the predictions of {system} are of other test records than this evaluation", "Materialize base_evaluation again")
        if "predicted" in rows.schema.names:
            confidence = None if rows["confidence"].null_count else rows["confidence"].to_numpy()
            found[system] = LabelOutputs(labels, rows["label"].to_pylist(), rows["predicted"].to_pylist(), confidence)
        else:
            tokens = np.asarray(rows["answer_tokens"].to_numpy())
            found[system] = TextOutputs(side.answers, rows["answer"].to_pylist(), rows["answer_loss"].to_numpy() * tokens, tokens)
    return found
