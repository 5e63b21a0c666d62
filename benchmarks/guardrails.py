"""What the guardrails of requests and answers find, and what they cost.

    python benchmarks/guardrails.py --json
    python benchmarks/guardrails.py --gold annotated.json --half held_out --json

The texts are those that the platform measures by where a use case has none (`samples.gold_texts`): each has one
planted identifier between two sentences. `--gold` takes annotated texts in their stead; spans that identify nobody
alone are not counted.

- `recall`: share of the planted identifiers of which the model reads nothing: not the whole, and no word of it with
  four characters or more that stands nowhere else in the text. `lowest`: the five entities with the lowest.
- `restored`: share of the texts that come back to the letter when the model repeats what it read.
- `answers`: the same identifiers in an answer to a request without them: share of which the caller sees nothing.
- `changed_again`: share of texts that were anonymized before, as test records are, in which a request is changed all
  the same, by operator. Surrogates look like persons; a mask leaves words that look like names.
- `milliseconds`: of one request with so many characters, median and 95th percentile: replaced and restored
  (`request`), and an answer of this length that is searched whole (`answer`) or in parts of four characters
  (`stream`). Measured in one thread with a warm process, each text new."""

import argparse
import json
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.batch import replace_spans
from ft_platform.privacy.evaluation import NOT_IDENTIFYING, GoldText, half_of, read_gold
from ft_platform.privacy.gold import AROUND, gold_texts
from ft_platform.privacy.operators import Operators
from ft_platform.privacy.scan import Scanner
from ft_platform.serving.guardrails.answer_scan import AnswerScan, Finder
from ft_platform.serving.guardrails.parts import Parts
from ft_platform.serving.guardrails.personal_data import PersonalData
from ft_platform.serving.guardrails.restoring import Restoring
from ft_platform.use_case.settings.privacy import Privacy

OPERATORS = ("pseudonym", "redact", "mask", "surrogate")
LENGTHS = (100, 1_000, 8_000)
LEAST_WORD = 4
PART = 4
"""Characters of a token of an answer."""


def shows(value: str, text: str, around: str) -> bool:
    """Whether a text still gives away an identifier, or a word of it.

    Args:
        around: the original text without the identifier.
    """
    words = [word for word in value.split() if len(word) >= LEAST_WORD and word not in around]
    return value in text or any(word in text for word in words)


def recall(gold: Sequence[GoldText], read: Callable[[str], str]) -> dict[str, Any]:
    """Args: read: text -> what is seen of it."""
    hidden: dict[str, list[bool]] = defaultdict(list)
    for one in gold:
        seen = read(one.text)
        for start, end, entity in one.spans:
            if entity not in NOT_IDENTIFYING:
                around = one.text[:start] + one.text[end:]
                hidden[entity].append(not shows(one.text[start:end], seen, around))
    shares = {entity: round(statistics.mean(found), 4) for entity, found in hidden.items()}
    lowest = dict(sorted(shares.items(), key=lambda item: (item[1], item[0]))[:5])
    values = [one for found in hidden.values() for one in found]
    return {"value": round(statistics.mean(values), 4), "identifiers": len(values), "lowest": lowest}


def through(one: Parts, text: str, size: int) -> str:
    parts = [one.push(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join(parts) + one.rest()


def changed_again(texts: Sequence[str], scanner: Scanner) -> dict[str, float]:
    found = {}
    for name in OPERATORS:
        privacy = Privacy(default_operator=name)
        operators = Operators(privacy, UseCaseKeys(bytes(32), "benchmark"))
        anonymized = [
            replace_spans(text, spans, operators, "").text or ""
            for text, spans in zip(texts, scanner.find(texts), strict=True)
        ]
        guard = PersonalData(privacy, scanner, "benchmark", "release")
        again = [guard.replaced([text]).texts != [text] for text in anonymized]
        found[name] = round(statistics.mean(again), 4)
    return found


def milliseconds(gold: list[GoldText], scanner: Scanner, repeats: int) -> dict[str, Any]:
    guard, find = PersonalData(Privacy(), scanner, "benchmark", "release"), Finder(scanner)

    def request(text: str) -> None:
        found = guard.replaced([text])
        through(Restoring(found.originals), found.texts[0], len(text))

    works: dict[str, Callable[[str], object]] = {
        "request": request,
        "answer": lambda text: through(AnswerScan(find, [], "replace"), text, len(text)),
        "stream": lambda text: through(AnswerScan(find, [], "replace"), text, PART),
    }
    return {
        str(length): {name: _seconds(work, _texts(gold, length, repeats + 1)) for name, work in works.items()}
        for length in LENGTHS
    }


def _texts(gold: list[GoldText], length: int, count: int) -> list[str]:
    """Different texts of a length: gold texts one after the other, each time from another one on."""
    texts = [one.text for one in gold] * (1 + length // len(gold))
    starts = [number % len(gold) for number in range(count)]
    return [" ".join([*texts[start:], *texts[:start]])[:length] for start in starts]


def _seconds(work: Callable[[str], object], texts: Sequence[str]) -> dict[str, float]:
    """Of all but the first one."""
    took = []
    for text in texts:
        started = time.perf_counter()
        work(text)
        took.append(1000 * (time.perf_counter() - started))
    cuts = statistics.quantiles(took[1:], n=20, method="inclusive")
    return {"median": round(statistics.median(took[1:]), 2), "p95": round(cuts[-1], 2)}


def measure(gold: list[GoldText], repeats: int) -> dict[str, Any]:
    scanner = Scanner(Privacy())
    guard, find = PersonalData(Privacy(), scanner, "benchmark", "release"), Finder(scanner)
    texts = [one.text for one in gold]
    replaced = [guard.replaced([text]) for text in texts]
    restored = [
        through(Restoring(found.originals), found.texts[0], PART) == text
        for found, text in zip(replaced, texts, strict=True)
    ]
    read = {text: found.texts[0] for text, found in zip(texts, replaced, strict=True)}
    return {
        "recall": recall(gold, read.__getitem__),
        "restored": round(statistics.mean(restored), 4),
        "answers": recall(gold, lambda text: through(AnswerScan(find, AROUND, "replace"), text, PART)),
        "changed_again": changed_again(texts, scanner),
        "milliseconds": milliseconds(gold, scanner, repeats),
        "texts": len(gold),
        "repeats": repeats,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, help="annotated texts (default: generated ones)")
    parser.add_argument("--half", choices=["development", "held_out"], help="use only one half of them")
    parser.add_argument("--repeats", type=int, default=50, help="requests of each length (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    gold = read_gold(arguments.gold) if arguments.gold else gold_texts()
    if arguments.half:
        gold = half_of(gold, arguments.half)
    found = measure(list(gold), arguments.repeats)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
