"""Recall of the leakage check on planted leaks, and what division and check cost.

    python benchmarks/leakage.py --rows 100000 --json
    python benchmarks/leakage.py --rows 100000 --paraphrases ngrams --questions ../shared/data/banking77/train.csv
    --json

Texts of `benchmarks/dedup.py` (every fifth an edit of another one), a person for every record, two labels, divided by
the stage `splits`. Into copies of the result, leaks of one kind at a time are planted: a record of another side gets
the person, the text in capitals, an edit of the text (Jaccard similarity of word 3-grams from the threshold 0.7 to
0.9), or the group of a training record, or a text of a benchmark.

`recall`: share of the planted leaks that `leakage` counts, by kind. `found_without_leaks`: what it counts where none
was planted; anything but 0 is a false alarm. `seconds`: division, and one check. `peak_gib`: largest resident memory of
the process.

`--paraphrases` (`ngrams`, or the folder of a sentence model) switches `splits.paraphrases` on and plants three kinds
more: `reordered`, the words in reverse; `inflected`, also with an ending at every third; `reworded`, also with every
sixth replaced by another word. `near_duplicates_among_them`: how many of each the near-duplicate check alone would have
found. `--questions` (CSV with `text` and `category`) says how many pairs of real questions count as paraphrases, the
share of them in [0, 1] that are of one category, the size of the largest group that they would form, and how many of
six pairs written for this purpose, put among them, are found (`rewritten`).
"""

import argparse
import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from dedup import Texts

from ft_platform.lake.stage_table import Work
from ft_platform.records.columns import MESSAGES
from ft_platform.records.engines import engine_of
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.near_duplicates import clusters
from ft_platform.records.rows import BATCH_ROWS, Rows, Spool, TableRows
from ft_platform.records.schemas import anonymized_schema, splits_schema
from ft_platform.splitting.benchmark_texts import BenchmarkTexts
from ft_platform.splitting.leakage import leakage
from ft_platform.splitting.paraphrases import paraphrases
from ft_platform.splitting.split import split
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase

BENCHMARK = (
    "a train leaves the station at nine and travels north at forty miles an hour until it meets the planted text"
    " number {}"
)
COUNTED_AS = {
    "subjects": "subjects",
    "identical_texts": "identical_texts",
    "near_duplicates": "near_duplicate_pairs",
    "groups": "groups",
    "benchmark_texts": "benchmark_texts",
}
PARAPHRASES = ("reordered", "inflected", "reworded")
REWRITTEN = (
    (
        "Why was my mortgage payment charged twice in May?",
        "The bank took the May instalment of my home loan two times. How come?",
    ),
    (
        "I never received the new card I ordered three weeks ago.",
        "Three weeks have passed since I asked for a replacement card and it has not arrived.",
    ),
    (
        "Please close my savings account and send me the balance.",
        "I want to shut down my savings account and get the remaining money paid out.",
    ),
    (
        "The collector keeps calling me about a debt that is not mine.",
        "An agency phones me all the time over a loan I never took.",
    ),
    (
        "How do I reset the password of my online banking?",
        "I forgot my login for internet banking, how can I set a new one?",
    ),
    (
        "My credit report shows a late payment that I made on time.",
        "There is a delinquency on my credit file although I paid before the due date.",
    ),
)
"""Written for this measurement, each pair as two people would say it."""
"""Kind of leak -> count of `leakage` in which it shows."""


def use_case(vectors: str | None = None, similarity: float = 0.9) -> NamedUseCase:
    """Paraphrases count where `vectors` is `ngrams` or the folder of a sentence model."""
    settings: dict[str, Any] = {
        "description": "Fictitious texts; used to measure the leakage check.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification", "instruction": "One of: {labels}"},
        "source": {"uri": "not/used"},
        "record": {"id": "id", "text": "text", "label": "label", "consent": "consent"},
        "governance": {"purpose": "measurement", "accepted_consent": ["yes"], "licence": "proprietary"},
        "base_model": {"uri": "not/used"},
        "release": {"intended_use": "Measurement of the leakage check."},
    }
    if vectors:
        model = (
            {"paraphrases": "ngrams"}
            if vectors == "ngrams"
            else {"paraphrases": "sentence_model", "sentence_model": vectors}
        )
        settings["splits"] = {**model, "paraphrase_similarity": similarity}
    return NamedUseCase(name="leakage", settings=UseCase.model_validate(settings))


