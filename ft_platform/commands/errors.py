"""ft errors: which test records a system got wrong, with their texts for people who may see them."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from ft_platform.commands import count, opened

if TYPE_CHECKING:
    import pyarrow as pa

    from ft_platform.lake.store import Lake
    from ft_platform.lake.versions import ArtifactVersion

HELP = (
    "Show the test records that a system got wrong, by the labels it mixed up, surest mistakes first. Ids only;"
    " --text adds the texts, on a terminal."
)
EXAMPLES = [
    "ft errors complaint_routing",
    "ft errors complaint_routing --wrong-labels --text",
    "ft errors support_assistant --golden --text",
    'ft errors complaint_routing --label mortgage --predicted "debt collection" --text',
    "ft errors complaint_routing --system base_few_shot --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument(
        "--system", default="fine_tuned", help="system of the newest evaluation report (default fine_tuned)"
    )
    parser.add_argument("--label", help="only records with this label")
    parser.add_argument("--predicted", help="only records that were given this label")
    parser.add_argument(
        "--wrong-labels", action="store_true", help="instead: training records whose own label is probably wrong"
    )
    parser.add_argument("--golden", action="store_true", help="instead: golden prompts, and what the model answers")
    parser.add_argument("--show", type=count, default=5, metavar="N", help="records to show in each group (default 5)")
    parser.add_argument(
        "--text", action="store_true", help="show the anonymized texts, if you may read the restricted zone"
    )
    parser.add_argument(
        "--force", action="store_true", help="with --text: show them even if standard output is not a terminal"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, without texts")


def run(arguments: argparse.Namespace) -> int:
    import pyarrow.compute as pc

    from ft_platform.errors import ConfigError, FtError
    from ft_platform.evaluation.files import read_predictions
    from ft_platform.evaluation.mistakes import mistakes
    from ft_platform.evaluation.pairs import newest_evaluation
    from ft_platform.evaluation.predictions import rows_of, systems_in

    if arguments.text and not arguments.json and not (arguments.force or sys.stdout.isatty()):
        problem = "texts are only for people who may see them, and standard output is not a terminal"
        raise FtError(problem, "Remove --text to get ids, or add --force")
    _, use_case, lake = opened(arguments.use_case)
    evaluation = newest_evaluation(lake, use_case)
    if arguments.wrong_labels:
        return _wrong_labels(lake, evaluation, arguments)
    if arguments.golden:
        return _golden(lake, evaluation, arguments)
    predictions = read_predictions(lake, evaluation)
    if arguments.system not in (systems := systems_in(predictions)):
        raise ConfigError(
            [f"evaluation {evaluation.id} has no system {arguments.system!r}"], f"Name one of {', '.join(systems)}"
        )
    rows = rows_of(predictions, arguments.system)
    chosen = rows
    for column in ("label", "predicted"):
        if (wanted := getattr(arguments, column)) is not None:
            if column not in rows.schema.names:
                raise ConfigError([f"--{column}: {use_case.name} has no labels"], f"Remove --{column}")
            chosen = chosen.filter(pc.field(column) == wanted)
    found = mistakes(use_case, chosen, arguments.show)
    if arguments.json:
        shown = {
            "use_case": use_case.name,
            "evaluation": evaluation.id,
            "system": arguments.system,
            "test_rows": rows.num_rows,
            "mistakes": found,
        }
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    wrong = sum(group["count"] for group in found)
    print(
        f"{arguments.system}: {wrong:,} of {rows.num_rows:,} test records have a different answer from their reference"
    )
    _show(found, _texts(lake, evaluation, chosen, found) if arguments.text else {}, "taken for")
    return 0


def _golden(lake: "Lake", evaluation: "ArtifactVersion", arguments: argparse.Namespace) -> int:
    """Shows the golden prompts, those that are broken first."""
    from ft_platform.commands.fairness import printable
    from ft_platform.evaluation.golden_prompts import golden_figures, read_golden

    found = sorted(read_golden(lake, evaluation), key=lambda one: one.kept)
    if arguments.json:
        print(json.dumps({"evaluation": evaluation.id, "golden": golden_figures(found)}, indent=1, ensure_ascii=False))
        return 0
    print(f"{sum(one.kept for one in found):,} of {len(found):,} golden prompts are answered as experts ask")
    for one in found:
        lacks = [f"lacks {' or '.join(any_of)}" for any_of in one.faults["unsaid"]]
        says = [f"says {phrase}" for phrase in one.faults["said"]]
        print(printable(f"  {one.asked.name}: {'; '.join([*lacks, *says]) or ('as asked' if one.kept else 'empty')}"))
        if arguments.text:
            print("\n".join(f"    {line}" for line in printable(f"the model wrote: {one.answer}").splitlines()))
    return 0


def _wrong_labels(lake: "Lake", evaluation: "ArtifactVersion", arguments: argparse.Namespace) -> int:
    """Shows the training records that the evaluation's diagnosis doubts, by label and suggested label."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from ft_platform.evaluation.files import DOUBTED
    from ft_platform.evaluation.mistakes import grouped

    if DOUBTED not in lake.manifest(evaluation).files:
        found, records = [], None
    else:
        records = pq.read_table(lake.open_file(evaluation, DOUBTED)).rename_columns({"suggested": "predicted"})
        for column in ("label", "predicted"):
            if (wanted := getattr(arguments, column)) is not None:
                records = records.filter(pc.field(column) == wanted)
        found = grouped(records, arguments.show)
    if arguments.json:
        print(json.dumps({"evaluation": evaluation.id, "wrong_labels": found}, indent=1, ensure_ascii=False))
        return 0
    print(f"{sum(group['count'] for group in found):,} training records whose label is probably wrong")
    _show(found, _texts(lake, evaluation, records, found) if arguments.text and records is not None else {}, "perhaps")
    return 0


