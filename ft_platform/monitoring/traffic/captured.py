"""Captured requests as records, as the source would have them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.feedback import BY_FILE, Answer, Settled, settled
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.records.columns import TRAFFIC
from ft_platform.records.schemas import raw_schema
from ft_platform.sources.digests import digest
from ft_platform.use_case.named import NamedUseCase

KEPT_ROLES = ("user", "assistant")
"""Of a conversation; the instruction of the use case is added anew wherever a record is rendered."""


@dataclass(frozen=True)
class Captured:
    """One answer whose text was kept, with what is known of it.

    Attributes:
        text: row of `texts`.
        request: row of `requests`.
        known: what people said, settled; None: nobody said anything.
        edited: the answer that they wrote; None: none, or different ones.
        people: who said something.
    """

    text: Mapping[str, Any]
    request: Mapping[str, Any]
    index: int
    known: Settled | None
    edited: str | None
    people: int

    @property
    def decision(self) -> str | None:
        return self.request["answers"][self.index]["decision"]

    @property
    def label(self) -> str | None:
        """The right label; None: not known, or the answer is a text."""
        return self.known.label if self.known and self.decision is not None else None

    @property
    def right(self) -> str | None:
        """The right label, or the right answer; None: not known."""
        return self.edited if self.decision is None else self.label

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation. Of a written answer it ends with the edited one, and `rejected` is what it replaces."""
        conversations, answers = json.loads(self.text["conversations"]), self.text["answers"]
        asked = conversations[self.index * len(conversations) // max(len(answers), 1)]
        said = [{name: one[name] for name in ("role", "content")} for one in asked if one["role"] in KEPT_ROLES]
        if self.decision is not None:
            return said
        given = answers[self.index]
        said.append({"role": "assistant", "content": given if self.edited is None else self.edited})
        return [*said, *([{"role": "rejected", "content": given}] if self.edited not in (None, given) else [])]

    def row(self, use_case: str, label: str | None) -> dict[str, Any]:
        """As a row of `traffic.tables.RECORD`."""
        request_id = self.text["request_id"]
        return {
            "request_id": request_id,
            "day": self.text["day"],
            "index": self.index,
            "record_id": record_id(use_case, request_id, self.index),
            "label": label,
            "messages": self.messages,
        }


def record_id(use_case: str, request_id: str, index: int) -> str:
    """Of an answer: whoever knows the id of a request finds its record."""
    return digest(f"{use_case}:{TRAFFIC}{request_id}:{index}".encode()).hex()


def captured(lake: Lake, use_case: str) -> list[Captured]:
    """Every answer whose text is kept, in the order of time."""
    tables = TrafficTables(lake, use_case)
    texts = sorted(tables.read("texts").to_pylist(), key=lambda one: (one["at"], one["request_id"]))
    days = sorted({one["day"] for one in texts})
    names = ["request_id", "key", "answers", "share", "trial"]
    requests = {one["request_id"]: one for one in tables.read("requests", days, names).to_pylist() if not one["trial"]}
    feedback = tables.read("feedback").to_pylist()
    known, edited = settled(requests.values(), feedback), edited_answers(requests, feedback)
    people: dict[Answer, set[str | None]] = defaultdict(set)
    for one in feedback:
        people[one["request_id"], one["index"]].add(one["by"])
    return [
        Captured(text, request, index, known.get(answer), edited.get(answer), len(people[answer]))
        for text in texts
        if (request := requests.get(text["request_id"]))
        for index in range(min(len(request["answers"]), len(text["answers"])))
        if (answer := (text["request_id"], index))
    ]


def edited_answers(
    requests: Mapping[str, Mapping[str, Any]], feedback: Iterable[Mapping[str, Any]]
) -> dict[Answer, str]:
    """The answer that people wrote in place of the model's: of each person the newest, and only where all who wrote one
    wrote the same. The same feedback counts as for labels (`traffic.feedback`)."""
    newest: dict[Answer, dict[str | None, str]] = defaultdict(dict)
    for one in sorted(feedback, key=lambda one: (one["at"], one["feedback_id"])):
        request = requests.get(one["request_id"])
        if request and one["key"] in (request["key"], BY_FILE) and (one["answer"] or "").strip():
            newest[one["request_id"], one["index"]][one["by"]] = one["answer"].strip()
    return {answer: next(iter(said.values())) for answer, said in newest.items() if len(set(said.values())) == 1}


def as_raw(use_case: NamedUseCase, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as `raw_records` has them. Days are left out: they would be one more thing by which few are known.

    Args:
        rows: of `traffic.tables.MADE["released"]`.
    """
    schema, record = raw_schema(use_case), use_case.settings.record
    roles = (*KEPT_ROLES, "rejected") if record.rejected else KEPT_ROLES
    found = [
        {
            "record_id": one["record_id"],
            "source_key": f"{TRAFFIC}{one['request_id']}:{one['index']}",
            "source_uri": f"{TRAFFIC}{one['batch']}",
            "source_position": one["index"],
            "source_hash": "",
            "ingested_at": one["at"],
            "subject_id": one["subject"],
            "messages": [message for message in one["messages"] if message["role"] in roles],
            "label": one["label"],
            "consent": one["consent"],
            "purpose": one["purpose"],
        }
        for one in rows
    ]
    return pa.Table.from_pylist(found, schema=schema)
