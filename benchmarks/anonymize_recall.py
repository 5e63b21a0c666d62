"""Recall and precision of anonymization, by character, on annotated text, and its speed on real text.

    python benchmarks/anonymize_recall.py ../shared/data/presidio_synth/synth_dataset_v2.json --json
    python benchmarks/anonymize_recall.py synth_dataset_v2.json --speed ../shared/data/cfpb_2020/complaints_sample.csv

The annotated file is in the format of microsoft/presidio-research: a list of `{"full_text", "spans": [{"entity_type", "start_position",
"end_position"}]}`. Only letters and digits are counted. Recall: characters of an annotated entity that any finding covers (`recall`), or
that a finding of that entity covers (`recall_same_entity`). Precision: characters of findings of an entity that any annotation covers.
"""

import argparse
import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ft_platform.privacy.scan import Scanner
from ft_platform.use_case import Privacy

ENTITIES = {
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
    "GPE": "LOCATION",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
}
BATCH = 256


def measure(path: Path, privacy: Privacy) -> dict[str, Any]:
    """`{"texts", "entities": {entity: {"annotated", "recall", "recall_same_entity", "precision"}}}`; shares in [0, 1]."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    found = Scanner(privacy).find([row["full_text"] for row in rows])
    annotated, covered, covered_same, predicted, right = (Counter() for _ in range(5))
    for row, spans in zip(rows, found, strict=True):
        text = row["full_text"]
        gold = {i: s["entity_type"] for s in row["spans"] for i in range(s["start_position"], s["end_position"]) if text[i].isalnum()}
        ours = {i: s.entity for s in spans for i in range(s.start, s.end) if text[i].isalnum()}
        for place, name in gold.items():
            entity = ENTITIES.get(name)
            annotated[entity] += 1
            covered[entity] += place in ours
            covered_same[entity] += ours.get(place) == entity
        for place, entity in ours.items():
            predicted[entity] += 1
            right[entity] += place in gold
    names = sorted({*ENTITIES.values(), *predicted})
    return {
        "texts": len(rows),
        "entities": {
            e: {
                "annotated": annotated[e],
                "recall": _share(covered[e], annotated[e]),
                "recall_same_entity": _share(covered_same[e], annotated[e]),
                "found": predicted[e],
                "precision": _share(right[e], predicted[e]),
            }
            for e in names
        },
    }


def speed(path: Path, privacy: Privacy) -> dict[str, Any]:
    """Texts per cpu-second with and without the gate in front of named-entity recognition, and what the gate changes."""
    csv.field_size_limit(10_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        texts = [t for row in csv.DictReader(file) if (t := row["Consumer complaint narrative"])]
    result: dict[str, Any] = {"texts": len(texts), "words_per_text": round(sum(len(t.split()) for t in texts) / len(texts), 1)}
    findings = []
    for name, gate in (("with_gate", True), ("without_gate", False)):
        scanner = Scanner(privacy, gate=gate)
        scanner.find(texts[:2])
        started = time.process_time()
        findings.append([spans for batch in _batches(texts) for spans in scanner.find(batch)])
        result[f"texts_per_cpu_second_{name}"] = round(len(texts) / (time.process_time() - started), 1)
    result["texts_that_differ"] = sum(a != b for a, b in zip(*findings, strict=True))
    return result


def _batches(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotated", type=Path, help="annotated texts (presidio-research format)")
    parser.add_argument("--speed", type=Path, help="CSV of consumer complaints to measure the speed on")
    parser.add_argument("--ner", choices=["spacy", "none"], default="spacy")
    parser.add_argument("--entities", nargs="*", default=[], help="default: all that have a recognizer")
    parser.add_argument("--min-score", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    privacy = Privacy.model_validate({"entities": arguments.entities, "ner": arguments.ner, "min_score": arguments.min_score})
    result = measure(arguments.annotated, privacy)
    if arguments.speed:
        result["speed"] = speed(arguments.speed, privacy)
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{'entity':24}{'annotated':>10}{'recall':>9}{'same':>9}{'found':>9}{'precision':>11}")
    for entity, n in result["entities"].items():
        print(
            f"{entity:24}{n['annotated']:>10}"
            + "".join(f"{'-' if v is None else v:>{w}}" for v, w in ((n["recall"], 9), (n["recall_same_entity"], 9), (n["found"], 9), (n["precision"], 11)))
        )
    for name, value in result.get("speed", {}).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
