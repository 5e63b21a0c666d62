"""What `fairness.mitigation` does to training rows: weights, another choice, or copies with swapped terms.

The sensitive feature decides how much a row counts; it never enters a prompt.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.evaluation.term_swaps import TermSwap
from ft_platform.training.batches import Row
from ft_platform.training.rendered import RenderedSplit
from ft_platform.use_case.settings.fairness import TrainingMitigation

NOT_STATED = "not stated"


def columns_for(mitigation: TrainingMitigation) -> list[str]:
    """Columns of `splits` that the mitigation needs beside those of training."""
    return [f"feature_{mitigation.feature}"] if mitigation.feature else []


def with_swapped_copies(table: pa.Table, mitigation: TrainingMitigation) -> pa.Table:
    """The splits with a copy of every training row that holds a term, terms swapped, under the same record id (Zmigrod
    et al., ACL 2019).

    A row with terms of several lists gets a copy for each.
    """
    if mitigation.mitigation != "counterfactual_augmentation":
        return table
    train = table.filter(pc.field("split") == "train")
    conversations = [row or [] for row in train["messages"].to_pylist()]
    tables, place = [table], table.schema.get_field_index("messages")
    for swap in map(TermSwap, mitigation.swaps):
        swapped = [swap.messages(messages) for messages in conversations]
        changed = [
            number for number, (before, after) in enumerate(zip(conversations, swapped, strict=True)) if before != after
        ]
        messages = pa.array([swapped[number] for number in changed], table.schema.field("messages").type)
        tables.append(
            train.take(pa.array(changed, pa.int64())).set_column(place, table.schema.field("messages"), messages)
        )
    return pa.concat_tables(tables)


def reweighing(groups: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """A weight per row, `P(group) P(label) / P(group, label)`, under which group and label are independent; their mean
    is 1. Shape `(rows,)`.

    Kamiran and Calders, Data preprocessing techniques for classification without discrimination, 2012, algorithm 3.
    """
    of_group, of_label, of_both = Counter(groups), Counter(labels), Counter(zip(groups, labels, strict=True))
    return np.array(
        [of_group[g] * of_label[y] / (len(groups) * of_both[g, y]) for g, y in zip(groups, labels, strict=True)]
    )


def resampling(groups: Sequence[str], labels: Sequence[str], seed: int) -> list[int]:
    """Places of the rows to train on, rising: of each group and label as many as if both were independent, some rows
    repeated, others dropped.

    Uniform sampling of Kamiran and Calders, 2012, algorithm 4: every row at least as often as whole times fit, the rest
    drawn without replacement. The number of rows stays the same up to rounding.
    """
    weights, cells = reweighing(groups, labels), list(zip(groups, labels, strict=True))
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for cell in sorted(set(cells)):
        places = [place for place, other in enumerate(cells) if other == cell]
        wanted = round(len(places) * float(weights[places[0]]))
        times, rest = divmod(wanted, len(places))
        chosen += places * times + rng.permutation(places)[:rest].tolist()
    return sorted(chosen)


def mitigated(side: RenderedSplit, table: pa.Table, mitigation: TrainingMitigation, seed: int) -> RenderedSplit:
    """The training side with weights, or with another choice of its rows.

    Args:
        table: the splits, with the columns of `columns_for`.
    """
    if not mitigation.feature:
        return side
    values = dict(zip(table["record_id"].to_pylist(), table[f"feature_{mitigation.feature}"].to_pylist(), strict=True))
    groups = [values[record_id] or NOT_STATED for record_id in side.record_ids]
    if mitigation.mitigation == "reweighting":
        return replace(side, weights=reweighing(groups, side.answers).tolist())
    places = resampling(groups, side.answers, seed)
    return replace(
        side,
        rows=[side.rows[place] for place in places],
        record_ids=[side.record_ids[place] for place in places],
        answers=[side.answers[place] for place in places],
    )


def weighted(rows: Sequence[Row], weights: Sequence[float]) -> list[Row]:
    """Rows that count as much as their weights say; without weights all alike."""
    return [replace(row, weight=weight) for row, weight in zip(rows, weights, strict=True)] if weights else list(rows)
