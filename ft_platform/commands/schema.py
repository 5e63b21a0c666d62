"""ft schema: the JSON Schema of a use-case file, and the entities that can be looked for."""

import argparse
import json
from pathlib import Path

HELP = "Print the JSON Schema of a use-case file, or the entities that privacy can name."
EXAMPLES = ["ft schema", "ft schema --output use_case.schema.json", "ft schema entities"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=["file", "entities"],
        default="file",
        help="`file`: the JSON Schema; `entities`: names for privacy.entities (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file")
    parser.add_argument("--json", action="store_true", help="print JSON (the schema is always JSON)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "entities":
        text = _entities(as_json=arguments.json)
    else:
        from ft_platform.use_case.fields import file_schema

        text = json.dumps(file_schema(), indent=2, ensure_ascii=False)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")
        print(f"{arguments.output} is written.")
    else:
        print(text)
    return 0


def _entities(*, as_json: bool) -> str:
    from ft_platform.use_case.settings.privacy import entity_names

    entities = entity_names()
    return json.dumps(entities, indent=1) if as_json else "\n".join(entities)
