"""Trains the network behind `privacy.ner: built_in` and writes its weights.

    python -m benchmarks.names_data --folder F       # fetches and converts the annotated sources
    python -m benchmarks.name_tagger --folder F --out names.safetensors
    python -m benchmarks.name_tagger --folder F --card       # only the data, as docs/benchmarks/names_data.md
    NAMES_FOLDER=F dagster dev -m benchmarks.name_tagger.definitions     # the same graph in Dagster's pages

Learns from the sources with the role `train` (`names_data/sources.json`) and from texts that are made up (`forms.py`),
with the platform's training loop. What was made from the same content is taken from `F/lake`, and a training that was
stopped goes on. One core takes about twenty minutes."""

import argparse
import os
from pathlib import Path
from typing import Any

import dagster as dg
import fsspec

from benchmarks.name_tagger.definitions import DATA, WEIGHTS, NameTagger, graph
from ft_platform.assets.version_io import HANDLE
from ft_platform.lake.files import write_bytes

DOCS = Path(__file__).parent.parent.parent / "docs" / "benchmarks" / "names_data.md"
PAGE = """# Texts for the network that finds names

`python -m benchmarks.name_tagger --folder F --card`: what the [network](../names_model_card.md) learns from and is
[measured](names.md) with. All sources are public; `benchmarks/names_data/sources.json` has their files and hashes.

{card}
## Texts that are not used

Texts of a source for training that are equal or nearly equal to one of a test (Jaccard similarity of word 3-grams of
0.7 or more, directly or through others), hold 13 words in a row or a whole sentence of one, or are nearly equal to one
that validates. A text that is near several tests counts for each. Texts of fewer than four words, such as `Thanks` or
`§ 3`, are equal by chance in any two sources.

{removed}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `python -m benchmarks.names_data`")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, help="file of weights to write")
    wanted.add_argument("--card", action="store_true", help="train nothing, write docs/benchmarks/names_data.md")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--texts", type=int, help="at most so many of each source for training, to try the graph")
    arguments = parser.parse_args()
    settings = NameTagger(arguments.folder, arguments.epochs, arguments.seed, arguments.texts)
    instance = dg.DagsterInstance.get() if "DAGSTER_HOME" in os.environ else dg.DagsterInstance.ephemeral()
    result = (
        graph(settings)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=DATA if arguments.card else None,
            run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
        )
    )
    for check in result.get_asset_check_evaluations():
        print(f"{check.check_name}: {'passed' if check.passed else 'FAILED'}")
    if not result.success:
        raise SystemExit("a step or a check failed; nothing was written")

    def made(name: str, file: str) -> bytes:
        handle: Any = result.asset_materializations_for_node(name)[0].metadata[HANDLE].value
        return Path(handle["uri"], file).read_bytes()

    if arguments.card:
        card, removed = made("annotated_texts", "data_card.md"), made("tagger_splits", "removed.md")
        DOCS.write_text(PAGE.format(card=card.decode(), removed=removed.decode()), encoding="utf-8")
    else:
        write_bytes(fsspec.filesystem("file"), str(arguments.out), made("name_network", WEIGHTS))
        print(made("name_report", "report.md").decode())


if __name__ == "__main__":
    main()
