"""How many records, taps and minutes it takes until recall on own records is clear (docs/how_to/measure_recall.md), on
three data sets whose personal data is known, beside a sample of a fixed size.

    python benchmarks/own_recall.py --json
    python benchmarks/own_recall.py --orders 5 --floor 0.8

The person is simulated: taps each word of known personal data that was not found, each finding that is none, a kind
where it is no person, and Next. Records and taps are counted. Minutes are modelled, not measured: words at 238 a minute
(Brysbaert 2019, How many words do we read per minute?, Journal of Memory and Language 109, silent reading of
non-fiction), 1.3 s for each tap (pointing 1.1 s and pressing 0.2 s) and 1.35 s to decide about each record (Card, Moran
and Newell 1980, The keystroke-level model, Communications of the ACM 23 (7)). A real person is slower where they doubt,
and overlooks something.

`complaints`: the first 60 words of real narratives (names are masked in them), half of them with a sentence with a
made-up value of `PLANTED` after them; the other two are texts of microsoft/presidio-research. `fixed`: 400 texts are
annotated in a file, every place of them by hand with the same taps, and every kind has to be proven alone
(`privacy.gold`).
"""

import argparse
import csv
import json
import random
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from ft_platform.privacy.annotated import among_records
from ft_platform.privacy.annotation_sample import draw
from ft_platform.privacy.entities import default_entities
from ft_platform.privacy.evaluation import NOT_IDENTIFYING, RIGHT_BESIDES, SAME_AS, GoldText, read_gold, score
from ft_platform.privacy.gold import gold_texts
from ft_platform.privacy.marked_record import Piece, answer_of, pieces_of
from ft_platform.privacy.own_sample import OTHER, Answer, OwnSample, drawn
from ft_platform.privacy.recall_floor import recall_on
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.records.rows import TableRows
from ft_platform.use_case.settings.privacy import Privacy

DATA = Path("../shared/data")
WORDS_PER_MINUTE, TAP_SECONDS, DECISION_SECONDS = 238, 1.3, 1.35
FIXED = 400
PLANTED = ("PERSON", "EMAIL", "PHONE", "ADDRESS", "IBAN", "DATE_OF_BIRTH", "CREDIT_CARD", "USER_NAME")
NARRATIVE_WORDS = 60
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
ENTITIES = pa.map_(pa.string(), pa.int64())


@dataclass(frozen=True)
class Records:
    """Texts with known personal data, and what is found in them."""

    gold: list[GoldText]
    found: list[list[Span]]

    @property
    def anonymized(self) -> TableRows:
        """As far as a sample is drawn from it."""
        entities = [list(Counter(one.entity for one in spans).items()) for spans in self.found]
        return TableRows(pa.table({"record_id": self.ids, "entities": pa.array(entities, ENTITIES)}))

    @property
    def cleaned(self) -> TableRows:
        messages = [[{"role": "user", "content": one.text}] for one in self.gold]
        return TableRows(pa.table({"record_id": self.ids, "messages": pa.array(messages, MESSAGES)}))

    @property
    def ids(self) -> list[str]:
        return [f"r{number:05d}" for number in range(len(self.gold))]


