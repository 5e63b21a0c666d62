"""ft init: a repository for use cases; without a name, the folders, the pseudonym key and the Dagster instance of an
installation."""

import argparse
from pathlib import Path

HELP = (
    "Create a repository for your use cases. Without a name, create this installation's folders, pseudonym key and"
    " Dagster instance (ft run does this too)."
)
EXAMPLES = ["ft init acme", "ft init acme --target gcp", "ft init", "FT_HOME=/srv/ft ft init"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="folder of the new repository: lower case letters, digits, `-` and `_`")
    parser.add_argument(
        "--target",
        choices=["aws", "azure", "databricks", "gcp", "kubernetes", "slurm"],
        help="where it shall run: its infrastructure as code goes to `infra/`, its compute profiles into"
        " ft_environment.yaml",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.name is not None:
        from ft_platform.onboarding.repository.write import write_repository

        written = write_repository(Path.cwd(), arguments.name, arguments.target)
        print(f"{arguments.name}/ has {len(written)} new files. Its README.md explains each command.")
        if arguments.target:
            print(f"Read {arguments.name}/infra/ first: put your names into ft_environment.yaml, and apply it.")
        print(f"Next: cd {arguments.name} && ft new contract_questions && ft check")
        return 0
    if arguments.target:
        from ft_platform.errors import ConfigError

        raise ConfigError(["--target needs the name of a new repository"], f"ft init NAME --target {arguments.target}")
    from ft_platform.orchestration.execution import prepare_home
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    had_key = environment.key_path.exists()
    prepare_home(environment)
    print(f"home          {environment.home}")
    print(f"lake          {environment.lake_uri}")
    print(f"Dagster home  {environment.dagster_home}")
    provider = environment.pseudonym_key_provider
    if provider != "file":
        print(
            f"key           kept by {provider} (ft keys list; ft keys create makes the first version if there is none)"
        )
    elif had_key:
        print(f"key           {environment.key_path} (already existed)")
    else:
        print(
            f"key           {environment.key_path} (created: keep a copy in a safe place; without it, new records"
            " cannot get the same pseudonyms)"
        )
    return 0
