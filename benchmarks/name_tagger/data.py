"""Which annotated texts the network for names learns from, which validate, and which it must not see.

Covered: licences, changed files, texts that are equal or nearly equal to one of a test, or hold its words. Not covered:
translations and paraphrases of a test; `*_pud`, the same sentences in all languages, are tests in all of them."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.lake.files import sha256_file
from ft_platform.records.near_duplicates import find_near_duplicates_stream, link_near_duplicates
from ft_platform.records.near_duplicates.shingle_sets import ShingleSets
from ft_platform.records.rows import TableRows
from ft_platform.splitting.benchmark_texts import FEWEST, BenchmarkTexts
from ft_platform.splitting.given import related_to_later_side
from ft_platform.splitting.leakage import CrossingPairs
from ft_platform.splitting.sides import TEST, TRAIN, VALIDATION

Source = dict[str, Any]
SOURCES = Path(__file__).parent.parent / "names_data" / "sources.json"
LICENCES = {
    *("MIT", "Apache-2.0", "CC0-1.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0"),
    *("CC-BY-SA-2.0-FR", "CC-BY-SA-3.0", "CC-BY-SA-4.0"),
}
"""All allow commercial use and weights that are passed on under CC BY-SA 4.0."""
PARTS, LARGEST = 20, 10
"""Of each source about one of so many parts validates; a document that is more than one of so many does not."""
DOCUMENTS, BLOCK = 10, 50
"""A source that tells fewer documents is divided by so many neighbouring texts."""
THRESHOLD = 0.7
"""Jaccard similarity of near duplicates: the default of `splits.near_duplicate_threshold`."""
SIDES = {"t": "train", "v": "validation", "n": "near duplicate", "w": "words of a test"}
"""What becomes of a text: it is for training or validation, or it goes, since it is near one of a test (or, from
training, of validation) or holds words of a test."""

REMOVED = ("source", "near", "texts", "of 4 words or more")


def sources(file: Path = SOURCES) -> list[Source]:
    return json.loads(file.read_text(encoding="utf-8"))


def records(folder: Path, source: Source, most: int | None = None) -> list[dict[str, Any]]:
    """The converted texts of a source; of one for training, at most so many."""
    lines = (folder / f"{source['name']}.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [json.loads(line) for line in (lines[:most] if source["role"] == "train" else lines)]


def unlicensed(entries: Sequence[Source]) -> list[str]:
    """Sources for training with a licence that is not in `LICENCES`."""
    learned = (one for one in entries if one["role"] == "train")
    return [one["name"] for one in learned if not LICENCES.issuperset(one["licence"].split(" AND "))]


def changed(folder: Path, entries: Sequence[Source]) -> list[str]:
    """Sources whose file is not the committed one."""
    return [one["name"] for one in entries if sha256_file(folder / f"{one['name']}.jsonl") != one["sha256"]]


def counted(folder: Path, entries: Sequence[Source], most: int | None) -> dict[str, dict[str, Any]]:
    """Of each source: hash of its file, texts, words and annotated names."""
    found = {}
    for one in entries:
        rows = records(folder, one, most)
        found[one["name"]] = {
            "sha256": sha256_file(folder / f"{one['name']}.jsonl"),
            "texts": len(rows),
            "words": sum(len(row["full_text"].split()) for row in rows),
            "names": sum(len(row["spans"]) for row in rows),
        }
    return found


def data_card(entries: Sequence[Source], counts: dict[str, dict[str, Any]]) -> str:
    """One line for each source, those for training first."""
    head = ["source", "role", "language", "register", "texts", "words", "licence", "commit", "kind of text"]
    rows = [
        [
            *(f"[{one['name']}]({one['url']})", one["role"], one["language"], one["register"]),
            *(f"{counts[one['name']][what]:,}" for what in ("texts", "words")),
            *(one["licence"], one["commit"][:12], one["genre"]),
        ]
        for one in sorted(entries, key=lambda one: one["role"] == "test")
    ]
    return markdown(head, rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in cells) + "\n"


def validates(name: str, rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Whether each text of a source validates: whole documents in the order of a hash. Shape `(rows,)`, dtype bool."""
    block = max(1, min(BLOCK, len(rows) // PARTS))
    told = len({row["document"] for row in rows}) >= DOCUMENTS
    units = [str((told and row["document"]) or f"texts {n // block}") for n, row in enumerate(rows)]
    sizes, chosen, count = Counter(units), set(), 0
    for unit in sorted(sizes, key=lambda unit: hashlib.sha256(f"{name}:{unit}".encode()).digest()):
        if count * PARTS < len(rows) and sizes[unit] * LARGEST <= len(rows):
            chosen.add(unit)
            count += sizes[unit]
    return np.array([unit in chosen for unit in units], bool)


def divided(
    folder: Path, entries: Sequence[Source], scratch: Path, most: int | None = None
) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """A letter of `SIDES` for each text of each source for training; and how many went (`REMOVED`).

    Args:
        scratch: private folder for intermediate files.
        most: texts of each source for training; the others are left out.
    """
    rows = {one["name"]: records(folder, one, most) for one in entries}
    tests = {one["name"] for one in entries if one["role"] == "test"}
    of_text = [name for name, own in rows.items() for _ in own]
    texts = pa.array([row["full_text"] for own in rows.values() for row in own], pa.string())
    given = np.concatenate(
        [np.where(name in tests, TEST, np.where(validates(name, own), VALIDATION, TRAIN)) for name, own in rows.items()]
    ).astype(np.int8)
    near = find_near_duplicates_stream(lambda: iter([texts]), len(texts), THRESHOLD, scratch, "tagger_splits").cluster
    letters = np.array(list("tvT"))[given]
    letters[(given < TEST) & held_by(texts, texts.filter(pa.array(given == TEST)))] = "w"
    letters[related_to_later_side(near, given, np.ones(len(texts), bool))] = "n"

    tests_near = defaultdict(set)
    for row in np.flatnonzero(given == TEST).tolist():
        tests_near[near[row]].add(of_text[row])
    gone: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in np.flatnonzero((letters == "n") | (letters == "w")).tolist():
        words = len(texts[row].as_py().split())
        near_by = tests_near.get(near[row], {"validation"}) if letters[row] == "n" else {"words of a test"}
        for other in near_by:
            gone[of_text[row], other].append(words)
    pairs = [
        (source, other, len(words), sum(count >= FEWEST for count in words))
        for (source, other), words in sorted(gone.items(), key=lambda pair: -len(pair[1]))
    ]
    ends = iter(np.cumsum([len(own) for own in rows.values()]).tolist())
    sides = {name: "".join(letters[(end := next(ends)) - len(own) : end]) for name, own in rows.items()}
    return {name: side for name, side in sides.items() if name not in tests}, pairs


def held_by(texts: pa.Array, test: pa.Array) -> np.ndarray:
    """Whether each text holds words of a text of a test (`splitting.benchmark_texts`). Shape `(texts,)`, dtype bool."""
    messages = [[{"role": "user", "content": text}] for text in texts.to_pylist()]
    return BenchmarkTexts(iter([test])).held_by(TableRows(pa.table({"messages": messages})))


def leaks(folder: Path, entries: Sequence[Source], sides: dict[str, str], scratch: Path) -> dict[str, int]:
    """Pairs of near duplicates on two sides, and texts for training or validation that hold words of a test.

    Looked for anew in the files, whatever `divided` found."""

    def kept() -> Iterator[tuple[str, int]]:
        for one in entries:
            rows = records(folder, one)
            letters = sides.get(one["name"], "T" * len(rows))
            for row, side in zip(rows, letters, strict=False):
                if side in "tvT":
                    yield row["full_text"], 1 << "tvT".index(side)

    texts, bits = zip(*kept(), strict=True)
    crossing: list[CrossingPairs] = []

    def links(sets: ShingleSets) -> list[CrossingPairs]:
        crossing.append(CrossingPairs(sets.first, np.array(bits, np.uint8)))
        return crossing

    column, test = pa.array(texts, pa.string()), np.array(bits) == 1 << TEST
    link_near_duplicates(lambda: iter([column]), len(texts), THRESHOLD, scratch, "tagger_splits", links)
    held = held_by(column.filter(pa.array(~test)), column.filter(pa.array(test)))
    return {"near_duplicate_pairs": crossing[0].count, "texts_with_words_of_a_test": int(held.sum())}
