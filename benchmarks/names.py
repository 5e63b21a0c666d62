"""Names of persons and places in real texts that nothing was tuned on: ours, beside Presidio and spaCy.

    python -m benchmarks.names_data --folder F      # fetches and converts the annotated sources
    python benchmarks/names.py --folder F --json
    python benchmarks/names.py --folder F --ner none spacy --compare spacy --sources en_wikigold

Only sources with the role `test` are read (`names_data/sources.json`): whole sources, none of which the built-in model
has seen. Recall is that of `ft privacy eval`, by character, of annotated persons and places, whatever they are taken
for; precision is the share of the characters found as person, place or address that an annotated one covers. English
sources are compared with others (`--compare`), which know no other language by default.

Prints `{"formal": {...}, "noisy": {...}, "languages": {language: {...}}, "ratio_to_presidio": n}`; each group is
`{"persons", "places", "precision", "sources": {name: {"texts", system: {"persons", "places", "precision"}}}}`: first
the mean over its sources of ours, then all systems. The ratio is characters per second of ours by Presidio's, both with
one thread and in turn on the same English texts, median of three. `--write` puts the table into
`docs/benchmarks/names.md`.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

from ft_platform.privacy.evaluation import GoldText, read_gold, score  # noqa: E402
from ft_platform.privacy.others import other  # noqa: E402
from ft_platform.privacy.scan import Scanner  # noqa: E402
from ft_platform.privacy.spans import Span  # noqa: E402
from ft_platform.use_case.settings.privacy import Privacy  # noqa: E402

SOURCES = REPOSITORY / "benchmarks" / "names_data" / "sources.json"
DOCS = REPOSITORY / "docs" / "benchmarks" / "names.md"
PAGE = """# Names of persons and places

`python -m benchmarks.names_data --folder F`, then `python benchmarks/names.py --folder F --strict --write`: how many
characters of annotated names are found in real texts of sources that the built-in network never saw, and which share of
what is found belongs to one. At most {most:,} texts of each source, drawn with a seed. English texts also by Presidio's
default analyzer and by the small English spaCy model, as they are; `strict` also replaces unknown capitalized words
(`privacy.strictness`). {ratio}

Annotations differ: some sources count titles, peoples or the names of works, some leave names out, and OCR breaks
many. So precision is a lower bound, and figures of two sources say little about two languages. Italian is not
measured: no annotated text allows commercial use. Licences and commits: `benchmarks/names_data/sources.json`. What the
network is and learned from: [its card](../names_model_card.md). What recall means for a trained model:
[names downstream](names_downstream.md).

