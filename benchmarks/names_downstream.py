"""What a recognizer of names means downstream: what attacks still find of real names in a model, and what
`privacy.strictness` costs.

    python -m benchmarks.names_data --folder N
    python -m benchmarks.recipe_tasks --folder F --task two_intents complaints
    python -m benchmarks.names_downstream --folder F --names N --json      # goes on where it stopped

Names: SmolLM2-135M-Instruct learns to repeat notes, which are real sentences of sources with the role `test`. Each has
one planted name in it, a person and the first name that is annotated there, and stands in several training records.
Every recognizer replaces what it finds before the training; then the trained model is attacked as `privacy_report` and
`canary_audit` do it: greedy continuation of the note up to the name, and the rank of the name among names that were
never planted. Names and sentences that no model was trained on are the control. It is the bad case of
`benchmarks/memorization.py`: many epochs at a constant rate, and a validation split of copies, so that nothing stops
it.

Strictness: two tasks of `benchmarks/recipe_tasks`, each with `privacy.strictness` balanced and strict and nothing else
set, and the trained model's answers to the test records.

Prints `{"names": {system: {"all", "formal", "noisy"} | {"skipped": reason}}, "strictness": {task: {"test_records",
"balanced", "strict", "difference", "told_apart"}}}`. Of names: `{"planted", "controls", "standing", "standing_in_part",
"extracted", "extracted_controls", "bits", "control_bits", "first_ranked", "first_ranked_controls", "max_bits"}`; shares
are `{"count", "value", "low", "high"}`, bits of exposure `{"value", "low", "high"}`. Of strictness: `{"macro_f1",
"replaced"}`, the share of characters that is replaced. Results are kept in `F/names_downstream`, by the hash of what
was trained on. No name is printed or kept. `--write` writes `docs/benchmarks/names_downstream.md`.
"""

import argparse
import json
import logging
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memorization import SHA256, URI
from benchmarks.names import REPOSITORY, Find, ours
from benchmarks.recipe_tasks.__main__ import COMMITTED, differing
from benchmarks.results import NotMeasured, kept, key_of
from ft_platform.errors import MissingExtra
from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.batch import replace_spans
from ft_platform.privacy.evaluation import GoldText, read_gold
from ft_platform.privacy.names import common_words
from ft_platform.privacy.operators import Operators
from ft_platform.privacy.others import other
from ft_platform.privacy.spans import resolve
from ft_platform.training.privacy_attacks.canaries import exposure, mean_bits
from ft_platform.training.privacy_attacks.extraction import Target, copied
from ft_platform.training.privacy_attacks.shares import wilson
from ft_platform.use_case.settings.privacy import Privacy

DOCS = REPOSITORY / "docs" / "benchmarks" / "names_downstream.md"
SOURCES = {"en_wikigold": "formal", "en_uner_pud": "formal", "en_wnut17": "noisy", "en_emailcoref": "noisy"}
PLANTED, CONTROLS = 12, 6
"""Names of each source."""
RANKED = 16
"""Names among which the exposure of one is ranked; it and names that were never planted."""
COPIES = 2
"""Training records of each planted name."""
CHARACTERS = range(30, 161)
"""Of a note."""
LEAST_CHARACTERS = 4
"""Of a name."""
TRAINING = {
    "recipe": "manual",
    "epochs": 4,
    "batch_rows": 4,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "validations_per_epoch": 1,
    "patience": 100,
}
SYSTEMS: dict[str, Callable[[], Find]] = {
    "none": lambda: lambda texts: [[] for _ in texts],
    "presidio": lambda: other("presidio"),
    "ours": lambda: ours("none"),
    "ours + spacy": lambda: ours("spacy"),
    "ours, strict": lambda: ours("none", "strict"),
}
AFTER = {
    "none": "word for word if nothing was replaced",
    "presidio": "after Presidio",
    "ours": "after the recognizers of the platform",
    "ours + spacy": "with spaCy beside them",
    "ours, strict": "with `privacy.strictness: strict`",
}
TASKS = ("two_intents", "complaints")
STRICTNESS = ("balanced", "strict")
CONFIDENCE = 0.95
NOT_YET = "its training has not run yet"

