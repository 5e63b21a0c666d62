"""Trains the network for names with the platform's training loop."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.name_tagger.data import PARTS, Source, markdown, records
from benchmarks.name_tagger.forms import made
from benchmarks.name_tagger.network import Sentence, Tagger, TagLoss, sentence
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.ner.built_in import BuiltInNer
from ft_platform.privacy.ner.built_in.network import TAGS, quantized
from ft_platform.training.run import TrainingRun
from ft_platform.training.state import States
from ft_platform.use_case.settings.privacy import Privacy

MOST_WORDS = 250_000
"""Of one source: large ones are of one kind of text."""
MADE = 20_000
"""Texts of `forms.py`."""
JOINED = (1, 1, 1, 2, 3)
"""Sentences that are read as one text; with blanks or ends of lines between them."""


def annotated(folder: Path, source: Source) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Texts of a source with the places of its tags."""
    return [
        (row["full_text"], [(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]])
        for row in records(folder, source)
    ]


def in_parts(texts: list[Any]) -> tuple[list[Any], list[Any]]:
    """Texts that are made up to learn from, and those for validation."""
    last = len(texts) - max(1, len(texts) // PARTS)
    return texts[:last], texts[last:]


def at_most(texts: list[Any], words: int, draw: random.Random) -> list[Any]:
    """Whole stretches of the texts with about so many words."""
    total = sum(len(text.split()) for text, _ in texts)
    if total <= words:
        return texts
    blocks = [texts[i : i + 50] for i in range(0, len(texts), 50)]
    draw.shuffle(blocks)
    return [text for block in blocks[: max(1, int(len(blocks) * words / total))] for text in block]


def joined(texts: list[Any], draw: random.Random) -> Iterator[Sentence]:
    """Neighbouring sentences as one text, by chance."""
    place = 0
    while place < len(texts):
        count = draw.choice(JOINED)
        text, spans = "", []
        for part, own in texts[place : place + count]:
            text += draw.choice((" ", "\n")) if text else ""
            spans += [(start + len(text), end + len(text), tag) for start, end, tag in own]
            text += part
        place += count
        row = sentence(text, spans)
        if row.words:
            yield row


def side(folder: Path, source: Source, sides: dict[str, str], letter: str) -> list[Any]:
    """Texts of one side (`data.SIDES`)."""
    letters = sides[source["name"]]
    return [text for text, own in zip(annotated(folder, source), letters, strict=False) if own == letter]


def rows(
    folder: Path, entries: Sequence[Source], sides: dict[str, str], seed: int = 5
) -> tuple[list[Sentence], list[Sentence]]:
    """What is learned from, and what validates.

    Args:
        sides: what becomes of each text (`data.divided`).
    """
    draw = random.Random(seed)
    learned, gold = [], {}
    for source in (one for one in entries if one["name"] in sides):
        first = side(folder, source, sides, "t")
        for _ in range(source.get("repeated", 1)):
            learned += joined(at_most(first, MOST_WORDS, draw), draw)
        gold[source["name"]] = side(folder, source, sides, "v")
    first, last = in_parts(list(made(MADE)))
    learned += [sentence(*one) for one in first]
    gold["made"] = last
    draw.shuffle(learned)
    validation = [
        row
        for texts in gold.values()
        for one in draw.sample(texts, min(150, len(texts)))
        if (row := sentence(*one)).words
    ]
    return learned, validation


def about(entries: Sequence[Source]) -> dict[str, str]:
    """What the file of weights says of itself: one entry, since safetensors writes several in an order by chance, and
    equal weights are to be equal files."""
    learned = [f"{s['name']} ({s['licence']}, {s['url']})" for s in entries if s["role"] == "train"]
    return {"about": f"tags: {' '.join(TAGS)}; license: CC-BY-SA-4.0; learned from: {', '.join(learned)}"}


def trained(
    learned: list[Sentence], validation: list[Sentence], arguments: Any, states: States | None = None
) -> tuple[dict[str, np.ndarray], TrainingRun]:
    """Weights as the file holds them, and how they came about.

    Args:
        arguments: `epochs` and `seed`.
        states: where a training that was stopped goes on from.
    """
    import torch

    from ft_platform.training.loop import train
    from ft_platform.use_case.settings.training import Training

    torch.set_num_threads(int(os.environ.get("FT_THREADS", "2")))
    print(f"{len(learned):,} texts, {sum(len(r.words) for r in learned):,} tokens, {len(validation):,} to validate")
    torch.manual_seed(arguments.seed)
    model = Tagger()
    training = Training.model_validate(
        {
            "recipe": "manual",
            "epochs": arguments.epochs,
            "batch_rows": 64,
            "micro_batch_tokens": 16384,
            "learning_rate": 3e-3,
            "weight_decay": 0.01,
            "schedule": "cosine",
            "warmup_fraction": 0.05,
            "validations_per_epoch": 1,
            "patience": 100,
            "keep": "best_metric",
            "seed": arguments.seed,
        }
    )
    begun = time.monotonic()

    def told(step: int, values: dict[str, float]) -> None:
        if "validation_loss" in values or step % 500 == 0:
            shown = {k: round(v, 4) for k, v in values.items() if k in ("loss", "validation_loss", *TagLoss.MEASURED)}
            print(step, shown, f"{time.monotonic() - begun:.0f} s", flush=True)

    run = train(model, TagLoss(), learned, validation, training, on_step=told, states=states)
    return quantized({name: w.numpy() for name, w in model.state_dict().items()}), run


def validation_table(weights: Path, folder: Path, entries: Sequence[Source], sides: dict[str, str]) -> str:
    """What the network alone finds in validation texts, as a table by source, with the means of each language."""
    from benchmarks.names import MEASURES, NAMES, group, measured

    network, least = BuiltInNer(weights), Privacy().min_score
    found: dict[str, dict[str, Any]] = {}
    for source in (one for one in entries if one["name"] in sides):
        kinds = source.get("types", NAMES)
        gold = [
            GoldText(text, tuple(span for span in spans if span[2] in kinds))
            for text, spans in side(folder, source, sides, "v")
        ]
        figures = measured(gold, lambda ts: [[s for s in one if s.score >= least] for one in network.find(ts)], kinds)
        found.setdefault(source["language"], {})[source["name"]] = {"texts": len(gold), "network": figures}
    lines = []
    for language, own in found.items():
        total = {"texts": sum(one["texts"] for one in own.values()), "network": group(own, "network")}
        for name, one in (*own.items(), *([("all", total)] if len(own) > 1 else [])):
            figures = ("" if one["network"][m] is None else f"{one['network'][m]:.3f}" for m in MEASURES)
            lines.append([language, name, one["texts"], *figures])
    return markdown(["language", "source", "texts", *MEASURES], lines)