def _texts(
    lake: "Lake", evaluation: "ArtifactVersion", predictions: "pa.Table", groups: list[dict[str, Any]]
) -> dict[str, list[tuple[str, str]]]:
    """Record id -> role and text of its turns, and what the model wrote where it writes."""
    import pyarrow.compute as pc

    from ft_platform.cleaning.differences import refused_without_access
    from ft_platform.lake.parents import version_of_parent
    from ft_platform.lake.versions import TableVersion

    record_ids = [record["record_id"] for group in groups for record in group["records"]]
    with refused_without_access(lake, evaluation.use_case):
        parent = next(one for one in lake.manifest(evaluation).parents if one.name == "splits")
        splits = version_of_parent(lake, evaluation.use_case, parent)
        assert isinstance(splits, TableVersion)
        rows = lake.read_table(splits).filter(pc.field("record_id").isin(record_ids)).to_pylist()
    found = {row["record_id"]: [(turn["role"], turn["content"]) for turn in row["messages"]] for row in rows}
    if "answer" in predictions.schema.names:
        for record_id, answer in zip(
            predictions["record_id"].to_pylist(), predictions["answer"].to_pylist(), strict=True
        ):
            if record_id in found:
                found[record_id].append(("the model wrote", answer))
    return found


def _show(groups: list[dict[str, Any]], texts: dict[str, list[tuple[str, str]]], but: str) -> None:
    from ft_platform.commands.fairness import printable

    for group in groups:
        if group["label"] is not None:
            print()
            print(printable(f"{group['count']:,} × {group['label']} {but} {group['predicted']}"))
        for record in group["records"]:
            score = "" if record["score"] is None else f"  {record['score']:.3f}"
            print(f"  {record['record_id']}{score}")
            for role, text in texts.get(record["record_id"], []):
                print("\n".join(f"    {line}" for line in printable(f"{role}: {text}").splitlines()))
