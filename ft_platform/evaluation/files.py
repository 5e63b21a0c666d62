"""Files of a published evaluation."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.errors import CorruptVersion
from ft_platform.lake.artifacts import Artifacts
from ft_platform.lake.versions import ArtifactVersion

PREDICTIONS = "predictions.parquet"
METRICS = "metrics.json"
DOUBTED = "doubted_labels.parquet"
"""Training records whose label is probably wrong (`diagnosis.gather.doubted`); only where there are."""

GOLDEN = "golden.parquet"
"""Golden prompts and what the fine-tuned model answers; only where there are."""


def read_predictions(lake: Artifacts, evaluation: ArtifactVersion) -> pa.Table:
    """One row per record and system (`evaluation.predictions`).

    Raises:
        CorruptVersion: they are not there, or no table.
    """
    try:
        return pq.read_table(lake.open_file(evaluation, PREDICTIONS))
    except (FileNotFoundError, pa.ArrowInvalid):
        raise CorruptVersion(f"{evaluation.id} has no predictions that can be read", "Evaluate again") from None


def read_metrics(lake: Artifacts, evaluation: ArtifactVersion) -> dict[str, Any]:
    """All figures (`evaluation.scores`)."""
    return json.loads(lake.read_file(evaluation, METRICS))