class Records:
    """Records that are made when they are read (`rows.Rows`)."""

    def __init__(self, texts: Texts, schema: pa.Schema) -> None:
        self.schema = schema
        self.num_rows = texts.rows
        self._texts = texts

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(columns) if columns is not None else self.schema.names
        for start in range(0, self.num_rows, BATCH_ROWS):
            rows = np.arange(start, min(start + BATCH_ROWS, self.num_rows))
            schema = pa.schema([self.schema.field(name) for name in names])
            yield pa.RecordBatch.from_arrays([self._column(name, rows) for name in names], schema=schema)

    def _column(self, name: str, rows: np.ndarray) -> pa.Array:
        if name == "messages":
            return messages(self._texts.texts(rows))
        if name in ("record_id", "subject_id"):
            return pa.array([f"{name[0]}{row:012d}" for row in rows.tolist()])
        if name == "label":
            return pa.array(np.array(["a", "b"])[rows % 2])
        return pa.nulls(len(rows), self.schema.field(name).type)


def messages(texts: pa.Array) -> pa.Array:
    """One user message for each text."""
    structs = pa.StructArray.from_arrays(
        [pa.repeat(pa.scalar("user"), len(texts)), texts.cast(pa.string())], fields=list(MESSAGES.value_type)
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(len(texts) + 1, dtype=np.int32)), structs, type=MESSAGES)


class Planted:
    """Rows with some values of one column replaced (`rows.Rows`).

    Args:
        places: rows to change, ascending. Shape `(leaks,)`.
        values: their new values.
    """

    def __init__(self, rows: Rows, column: str, places: np.ndarray, values: pa.Array) -> None:
        self.schema, self.num_rows = rows.schema, rows.num_rows
        self._rows, self._column, self._places, self._values = rows, column, places, values

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self._rows.batches(columns):
            first, last = np.searchsorted(self._places, [start, start + batch.num_rows])
            if first < last and self._column in batch.schema.names:
                taken = np.arange(batch.num_rows)
                taken[self._places[first:last] - start] = batch.num_rows + np.arange(last - first)
                number = batch.schema.get_field_index(self._column)
                changed = pa.concat_arrays([batch.column(number), self._values.slice(first, last - first)]).take(
                    pa.array(taken)
                )
                batch = batch.set_column(number, self._column, changed)
            start += batch.num_rows
            yield batch


