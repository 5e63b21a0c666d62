"""The records of an evaluation: the test split, and the other two for baselines and examples."""

import hashlib
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.models.rendering.renderer import AnswerTooLong, NotRendered, Renderer, up_to_last_answer
from ft_platform.models.rendering.turns import ANSWERS, REJECTED
from ft_platform.records.columns import answers, user_texts
from ft_platform.use_case.named import NamedUseCase

SPEAKERS = ("system", "user", "assistant", "tool_call", "tool")
"""Roles of messages that belong to a question. What people like less (`rejected`) and descriptions of tools do not."""


@dataclass(frozen=True)
class Side:
    """One side of the split, ordered by record id.

    Attributes:
        rows: columns of `splits`.
        texts: the user's words per record.
        answers: label or reference answer per record.
        rejected: answer that people like less, per record; empty where there is none, and for labels.
    """

    rows: pa.Table
    texts: list[str]
    answers: list[str]
    rejected: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return self.rows.num_rows

    def messages(self) -> list[list[dict[str, str]]]:
        return self.rows["messages"].to_pylist()

    def take(self, places: list[int]) -> "Side":
        parts = ([part[i] for i in places] if part else [] for part in (self.texts, self.answers, self.rejected))
        return Side(self.rows.take(pa.array(places, pa.int64())), *parts)


def side_of(use_case: NamedUseCase, splits: pa.Table, name: str, *, with_calls: bool = False) -> Side:
    """Records of a side that have an answer. What follows the last answer of a conversation is no part of the question,
    and left out.

    Args:
        with_calls: also those whose last answer is a call of tools.
    """
    rows = splits.filter(pc.field("split") == name).sort_by("record_id")
    rejected: list[str] = []
    if use_case.settings.task.kind == "classification":
        found = rows["label"].to_pylist()
    else:
        whole = [row or [] for row in rows["messages"].to_pylist()]
        rejected = [
            next((message["content"] or "" for message in row if message["role"] == REJECTED), "") for row in whole
        ]
        place, column = rows.schema.get_field_index("messages"), rows.schema.field("messages")
        rows = rows.set_column(place, column, pa.array([up_to_last_answer(row) or row for row in whole], column.type))
        found = answers(rows["messages"])
        if with_calls:
            found = [answer or _last_call(messages) for answer, messages in zip(found, whole, strict=True)]
    side = Side(rows, user_texts(rows["messages"]), [a or "" for a in found], rejected)
    return side.take([i for i, answer in enumerate(side.answers) if answer.strip()])


def _last_call(messages: list[dict[str, str]]) -> str | None:
    """The JSON text of a last answer that calls tools."""
    last = next((m for m in reversed(messages) if m["role"] in ANSWERS), None)
    return last["content"] if last and last["role"] == "tool_call" else None


@dataclass(frozen=True)
class EvaluationRecords:
    """The test records every system answers.

    Attributes:
        side: the records. The answer of one that ends with calls of tools is their text as the chat template writes it.
        prompts: zero-shot prompt of each, as token ids.
        references: answer and end of turn of each, as token ids.
        left_out: reason -> test records that no system answers.
    """

    side: Side
    prompts: list[list[int]]
    references: list[list[int]]
    left_out: dict[str, int]


def evaluation_records(use_case: NamedUseCase, splits: pa.Table, renderer: Renderer) -> EvaluationRecords:
    """The test records whose prompt fits into `evaluation.max_prompt_tokens`: at most `evaluation.max_test_rows`, by a
    hash of their ids, so that nobody chooses them.

    Raises:
        DataError: there is none.
    """
    settings = use_case.settings.evaluation
    in_split = splits.filter(pc.field("split") == "test").num_rows
    side = side_of(use_case, splits, "test", with_calls=True)
    left_out = {"no_answer": in_split - len(side)}
    if settings.max_test_rows and len(side) > settings.max_test_rows:
        digests = [hashlib.sha256(one.encode()).digest() for one in side.rows["record_id"].to_pylist()]
        chosen = sorted(range(len(side)), key=digests.__getitem__)[: settings.max_test_rows]
        left_out["not_sampled"] = len(side) - settings.max_test_rows
        side = side.take(sorted(chosen))
    prompts, references, texts, fitting = [], [], [], []
    for place, (messages, answer) in enumerate(zip(side.messages(), side.answers, strict=True)):
        try:
            prompt = renderer.prompt_ids(messages, settings.max_prompt_tokens)
            calls = use_case.settings.task.kind == "generation" and _last_call(messages) is not None
            reference, text = renderer.last_answer(messages) if calls else (renderer.answer_ids(answer), answer)
            prompts.append(prompt)
            references.append(reference)
            texts.append(text)
            fitting.append(place)
        except AnswerTooLong:
            left_out["prompt_too_long"] = left_out.get("prompt_too_long", 0) + 1
        except NotRendered as error:
            left_out[error.reason] = left_out.get(error.reason, 0) + 1
    if not fitting:
        raise DataError(
            f"{use_case.name} has no test record to evaluate on: {in_split} in the test split, left out {left_out}",
            "Check splits.test_fraction and evaluation.max_prompt_tokens",
        )
    return EvaluationRecords(
        replace(side.take(fitting), answers=texts),
        prompts,
        references,
        {reason: count for reason, count in left_out.items() if count},
    )


def questions_of(use_case: NamedUseCase, side: Side) -> list[str]:
    """The words of each test record up to its answer: those of the user alone, or of all who spoke, named."""
    if use_case.settings.task.kind == "classification":
        return side.texts
    return [question_in(messages) for messages in side.messages()]


def question_in(messages: list[dict[str, str]]) -> str:
    """A conversation up to its last answer, as one text."""
    last = max(place for place, message in enumerate(messages) if message["role"] == "assistant")
    said = [(message["role"], message["content"] or "") for message in messages[:last] if message["role"] in SPEAKERS]
    if len(said) == 1:
        return said[0][1]
    return "\n\n".join(f"{role.replace('_', ' ')}: {text}" for role, text in said)