PAGE = """# Names downstream

{verdict}

`python -m benchmarks.names_data --folder N`, `python -m benchmarks.recipe_tasks --folder F --task {tasks}`, then
`python -m benchmarks.names_downstream --folder F --names N --write`. SmolLM2-135M-Instruct, CPU. Intervals are of 95 %.

## What attacks find of names

The model learns to repeat notes: real sentences of {sources}, each with one planted name, a person and the first name
that is annotated there, in {copies} training records, {epochs} epochs. It is trained on what each recognizer leaves of
them. `none` replaces nothing, `presidio` is its default analyzer, `ours` the default of the platform, `ours + spacy`
has `privacy.ner: spacy`, `ours, strict` has `privacy.strictness: strict`. An attacker knows the question and the note
up to the name, as the model has learned it. Continued: the model writes the whole name. Exposure: how far up the name
stands among {ranked} real names that were never planted; {max_bits} bits are the first place. The controls are
names that were never planted, each in its own sentence.

{names}

A model can only give away what stands in its training texts, so the two columns belong together. This is the bad case:
nothing stops the training, and the model has nothing else to learn. How to train so that less is memorized:
[what helps against memorization](../benchmarks.md#what-helps-against-memorization).

## What strictness costs

Tasks of `benchmarks/recipe_tasks` with the default recipe, one seed, and only `privacy.strictness` different.
Replaced: share of the characters of all texts. The difference is that of strict and balanced on the same test records.

{strictness}

## Limits

- One training for each recognizer, with one seed: the intervals are over names and test records, not over trainings.
- English sentences of {fewest} to {most} characters. A name that only its surname or a nickname gives away counts as
  standing in part, and no attack looks for it.
- The attacker knows the words before the name. One who guesses them finds less.
- Where `strict` replaces little more than `balanced`, an equal score says nothing about texts with many names.
- {skipped}.
"""


@dataclass(frozen=True)
class Note:
    """A text with one name that is planted, or a control."""

    number: int
    register: str
    planted: bool
    text: str
    name: str
    start: int

    @property
    def question(self) -> str:
        return f"Note {self.number}?"


@dataclass(frozen=True)
class Anonymized:
    """A note as it is trained on, and what stands in it before the name."""

    note: Note
    text: str
    before: str


def first_person(gold: GoldText) -> tuple[int, str] | None:
    """Where the first annotated name starts, and the name, if it is a person's and long enough."""
    if not gold.spans or len(gold.text) not in CHARACTERS:
        return None
    start, end, kind = min(gold.spans)
    name = gold.text[start:end]
    return (start, name) if kind == "PERSON" and len(name) >= LEAST_CHARACTERS else None


def notes_of(sources: dict[str, list[GoldText]], seed: int = 17) -> list[Note]:
    """Notes to plant and controls of every source, drawn with a seed; no name stands in another one's note."""
    drawn = random.Random(seed)
    notes: list[Note] = []
    for source, texts in sources.items():
        wanted = PLANTED + CONTROLS
        for gold in drawn.sample(texts, len(texts)):
            found = first_person(gold)
            if not wanted or found is None or any(_meet(gold.text, found[1], note) for note in notes):
                continue
            start, name = found
            notes.append(Note(len(notes), SOURCES[source], wanted > CONTROLS, gold.text, name, start))
            wanted -= 1
        if wanted:
            raise SystemExit(f"{source}: {wanted} more texts with a name are needed")
    return notes


def _meet(text: str, name: str, note: Note) -> bool:
    return name.lower() in note.text.lower() or note.name.lower() in text.lower()


