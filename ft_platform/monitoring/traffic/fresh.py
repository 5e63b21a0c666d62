"""Requests that are kept for testing: what a model meets today, beside the test split, which stays as it is.

Who is kept is drawn by the person who asked, before a batch is built, and the release of the batch says it for good:
neither another share nor another seed moves a request to the other part. Covered: only what a person released, with
the right answer that the signed release names; texts that ended, were withdrawn or lost their permission are gone, as
from `labelled_traffic`. Not covered: the words of a question, which no release signs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ft_platform.governance.feedback_releases import fresh_now
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.records.schemas import splits_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


@dataclass(frozen=True)
class FreshRequests:
    """Requests on which models are compared.

    Attributes:
        rows: in `splits_schema`, side `test`; columns that requests do not have are null.
        days: record id -> day, YYYY-MM-DD.
        changed: requests whose right answer is no longer the one that was released.
    """

    rows: pa.Table
    days: dict[str, str]
    changed: int

    @property
    def content_hash(self) -> str:
        return settings_hash({"rows": self.rows.to_pylist(), "days": self.days, "changed": self.changed})


def is_for_testing(use_case: NamedUseCase, row: Mapping[str, Any]) -> bool:
    """Whether a row of `labelled_traffic` that was never released is kept for testing."""
    who = row["subject"] or row["request_id"]
    drawn = hashlib.blake2b(f"fresh:{use_case.settings.splits.seed}:{who}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn) / 2**64 < use_case.settings.source.feedback.fresh_test.share


def right_of(row: Mapping[str, Any]) -> str:
    """The right label of a row of `labelled_traffic`, or a hash of the right answer."""
    if row["label"] is not None:
        return row["label"]
    return settings_hash({"answer": [one["content"] for one in row["messages"] if one["role"] == "assistant"][-1]})


def fresh_requests(lake: Lake, use_case: NamedUseCase) -> FreshRequests | None:
    """What is kept for testing and there now; None: the use case keeps nothing.

    Raises:
        CorruptVersion, VersionRefused: a release was altered, or a request is for training as well.
    """
    if not use_case.settings.source.feedback.fresh_test.share:
        return None
    kept = fresh_now(lake, use_case.name)
    there = [one for one in TrafficTables(lake, use_case.name).read("labelled").to_pylist() if one["record_id"] in kept]
    found = sorted((one for one in there if right_of(one) == kept[one["record_id"]]), key=lambda one: one["record_id"])
    schema = splits_schema(use_case)
    rows = [
        {**dict.fromkeys(schema.names), **{name: one[name] for name in ("record_id", "label", "messages")}}
        | {"subject_id": one["subject"], "split": "test"}
        for one in found
    ]
    days = {one["record_id"]: one["day"] for one in found}
    return FreshRequests(pa.Table.from_pylist(rows, schema=schema), days, len(there) - len(found))
