"""Trains the network behind `privacy.ner: built_in` and writes its weights.

    python -m benchmarks.names_data --folder F       # fetches and converts the annotated sources
    python -m benchmarks.name_tagger --folder F --out names.safetensors

Learns from the sources with the role `train` (`names_data/sources.json`) and from texts that are made up (`forms.py`),
with the platform's training loop. Of every source the last of twenty parts is for validation. One core takes about
twenty minutes.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.name_tagger.forms import made  # noqa: E402
from benchmarks.name_tagger.network import Sentence, Tagger, TagLoss, sentence  # noqa: E402
from ft_platform.privacy.evaluation import GoldText  # noqa: E402
from ft_platform.privacy.ner.built_in.network import TAGS, quantized  # noqa: E402

SOURCES = REPOSITORY / "benchmarks" / "names_data" / "sources.json"
MOST_WORDS = 250_000
"""Of one source: large ones are of one kind of text."""
MADE = 20_000
"""Texts of `forms.py`."""
PARTS = 20
"""Sentences of a source are cut into so many parts; the last one is for validation."""
JOINED = (1, 1, 1, 2, 3)
"""Sentences that are read as one text; with blanks or ends of lines between them."""


def annotated(folder: Path, source: dict[str, Any]) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Texts of a source with the places of its tags."""
    lines = (folder / f"{source['name']}.jsonl").read_text(encoding="utf-8").split("\n")
    return [
        (row["full_text"], [(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]])
        for row in map(json.loads, filter(None, lines))
    ]


def in_parts(texts: list[Any]) -> tuple[list[Any], list[Any]]:
    """Texts to learn from, and those for validation."""
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


def rows(folder: Path, seed: int = 5) -> tuple[list[Sentence], list[Sentence], dict[str, list[GoldText]]]:
    """What is learned from, what validates, and the latter by source as annotated texts."""
    draw = random.Random(seed)
    learned, gold = [], {}
    for source in json.loads(SOURCES.read_text(encoding="utf-8")):
        if source["role"] == "train":
            first, last = in_parts(annotated(folder, source))
            for _ in range(source.get("repeated", 1)):
                learned += joined(at_most(first, MOST_WORDS, draw), draw)
            gold[source["name"]] = [GoldText(text, tuple(spans)) for text, spans in last]
    first, last = in_parts(list(made(MADE)))
    learned += [sentence(*one) for one in first]
    gold["made"] = [GoldText(text, tuple(spans)) for text, spans in last]
    draw.shuffle(learned)
    validation = [
        row
        for texts in gold.values()
        for one in draw.sample(texts, min(150, len(texts)))
        if (row := sentence(one.text, one.spans)).words
    ]
    return learned, validation, gold


def about() -> dict[str, str]:
    """What the file of weights says of itself."""
    sources = json.loads(SOURCES.read_text(encoding="utf-8"))
    learned = [f"{s['name']} ({s['licence']}, {s['url']})" for s in sources if s["role"] == "train"]
    return {"tags": " ".join(TAGS), "license": "CC-BY-SA-4.0", "learned_from": "; ".join(learned)}


def main() -> None:
    import torch
    from safetensors.numpy import save_file

    from ft_platform.settings.training import Training
    from ft_platform.training.loop import train

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `python -m benchmarks.names_data`")
    parser.add_argument("--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("FT_THREADS", "2")))
    learned, validation, _ = rows(arguments.folder)
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

    train(model, TagLoss(), learned, validation, training, on_step=told)
    new = arguments.out.with_suffix(".new")
    save_file(quantized({name: w.numpy() for name, w in model.state_dict().items()}), new, about())
    new.rename(arguments.out)


if __name__ == "__main__":
    main()
