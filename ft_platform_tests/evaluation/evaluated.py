"""What was saved of an evaluation, and what an independent script makes of it."""

import io
import json
from typing import Any

import pyarrow.parquet as pq

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.evaluation.recompute import Expected, label_metrics
from ft_platform_tests.evaluation.recompute_fairness import Saved, fairness_figures

MEASURED = {
    "seconds",
    "diagnosis",  # rests on the course of the training and on its records too: diagnosis/test_rules.py
    "answer_seconds",
    "left_out",
    "info",
    "dtype",
    "device",
    "threads",
    "kernels",
    "renderer_hash",
    "metric_versions",
}
"""Parts of `metrics.json` that are no function of the predictions: times, the machine, records that could not be asked,
and which code rendered and counted."""


def not_from_predictions(path: tuple[str, ...]) -> bool:
    return path[0] in MEASURED or (path[0] == "per_1000_requests" and path[-1] in ("money", "currency"))


class Evaluated:
    """An evaluation and its fairness report in a lake.

    Attributes:
        columns: system -> column -> values.
    """

    def __init__(
        self,
        lake: Lake,
        use_case: NamedUseCase,
        splits: TableVersion,
        report: ArtifactVersion,
        fairness: ArtifactVersion,
    ) -> None:
        self.lake, self.use_case, self.splits, self.report, self.fairness = lake, use_case, splits, report, fairness
        self.metrics = self.saved(report, "metrics.json")
        self.columns = self.by_system("predictions.parquet")

    def saved(self, artifact: ArtifactVersion, name: str) -> Any:
        return json.loads(self.lake.read_file(artifact, name))

    def table(self, name: str) -> Any:
        found = pq.read_table(io.BytesIO(self.lake.read_file(self.report, name))).to_pandas().astype(object)
        return found.where(found.notna(), None)

    def by_system(self, name: str) -> dict[str, dict[str, list[Any]]]:
        """System -> column -> values, of a table beside the report."""
        return {
            str(system): {column: part[column].tolist() for column in part}
            for system, part in self.table(name).groupby("system", sort=False)
        }

    def records(self, *splits: str) -> list[dict[str, Any]]:
        return [row for row in self.lake.read_table(self.splits).to_pylist() if row["split"] in splits]

    def expected_labels(self) -> Expected:
        """Every number of `metrics.json` of a classification."""
        labels = sorted({row["label"] for row in self.records("train", "test")})
        return label_metrics(self.metrics, self.columns, labels, self.use_case.settings.evaluation)

    def expected_fairness(self, told: Any) -> Expected:
        """Every number of `fairness.json`, which is `told`."""
        settings = self.use_case.settings
        swapped = self.table("swaps.parquet").to_dict("records") if settings.fairness.swaps else []
        mitigated = self.by_system("mitigated.parquet") if settings.fairness.mitigation != "none" else {}
        saved = Saved(self.columns, self.records("train", "validation", "test"), swapped, mitigated)
        return fairness_figures(told, saved, settings.evaluation, settings.fairness)