def complaints(path: Path, rows: int = 1400, seed: int = 7) -> list[GoldText]:
    """Narratives, half of them with a planted sentence."""
    with path.open(encoding="utf-8", newline="") as file:
        named = "Consumer complaint narrative"
        texts = sorted({row[named].strip() for row in csv.DictReader(file) if row.get(named, "").strip()})
    rng = random.Random(seed)
    texts = [" ".join(one.split()[:NARRATIVE_WORDS]) for one in rng.sample(texts, min(rows, len(texts)))]
    values = [one for one in gold_texts(seed, 120, ("", " ")) if one.spans[0][2] in PLANTED]
    planted = rng.sample(values, min(len(values), len(texts) // 2))
    found = []
    for number, text in enumerate(texts):
        if number >= len(planted):
            found.append(GoldText(text, ()))
            continue
        one = planted[number]
        offset = len(text) + 1
        spans = tuple((start + offset, end + offset, kind) for start, end, kind in one.spans)
        found.append(GoldText(f"{text} {one.text}", spans))
    return found


def known(one: GoldText) -> list[tuple[int, int, str]]:
    """Personal data of a text, under our names."""
    spans = [(start, end, SAME_AS.get(kind, kind)) for start, end, kind in one.spans]
    return [span for span in spans if span[2] not in NOT_IDENTIFYING]


def taps(one: GoldText, spans: list[Span]) -> tuple[list[list[Piece]], set[int], set[int], str, int]:
    """The pieces of a record, the words and findings that the person taps, the kind, and how many taps that is."""
    pieces, place = pieces_of([one.text], [spans]), 0
    theirs, besides = known(one), [span for span in one.spans if span[2] in RIGHT_BESIDES]
    missed: dict[int, str] = {}
    wrong: set[int] = set()
    for piece in pieces[0]:
        start, place = place, place + len(piece.text)
        over = [kind for begin, end, kind in theirs if begin < place and start < end]
        if piece.number is not None and not piece.kind and over:
            missed[piece.number] = over[0]
        right = any(begin < place and start < end for begin, end, _ in besides)
        if piece.number is not None and piece.kind and not over and not right:
            wrong.add(piece.number)
    kinds = {kind if kind in default_entities() else OTHER for kind in missed.values()}
    kind = next(iter(kinds)) if len(kinds) == 1 else OTHER if kinds else ""
    return pieces, {*missed}, wrong, kind, len(missed) + len(wrong) + 2 * (kind not in ("", "PERSON")) + 1


def minutes(words: int, pressed: int, records: int) -> float:
    return words / WORDS_PER_MINUTE + (pressed * TAP_SECONDS + records * DECISION_SECONDS) / 60


def sequential(records: Records, seed: int, floor: float) -> dict[str, Any]:
    """One person, one order."""
    place = {record: number for number, record in enumerate(records.ids)}
    draws, said = drawn(records.anonymized, seed), {}
    pressed = words = 0
    sample = OwnSample("simulated", draws, {})
    while not sample.is_over(floor):
        record = sample.following
        assert record
        number = place[record]
        pieces, missed, wrong, kind, count = taps(records.gold[number], records.found[number])
        answer: Answer = answer_of(pieces, missed, wrong, kind)
        said[record] = answer
        pressed, words = pressed + count, words + len(records.gold[number].text.split())
        sample = OwnSample("simulated", draws, said)
    end = "below" if sample.below(floor) else "above" if sample.is_above(floor) else "not_proven"
    spent = minutes(words, pressed, sample.records)
    return {"records": sample.records, "taps": pressed, "minutes": spent, "end": end, "low": sample.recall.low}


def fixed(records: Records, seed: int, floor: float) -> dict[str, Any]:
    """400 texts, annotated in a file."""
    texts = {one["full_text"] for one in draw(records.cleaned, records.anonymized, FIXED, seed)}
    chosen = [one for one in records.gold if one.text in texts]
    case: Any = SimpleNamespace(settings=SimpleNamespace(privacy=Privacy(min_recall=floor)))
    status = recall_on(case, among_records(chosen, records.cleaned, records.anonymized))["status"]
    places = sum(len(one.text[start:end].split()) for one in chosen for start, end, _ in known(one))
    words = sum(len(one.text.split()) for one in chosen)
    pressed = places + len(chosen)
    end = {"above_floor": "above", "below_floor": "below"}.get(status, "not_proven")
    return {"records": len(chosen), "taps": pressed, "minutes": minutes(words, pressed, len(chosen)), "end": end}


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    figures = {name: statistics.median(run[name] for run in runs) for name in ("records", "taps", "minutes")}
    most = max(run["minutes"] for run in runs)
    ends = dict(Counter(run["end"] for run in runs).most_common())
    return {**{name: round(value, 1) for name, value in figures.items()}, "most_minutes": round(most, 1), "ends": ends}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of presidio_synth and cfpb_2020")
    parser.add_argument("--orders", type=int, default=20, help="simulated orders (default: %(default)s)")
    parser.add_argument("--floor", type=float, default=0.9, help="privacy.min_recall (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    sets = {
        "synth_dataset_v2": read_gold(arguments.data / "presidio_synth" / "synth_dataset_v2.json"),
        "generated_large": read_gold(arguments.data / "presidio_synth" / "generated_large.json", lambda _: None),
        "complaints": complaints(arguments.data / "cfpb_2020" / "complaints_sample.csv"),
    }
    scanner, found = Scanner(Privacy()), {}
    for name, gold in sets.items():
        records = Records(gold, scanner.find([one.text for one in gold]))
        ours = [sequential(records, seed, arguments.floor) for seed in range(arguments.orders)]
        theirs = [fixed(records, seed, arguments.floor) for seed in range(arguments.orders)]
        recall = score(records.gold, records.found, scanner.entities).recall
        found[name] = {"recall_by_character": recall, "ours": median(ours), "fixed": median(theirs)}
        found[name] |= {"texts": len(gold)}
    if arguments.json:
        print(json.dumps({"floor": arguments.floor, "orders": arguments.orders, "sets": found}, indent=1))
        return
    for name, one in found.items():
        print(f"{name}: {one['texts']:,} texts, recall by character {one['recall_by_character']}")
        for who in ("ours", "fixed"):
            print(f"  {who:6}" + "".join(f"  {key} {value}" for key, value in one[who].items()))


if __name__ == "__main__":
    main()
