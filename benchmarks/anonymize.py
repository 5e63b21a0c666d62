"""Finding personal data: documents per second and recall, beside Presidio's default analyzer with the same spaCy model,
in one run.

    python -m venv presidio && presidio/bin/pip install -e ".[ner,compare]"
    presidio/bin/python benchmarks/anonymize.py --json
    presidio/bin/python benchmarks/anonymize.py --gold my_annotated_texts.json --complaints
    ../shared/data/cfpb_2020/complaints_sample.csv

Presidio is no requirement of the platform, and brings packages of its own: it goes into an environment apart, with the
platform and the same spaCy model.

`--gold` is in the format of microsoft/presidio-research; by default
`../shared/data/presidio_synth/synth_dataset_v2.json`. Presidio runs as its documentation shows, `analyze` document by
document in one process. Ours is the `Scanner` of the stage in worker processes, batch by batch, nothing remembered from
an earlier round. Models are loaded and both are warm before the clock starts. They take turns for `--rounds`; a ratio
is the median over the rounds.

`ratio_to_presidio_default`: documents per second, wall time, with `workers` processes. `ratio_per_core`: the same in
cpu-seconds. `recall_ours`, `recall_presidio`: share of the annotated identifying characters that any finding covers, of
whatever type. What Presidio calls a date, an organization, an age or a group, which are not annotated as identifying,
counts for `recall_presidio` and not for `precision_presidio`; `recall_presidio_same_types` leaves it out.
`*_complaints`: long real texts without annotations, where most characters stand in sentences without names. Names are
masked in them already, so what would be taken from them is nearly all mistaken; again without what Presidio calls a
date, an organization, an age or a group."""

import argparse
import csv
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from ft_platform.privacy.anonymize import BATCH_ROWS
from ft_platform.privacy.evaluation import GoldText, read_gold, score
from ft_platform.privacy.others import identifying, presidio
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

GOLD = Path("../shared/data/presidio_synth/synth_dataset_v2.json")
WARM = 20
"""Documents that both read before the clock starts."""

_scanner: Scanner | None = None


def _load() -> None:
    global _scanner
    _scanner = Scanner(Privacy())


def _find(texts: list[str], forget: bool) -> tuple[list[list[Span]], float]:
    """Findings and cpu-seconds of one batch. Workers take batches as they come, so each forgets before its first one of
    a round."""
    assert _scanner
    if forget:
        _scanner.forget()
    started = time.process_time()
    return _scanner.find(texts), time.process_time() - started


class Ours:
    """The scanner in `workers` processes."""

    def __init__(self, workers: int) -> None:
        self._pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_load)
        self.workers = workers

    def __call__(self, texts: Sequence[str]) -> tuple[list[list[Span]], float, float]:
        """Findings, wall seconds, cpu-seconds."""
        size = max(1, min(BATCH_ROWS, len(texts) // (4 * self.workers)))
        batches = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
        list(self._pool.map(_find, [[] for _ in range(8 * self.workers)], [True] * 8 * self.workers))
        started = time.perf_counter()
        done = list(self._pool.map(_find, batches, [False] * len(batches)))
        wall = time.perf_counter() - started
        return [spans for found, _ in done for spans in found], wall, sum(cpu for _, cpu in done)


def timed_presidio() -> Callable[[Sequence[str]], tuple[list[list[Span]], float, float]]:
    """Presidio's analyzer with its default recognizers and our spaCy model."""
    engine = presidio()

    def find(texts: Sequence[str]) -> tuple[list[list[Span]], float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        found = engine(texts)
        return found, time.perf_counter() - wall, time.process_time() - cpu

    return find


def compare(
    texts: Sequence[str],
    ours: Ours,
    theirs: Callable[[Sequence[str]], tuple[list[list[Span]], float, float]],
    rounds: int,
) -> dict[str, Any]:
    """Ratios of documents per second, and the findings of the last round."""
    ours(texts[:WARM]), theirs(texts[:WARM])
    walls, cpus, found_ours, found_theirs = [], [], [], []
    for _ in range(rounds):
        found_ours, wall, cpu = ours(texts)
        found_theirs, their_wall, their_cpu = theirs(texts)
        walls.append(their_wall / wall)
        cpus.append(their_cpu / cpu)
    return {
        "ratio": round(statistics.median(walls), 2),
        "per_core": round(statistics.median(cpus), 2),
        "ours": found_ours,
        "theirs": found_theirs,
    }


def measure(gold: Sequence[GoldText], complaints: Sequence[str], workers: int, rounds: int) -> dict[str, Any]:
    ours, theirs = Ours(workers), timed_presidio()
    result = compare([g.text for g in gold], ours, theirs, rounds)
    our_scores, their_scores = score(gold, result["ours"]), score(gold, result["theirs"])
    same_types = score(gold, identifying(result["theirs"]))
    numbers: dict[str, Any] = {
        "ratio_to_presidio_default": result["ratio"],
        "recall_ours": our_scores.recall,
        "recall_presidio": their_scores.recall,
        "precision_ours": our_scores.precision,
        "precision_presidio": same_types.precision,
        "recall_presidio_same_types": same_types.recall,
        "ratio_per_core": result["per_core"],
        "documents": len(gold),
        "workers": workers,
        "rounds": rounds,
    }
    if complaints:
        long = compare(complaints, ours, theirs, 1)
        numbers |= {
            "ratio_on_complaints": long["ratio"],
            "ratio_per_core_on_complaints": long["per_core"],
            "taken_from_complaints_ours": _taken(complaints, long["ours"]),
            "taken_from_complaints_presidio": _taken(complaints, identifying(long["theirs"])),
            "complaints": len(complaints),
        }
    return {
        **numbers,
        "entities": {
            kind: [n["recall"], their_scores.entities[kind]["recall"]] for kind, n in our_scores.entities.items()
        },
        "peak_gib": round(
            (
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                + workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            )
            / 2**20,
            2,
        ),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}",
    }


def _taken(texts: Sequence[str], found: Sequence[Sequence[Span]]) -> float:
    """Share of the characters that would be replaced."""
    return round(
        sum(len({place for s in spans for place in range(s.start, s.end)}) for spans in found) / sum(map(len, texts)), 4
    )


def _complaints(path: Path | None, rows: int) -> list[str]:
    if path is None:
        return []
    csv.field_size_limit(10_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        return [text for row in csv.DictReader(file) if (text := row["Consumer complaint narrative"])][:rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=GOLD, help="annotated texts")
    parser.add_argument("--rows", type=int, help="only so many of them")
    parser.add_argument(
        "--complaints", type=Path, help="CSV of the public complaint database, for ratios on long texts"
    )
    parser.add_argument("--complaint-rows", type=int, default=200)
    parser.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes of ours (default: one per core)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    numbers = measure(
        read_gold(arguments.gold)[: arguments.rows],
        _complaints(arguments.complaints, arguments.complaint_rows),
        arguments.workers,
        arguments.rounds,
    )
    if arguments.json:
        print(json.dumps(numbers, indent=1))
        return
    entities = numbers.pop("entities")
    for name, value in numbers.items():
        print(f"{name:32}{value}")
    print(f"\n{'recall by annotated type':32}{'ours':>8}{'Presidio':>10}")
    for kind, (own, their) in entities.items():
        print(f"{kind:32}{own:>8.3f}{their:>10.3f}")


if __name__ == "__main__":
    main()
