"""Looks at every record as the model will see it: rendered by the one renderer, compared with what its texts say it
must be."""

import hashlib
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.models.rendering.renderer import NotRendered, Rendered, Renderer
from ft_platform.models.rendering.text_tokens import CHARACTERS_PER_TOKEN
from ft_platform.models.rendering.turns import TOOL_ROLES, conversation_of, up_to_last_answer
from ft_platform.process import progress
from ft_platform.records.columns import SIDES
from ft_platform.training.audit_faults import REASONS, Found
from ft_platform.training.dataset import AT_ONCE, COLUMNS, preference_pair, preferred_and_not, records_of, row_room
from ft_platform.use_case.named import NamedUseCase

ANSWER_TOKENS = 8192
"""Room for the answer of a test record: evaluation shortens prompts, and references by itself."""
DIGEST_BYTES = 16
NOT_RENDERED = bytes(DIGEST_BYTES)
"""Stands where the digest of a row would, which is equal to no other."""


@dataclass(frozen=True)
class Example:
    """A row, and the answer it was rendered with where it is not in the messages as their last one."""

    rendered: Rendered
    answer: str | None


@dataclass
class RowAudit:
    """The audit of a version of `splits`, batch by batch: 16 bytes per row stay in memory.

    Args:
        renderer: as training makes it.
        decode: token ids of several texts -> texts, control tokens included.
        context_length: longest row of the base model in tokens, or None where its configuration names none.
    """

    use_case: NamedUseCase
    renderer: Renderer
    decode: Callable[[list[list[int]]], list[str]]
    context_length: int | None
    found: Found = field(init=False)
    _digests: bytearray = field(default_factory=bytearray)
    _controls: dict[tuple[str, ...], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.found = Found(self.use_case.settings.audit)

    @property
    def _scored(self) -> bool:
        """A label head scores the labels: no answer is written, learned or in need of room."""
        return self.use_case.settings.training.objective == "label_head"

    def run(self, read: Callable[[list[str]], Iterable[pa.RecordBatch]], rows: int) -> Found:
        """Looks at all rows.

        Args:
            read: batches with these columns, the same rows in the same order at every call.
            rows: how many there are, for the progress.
        """
        for batch in read(COLUMNS):
            for start in range(0, batch.num_rows, AT_ONCE):
                self._batch(batch.slice(start, AT_ONCE))
                progress.report("splits", self.found.rows, rows, "rows audited")
        self._add_duplicates(read)
        self.found.judge_share(scored=self._scored)
        return self.found

    def _add_duplicates(self, read: Callable[[list[str]], Iterable[pa.RecordBatch]]) -> None:
        """Of rows that are token for token the same, every one but that with the smallest id."""
        halves = np.frombuffer(self._digests, dtype=np.uint64).reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1) & halves[order[1:]].any(axis=1)
        member = np.zeros(len(halves), dtype=bool)
        member[order[1:][same]] = member[order[:-1][same]] = True
        groups = np.zeros(len(halves), dtype=np.int64)
        groups[order[1:]] = np.cumsum(~same)
        smallest: dict[int, str] = {}
        start = 0
        for batch in read(["record_id"]) if member.any() else ():
            rows = slice(start, start + batch.num_rows)
            ids: list[str] = batch.column("record_id").filter(pa.array(member[rows])).to_pylist()  # type: ignore[assignment]
            for group, record_id in zip(groups[rows][member[rows]].tolist(), ids, strict=True):
                known = smallest.get(group)
                if known is not None:
                    self.found.add("duplicate_conversation", max(known, record_id))
                smallest[group] = record_id if known is None else min(known, record_id)
            start += batch.num_rows

    def _batch(self, batch: pa.RecordBatch) -> None:
        sides = batch.column("split")
        digests = np.zeros(batch.num_rows, dtype=f"V{DIGEST_BYTES}")
        for side in SIDES:
            own = np.asarray(pc.equal(sides, side))
            found = self._side(side, records_of(batch.filter(pa.array(own)), self.use_case))
            digests[own] = np.frombuffer(b"".join(found), dtype=digests.dtype)
        self._digests += digests.tobytes()

    def _side(self, side: str, records: list[tuple[str, list[dict[str, str]], str | None]]) -> list[bytes]:
        """Looks at records of one side. Returns the digest of the tokens of each, or `NOT_RENDERED`."""
        settings = self.use_case.settings
        digests: list[bytes] = []
        longest = (
            settings.training.max_length if side != "test" else settings.evaluation.max_prompt_tokens + ANSWER_TOKENS
        )
        self.renderer.prepare([(messages, answer) for _, messages, answer in records], longest)
        changed = self._changed_texts(records, longest)
        for record_id, messages, answer in records:
            self.found.rows += 1
            texts = self.renderer.words(messages, answer)
            self.found.special_tokens_neutralized += any(self.renderer.text.spells_control(text) for text in texts)
            if not changed.isdisjoint(texts):
                self.found.add("text_not_kept", record_id)
            if answer is not None and answer.strip() and answer not in self.renderer.labels:
                self.found.add("answer_outside_labels", record_id)
            try:
                examples = self._examples(side, messages, answer, longest)
            except NotRendered as error:
                if side != "test" or error.reason != "answer_too_long":
                    too_long = self._scored and error.reason == "answer_too_long"
                    fault = "instruction_too_long" if too_long else REASONS.get(error.reason, error.reason)
                    self.found.add(fault, record_id)
                digests.append(NOT_RENDERED)
                continue
            digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
            faults = {fault for example in examples for fault in self._faults(side, messages, example)}
            for example in examples:
                digest.update(array("q", [*example.rendered.input_ids, -1]).tobytes())
            digests.append(digest.digest())
            for fault in sorted(faults):
                self.found.add(fault, record_id)
        return digests

    def _examples(self, side: str, messages: list[dict[str, str]], answer: str | None, longest: int) -> list["Example"]:
        """What training renders of a record: one row, or the two of a preference."""
        training = self.use_case.settings.training
        if not training.compares_answers or side == "test":
            room = longest if side == "test" else row_room(training, self.renderer, answer)
            return [Example(self.renderer.example(messages, answer, room, training.train_on), answer)]
        rows = preference_pair(self.renderer, messages, training.max_length)
        return [Example(row, said) for row, said in zip(rows, preferred_and_not(messages), strict=True)]

    def _faults(self, side: str, messages: list[dict[str, str]], example: "Example") -> Iterator[str]:
        settings, rendered = self.use_case.settings, example.rendered
        length = len(rendered.input_ids)
        if side == "test":
            written = example.answer is None or settings.evaluation.label_answers == "generated"
            answer_tokens = settings.evaluation.max_new_tokens if written else 0
            length = min(rendered.prompt_length, settings.evaluation.max_prompt_tokens) + answer_tokens
        else:
            length = rendered.prompt_length if self._scored else length
            self.found.tokens += length
            self.found.supervised += 1 if self._scored else sum(rendered.supervised)
            if rendered.truncated:
                yield "prompt_shortened"
        if self.context_length is not None and length > self.context_length:
            yield "longer_than_context"
        if not self._scored and (fault := self._answer_fault(messages, example.answer, rendered)):
            yield fault
        if self._acts_as_control(messages, example.answer, rendered):
            yield "control_token_in_text"

    def _answer_fault(self, messages: list[dict[str, str]], answer: str | None, example: Rendered) -> str | None:
        """What is wrong with the tokens that count in the loss, if anything."""
        learned = [
            [token for token, _ in run]
            for counts, run in groupby(zip(example.input_ids, example.supervised, strict=True), lambda t: t[1])
            if counts
        ]
        answers = self._answers(messages, answer)
        if len(learned) < len(answers):
            return "answer_masked"
        for run, expected in zip(learned, answers, strict=False):
            end = self.renderer.end_of_turn[-1]
            if expected is not None:
                if run[: len(expected)] != expected:
                    return "answer_truncated"
                run = run[len(expected) :]
            if end not in run[-2:] and not (run and run[-1] in self.renderer.text.control_ids):
                return "end_of_turn_missing"
        return None

    def _answers(self, messages: list[dict[str, str]], answer: str | None) -> list[list[int] | None]:
        """Tokens of each answer that must be learned, without end of turn; None for a call of a tool, which the
        template writes."""
        if answer is not None:
            return [self.renderer.text.content(answer.strip())]
        conversation = conversation_of(up_to_last_answer(messages))
        turns = [turn for turn in conversation.turns if turn.role == "assistant"]
        if self.use_case.settings.training.train_on == "last_turn":
            turns = turns[-1:]
        return [None if conversation.with_tools else self.renderer.text.content(turn.text.strip()) for turn in turns]

    def _acts_as_control(self, messages: list[dict[str, str]], answer: str | None, example: Rendered) -> bool:
        """Whether the row has other control tokens than the same conversation about nothing."""
        control = self.renderer.text.control_ids
        if any(message["role"] in TOOL_ROLES for message in messages):
            pieces = self.renderer.pieces(messages, answer)
            return any(piece.person and not control.isdisjoint(piece.ids) for piece in pieces)
        roles = tuple(message["role"] for message in messages)
        if roles not in self._controls:
            harmless = [{"role": role, "content": "x"} for role in roles]
            self._controls[roles] = [
                i for i in self.renderer.example(harmless, None if answer is None else "x").input_ids if i in control
            ]
        return [i for i in example.input_ids if i in control] != self._controls[roles]

    def _changed_texts(self, records: Sequence[tuple[str, list[dict[str, str]], str | None]], longest: int) -> set[str]:
        """Texts that come back from the tokenizer otherwise. White space at the ends, and Unicode forms (NFKC), may
        change."""
        texts = list(
            dict.fromkeys(text for _, messages, answer in records for text in self.renderer.words(messages, answer))
        )
        heads = [text[: longest * CHARACTERS_PER_TOKEN] for text in texts]
        back = self.decode([self.renderer.text.content(head) for head in heads])
        return {
            text
            for text, head, found in zip(texts, heads, back, strict=True)
            if found != head and _plain(found) != _plain(head)
        }


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def decoder(tokenizer: Any) -> Callable[[list[list[int]]], list[str]]:
    """`RowAudit.decode` of a tokenizer."""
    return lambda rows: tokenizer.batch_decode(rows, skip_special_tokens=False, clean_up_tokenization_spaces=False)
