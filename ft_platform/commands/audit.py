"""ft audit: the records of a use case as the base model will see them, before a GPU is paid for."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from ft_platform.commands import count, opened

HELP = (
    "Show every record as the base model will see it, and what would go wrong in training. Ends with 1 if training"
    " is refused."
)
EXAMPLES = [
    "ft audit complaint_routing",
    "ft audit complaint_routing --show 3",
    "ft audit complaint_routing --show 3 --html audit.html",
    "ft audit complaint_routing --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument(
        "--show",
        type=count,
        default=0,
        metavar="N",
        help="show N rendered training records: tokens that count in the loss, context, padding",
    )
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write the shown records (default 3) into one HTML file; it contains their anonymized texts",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: rows, supervised_share, faults; no texts")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.terminal import ProgressView
    from ft_platform.errors import VersionRefused
    from ft_platform.process.progress import listening
    from ft_platform.reporting.publishing.training_audit import audit_for
    from ft_platform.training.audit_verdict import read_figures

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    environment, use_case, lake = opened(arguments.use_case)
    splits = lake.latest(use_case.name, "splits")
    if splits is None:
        raise VersionRefused(f"{use_case.name} has no splits yet", f"Run: ft run {use_case.name}")
    with ProgressView(sys.stderr) as view, listening(view.update):
        audit = audit_for(lake, environment, use_case, splits)
    figures = read_figures(lake, audit)
    examples = _examples(lake, environment, use_case, splits, arguments) if arguments.show or arguments.html else []
    if arguments.html:
        from ft_platform.reporting.html import page

        title = f"{use_case.name}: records of {splits.id} as training sees them"
        arguments.html.write_text(page("audit_examples.html", title=title, examples=examples, figures=figures), "utf-8")
    if arguments.json:
        print(
            json.dumps(
                {**figures, "use_case": use_case.name, "splits": splits.id, "audit": audit.artifact_id}, indent=1
            )
        )
    else:
        _show(figures, examples if arguments.show else [], splits.id)
    return 0 if figures["passed"] else 1


def _examples(lake: Any, environment: Any, use_case: Any, splits: Any, arguments: argparse.Namespace) -> list[Any]:
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer, labels_of
    from ft_platform.models.tokenizer import load_tokenizer
    from ft_platform.training.audit_view import require_anonymized, shown_examples
    from ft_platform.training.dataset import read_splits

    require_anonymized(lake, use_case, splits)
    table = read_splits(lake, splits)
    tokenizer = load_tokenizer(base_model.resolve_here(use_case.settings.trained_base, environment)).tokenizer
    renderer = Renderer(tokenizer, use_case.settings.task, labels_of(table))
    return shown_examples(table, use_case, renderer, tokenizer, arguments.show or 3)


def _show(figures: dict[str, Any], examples: list[Any], version: str) -> None:
    from rich.console import Console

    from ft_platform.training.audit_view import coloured

    console = Console(highlight=False, soft_wrap=True)
    colours = console.color_system is not None and not console.no_color
    for example in examples:
        tokens = ", ".join(f"{example.tokens(kind)} {kind}" for kind in ("supervised", "context", "padding"))
        console.print(f"record {example.record_id} ({example.side}): {tokens} tokens", style="bold", markup=False)
        console.print(coloured(example, colours=colours))
        console.print()
    if examples:
        told = "green counts in the loss, grey is padding" if colours else "[+ +] counts in the loss, [. .] is padding"
        console.print(
            f"{told} in a padded batch of these records; packed batches have none. Texts are anonymized.\n",
            markup=False,
        )
    share = f"{100 * figures['supervised_share']:.2f} % of the tokens count in the loss"
    console.print(
        f"{version}: {figures['rows']:,} records, {share}, {figures['rows_per_second']:,} records/s", markup=False
    )
    if figures["expected"]:
        console.print(f"Expected with training.recipe: auto: {figures['expected']}", markup=False)
    if figures["special_tokens_neutralized"]:
        console.print(
            f"{figures['special_tokens_neutralized']:,} records spell out a control token of the model; it stays text",
            markup=False,
        )
    for word, sentences in (("refused", figures["problems"]), ("warning", figures["warnings"])):
        for sentence in sentences:
            console.print(f"{word}: {sentence}", style="red" if word == "refused" else "yellow", markup=False)
    console.print("Training is refused." if figures["problems"] else "Nothing prevents training.")
