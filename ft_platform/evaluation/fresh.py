"""The fresh part of the test: recent requests with right answers, which no model ever learned, beside the test split.

Covered: what is related to any record of the splits (same person, same or nearly the same text, as `splits` has it) is
left out, also by way of another request; a request that is itself among the records ends the evaluation. Not covered:
what is near to a record that only a former version of the splits had, from which the champion may have learned."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.evaluation.json_answers import read_object
from ft_platform.evaluation.scores import scores
from ft_platform.records.columns import answers
from ft_platform.records.engines import engine_of
from ft_platform.records.rows import TableRows
from ft_platform.splitting.groups import find_groups
from ft_platform.use_case.named import NamedUseCase

FIGURES = ("systems", "differences", "tests", "main_metric")
"""What is told of the fresh part, as of the test split (`evaluation.scores`)."""


def unrelated(use_case: NamedUseCase, splits: pa.Table, requests: pa.Table, folder: Path) -> pa.Table:
    """The requests that nothing in the splits is related to.

    Args:
        splits, requests: columns of `splits_schema`.
        folder: private folder for intermediate files, which are removed at the end.

    Raises:
        DataError: a request is among the records.
    """
    if known := pc.sum(pc.is_in(requests["record_id"], value_set=splits["record_id"].combine_chunks())).as_py():
        raise DataError(
            f"{known} requests to {use_case.name} that are kept for testing are among the records of `splits`",
            f"See which releases have them: ft feedback {use_case.name} --json",
        )
    both, settings = pa.concat_tables([splits, requests]), use_case.settings
    groups = find_groups(settings.splits, TableRows(both), folder, engine_of(settings.compute))
    related = np.isin(groups.first[len(splits) :], groups.first[: len(splits)])
    return requests.filter(pa.array(~related))


class FreshPart:
    """Systems on the fresh part, one after the other; none where the records are too few.

    Args:
        evaluator: of the test split, with the base model.
        splits, requests: columns of `splits_schema`.
        days: record id -> day, YYYY-MM-DD.
        changed: requests that were left out before.
        folder: private folder for intermediate files.

    Raises:
        DataError: a request is among the records, or no prompt fits.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        splits: pa.Table,
        requests: pa.Table,
        days: Mapping[str, str],
        changed: int,
        folder: Path,
    ) -> None:
        use_case, labels = evaluator.use_case, evaluator.renderer.labels
        self.settings, self.days = use_case.settings.source.feedback.fresh_test, days
        rows = unrelated(use_case, splits, requests, folder) if len(requests) else requests
        usable = _usable(rows, labels, in_json=evaluator.schema is not None)
        self.left_out = {
            "changed_since_release": changed,
            "related_to_a_record": len(requests) - len(rows),
            "label_unknown" if labels else "not_json": len(rows) - len(usable),
        }
        self.ids = usable["record_id"].to_pylist()
        self.evaluator: Evaluator | None = None
        if len(usable) >= self.settings.min_records:
            others = splits.filter(pc.field("split") != "test")
            of = (use_case, pa.concat_tables([others, usable]), evaluator.model, evaluator.tokenizer)
            self.evaluator = Evaluator(*of, evaluator.renderer, evaluator.stage)
            self.ids = self.evaluator.test.rows["record_id"].to_pylist()
            self.left_out |= self.evaluator.records.left_out

    def tuned(self, model: Any, system: str) -> None:
        """A model with its adapter answers the requests."""
        if self.evaluator is not None:
            self.evaluator.model = model
            self.evaluator.tuned(system)

    def figures(self) -> dict[str, Any]:
        """`{"records", "min_records", "first_day", "last_day", "left_out", "systems", "differences", "tests",
        "main_metric"}`; the last four only where there are at least `min_records`."""
        days = sorted(self.days[record] for record in self.ids)
        told: dict[str, Any] = {"records": len(self.ids), "min_records": self.settings.min_records}
        told |= {"first_day": days[0] if days else None, "last_day": days[-1] if days else None}
        told["left_out"] = {reason: count for reason, count in self.left_out.items() if count}
        if self.evaluator is None:
            return told
        settings = self.evaluator.use_case.settings
        found = scores(self.evaluator.evaluated.outputs, settings.task, settings.evaluation)
        return told | {name: found[name] for name in FIGURES}


def _usable(rows: pa.Table, labels: list[str], *, in_json: bool) -> pa.Table:
    """Those that have a label of the task, or an answer in JSON where that is asked for."""
    if labels:
        return rows.filter(pc.is_in(rows["label"], value_set=pa.array(labels, pa.string())))
    if in_json:
        return rows.filter(pa.array([read_object(answer or "") is not None for answer in answers(rows["messages"])]))
    return rows
