"""What a training may be expected to reach, before it is made: from what it reached on the tasks of
`benchmarks/recipes.py`.

A linear regression, over those tasks, of the logit of the fine-tuned model's macro-F1 on that of TF-IDF + logistic
regression on the validation split, which any splits have within seconds. The numbers of records and labels made it no
better for tasks that were left out of it. Its interval is that of a new task (Student's t), with the residuals of tasks
left out; `left_out` of `expected.json` says how many of them it held. With so few tasks it is wide.

Covered: one label for each record. Not covered: other base models than those of the tasks (a larger one reaches more),
and answers that are written: too few tasks.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.evaluation.records import Side, side_of
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, tfidf_logreg
from ft_platform.use_case.named import NamedUseCase

COLUMNS = ["record_id", "split", "label", "messages"]
FILE = Path(__file__).parent / "expected.json"
CONFIDENCE = 0.8
"""Four of five trainings should end within the interval; a wider one would say little."""
SEEN = 5_000
"""Most records of a side that TF-IDF + logistic regression is asked about, the first by their id, which is a hash."""
EDGE = 0.01
"""Figures nearer to 0 or 1 count as this far away."""


@dataclass(frozen=True)
class Expected:
    """Macro-F1 on the test split.

    Attributes:
        low, high: four of five tasks like this one ended between them.
        tfidf: what TF-IDF + logistic regression reaches on the validation split.
        records, labels, smallest: of the train split.
        tasks: how many tasks this rests on.
    """

    low: float
    high: float
    tfidf: float
    records: int
    labels: int
    smallest: int
    tasks: int

    def in_words(self) -> str:
        return (
            f"macro-F1 {self.low:.2f} to {self.high:.2f}, as four of five sets of this kind ({self.records:,} records,"
            f" {self.labels} labels, smallest {self.smallest}) of {self.tasks} measured ones; TF-IDF + logistic"
            f" regression reaches {self.tfidf:.2f} on the validation split"
        )


def expected(use_case: NamedUseCase, read: Callable[[list[str]], Iterable[pa.RecordBatch]]) -> Expected | None:
    """Of a classification's splits; None where nothing can be said.

    Args:
        read: batches of the splits with these columns.
    """
    counts: Counter[str] = Counter()
    sides: dict[str, pa.Table] = {name: pa.table({}) for name in ("train", "validation")}
    settings = use_case.settings
    # What was measured learned from all records.
    said_of = settings.task.kind == "classification" and settings.training.window_days is None
    for batch in read(COLUMNS) if said_of else ():
        rows = pa.Table.from_batches([batch])
        counts.update(rows.filter(pc.field("split") == "train")["label"].drop_null().to_pylist())
        for name, kept in sides.items():
            both = [one for one in (kept, rows.filter(pc.field("split") == name)) if one.num_rows]
            sides[name] = pa.concat_tables(both).sort_by("record_id").slice(0, SEEN) if both else kept
    if not all(side.num_rows for side in sides.values()):
        return None
    train, validation = (side_of(use_case, side, name) for name, side in sides.items())
    if len(set(train.answers)) < 2 or not validation.answers or not any(map(_has_words, train.texts)):
        return None
    said = json.loads(FILE.read_text(encoding="utf-8"))
    tfidf = validated(train, validation)
    tasks = figures(said["tasks"])
    low, high = interval(tasks, tfidf)
    return Expected(low, high, tfidf, sum(counts.values()), len(counts), min(counts.values()), len(tasks))


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def validated(train: Side, validation: Side) -> float:
    """Macro-F1 of TF-IDF + logistic regression on the validation split, of its best setting."""
    known, asked = (LabelledTexts(side.texts, side.answers) for side in (train, validation))
    return float(tfidf_logreg(known, asked, asked.texts)[-1]["validation_macro_f1"])


def figures(tasks: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Of measured tasks: TF-IDF's figure and what was reached. Shape `(tasks, 2)`."""
    return np.array([[one["tfidf"], one["reached"]] for one in tasks], float)


def interval(tasks: np.ndarray, tfidf: float) -> tuple[float, float]:
    """Of a new task with this figure of TF-IDF. `tasks` as `figures` gives them."""
    from scipy.stats import t

    features, target = _features(tasks[:, 0]), logit(tasks[:, 1])
    solution, inverse = np.linalg.lstsq(features, target, rcond=None)[0], np.linalg.pinv(features.T @ features)
    freedom = len(features) - features.shape[1]
    # Residuals of tasks left out, from the hat matrix: Cook and Weisberg, Residuals and Influence, 1982, 2.2.
    leverage = np.einsum("ij,jk,ik->i", features, inverse, features)
    spread = np.sqrt(np.mean(((target - features @ solution) / (1 - leverage)) ** 2))
    point = _features(np.array([tfidf]))[0]
    middle = float(point @ solution)
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom) * spread * np.sqrt(1 + point @ inverse @ point))
    low, high = (float(1 / (1 + np.exp(-edge))) for edge in (middle - half, middle + half))
    return low, high


def left_out(tasks: np.ndarray) -> list[bool]:
    """Of each task, whether the interval from the others holds what it reached."""
    held = []
    for place, task in enumerate(tasks):
        low, high = interval(np.delete(tasks, place, axis=0), task[0])
        held.append(bool(low <= task[1] <= high))
    return held


def logit(share: Any) -> np.ndarray:
    inside = np.clip(np.asarray(share, float), EDGE, 1 - EDGE)
    return np.log(inside / (1 - inside))


def _features(tfidf: np.ndarray) -> np.ndarray:
    """Shape `(tasks, 2)`."""
    return np.stack([np.ones(len(tfidf)), logit(tfidf)], axis=1)
