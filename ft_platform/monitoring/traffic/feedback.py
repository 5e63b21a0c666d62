"""What several people said about one answer, settled.

All feedback is kept. It counts by these rules:
1. Only feedback with the key that asked counts, or from a file of the operator, and on an answer that was given.
2. Of each person (`by`; feedback that names nobody is of one person) the newest opinion counts, so that a repetition
   is no second vote.
3. A label is a vote for that label. `good` is a vote for the decision; `bad` says only that it is wrong.
4. The label with most votes is right. If two have as many, or as many say `bad` as `good`, nobody knows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

BY_FILE = "file"
"""`key` of feedback that an operator added from a file."""
Verdict = Literal["right", "wrong", "contradictory"]
Answer = tuple[str, int]
"""Id of a request, and which of its answers."""


@dataclass(frozen=True)
class Settled:
    """What is known of an answer.

    Attributes:
        label: the right one, where it is known.
        csat: mean of 1 to 5, where it was given.
        votes: people who said something about right or wrong.
    """

    verdict: Verdict | None
    label: str | None
    csat: float | None
    votes: int


def settled(requests: Iterable[Mapping[str, Any]], feedback: Iterable[Mapping[str, Any]]) -> dict[Answer, Settled]:
    """What is known of each answer that feedback was given on.

    Args:
        requests, feedback: rows of `traffic.tables`; feedback on requests that are not among them does not count.
    """
    asked = {one["request_id"]: one for one in requests}
    newest: dict[Answer, dict[str | None, Mapping[str, Any]]] = defaultdict(dict)
    for one in sorted(feedback, key=lambda one: (one["at"], one["feedback_id"])):
        request = asked.get(one["request_id"])
        if request and one["key"] in (request["key"], BY_FILE) and one["index"] < len(request["answers"]):
            people = newest[one["request_id"], one["index"]]
            people[one["by"]] = _over(one, people.get(one["by"], {}))
    return {
        answer: _settled(asked[answer[0]]["answers"][answer[1]]["decision"], list(said.values()))
        for answer, said in newest.items()
    }


def _over(one: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The newer opinion on right or wrong replaces the older one as a whole; satisfaction is apart from it."""
    opinion = one if one["label"] is not None or one["rating"] is not None else before
    csat = one["csat"] if one["csat"] is not None else before.get("csat")
    return {"label": opinion.get("label"), "rating": opinion.get("rating"), "csat": csat}


def _settled(decision: str | None, said: list[Mapping[str, Any]]) -> Settled:
    scores = [one["csat"] for one in said if one["csat"] is not None]
    csat = sum(scores) / len(scores) if scores else None
    labels = Counter(one["label"] for one in said if one["label"] is not None)
    good = sum(one["label"] is None and one["rating"] == "good" for one in said)
    bad = sum(one["label"] is None and one["rating"] == "bad" for one in said)
    if decision is not None and good:
        labels[decision] += good
        good = 0
    votes = labels.total() + good + bad
    ranked = labels.most_common(2)
    if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
        label = ranked[0][0]
        if label == decision and bad >= ranked[0][1]:
            return Settled("wrong" if bad > ranked[0][1] else "contradictory", None, csat, votes)
        return Settled("right" if label == decision else "wrong", label, csat, votes)
    if ranked or (good and good == bad):
        return Settled("contradictory", None, csat, votes)
    verdict: Verdict | None = "right" if good > bad else "wrong" if bad else None
    return Settled(verdict, None, csat, votes)
