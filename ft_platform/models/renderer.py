"""The one renderer from records to tokens, for training, evaluation and serving. Its hash travels with the checkpoint."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.models.chat_markers import chat_markers
from ft_platform.models.text_tokens import CHARACTERS_PER_TOKEN, TextTokens
from ft_platform.use_case import Task

CODE_VERSION = 1
"""Raise when the same record would be rendered to other tokens."""

Message = dict[str, str]


@dataclass(frozen=True)
class Rendered:
    """One training example.

    Attributes:
        input_ids: prompt, answer and end of turn, as token ids. Shape `(seq_len,)`.
        supervised: True where the token counts in the loss: the answer and the end of turn. Shape `(seq_len,)`.
        prompt_length: tokens before the answer.
        truncated: whether the user's text was shortened.
    """

    input_ids: list[int]
    supervised: list[bool]
    prompt_length: int
    truncated: bool


def labels_of(splits: pa.Table) -> list[str]:
    """The labels a model is asked to choose among: those of the train split, sorted; none for generation."""
    train = splits.filter(pc.field("split") == "train")
    return sorted(label for label in train["label"].unique().to_pylist() if label is not None)


class AnswerTooLong(DataError):
    """Prompt markers and answer alone exceed `training.max_length`."""


class Renderer:
    """Turns messages into token ids with the model's own chat template.

    System message: `task.instruction`, in which `{labels}` becomes the sorted labels. Classification: the user's words are
    one user message and the label is the answer. Generation: the messages of the record; the last assistant message is the
    answer; system messages of a record go before the next user message, so that the prefix is the same for all rows.

    Args:
        tokenizer: of transformers.
        task: what the model is asked to do.
        labels: labels of the task; empty for generation.
        few_shot_note: text before the examples of few-shot prompts. Not part of `hash`: no model is trained on such a prompt.
    """

    def __init__(self, tokenizer: Any, task: Task, labels: Iterable[str] = (), few_shot_note: str = "") -> None:
        self.task = task
        self._few_shot_note = few_shot_note.strip()
        self.labels = sorted(labels)
        self.markers = chat_markers(tokenizer)
        self.text = TextTokens(tokenizer)
        self.system = task.instruction.replace("{labels}", ", ".join(self.labels)).strip()
        self._answer_start = self.text.markers(self.markers.answer_start)
        self._next_question = self.text.markers(self.markers.next_question)
        self.end_of_turn = self._end_of_turn(tokenizer.eos_token_id)
        self._prefixes = {few_shot: self._prefix(few_shot) for few_shot in (False, True)}
        self.hash = self._hash()

    def _end_of_turn(self, eos: int) -> list[int]:
        """Ids up to the first control token after an answer (`<|im_end|>` without the line break behind it)."""
        ids = self.text.markers(self.markers.answer_end)
        ends = [place for place, token in enumerate(ids) if token in self.text.control_ids]
        return ids[: ends[0] + 1] if ends else [*ids, eos]

    def _hash(self) -> str:
        parts = {
            "code": CODE_VERSION,
            "markers": self.markers.to_dict(),
            "ids": [self.prefix_ids(), self._answer_start, self._next_question, self.end_of_turn],
            "kind": self.task.kind,
            "system": self.system,
            "labels": self.labels,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def prefix_ids(self, *, few_shot: bool = False) -> list[int]:
        """Ids every prompt starts with: the system message up to the opening of the first question."""
        return list(self._prefixes[few_shot])

    def _prefix(self, few_shot: bool) -> list[int]:
        note = self._few_shot_note if few_shot else ""
        system = "\n\n".join(part for part in (self.system, note) if part)
        if not system:
            return self.text.markers(self.markers.opening)
        start = self.markers.system_start if self.markers.system_role else self.markers.opening
        return [*self.text.markers(start), *self.text.content(system), *self.text.markers(self.markers.system_end)]

    def answer_ids(self, answer: str) -> list[int]:
        """Ids of an answer and the end of turn: what the loss is taken on."""
        return [*self.text.content(answer.strip()), *self.end_of_turn]

    def prompt_ids(self, messages: Sequence[Message], max_tokens: int | None = None) -> list[int]:
        """Ids of the whole prompt (it starts with `prefix_ids()`), ready for the answer.

        Args:
            messages: conversation; a last assistant message is the answer and is left out.
            max_tokens: upper bound; the user's text is shortened at its end.

        Raises:
            AnswerTooLong: the prompt without any user text is longer than `max_tokens`.
        """
        return self._prompt(self.prefix_ids(), self._question_turns(messages), max_tokens)[0]

    def few_shot_prompt_ids(self, examples: Sequence[tuple[str, str]], messages: Sequence[Message], max_tokens: int | None = None) -> list[int]:
        """Ids of a prompt with `(text, answer)` examples as preceding turns; it starts with `prefix_ids(few_shot=True)`."""
        turns = [turn for text, answer in examples for turn in (("user", text), ("assistant", answer))]
        return self._prompt(self.prefix_ids(few_shot=True), [*turns, *self._question_turns(messages)], max_tokens)[0]

    def example(self, messages: Sequence[Message], answer: str | None = None, max_length: int | None = None) -> Rendered:
        """One training example.

        Args:
            messages: conversation of the record.
            answer: the label, or the reference answer; by default the last assistant message.
            max_length: longest example in tokens; the user's text is shortened, the answer never.

        Raises:
            DataError: there is no answer.
            AnswerTooLong: the answer does not fit into `max_length`.
        """
        if answer is None and messages and messages[-1]["role"] == "assistant":
            answer = messages[-1]["content"]
        if not (answer or "").strip():
            raise DataError("a record has no answer to learn from", "Check record.answer, record.label or record.messages")
        answer_ids = self.answer_ids(answer or "")
        prompt, truncated = self._prompt(self.prefix_ids(), self._question_turns(messages), None if max_length is None else max_length - len(answer_ids))
        supervised = [False] * len(prompt) + [True] * len(answer_ids)
        return Rendered([*prompt, *answer_ids], supervised, len(prompt), truncated)

    def _question_turns(self, messages: Sequence[Message]) -> list[tuple[str, str]]:
        """Alternating `(role, text)`, from a user to a user: what comes before the answer."""
        if self.task.kind == "classification":
            return [("user", "\n\n".join(m["content"] or "" for m in messages if m["role"] == "user"))]
        turns: list[tuple[str, str]] = []
        for message in messages[:-1] if messages and messages[-1]["role"] == "assistant" else messages:
            role = "assistant" if message["role"] == "assistant" else "user"
            if turns and turns[-1][0] == role:
                turns[-1] = (role, f"{turns[-1][1]}\n\n{message['content'] or ''}")
            else:
                turns.append((role, message["content"] or ""))
        if not turns or turns[-1][0] == "assistant":
            raise DataError("a record has no question before its answer", "Check record.text or record.messages")
        return turns if turns[0][0] == "user" else [("user", ""), *turns]

    def _prompt(self, prefix: list[int], turns: list[tuple[str, str]], max_tokens: int | None) -> tuple[list[int], bool]:
        contents = [self.text.content(text.strip(), max_tokens) for _, text in turns]
        cut = max_tokens is not None and any(len(text.strip()) > max_tokens * CHARACTERS_PER_TOKEN for _, text in turns)
        questions = [place for place, (role, _) in enumerate(turns) if role == "user"]
        joints = len(questions) * len(self._answer_start) + (len(questions) - 1) * len(self._next_question)
        excess = 0 if max_tokens is None else len(prefix) + joints + sum(map(len, contents)) - max_tokens
        while excess > 0:
            longest = max(questions, key=lambda place: len(contents[place]))
            if not contents[longest]:
                raise AnswerTooLong("a record's answer and markers alone are longer than allowed", "Raise training.max_length")
            keep = max(len(contents[longest]) - excess, 0)
            excess -= len(contents[longest]) - keep
            contents[longest], cut = contents[longest][:keep], True
        ids = list(prefix)
        for place, (role, _) in enumerate(turns):
            if role == "user":
                ids += (self._next_question if place else []) + contents[place] + self._answer_start
            else:
                ids += contents[place]
        return ids, cut
