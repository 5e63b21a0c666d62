"""The one renderer from records to tokens, for training, evaluation and serving. Its hash travels with the
checkpoint."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import BaseModelError
from ft_platform.models.characters import Characters
from ft_platform.models.rendering.chat_markers import chat_markers
from ft_platform.models.rendering.text_tokens import CHARACTERS_PER_TOKEN, TextTokens
from ft_platform.models.rendering.tool_template import ESCAPES, ToolTemplate
from ft_platform.models.rendering.turns import (
    PARAGRAPH,
    TOOL_ROLES,
    AnswerTooLong,
    Conversation,
    NoQuestion,
    NotRendered,
    ToolsNotSupported,
    Turn,
    conversation_of,
    up_to_last_answer,
)
from ft_platform.use_case.schema import Task

__all__ = [
    "AnswerTooLong",
    "NotRendered",
    "Piece",
    "Rendered",
    "Renderer",
    "labels_in",
    "labels_of",
    "shared_prefix",
    "up_to_last_answer",
]

CODE_VERSION = 2
"""Raise when the same record would be rendered to other tokens."""

Message = Mapping[str, Any]
TrainOn = Literal["all_turns", "last_turn"]


@dataclass(frozen=True)
class Rendered:
    """One training example.

    Attributes:
        input_ids: prompt, answer and end of turn, as token ids. Shape `(seq_len,)`.
        supervised: True where the token counts in the loss: what the model writes, each time up to its end of turn.
            Shape `(seq_len,)`.
        prompt_length: tokens before the last answer.
        truncated: whether the user's text was shortened.
    """

    input_ids: list[int]
    supervised: list[bool]
    prompt_length: int
    truncated: bool


@dataclass(frozen=True)
class Piece:
    """Some tokens of a row.

    Attributes:
        learned: the model writes them.
        shortens: they may be cut at their end where a row is too long.
        person: they are words of a record, not of the template.
        cut: they were cut.
    """

    ids: list[int]
    learned: bool = False
    shortens: bool = False
    person: bool = False
    cut: bool = False


def labels_of(splits: pa.Table) -> list[str]:
    """The labels a model is asked to choose among: those of the train split, sorted; none for generation."""
    return labels_in(splits.to_batches())


def labels_in(splits: Iterable[pa.RecordBatch]) -> list[str]:
    """`labels_of` batch by batch; columns `label` and `split`."""
    found: set[str | None] = set()
    for batch in splits:
        found.update(batch.column("label").filter(pc.equal(batch.column("split"), "train")).unique().to_pylist())
    return sorted(label for label in found if label is not None)


def shared_prefix(rows: Iterable[Rendered], prefix: list[int]) -> list[int]:
    """The tokens all rows start with and that none of them learns: `prefix`, or less of it where tools stand in the
    system message."""
    shared = len(prefix)
    for row in rows:
        shared = min(shared, max(row.supervised.index(True) - 1, 0) if True in row.supervised else len(row.input_ids))
        while row.input_ids[:shared] != prefix[:shared]:
            shared -= 1
    return prefix[:shared]


class Renderer:
    """Turns messages into token ids with the model's own chat template.

    System message: `task.instruction`, in which `{labels}` becomes the sorted labels, `{fields}` the fields of answers
    in JSON and `{style}` the style of answers. Classification: the user's words are one user message and the label is
    the answer. Generation: the messages of the record; the last one of the model is the answer; system messages of a
    record go before the next user message, so that the prefix is the same for all rows. Records with tools are written
    as the template writes tools (`tool_template`). Where ids are characters (`models.characters`), nobody reads an
    instruction, and a token of settings stands for `CHARACTERS_PER_TOKEN` of them.

    Args:
        tokenizer: of transformers, or `Characters`.
        task: what the model is asked to do.
        labels: labels of the task; empty for generation.

    Attributes:
        end_of_turn: ids that end the last answer.
        end_between, after_end: ids that end an earlier answer, and those between it and the next question.

    Raises:
        BaseModelError: the chat template cannot be used, or nothing tells where an answer ends.
    """

    def __init__(self, tokenizer: Any, task: Task, labels: Iterable[str] = ()) -> None:
        self.task = task
        self.labels = sorted(labels)
        self.markers = chat_markers(tokenizer)
        self.text = TextTokens(tokenizer)
        self._per_token = CHARACTERS_PER_TOKEN if isinstance(tokenizer, Characters) else 1
        self.system = "" if isinstance(tokenizer, Characters) else task.system_message(self.labels)
        self._answer_start = self.text.markers(self.markers.answer_start)
        self._next_question = self.text.markers(self.markers.next_question)
        self.end_of_turn = self._end_of_turn(tokenizer.eos_token_id)
        self.end_between, self.after_end = self._between_turns()
        self.tools = (
            ToolTemplate(tokenizer, self.text.text_of(self.end_of_turn[-1]), self.text.markers)
            if self.markers.from_template
            else None
        )
        self._shared_prefix = self._prefix()
        self.hash = self._hash()

    def ids_for(self, tokens: int) -> int:
        """Ids that so many tokens of the settings allow."""
        return tokens * self._per_token

    def _room(self, tokens: int | None) -> int | None:
        return None if tokens is None else self.ids_for(tokens)

    def _end_of_turn(self, eos: int | None) -> list[int]:
        """Ids up to the first control token after an answer (`<|im_end|>` without the line break behind it)."""
        ids = self.text.markers(self.markers.answer_end)
        ends = [place for place, token in enumerate(ids) if token in self.text.control_ids]
        if eos is None and not ends:
            raise BaseModelError(
                "the tokenizer of the base model has no eos_token, and its chat template does not end an answer",
                "Give the tokenizer an eos_token",
            )
        return ids[: ends[0] + 1] if ends or eos is None else [*ids, eos]

    def _between_turns(self) -> tuple[list[int], list[int]]:
        """Between an answer and the next question of a conversation: the end of turn that is learned, and what follows.

        A template that writes nothing there (`PLAIN`, or one for questions with one answer) gets the end of turn of a
        last answer."""
        opening = set(self.text.markers(self.markers.opening))
        ends = [place for place, token in enumerate(self._next_question) if token in self.text.control_ids]
        if ends and self._next_question[ends[0]] == self.end_of_turn[-1]:
            return self._next_question[: ends[0] + 1], self._next_question[ends[0] + 1 :]
        if ends and self._next_question[ends[0]] not in opening:
            return self._next_question[: ends[0] + 1], self._next_question[ends[0] + 1 :]
        return self.end_of_turn, self._next_question

    def _hash(self) -> str:
        parts = {
            "code": CODE_VERSION,
            "markers": self.markers.to_dict(),
            "ids": [self.prefix_ids(), self._answer_start, self.end_between, self.after_end, self.end_of_turn],
            "tools": self.tools.sample() if self.tools else "",
            "kind": self.task.kind,
            "system": self.system,
            "labels": self.labels,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def prefix_ids(self) -> list[int]:
        """Ids every prompt without tools starts with: the system message up to the opening of the first question."""
        return list(self._shared_prefix)

    def _prefix(self) -> list[int]:
        if not self.system:
            return self.text.markers(self.markers.opening)
        start = self.markers.system_start if self.markers.system_role else self.markers.opening
        return [*self.text.markers(start), *self.text.content(self.system), *self.text.markers(self.markers.system_end)]

    def answer_ids(self, answer: str) -> list[int]:
        """Ids of an answer and the end of turn: what the loss is taken on."""
        return [*self.text.content(answer.strip()), *self.end_of_turn]

    def prompt_ids(self, messages: Sequence[Message], max_tokens: int | None = None) -> list[int]:
        """Ids of the whole prompt (it starts with `prefix_ids()` where there are no tools), ready for the answer.

        Args:
            messages: conversation; a last message of the model is the answer and is left out.
            max_tokens: upper bound; the user's text is shortened at its end.

        Raises:
            AnswerTooLong: the prompt without any user text is longer than `max_tokens`.
            NotRendered: there is no question, or tools cannot be written.
        """
        conversation, max_tokens = self._conversation(messages), self._room(max_tokens)
        turns = (
            conversation.turns[:-1]
            if conversation.turns and conversation.turns[-1].role == "assistant"
            else conversation.turns
        )
        return _ids(_fitted(self._context(Conversation(turns, conversation.tools), max_tokens), max_tokens))

    def chat(self, messages: Sequence[Message], max_tokens: int | None = None) -> list[dict[str, str]]:
        """The prompt of `prompt_ids` as messages, for servers that render by themselves: the same instruction, turns
        and shortened texts.

        Raises:
            AnswerTooLong, NotRendered: as `prompt_ids`; records with tools are not rendered.
        """
        conversation, max_tokens = self._conversation(messages), self._room(max_tokens)
        if conversation.with_tools:
            raise ToolsNotSupported(
                "a record with tools cannot be sent as plain messages", "Leave out evaluation.endpoints"
            )
        turns = (
            conversation.turns[:-1]
            if conversation.turns and conversation.turns[-1].role == "assistant"
            else conversation.turns
        )
        pieces = [
            piece
            for piece in _fitted(self._context(Conversation(turns, conversation.tools), max_tokens), max_tokens)
            if piece.person
        ]
        said = [
            {"role": turn.role, "content": self.text.decoded(piece.ids) if piece.cut else turn.text.strip()}
            for turn, piece in zip(turns, pieces, strict=True)
        ]
        return [*([{"role": "system", "content": self.system}] if self.system else []), *said]

    def few_shot_prompt_ids(
        self, examples: Sequence[tuple[str, str]], messages: Sequence[Message], max_tokens: int | None = None
    ) -> list[int]:
        """Ids of a prompt with `(text, answer)` examples as preceding turns; it starts with `prefix_ids()`
        where there are no tools."""
        conversation = self._conversation(messages)
        turns = (
            conversation.turns[:-1]
            if conversation.turns and conversation.turns[-1].role == "assistant"
            else conversation.turns
        )
        shown = [
            Turn(role, said) for text, answer in examples for role, said in (("user", text), ("assistant", answer))
        ]
        if conversation.with_tools:
            return _ids(
                _fitted(
                    self._with_tools(Conversation([*shown, *turns], conversation.tools), max_tokens, answered=False),
                    max_tokens,
                )
            )
        return _ids(_fitted(self._plain([*shown, *turns], max_tokens, few_shot=True), max_tokens))

    def example(
        self,
        messages: Sequence[Message],
        answer: str | None = None,
        max_length: int | None = None,
        train_on: TrainOn = "all_turns",
    ) -> Rendered:
        """One training example.

        Args:
            messages: conversation of the record.
            answer: the label, or the reference answer; by default the last message of the model, and what follows it is
                left out.
            max_length: longest example in tokens; the user's text is shortened, no answer ever is.
            train_on: learn all answers of a conversation, or the last only.

        Raises:
            NotRendered: there is no question or answer, or tools cannot be written.
            AnswerTooLong: the answers do not fit into `max_length`.
        """
        pieces = self.pieces(messages, answer, max_length)
        last = max(place for place, piece in enumerate(pieces) if not piece.learned) + 1
        ids, supervised = (
            _ids(pieces),
            [
                piece.learned and (place >= last or train_on == "all_turns")
                for place, piece in enumerate(pieces)
                for _ in piece.ids
            ],
        )
        return Rendered(
            ids, supervised, sum(len(piece.ids) for piece in pieces[:last]), any(piece.cut for piece in pieces)
        )

    def pieces(
        self, messages: Sequence[Message], answer: str | None = None, max_length: int | None = None
    ) -> list[Piece]:
        """An example before it is one row of ids: what is learned, and what comes from the record. Arguments and errors
        as in `example`."""
        max_length = self._room(max_length)
        if answer is None:
            conversation = self._conversation(up_to_last_answer(messages))
            last = conversation.turns[-1] if conversation.turns else Turn("assistant", "")
            conversation = Conversation(conversation.turns[:-1], conversation.tools)
        else:
            conversation, last = self._conversation(messages), Turn("assistant", answer)
            if conversation.turns and conversation.turns[-1].role == "assistant":
                conversation = Conversation(conversation.turns[:-1], conversation.tools)
        if not last.text.strip() and not last.calls:
            raise NotRendered(
                "a record has no answer to learn from", "Check record.answer, record.label or record.messages"
            )
        if last.calls:
            return _fitted(
                self._with_tools(
                    Conversation([*conversation.turns, last], conversation.tools), max_length, answered=True
                ),
                max_length,
            )
        ids = self.text.content(last.text.strip())
        room = None if max_length is None else max_length - len(ids) - len(self.end_of_turn)
        return [
            *_fitted(self._context(conversation, room), room),
            Piece(ids, learned=True, person=True),
            Piece(self.end_of_turn, learned=True),
        ]

    def last_answer(self, messages: Sequence[Message]) -> tuple[list[int], str]:
        """Ids of the last answer of a conversation with its end of turn, calls of tools too, and what is read of them
        when a model writes it.

        Raises:
            NotRendered: as of `example`.
        """
        example = self.example(messages)
        ids = example.input_ids[example.prompt_length :]
        stop = self.end_of_turn[-1]
        return ids, self.text.written(ids[: ids.index(stop)] if stop in ids else ids)

    def prepare(self, records: Sequence[tuple[Sequence[Message], str | None]], max_length: int | None = None) -> None:
        """Tokenizes the texts of some records at once, which is faster than one by one. `example` finds them until the
        next call."""
        self.text.prepare(
            [text for messages, answer in records for text in self.words(messages, answer)], self._room(max_length)
        )

    def words(self, messages: Sequence[Message], answer: str | None = None) -> list[str]:
        """The texts of a record as they are tokenized, empty ones left out; of one with tools, its messages."""
        if any(message["role"] in TOOL_ROLES for message in messages) and self.task.kind != "classification":
            said = [message["content"] or "" for message in messages]
        else:
            said = [turn.text for turn in self._conversation(messages).turns]
        return [text for text in (one.strip() for one in [*said, answer or ""]) if text]

    def _conversation(self, messages: Sequence[Message]) -> Conversation:
        if self.task.kind == "classification":
            return Conversation(
                [Turn("user", PARAGRAPH.join(m["content"] or "" for m in messages if m["role"] == "user"))]
            )
        return conversation_of(messages)

    def _context(self, conversation: Conversation, max_tokens: int | None) -> list[Piece]:
        """What comes before an answer."""
        if not conversation.turns or conversation.turns[-1].role == "assistant":
            raise NoQuestion("a record has no question before its answer", "Check record.text or record.messages")
        return (
            self._with_tools(conversation, max_tokens, answered=False)
            if conversation.with_tools
            else self._plain(conversation.turns, max_tokens)
        )

    def _plain(self, turns: Sequence[Turn], max_tokens: int | None, *, few_shot: bool = False) -> list[Piece]:
        """Alternating questions and answers up to the start of the next answer."""
        end, after = ([], self._next_question) if few_shot else (self.end_between, self.after_end)
        pieces = [Piece(self._shared_prefix)]
        for number, turn in enumerate(turns):
            if turn.role == "user":
                pieces += [Piece(after)] if number else []
                pieces += [self._words(turn.text.strip(), max_tokens), Piece(self._answer_start)]
            else:
                pieces += [
                    Piece(self.text.content(turn.text.strip()), learned=True, person=True),
                    Piece(end, learned=True),
                ]
        return pieces

    def _words(self, text: str, max_tokens: int | None) -> Piece:
        ids = self.text.content(text, max_tokens)
        return Piece(
            ids,
            shortens=True,
            person=True,
            cut=max_tokens is not None and len(text) > max_tokens * CHARACTERS_PER_TOKEN // self._per_token,
        )

    def _with_tools(self, conversation: Conversation, max_tokens: int | None, *, answered: bool) -> list[Piece]:
        if self.tools is None:
            raise ToolsNotSupported(
                "the base model has no chat template, so there is no way to write tools",
                "Choose a base model with tools",
            )
        turns, system = conversation.turns, self.system
        if system and not (self.markers.system_role and self.tools.keeps_system()):
            turns, system = [replace(turns[0], text=f"{system}{PARAGRAPH}{turns[0].text}"), *turns[1:]], ""
        parts, slots = self.tools.parts(Conversation(turns, conversation.tools), system, answered=answered)
        pieces = []
        for part in parts:
            if part.text is not None:
                pieces.append(Piece(self.text.markers(part.text), learned=part.learned))
                continue
            text = ESCAPES[part.escape](slots.texts[part.slot])
            shortens = slots.shortens[part.slot] and not part.learned
            pieces.append(
                self._words(text.strip(), max_tokens)
                if shortens
                else Piece(self.text.content(text), learned=part.learned, person=True)
            )
        return pieces


def _ids(pieces: Iterable[Piece]) -> list[int]:
    return [token for piece in pieces for token in piece.ids]


def _fitted(pieces: list[Piece], max_tokens: int | None) -> list[Piece]:
    """The pieces with the longest texts that may be cut shortened, until they have no more than `max_tokens`."""
    excess = 0 if max_tokens is None else sum(len(piece.ids) for piece in pieces) - max_tokens
    shortens = [place for place, piece in enumerate(pieces) if piece.shortens]
    while excess > 0:
        longest = max(shortens, key=lambda place: len(pieces[place].ids), default=-1)
        if longest < 0 or not pieces[longest].ids:
            raise AnswerTooLong(
                "a record's answers and markers alone are longer than allowed", "Raise training.max_length"
            )
        keep = max(len(pieces[longest].ids) - excess, 0)
        excess -= len(pieces[longest].ids) - keep
        pieces[longest] = replace(pieces[longest], ids=pieces[longest].ids[:keep], cut=True)
    return pieces