{table}
"""
NAMES = ("PERSON", "LOCATION")
MEASURES = ("persons", "places", "precision")
TIMED_TEXTS = 500
Find = Callable[[Sequence[str]], list[list[Span]]]


def ours(engine: str, strictness: str = "balanced") -> Find:
    privacy = Privacy.model_validate({"entities": list(NAMES), "ner": engine, "strictness": strictness})
    return lambda texts: Scanner(privacy).find(texts)


def texts_of(file: Path, most: int, kinds: Sequence[str] = NAMES) -> list[GoldText]:
    """Annotated texts with these types only, at most so many, drawn with a seed."""
    gold = read_gold(file)
    if len(gold) > most:
        gold = random.Random(1).sample(gold, most)
    return [GoldText(g.text, tuple(s for s in g.spans if s[2] in kinds)) for g in gold]


def measured(gold: Sequence[GoldText], find: Find, kinds: Sequence[str] = NAMES) -> dict[str, float | None]:
    """Recall of the types that the texts are annotated with, whatever they are taken for, and the precision of findings
    of these types."""
    found = find([g.text for g in gold])
    wanted = {*kinds, "UNKNOWN_NAME", *(["ADDRESS"] if "LOCATION" in kinds else [])}
    recalls = score(gold, found).entities
    precision = score(gold, [[s for s in spans if s.entity in wanted] for spans in found]).precision
    return dict(zip(MEASURES, [*(recalls.get(name, {}).get("recall") for name in NAMES), precision], strict=True))


def ratio(texts: Sequence[str], one: Find, two: Find) -> float:
    """Characters per second of the first by those of the second."""

    def seconds(find: Find) -> float:
        begun = time.process_time()
        find(texts)
        return time.process_time() - begun

    for find in (one, two):
        find(texts[:20])
    return median(1 / (seconds(one) / seconds(two)) for _ in range(3))


def group(sources: dict[str, dict[str, Any]], system: str) -> dict[str, Any]:
    values = {m: [s[system][m] for s in sources.values() if s[system][m] is not None] for m in MEASURES}
    return {**{m: round(mean(v), 4) if v else None for m, v in values.items()}, "sources": sources}


def table(result: dict[str, Any]) -> str:
    lines = [
        "| language | source | texts | system | persons | places | precision |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: |",
    ]
    groups = {"English, formal": result["formal"], "English, noisy": result["noisy"], **result["languages"]}
    for name, one in groups.items():
        for source, row in one["sources"].items():
            for system in (s for s in row if s != "texts"):
                figures = " | ".join("" if row[system][m] is None else f"{row[system][m]:.3f}" for m in MEASURES)
                lines.append(f"| {name} | {source} | {row['texts']} | {system} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `python -m benchmarks.names_data`")
    parser.add_argument(
        "--ner", nargs="+", default=["none"], help="`privacy.ner` of ours; the first is the one that counts"
    )
    parser.add_argument("--strict", action="store_true", help="also ours with `privacy.strictness: strict`")
    parser.add_argument("--compare", nargs="*", default=["presidio", "spacy"])
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="default: all of the role `test`")
    parser.add_argument("--most", type=int, default=2000, help="texts of a source, drawn with a seed")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/names.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen = [
        s
        for s in json.loads(SOURCES.read_text(encoding="utf-8"))
        if s["role"] == "test" and (not arguments.sources or s["name"] in arguments.sources)
    ]
    systems = {"ours" if name == "none" else f"ours + {name}": ours(name) for name in arguments.ner}
    first = next(iter(systems))
    if arguments.strict:
        systems["ours, strict"] = ours(arguments.ner[0], "strict")
    others = {name: other(name) for name in arguments.compare}
    rows: dict[str, dict[str, Any]] = {}
    for source in chosen:
        kinds = source.get("types", NAMES)
        gold = texts_of(arguments.folder / f"{source['name']}.jsonl", arguments.most, kinds)
        beside = others if source["language"] == "en" else {}
        rows[source["name"]] = {"texts": len(gold)}
        for name, find in {**systems, **beside}.items():
            rows[source["name"]][name] = measured(gold, find, kinds)
            print(source["name"], name, rows[source["name"]][name], file=sys.stderr)

    def of(**wanted: str) -> dict[str, Any]:
        return group({s["name"]: rows[s["name"]] for s in chosen if wanted.items() <= s.items()}, first)

    result: dict[str, Any] = {
        "formal": of(language="en", register="formal"),
        "noisy": of(language="en", register="noisy"),
        "languages": {lang: of(language=lang) for lang in sorted({s["language"] for s in chosen} - {"en"})},
    }
    if "presidio" in others:
        texts = [
            g.text
            for s in chosen
            if s["language"] == "en"
            for g in texts_of(arguments.folder / f"{s['name']}.jsonl", TIMED_TEXTS)
        ]
        result["ratio_to_presidio"] = round(ratio(texts, systems[first], others["presidio"]), 2)
    if arguments.write:
        speed = f"Ours reads {result['ratio_to_presidio']} times as many characters a second as Presidio."
        text = PAGE.format(most=arguments.most, ratio=speed, table=table(result))
        DOCS.write_text(text, encoding="utf-8")
    print(json.dumps(result, indent=1) if arguments.json else table(result))


if __name__ == "__main__":
    main()
