"""What one release was asked and answered on one day, as columns."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.store import Lake
from ft_platform.monitoring.measures import Column, first_of_each
from ft_platform.monitoring.traffic.tables import TrafficTables

SAMPLE = 20_000
TEXT_COLUMNS = ["request_id", "conversations", "answers", "features"]


@dataclass(frozen=True)
class Served:
    """Requests of one day or of several, trials left out.

    Attributes:
        requests: rows of `traffic.tables`.
        texts: `(request_id, text of the user, answer)` of answers whose texts are kept.
        first: ids of requests that ask something for the first time that day, as far as texts are kept.
        features: id of a request whose texts are kept -> sensitive feature -> what it said.
    """

    requests: Sequence[dict[str, Any]]
    texts: Sequence[tuple[str, str, str]]
    first: frozenset[str]
    features: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def answered(self) -> list[dict[str, Any]]:
        return [one for one in self.requests if one["status"] == 200]

    def answers(self, once: bool = False) -> list[dict[str, Any]]:
        """Every answer with the id of its request; `once`: of requests in `first`."""
        rows = (one for one in self.answered if not once or one["request_id"] in self.first)
        return [{**answer, "request_id": one["request_id"]} for one in rows for answer in one["answers"]]

    def first_texts(self) -> list[tuple[str, str, str]]:
        return [one for one in self.texts if one[0] in self.first]

    def columns(self) -> list[dict[str, Column]]:
        """Measures of requests and of answers. Columns in one mapping have the same rows."""
        rows = [one for one in self.requests if one["request_id"] in self.first]
        answers = self.answers(once=True)
        of_requests: dict[str, Column] = {
            "characters": [one["characters"] / max(len(one["answers"]), 1) for one in rows],
            "prompt_tokens": [_each(one, "prompt_tokens") for one in rows],
            "completion_tokens": [_each(one, "completion_tokens") for one in rows],
            "guardrails": [" ".join(sorted(one["guardrails"] or [])) or "none" for one in rows],
        }
        of_answers: dict[str, Column] = {
            "label": [one["decision"] for one in answers],
            **{name: [one[name] for one in answers] for name in ("confidence", "entropy", "abstained")},
            "answer_characters": [one["characters"] if one["decision"] is None else None for one in answers],
        }
        return [of_requests, of_answers]


def _each(request: dict[str, Any], name: str) -> float | None:
    return None if request[name] is None else request[name] / max(len(request["answers"]), 1)


def read_served(lake: Lake, use_case: str, days: Sequence[str]) -> Served:
    """Requests of these days to every release, with the texts that are kept."""
    tables = TrafficTables(lake, use_case)
    rows = _rows(tables.read("requests", days))
    kept = tables.read("texts", days, TEXT_COLUMNS).to_pylist()
    asked = {one["request_id"]: one["conversations"] for one in kept}
    keys = [_key(one["request_id"], one["day"], asked) for one in rows]
    first = [one["request_id"] for one, new in zip(rows, first_of_each(keys), strict=True) if new]
    by_id = {one["request_id"]: one for one in kept}
    known = [by_id[one["request_id"]] for one in rows if one["request_id"] in by_id]
    texts = [text for one in known for text in _texts(one)]
    features = {one["request_id"]: json.loads(one["features"] or "{}") for one in known}
    return Served(rows, texts, frozenset(first), features)


def read_sample(lake: Lake, use_case: str, days: Sequence[str], release: str) -> Served:
    """At most `SAMPLE` requests of these days to a release, without texts. Ids are random, so the first by id are a
    sample, and the same each time."""
    found = TrafficTables(lake, use_case).read("requests", days)
    rows = _rows(found.filter(pc.field("release") == release).sort_by("request_id")[:SAMPLE])
    return Served(rows, (), frozenset(one["request_id"] for one in rows))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows = [{**one, "answers": one["answers"] or []} for one in table.to_pylist() if not one["trial"]]
    return sorted(rows, key=lambda one: (one["at"], one["request_id"]))


def of_release(served: Served, release: str) -> Served:
    """The part of one release."""
    rows = [one for one in served.requests if one["release"] == release]
    ids = {one["request_id"] for one in rows}
    features = {request: said for request, said in served.features.items() if request in ids}
    return Served(rows, [one for one in served.texts if one[0] in ids], served.first & ids, features)


def releases_of(served: Served) -> list[str]:
    """Ids of the releases that were asked, most answers first."""
    answers = Counter(one["release"] for one in served.answered for _ in one["answers"])
    asked = Counter(one["release"] for one in served.requests)
    return sorted(asked, key=lambda name: (-answers[name], -asked[name], name))


def _key(request_id: str, day: str, asked: dict[str, str]) -> str:
    """The same for one text that is asked twice on a day; without a text nobody can tell."""
    text = asked.get(request_id)
    return request_id if text is None else day + hashlib.sha256(text.encode()).hexdigest()


def _texts(kept: dict[str, Any]) -> list[tuple[str, str, str]]:
    conversations = json.loads(kept["conversations"] or "[]")
    return [
        (kept["request_id"], "\n\n".join(m["content"] or "" for m in messages if m["role"] == "user"), answer or "")
        for messages, answer in zip(conversations, kept["answers"] or [], strict=False)
    ]
