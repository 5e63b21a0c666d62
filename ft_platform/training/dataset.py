"""Reads the train and validation splits and renders them to tokens."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.lake.tables import Tables
from ft_platform.lake.versions import TableVersion
from ft_platform.models.rendering.renderer import NotRendered, Rendered, Renderer
from ft_platform.models.rendering.turns import REJECTED, up_to_last_answer
from ft_platform.process import progress
from ft_platform.training.rendered import RenderedSplit
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.training import Training

COLUMNS = ["record_id", "messages", "label", "split"]
AT_ONCE = 1000
"""Records whose texts are tokenized at once."""


class NoRejectedAnswer(NotRendered):
    """A preference needs two answers."""

    reason = "no_rejected_answer"


class EqualAnswers(NotRendered):
    """Two answers that are the same prefer nothing."""

    reason = "equal_answers"


def read_splits(lake: Tables, splits: TableVersion, further: Sequence[str] = ()) -> pa.Table:
    """The columns that training needs, after the rows were compared with the hash in the handle.

    Args:
        further: columns beside them.

    Raises:
        CorruptVersion: the stored rows are not those of the handle.
        VersionRefused: the version does not exist.
    """
    lake.verify_table(splits)
    return lake.read_table(splits, [*COLUMNS, *further])


def render_split(table: pa.Table, split: str, renderer: Renderer, use_case: NamedUseCase) -> RenderedSplit:
    """All records of one side as tokens, in the order of their ids, so that storage order does not matter.

    Raises:
        DataError: nothing is left to learn from.
    """
    rows = table.filter(pc.field("split") == split).sort_by("record_id")
    rendered = RenderedSplit()
    training = use_case.settings.training
    done = 0
    for batch in rows.select(COLUMNS).to_batches(max_chunksize=AT_ONCE):
        records = records_of(batch, use_case)
        renderer.prepare([(messages, answer) for _, messages, answer in records], training.max_length)
        for record_id, messages, answer in records:
            try:
                if training.compares_answers:
                    example, rejected = preference_pair(renderer, messages, training.max_length)
                    rendered.rejected.append(rejected)
                else:
                    example = renderer.example(
                        messages, answer, row_room(training, renderer, answer), training.train_on
                    )
            except NotRendered as error:
                rendered.left_out[error.reason] = rendered.left_out.get(error.reason, 0) + 1
                continue
            rendered.rows.append(example)
            rendered.answers.append(answer or "")
            rendered.record_ids.append(record_id)
            rendered.truncated += example.truncated
        done += len(records)
        progress.report("adapter_checkpoint", done, rows.num_rows, "rows rendered")
    if not rendered.rows:
        raise DataError(
            f"the {split} split of {use_case.name} has no record to learn from: {rows.num_rows} records, left out"
            f" {rendered.left_out}",
            "Check record.label or record.answer, splits, and training.max_length",
        )
    return rendered


def row_room(training: Training, renderer: Renderer, answer: str | None) -> int:
    """Tokens that a rendered record may have. A label head writes no answer: its prompt alone may fill `max_length`."""
    scored = training.objective == "label_head" and answer
    return training.max_length + (len(renderer.answer_ids(answer)) if scored and answer else 0)


def preference_pair(
    renderer: Renderer, messages: Sequence[Mapping[str, str]], max_length: int
) -> tuple[Rendered, Rendered]:
    """A record with the answer that people like and with the one they like less, after the same prompt.

    Raises:
        NotRendered: one of them is missing, or they are equal, or too long.
    """
    liked, less = preferred_and_not(messages)
    conversation = up_to_last_answer([m for m in messages if m["role"] != REJECTED])
    if not less.strip():
        raise NoRejectedAnswer("a record has no answer that is liked less", "Check record.rejected")
    if less.strip() == liked.strip():
        raise EqualAnswers("the two answers of a record are the same", "Check record.answer and record.rejected")
    lengths = [len(renderer.answer_ids(answer)) for answer in (liked, less)]
    # Both prompts are shortened to the room that the longer answer leaves, so that they are the same.
    rooms = [max_length - max(lengths) + own for own in lengths]
    chosen, rejected = (
        renderer.example(conversation, answer, room, "last_turn")
        for answer, room in zip((liked, less), rooms, strict=True)
    )
    return chosen, rejected


def preferred_and_not(messages: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """The answer that people like and the one they like less; empty where there is none."""
    less = next((m["content"] or "" for m in messages if m["role"] == REJECTED), "")
    conversation = up_to_last_answer([m for m in messages if m["role"] != REJECTED])
    return conversation[-1]["content"] or "" if conversation else "", less


def records_of(batch: pa.RecordBatch, use_case: NamedUseCase) -> list[tuple[str, list[dict[str, str]], str | None]]:
    """`(record_id, messages, answer)` of each row; the answer of a generation task is in its messages, and None
    here."""
    classification = use_case.settings.task.kind == "classification"
    answers = (
        [label or "" for label in batch.column("label").to_pylist()] if classification else [None] * batch.num_rows
    )
    return [
        (i, m or [], a)
        for i, m, a in zip(
            batch.column("record_id").to_pylist(), batch.column("messages").to_pylist(), answers, strict=True
        )
    ]
