"""The records of an attack: those that the checkpoint was trained on, and those of the test and validation splits."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.rendering.renderer import NotRendered, Piece, Rendered, Renderer
from ft_platform.models.rendering.turns import REJECTED, up_to_last_answer
from ft_platform.training.dataset import COLUMNS, preference_pair, records_of, row_room
from ft_platform.use_case.named import NamedUseCase

AT_ONCE = 200


@dataclass
class Sample:
    """Records of one side of the split, drawn by seed.

    Attributes:
        rows: as they were rendered for training.
        pieces: the same row piece by piece, for prompts that end inside a text.
        answers: labels of a classification, else empty.
        record_ids: of each record.
    """

    rows: list[Rendered] = field(default_factory=list)
    pieces: list[list[Piece]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    record_ids: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


def trained_on(lake: Lake, checkpoint: ArtifactVersion) -> set[str]:
    """Ids of the records that a checkpoint was trained on."""
    table = pq.read_table(lake.open_file(checkpoint, TRAINING_RECORDS))
    return set(table.filter(pc.field("split") == "train")["record_id"].to_pylist())


def sides(use_case: NamedUseCase, splits: pa.Table, renderer: Renderer, members: Collection[str]) -> dict[str, Sample]:
    """`train`, `test` and `validation`, each with at most `attacks.rows` records.

    Args:
        splits: columns `training.dataset.COLUMNS`.
        members: ids of the records that the checkpoint was trained on; no other training record is taken.
    """
    return {
        side: _drawn(use_case, splits, side, renderer, members, number)
        for number, side in enumerate(("train", "test", "validation"))
    }


def _drawn(
    use_case: NamedUseCase, splits: pa.Table, side: str, renderer: Renderer, members: Collection[str], number: int
) -> Sample:
    settings = use_case.settings.attacks
    rows = splits.filter(pc.field("split") == side).sort_by("record_id").select(COLUMNS)
    if side == "train":
        rows = rows.filter(pc.is_in(rows["record_id"], pa.array(sorted(members), pa.string())))
    return sample_of(use_case, rows, renderer, settings.rows, number)


def sample_of(use_case: NamedUseCase, rows: pa.Table, renderer: Renderer, most: int, number: int = 0) -> Sample:
    """At most so many of these rows that can be rendered, drawn by seed.

    Args:
        rows: columns `training.dataset.COLUMNS`.
        number: of the side, for a draw of its own.
    """
    sample = Sample()
    order = np.random.default_rng([use_case.settings.attacks.seed, number]).permutation(rows.num_rows)
    for record_id, rendered, pieces, answer in _rendered(use_case, rows, order, renderer):
        sample.record_ids.append(record_id)
        sample.rows.append(rendered)
        sample.pieces.append(pieces)
        sample.answers.append(answer)
        if len(sample) == most:
            break
    return sample


def _rendered(
    use_case: NamedUseCase, rows: pa.Table, order: np.ndarray, renderer: Renderer
) -> Iterator[tuple[str, Rendered, list[Piece], str]]:
    """The records that can be rendered, in the drawn order; the others were no part of training either."""
    training = use_case.settings.training
    compares = training.compares_answers
    for start in range(0, len(order), AT_ONCE):
        chosen = rows.take(pa.array(order[start : start + AT_ONCE])).combine_chunks()
        for batch in chosen.to_batches():
            for record_id, messages, answer in records_of(batch, use_case):
                try:
                    if compares:
                        rendered = preference_pair(renderer, messages, training.max_length)[0]
                        conversation = up_to_last_answer([m for m in messages if m["role"] != REJECTED])
                        pieces = renderer.pieces(conversation, None, training.max_length)
                    else:
                        room = row_room(training, renderer, answer)
                        rendered = renderer.example(messages, answer, room, training.train_on)
                        pieces = renderer.pieces(messages, answer, room)
                except NotRendered:
                    continue
                yield record_id, rendered, pieces, answer or ""