def leaking_pairs(rows: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Training rows, and rows of other sides (ascending), none twice and each the only one of its group."""
    sides, groups = [], []
    for batch in rows.batches(["split", "group_id"]):
        sides.append(batch.column("split").to_numpy(zero_copy_only=False) == "train")
        groups += [int(name, 16) for name in batch.column("group_id").to_pylist()]
    train = np.concatenate(sides)
    _, number, size = np.unique(np.array(groups, np.uint64), return_inverse=True, return_counts=True)
    alone, random = size[number] == 1, np.random.default_rng(3)
    chosen = [random.permutation(np.flatnonzero(alone & side))[:count] for side in (train, ~train)]
    count = min(len(part) for part in chosen)
    return chosen[0][:count], np.sort(chosen[1][:count])


def edited(text: str, number: int) -> str:
    """The text with its last word, or its last two, replaced: of s shingles s - 1 or s - 2 stay, so the similarity is
    at least 0.7."""
    words = text.split()
    shingles = len(words) - 2
    replaced = 2 if number % 2 and (shingles - 2) / (shingles + 2) >= 0.7 else 1
    return " ".join([*words[:-replaced], *(f"edit{number}x{place}" for place in range(replaced))])


def paraphrased(text: str, kind: str) -> str:
    """The same words in reverse; every third with an ending, and every sixth another word, as `kind` says."""
    words = text.split()[::-1]
    if kind != "reordered":
        words[::3] = [f"{word}ing" for word in words[::3]]
    if kind == "reworded":
        words[1::6] = [word[::-1] for word in words[1::6]]
    return " ".join(words)


def leaks(rows: Spool, count: int, kinds: Sequence[str]) -> dict[str, tuple[Rows, int]]:
    """Kind -> rows with leaks of that kind, and how many were planted."""
    train, other = leaking_pairs(rows, count)
    source = rows.take(train, ["subject_id", "messages", "group_id"])
    texts: list[str] = [said[0]["content"] for said in source["messages"].to_pylist()]
    values = {
        "subjects": ("subject_id", source["subject_id"].combine_chunks()),
        "identical_texts": ("messages", messages(pa.array([f"  {text.upper()}\n" for text in texts]))),
        "near_duplicates": (
            "messages",
            messages(pa.array([edited(text, number) for number, text in enumerate(texts)])),
        ),
        "groups": ("group_id", source["group_id"].combine_chunks()),
        "benchmark_texts": (
            "messages",
            messages(pa.array([f"Dear all, {BENCHMARK.format(number)}: help!" for number in range(len(texts))])),
        ),
    }
    values |= {kind: ("messages", messages(pa.array([paraphrased(text, kind) for text in texts]))) for kind in kinds}
    return {kind: (Planted(rows, column, other, made), len(other)) for kind, (column, made) in values.items()}


def measure(rows: int, planted: int, folder: Path, case: NamedUseCase) -> dict[str, Any]:
    vectors = case.settings.splits.paraphrases != "ignore"
    benchmark = BenchmarkTexts(iter([pa.array([BENCHMARK.format(number) for number in range(planted)])]))
    divided = Spool(folder / "splits.arrow", splits_schema(case))
    given = Records(Texts(rows), anonymized_schema(case))
    division = _timed(
        lambda: [divided.write(kept) for kept, _ in split(case, given, Work(folder, InProcess())).parts if kept]
    )
    clean: dict[str, Any] = {}
    check = _timed(lambda: clean.update(leakage(case, divided, folder, benchmark)))
    recall, also_near = {}, {}
    for kind, (leaking, count) in leaks(divided, planted, PARAPHRASES if vectors else ()).items():
        found = leakage(case if kind in PARAPHRASES else use_case(), leaking, folder, benchmark)
        # A planted text may be near others, too, and then counts more than once.
        recall[kind] = round(min(1.0, found[COUNTED_AS.get(kind, "paraphrase_pairs")] / count), 4)
        if kind in PARAPHRASES:
            also_near[kind] = found["near_duplicate_pairs"]
        planted = count
    return {
        "rows": rows,
        "planted": planted,
        "recall": recall,
        **({"near_duplicates_among_them": also_near} if vectors else {}),
        "found_without_leaks": sum(clean.get(name, 0) for name in (*COUNTED_AS.values(), "paraphrase_pairs")),
        "seconds": {"division": round(division, 2), "check": round(check, 2)},
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
    }


def questions(file: Path, case: NamedUseCase, folder: Path) -> dict[str, Any]:
    """How real questions are linked: `{"texts", "pairs", "same_category", "largest_group", "rewritten"}`."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    said = [*(row["text"] for row in rows), *(text for pair in REWRITTEN for text in pair)]
    schema = pa.schema([("record_id", pa.string()), ("messages", MESSAGES)])
    table = pa.table(
        [pa.array([f"r{number:09d}" for number in range(len(said))]), messages(pa.array(said))], schema=schema
    )
    blocks = [
        np.stack(pair, axis=1)
        for pair in paraphrases(case.settings.splits, TableRows(table), engine_of(case.settings.compute), folder)
    ]
    found = np.sort(np.concatenate([np.empty((0, 2), np.int64), *blocks]), axis=1)
    pairs, ours = found[found[:, 1] < len(rows)], found[found[:, 0] >= len(rows)] - len(rows)
    category = np.array([row["category"] for row in rows])
    return {
        "texts": len(rows),
        "pairs": len(pairs),
        "same_category": (
            round(float((category[pairs[:, 0]] == category[pairs[:, 1]]).mean()), 4) if len(pairs) else None
        ),
        "largest_group": int(np.bincount(clusters(len(rows), pairs)).max()),
        "rewritten": f"{int((ours[:, 0] // 2 == ours[:, 1] // 2).sum())} of {len(REWRITTEN)}",
    }


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=100_000, help="at least 1,000, or 0: only --questions (default: 100,000)"
    )
    parser.add_argument("--planted", type=int, default=1000, help="leaks of each kind, at most (default: 1,000)")
    parser.add_argument(
        "--paraphrases",
        metavar="VECTORS",
        help="`ngrams`, or the folder of a sentence model; default: paraphrases are ignored",
    )
    parser.add_argument("--similarity", type=float, default=0.9, help="`splits.paraphrase_similarity` (default: 0.9)")
    parser.add_argument("--questions", type=Path, help="CSV with the columns text and category; needs --paraphrases")
    parser.add_argument(
        "--scratch", type=Path, help="folder for intermediate files, about 1 KB a row (default: the system's)"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.questions and not arguments.paraphrases:
        parser.error("--questions needs --paraphrases")
    with tempfile.TemporaryDirectory(prefix="leakage-", dir=arguments.scratch) as folder:
        case = use_case(arguments.paraphrases, arguments.similarity)
        found = measure(arguments.rows, arguments.planted, Path(folder), case) if arguments.rows else {}
        if arguments.questions:
            found["questions"] = questions(arguments.questions, case, Path(folder))
    print(json.dumps(found) if arguments.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