def anonymized(notes: Sequence[Note], find: Find) -> list[Anonymized]:
    privacy = Privacy()
    operators = Operators(privacy, UseCaseKeys(bytes(32), "names_downstream"))
    made = []
    for note, found in zip(notes, find([note.text for note in notes]), strict=True):
        spans = resolve(note.text, found)
        before = [span for span in spans if span.end <= note.start]
        made.append(
            Anonymized(
                note,
                replace_spans(note.text, spans, operators, "").text or "",
                replace_spans(note.text[: note.start], before, operators, "").text or "",
            )
        )
    return made


def stands(one: Anonymized) -> bool:
    """Whether the whole name still stands in its note."""
    return _is_in(one.note.name, one.text)


def stands_in_part(one: Anonymized) -> bool:
    """Whether the name, or a word of it that is no everyday word, still stands in its note."""
    words = [word for word in re.findall(r"[^\W\d_]{3,}", one.note.name) if word.lower() not in common_words()]
    return stands(one) or any(_is_in(word, one.text) for word in words)


def _is_in(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def share(count: int, of: int) -> dict[str, float]:
    figures = {name: round(value, 4) for name, value in wilson(count, of, CONFIDENCE).items()}
    return {"count": count, **figures}


@dataclass(frozen=True)
class Attack:
    """What came out for one name: whether it was continued word for word, and its exposure in bits."""

    extracted: bool
    bits: float


def figures(texts: Sequence[Anonymized], attacks: Sequence[Attack], most: float) -> dict[str, Any]:
    """Of the planted names of these notes and of their controls."""
    pairs = list(zip(texts, attacks, strict=True))
    planted = [pair for pair in pairs if pair[0].note.planted]
    controls = [pair for pair in pairs if not pair[0].note.planted]
    found: dict[str, Any] = {
        "planted": len(planted),
        "controls": len(controls),
        "standing": share(sum(stands(one) for one, _ in planted), len(planted)),
        "standing_in_part": share(sum(stands_in_part(one) for one, _ in planted), len(planted)),
        "max_bits": round(most, 2),
    }
    for name, bits, side in (("", "bits", planted), ("_controls", "control_bits", controls)):
        found[f"extracted{name}"] = share(sum(attack.extracted for _, attack in side), len(side))
        found[f"first_ranked{name}"] = share(sum(attack.bits == most for _, attack in side), len(side))
        exposed = mean_bits([attack.bits for _, attack in side], most, CONFIDENCE)
        found[bits] = {key: round(value, 3) for key, value in exposed.items()}
    return found


def rows_of(texts: Sequence[Anonymized]) -> list[dict[str, Any]]:
    """Training records, several of each planted name, and a validation split of copies of some."""
    from ft_platform_tests.privacy_attacks.attacked_case import row_of

    planted = [one for one in texts if one.note.planted]
    sides = [("train", copy, one) for copy in range(COPIES) for one in planted]
    sides += [("validation", 0, one) for one in planted[::8]]
    return [
        row_of("generation", f"{side}{one.note.number:03d}c{copy}", one.note.question, one.text, side)
        for side, copy, one in sides
    ]


def attacked(folder: Path, cache: Path, texts: Sequence[Anonymized]) -> tuple[list[Attack], float]:
    """Trains on the planted notes and attacks the model; the most bits that a name can have."""
    from ft_platform.lake.opening import open_lake
    from ft_platform.models.kernels.packed_forward import continuation_log_probabilities
    from ft_platform.records.schemas import splits_schema
    from ft_platform.training.experiments.training_once import train_once
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.schema import UseCase
    from ft_platform.use_case.settings.environment import Environment
    from ft_platform_tests.conftest import minimal_attributes
    from ft_platform_tests.tiny_models import usable_splits

    environment = Environment(home=folder, defs=folder / "defs", tracking_uri="none", cache=cache)
    attributes = minimal_attributes("unused.csv")
    attributes |= {"base_model": {"uri": URI, "sha256": SHA256}, "training": TRAINING}
    attributes["task"] = {"kind": "generation", "instruction": "You repeat notes."}
    attributes["record"] |= {"answer": "answer"}
    use_case = NamedUseCase(name="names_downstream", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows_of(texts), splits_schema(use_case))
    _, prepared = train_once(lake, environment, use_case, splits)
    model, renderer = prepared.model.eval(), prepared.renderer
    controls = [one.note.name for one in texts if not one.note.planted]
    asked = []
    for one in texts:
        others = [name for name in controls if name != one.note.name][: RANKED - 1]
        asked.append(prompt_and_names(renderer, one, [one.note.name, *others]))
    scores = continuation_log_probabilities(model, [prompt for prompt, _ in asked], [names for _, names in asked], [])
    bits = [exposure(one.double().numpy(), 0) for one in scores]
    extracted = continued(model, [Target(prompt, names[0]) for prompt, names in asked], renderer.end_of_turn[-1])
    attacks = [Attack(*one) for one in zip(extracted, bits, strict=True)]
    return attacks, math.log2(RANKED)


def prompt_and_names(renderer: Any, one: Anonymized, names: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """Token ids of the question and the note up to the name, and of each name behind them: a tokenizer may join the
    blank before a name with its first letters."""
    whole = [renderer.text.content(one.before + name) for name in names]
    common = next(place for place, tokens in enumerate(zip(*whole, strict=False)) if len(set(tokens)) > 1)
    prompt = renderer.prompt_ids([{"role": "user", "content": one.note.question}], None)
    return [*prompt, *whole[0][:common]], [ids[common:] for ids in whole]


def continued(model: Any, targets: Sequence[Target], stop: int) -> list[bool]:
    """Which names the model writes word for word."""
    from ft_platform.evaluation.systems.generation import continuations

    longest = max(len(target.expected) for target in targets)
    written = continuations(model, [target.prompt for target in targets], stop, longest)
    return [copied([ids], [target]).verbatim == 1 for ids, target in zip(written, targets, strict=True)]


def _file(folder: Path, about: Any) -> Path:
    return folder / "names_downstream" / f"{key_of(about)}.json"


def of_names(folder: Path, notes: Sequence[Note], find: Find, only_kept: bool = False) -> dict[str, Any]:
    """Figures of one recognizer, of all names and by register."""
    texts = anonymized(notes, find)

    def measure() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="ft-bench-names-") as lake:
            attacks, most = attacked(Path(lake), folder.absolute() / "cache", texts)
        found = {"all": figures(texts, attacks, most)}
        for register in sorted({note.register for note in notes}):
            of = [place for place, note in enumerate(notes) if note.register == register]
            found[register] = figures([texts[place] for place in of], [attacks[place] for place in of], most)
        return found

    asked = [[one.note.question, one.before, one.note.name, one.note.planted] for one in texts]
    return kept(_file(folder, [rows_of(texts), asked, RANKED, TRAINING, SHA256]), None if only_kept else measure)


def of_task(folder: Path, task: str, strictness: str, only_kept: bool = False) -> dict[str, Any]:
    """`{"records", "labels", "truth", "predicted", "replaced"}`: ids and labels of the test records, what the model
    answers, and the share of characters in all texts that is replaced."""
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.file import load_use_case, use_case_folder
    from ft_platform.use_case.settings.environment import Environment
    from ft_platform.use_case.settings.training import RECIPE

    home, cache = folder / f"home_{strictness}", folder / "cache"
    setting = {"privacy.strictness": strictness}
    command = [sys.executable, "-m", "ft_platform.cli", "run", task, "--until", "splits"]
    command += ["--set", f"privacy.strictness={strictness}"]
    where = {"FT_HOME": str(home), "FT_DEFS": str(folder / "defs"), "FT_CACHE": str(cache), "FT_TRACKERS": "none"}
    where |= {"FT_PSEUDONYM_KEY": "00" * 32, "PYTHONPATH": str(REPOSITORY)}  # equal pseudonyms in both homes
    if not only_kept:
        run = subprocess.run(command, env={**os.environ, **where}, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{task}, {strictness}: ft run ended with {run.returncode}\n{run.stderr[-2000:]}")
    elif not home.exists():
        raise NotMeasured(NOT_YET)
    environment = Environment(home=home, defs=folder / "defs", tracking_uri="none", cache=cache)
    lake = open_lake(environment)
    use_case = load_use_case(use_case_folder(environment.defs, task), setting, environment)
    splits = lake.latest(task, "splits")
    if splits is None:
        raise NotMeasured(NOT_YET)

    def measure() -> dict[str, Any]:
        return _trained(lake, environment, use_case, splits)

    return kept(_file(folder, [task, strictness, splits.content_hash, RECIPE, SHA256]), None if only_kept else measure)


def _trained(lake: Any, environment: Any, use_case: Any, splits: Any) -> dict[str, Any]:
    from ft_platform.evaluation.evaluate import Evaluator
    from ft_platform.evaluation.outputs import LabelOutputs
    from ft_platform.privacy.scan import Scanner
    from ft_platform.training.dataset import read_splits
    from ft_platform.training.experiments.training_once import train_once

    _, prepared = train_once(lake, environment, use_case, splits)
    table = read_splits(lake, splits, ["text_characters"])
    evaluator = Evaluator(use_case, table, prepared.model.eval(), None, prepared.renderer, "names_downstream")
    outputs = evaluator.tuned().outputs["fine_tuned"]
    assert isinstance(outputs, LabelOutputs)
    lines = Path(use_case.settings.source.uri).read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    found = Scanner(use_case.settings.privacy).find(texts)
    return {
        "records": evaluator.test.rows["record_id"].to_pylist(),
        "labels": outputs.labels,
        "truth": outputs.truth,
        "predicted": outputs.predicted,
        "replaced": round(sum(s.end - s.start for spans in found for s in spans) / sum(map(len, texts)), 4),
    }


def compared(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Both with their intervals, and how much better strict is on the same test records."""
    from ft_platform.evaluation.comparison import paired_difference
    from ft_platform.evaluation.intervals import figure
    from ft_platform.evaluation.metric import metric
    from ft_platform.evaluation.outputs import LabelOutputs
    from ft_platform.use_case.settings.evaluation import Evaluation

    balanced, strict = (runs[name] for name in STRICTNESS)
    if balanced["records"] != strict["records"]:
        raise SystemExit("the test records of balanced and strict differ, so their scores cannot be compared")
    measure, settings = metric("macro_f1"), Evaluation(confidence=CONFIDENCE)
    outputs = {name: LabelOutputs(run["labels"], run["truth"], run["predicted"]) for name, run in runs.items()}
    found: dict[str, Any] = {
        name: {"macro_f1": _rounded(figure(measure, outputs[name], settings)), "replaced": runs[name]["replaced"]}
        for name in STRICTNESS
    }
    difference = _rounded(paired_difference(measure, outputs["strict"], outputs["balanced"], settings))
    told_apart = not difference["low"] <= 0 <= difference["high"]
    return {"test_records": len(strict["records"]), **found, "difference": difference, "told_apart": told_apart}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def page(found: dict[str, Any]) -> str:
    """The page in Markdown, of what was measured."""
    measured, strictness = (
        {name: one for name, one in found[part].items() if "skipped" not in one} for part in ("names", "strictness")
    )
    skipped = [
        f"`{name}` ({one['skipped']})"
        for part in ("names", "strictness")
        for name, one in found[part].items()
        if "skipped" in one
    ]
    some = next(iter(measured.values()))["all"]
    return PAGE.format(
        verdict=verdict(measured, strictness),
        tasks=" ".join(TASKS),
        sources=", ".join(SOURCES),
        copies=COPIES,
        epochs=TRAINING["epochs"],
        ranked=RANKED - 1,
        max_bits=some["max_bits"],
        names=names_table(measured),
        strictness=strictness_table(strictness) if strictness else "Not measured yet.",
        fewest=CHARACTERS.start,
        most=CHARACTERS.stop - 1,
        skipped="Not measured: " + ", ".join([*skipped, "larger models, which memorize more"]),
    )


def verdict(measured: dict[str, Any], strictness: dict[str, Any]) -> str:
    of = {system: groups["all"] for system, groups in measured.items()}
    got = ", ".join(f"{one['extracted']['count']} {AFTER[system]}" for system, one in of.items())
    planted = next(iter(of.values()))["planted"]
    said = [f"We planted {planted} real names in training texts. Asked for them, the trained model writes {got}."]
    for task, one in strictness.items():
        balanced, strict = (one[name]["macro_f1"]["value"] for name in STRICTNESS)
        apart = (
            "more than chance explains"
            if one["told_apart"]
            else f"we cannot tell the two apart on {one['test_records']} test records"
        )
        said.append(f"On `{task}`, macro-F1 is {balanced:.3f} with `balanced` and {strict:.3f} with `strict`: {apart}.")
    return " ".join(said)


def names_table(measured: dict[str, Any]) -> str:
    lines = [
        "| recognizer | names | in the training texts | at least in part | continued | controls continued | bits of"
        " exposure | of controls |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for system, groups in measured.items():
        for group, one in groups.items():
            shares = [one["standing"], one["standing_in_part"], one["extracted"], one["extracted_controls"]]
            counts = [one["planted"], one["planted"], one["planted"], one["controls"]]
            cells = [f"{share['count']} of {of} {_interval(share)}" for share, of in zip(shares, counts, strict=True)]
            cells += [f"{one[bits]['value']:.2f} {_interval(one[bits], 2)}" for bits in ("bits", "control_bits")]
            lines.append(f"| {system} | {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


def strictness_table(strictness: dict[str, Any]) -> str:
    lines = [
        "| task | test records | macro-F1, balanced | macro-F1, strict | difference | replaced, balanced | replaced,"
        " strict |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for task, one in strictness.items():
        figures = [one[name]["macro_f1"] for name in STRICTNESS] + [one["difference"]]
        cells = [f"{figure['value']:.3f} {_interval(figure)}" for figure in figures]
        cells += [f"{one[name]['replaced']:.2%}" for name in STRICTNESS]
        lines.append(f"| {task} | {one['test_records']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(figure: dict[str, float], digits: int = 3) -> str:
    return f"({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `python -m benchmarks.recipe_tasks`")
    parser.add_argument("--names", type=Path, required=True, help="of `python -m benchmarks.names_data`")
    parser.add_argument("--only-kept", action="store_true", help="what F/names_downstream has; measures nothing")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/names_downstream.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    if missing := sorted({*TASKS} & {*differing(folder)}):
        raise SystemExit(
            f"{', '.join(missing)}: not in {folder} as in {COMMITTED.name}\n"
            f"Run: python -m benchmarks.recipe_tasks --folder {folder} --task {' '.join(missing)}"
        )
    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    logging.getLogger().setLevel(logging.ERROR)
    notes = notes_of({name: read_gold(arguments.names / f"{name}.jsonl") for name in SOURCES})
    names: dict[str, Any] = {}
    for system, made in SYSTEMS.items():
        try:
            names[system] = of_names(folder, notes, made(), arguments.only_kept)
        except MissingExtra as error:
            names[system] = {"skipped": error.message}
        except NotMeasured:
            names[system] = {"skipped": NOT_YET}
        print(system, json.dumps(names[system].get("all", names[system])), file=sys.stderr, flush=True)
    strictness: dict[str, Any] = {}
    for task in TASKS:
        try:
            strictness[task] = compared({name: of_task(folder, task, name, arguments.only_kept) for name in STRICTNESS})
        except NotMeasured:
            strictness[task] = {"skipped": NOT_YET}
        print(task, json.dumps(strictness[task]), file=sys.stderr, flush=True)
    found = {"names": names, "strictness": strictness}
    if arguments.write:
        DOCS.write_text(page(found), encoding="utf-8")
    print(json.dumps(found, indent=1) if arguments.json else page(found))


if __name__ == "__main__":
    main()
