"""ft new: a complete, commented YAML for a new use case."""

import argparse

HELP = "Write a complete, commented use-case file that runs as it is."
EXAMPLES = ["ft new contract_questions", "ft new support_answers --kind generation"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the use case: lower case letters, digits and _")
    parser.add_argument(
        "--kind",
        choices=["classification", "generation"],
        default="classification",
        help="what the model answers: a label or free text (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.file import FILE_NAME, shown
    from ft_platform.use_case.scaffold import check_name, scaffold_yaml

    check_name(arguments.name)
    folder = load_environment().writable_defs / arguments.name
    if folder.exists():
        raise ConfigError([f"{shown(folder)} is there already"], "Choose another name, or edit it")
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_text(scaffold_yaml(arguments.name, arguments.kind), encoding="utf-8")
    print(f"{shown(folder / FILE_NAME)} is written.")
    print(f"Edit it, then: ft check && ft run {arguments.name}")
    return 0
