"""Speed, memory and errors of finding near duplicates among short texts, beside datasketch on texts of the same kind.

    python benchmarks/dedup.py --rows 1000000 --json

Texts of 10 to 20 words, drawn by Zipf's law from 50,000; every fifth is an edit of another one with a Jaccard
similarity (word 3-grams) of about 0.9, 0.8, 0.7 or 0.5. Both programs get the threshold 0.8; each runs in a process of
its own, ours on a file of texts that it reads batch by batch. The true similarity of planted and of found pairs is
computed from the words, without the code under test.

`seconds`: from the first batch to the arrays of originals and clusters. `peak_gib`: largest resident memory of that
process. `recall_j08`: share of the planted pairs of similarity >= 0.8 that are in one cluster. `false_below_06`: rows
that are said to be near a row whose true similarity is below 0.6. `exponent`: of the cost, from a tenth of the rows to
all. `ratio_to_datasketch`: rows per second divided by those of datasketch's `MinHashLSH` in its default settings, which
is measured on `datasketch_rows` rows only: on 1,000,000 it takes minutes."""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import MissingExtra

VOCABULARY = 50_000
LONGEST = 20
SHORTEST = 10
LEVELS = np.array([0.9, 0.8, 0.7, 0.5])
EVERY = 5
"""One text in so many is an edit."""
BATCH_ROWS = 8192
CHECKED = 200_000
"""Pairs whose true similarity is computed, at most."""
THRESHOLD = 0.8


