"""Records that hold a text of a public benchmark: whoever trains on them measures memory, not skill.

A record is contaminated if one of its messages shares 13 words in a row with a benchmark text (Brown et al.,
arXiv:2005.14165, appendix C), or holds a whole one of 8 to 12 words, or is a whole one of 4 to 7. Case, punctuation and
white space do not count. Covered: copies, also within longer texts. Not covered: paraphrases, translations, texts of
fewer than 4 words (answers such as "yes"), and benchmarks that are not in the files.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import ConfigError
from ft_platform.lake.files import sha256_file
from ft_platform.records.near_duplicates.shingles import in_slices, shingles, word_counts
from ft_platform.records.rows import Rows
from ft_platform.use_case.settings.splits import Splits

LONGEST, SHORTEST = 13, 8
"""Words in a row. Below 8, texts are too common to be looked for within others."""
FEWEST = 4
"""Words of a benchmark text that counts at all."""
AT_ONCE = 8192


class BenchmarkTexts:
    """Hashes of the word n-grams of benchmark texts, 8 bytes each.

    Args:
        texts: string arrays.

    Attributes:
        empty: whether no text is long enough to be looked for.
    """

    def __init__(self, texts: Iterator[pa.Array]) -> None:
        found: dict[int, list[np.ndarray]] = {}
        for batch in texts:
            for part in in_slices(batch):
                words = word_counts(part)
                sizes = np.where(words < FEWEST, 0, np.clip(words, SHORTEST, LONGEST))
                for size in np.unique(sizes[sizes > 0]).tolist():
                    found.setdefault(size, []).append(
                        np.unique(shingles(part.filter(pa.array(sizes == size)), size)[1])
                    )
        self._hashes = {size: np.unique(np.concatenate(hashes)) for size, hashes in found.items()}
        self.empty = not self._hashes

    def held_by(self, rows: Rows) -> np.ndarray:
        """Whether each record holds a benchmark text in one of its messages. Shape `(rows,)`, dtype bool.

        Args:
            rows: need `messages`.
        """
        held = np.zeros(rows.num_rows, bool)
        start = 0
        for batch in rows.batches(["messages"]):
            messages = batch.column("messages")
            contents = messages.flatten().field("content")
            record = np.repeat(
                np.arange(len(messages)), messages.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            )
            held[start + record[self._among(contents)]] = True
            start += len(messages)
        return held

    def _among(self, texts: pa.Array) -> np.ndarray:
        """Whether each text holds a benchmark text. Shape `(texts,)`, dtype bool."""
        among = np.zeros(len(texts), bool)
        start = 0
        for part in in_slices(texts):
            for size, known in self._hashes.items():
                text, hashes = shingles(part, size)
                places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
                among[start + text[known[places] == hashes]] = True
            start += len(part)
        return among


def benchmark_texts(settings: Splits) -> BenchmarkTexts | None:
    """What the files of the YAML hold, or None without files.

    Raises:
        ConfigError: a file is not there, is not UTF-8 or JSON lines, or no text is long enough.
    """
    if not settings.benchmark_files:
        return None
    texts = BenchmarkTexts(batch for file in settings.benchmark_files for batch in _texts(_existing(file)))
    if texts.empty:
        raise ConfigError(
            [f"splits.benchmark_files have no text of at least {FEWEST} words"], "Name the files with the questions"
        )
    return texts


def benchmark_fingerprint(settings: Splits) -> dict[str, str]:
    """What the division depends on beside the settings: the sha256 of each file."""
    if settings.benchmark_files:
        return {"benchmark_sha256": " ".join(sha256_file(_existing(file)) for file in settings.benchmark_files)}
    return {}


def _existing(file: str) -> Path:
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError(
            [f"splits.benchmark_files names {file}, which is not a file"], "Correct the path, or put the file there"
        )
    return path


def _texts(path: Path) -> Iterator[pa.Array]:
    waiting: list[str] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                waiting += _texts_of_line(path, number, line)
                if len(waiting) >= AT_ONCE:
                    yield pa.array(waiting, pa.large_string())
                    waiting = []
    except UnicodeDecodeError:
        raise ConfigError([f"splits.benchmark_files: {path} is not UTF-8"], "Write it anew as UTF-8") from None
    yield pa.array(waiting, pa.large_string())


def _texts_of_line(path: Path, number: int, line: str) -> list[str]:
    if path.suffix == ".txt":
        return [line] if line.strip() else []
    if not line.strip():
        return []
    try:
        return [text for text in _strings(json.loads(line)) if text.strip()]
    except (json.JSONDecodeError, RecursionError):
        raise ConfigError(
            [f"splits.benchmark_files: line {number} of {path} is not JSON"], "Write one JSON value on each line"
        ) from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