class Texts:
    """Texts that can be made again from their number, so that none need be kept.

    Args:
        rows: how many.
        seed: of everything random.
    """

    def __init__(self, rows: int, seed: int = 0) -> None:
        self.rows = rows
        self._seed = np.uint64(seed)
        weights = 1 / (np.arange(VOCABULARY) + 2.7)  # Mandelbrot's form of Zipf's law, with his shift
        self._cumulative = np.cumsum(weights / weights.sum())
        letters = np.random.default_rng(0).integers(97, 123, (VOCABULARY, 8)).astype(np.uint8)
        lengths = np.random.default_rng(1).integers(2, 9, VOCABULARY)
        self._words = pa.array(
            [
                f"{bytes(row[:length]).decode()}{number}"
                for number, (row, length) in enumerate(zip(letters, lengths, strict=True))
            ]
        )

    def source(self, rows: np.ndarray) -> np.ndarray:
        """The row that each row is an edit of, or itself."""
        made = (self._random(rows, 1) * self.rows).astype(np.int64)
        made -= made % EVERY == EVERY - 1
        return np.where(rows % EVERY == EVERY - 1, made, rows)

    def words(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the words of each row, shape `(rows, 20)`, and how many of them there are."""
        source = self.source(rows)
        length = SHORTEST + (self._random(source, 2) * (LONGEST - SHORTEST + 1)).astype(np.int64)
        places = np.arange(LONGEST)
        shingles = length - 2
        level = LEVELS[(self._random(rows, 3) * len(LEVELS)).astype(np.int64)]
        edited = np.where(source == rows, 0, np.maximum(1, np.rint(shingles * (1 - level) / (1 + level)))).astype(
            np.int64
        )
        # An edit replaces the last words: of s shingles s - edited stay.
        drawn_by = np.where(places >= (length - edited)[:, None], rows[:, None], source[:, None])
        return np.searchsorted(self._cumulative, self._random(drawn_by * LONGEST + places, 4)), length

    def batches(self) -> Iterator[pa.Array]:
        for start in range(0, self.rows, BATCH_ROWS):
            yield self.texts(np.arange(start, min(start + BATCH_ROWS, self.rows)))

    def texts(self, rows: np.ndarray) -> pa.Array:
        words, length = self.words(rows)
        chosen = words[np.arange(LONGEST) < length[:, None]]
        offsets = pa.array(np.concatenate([[0], np.cumsum(length)]), pa.int32())
        return pc.binary_join(pa.ListArray.from_arrays(offsets, self._words.take(pa.array(chosen))), " ")

    def similarity(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """True Jaccard similarity of each pair of rows."""
        a, b = (self._shingles(rows) for rows in (i, j))
        return np.array([len(x & y) / len(x | y) for x, y in zip(a, b, strict=True)])

    def _shingles(self, rows: np.ndarray) -> Iterator[set[tuple[int, ...]]]:
        words, length = self.words(rows)
        for row, size in zip(words.tolist(), length.tolist(), strict=True):
            yield set(zip(row[: size - 2], row[1 : size - 1], row[2:size], strict=True))

    def _random(self, numbers: np.ndarray, purpose: int) -> np.ndarray:
        """Uniform in [0, 1), equal for equal numbers (SplitMix64)."""
        x = numbers.astype(np.uint64) * np.uint64(8) + np.uint64(purpose) + (self._seed << np.uint64(48))
        x = x * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def write(texts: Texts, path: Path) -> None:
    schema = pa.schema([("key", pa.string())])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in texts.batches():
            writer.write_batch(pa.record_batch([batch], schema=schema))


def read(path: Path) -> Iterator[pa.Array]:
    """Not memory-mapped: pages of the file would count as memory of the process."""
    with pa.OSFile(str(path), "rb") as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number).column("key")


def ours(folder: Path, rows: int) -> None:
    from ft_platform.records.near_duplicates import find_near_duplicates_stream

    started = time.monotonic()
    found = find_near_duplicates_stream(lambda: read(folder / "texts.arrow"), rows, THRESHOLD, folder, "benchmark")
    seconds = time.monotonic() - started
    np.savez(folder / "found.npz", original=found.original, cluster=found.cluster)
    print(json.dumps({"seconds": seconds, "capped": found.capped, **_usage()}))


def datasketch(folder: Path, rows: int) -> None:
    """The way of its documentation: insert every text, and ask for those that are there already."""
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError as error:
        raise MissingExtra("datasketch", "dev") from error

    started = time.monotonic()
    index = MinHashLSH(threshold=THRESHOLD)
    original = np.full(rows, -1, np.int64)
    links = []
    for row, text in enumerate(text for batch in read(folder / "texts.arrow") for text in batch.to_pylist()):
        words = text.split()
        minhash = MinHash()
        minhash.update_batch([" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)])
        near: list[int] = index.query(minhash)  # type: ignore[assignment]
        links += [(other, row) for other in near]
        original[row] = min(near, default=-1)
        index.insert(row, minhash)
    seconds = time.monotonic() - started
    from ft_platform.records.near_duplicates import clusters

    np.savez(
        folder / "found.npz", original=original, cluster=clusters(rows, np.array(links, dtype=np.int64).reshape(-1, 2))
    )
    print(json.dumps({"seconds": seconds, **_usage()}))


def _usage() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_gib": used.ru_maxrss / 2**20}


def measure(program: str, rows: int, scratch: Path | None) -> dict[str, Any]:
    """Runs a program in a process of its own and adds what it got right."""
    texts = Texts(rows)
    with tempfile.TemporaryDirectory(prefix="dedup-", dir=scratch) as name:
        folder = Path(name)
        write(texts, folder / "texts.arrow")
        command = [sys.executable, __file__, "--rows", str(rows), "--run", program, "--scratch", name]
        numbers = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        found = np.load(folder / "found.npz")
        return {**numbers, **_scores(texts, found["original"], found["cluster"])}


def _scores(texts: Texts, original: np.ndarray, cluster: np.ndarray) -> dict[str, Any]:
    edits = _some(np.arange(EVERY - 1, texts.rows, EVERY))
    source = texts.source(edits)
    close = texts.similarity(edits, source) >= THRESHOLD - 1e-9
    together = cluster[edits] == cluster[source]
    said = _some(np.flatnonzero(original >= 0))
    false = texts.similarity(said, original[said]) < 0.6
    return {
        "recall_j08": float(together[close].mean()),
        "false_below_06": int(false.sum()),
        "planted_pairs": int(close.sum()),
        "pairs_found": int((original >= 0).sum()),
        "pairs_checked": len(said),
    }


def _some(rows: np.ndarray) -> np.ndarray:
    return rows if len(rows) <= CHECKED else rows[np.linspace(0, len(rows) - 1, CHECKED).astype(np.int64)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="at least 1,000 (default: 1,000,000)")
    parser.add_argument(
        "--datasketch-rows", type=int, default=20_000, help="rows for datasketch; 0: leave it out (default: 20,000)"
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        help="folder for texts and intermediate files, about 400 bytes a row (default: the system's)",
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", choices=["ours", "datasketch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        {"ours": ours, "datasketch": datasketch}[arguments.run](arguments.scratch, arguments.rows)
        return
    whole = measure("ours", arguments.rows, arguments.scratch)
    tenth = measure("ours", arguments.rows // 10, arguments.scratch)
    result: dict[str, Any] = {
        "rows": arguments.rows,
        **whole,
        "exponent": math.log10(whole["seconds"] / tenth["seconds"]),
        "ratio_to_datasketch": None,
    }
    if rows := min(arguments.datasketch_rows, arguments.rows):
        theirs = measure("datasketch", rows, arguments.scratch)
        result |= {f"datasketch_{name}": value for name, value in {"rows": rows, **theirs}.items()}
        result["ratio_to_datasketch"] = (arguments.rows / whole["seconds"]) / (rows / theirs["seconds"])
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}
    print(json.dumps(rounded) if arguments.json else "\n".join(f"{name}: {value}" for name, value in rounded.items()))


if __name__ == "__main__":
    main()
