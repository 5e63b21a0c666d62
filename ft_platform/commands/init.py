"""ft init: the folders, the pseudonym key and the Dagster instance of an installation."""

import argparse

HELP = "Create this installation's folders, pseudonym key and Dagster instance (ft run does it too)."
EXAMPLES = ["ft init", "FT_HOME=/srv/ft ft init"]


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


def run(_arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.orchestration.execution import prepare_home

    environment = load_environment()
    had_key = environment.key_path.exists()
    prepare_home(environment)
    print(f"home          {environment.home}")
    print(f"lake          {environment.lake_uri}")
    print(f"Dagster home  {environment.dagster_home}")
    provider = environment.pseudonym_key_provider
    if provider != "file":
        print(
            f"key           kept by {provider} (ft keys list; ft keys create makes the first version where there is"
            " none)"
        )
    elif had_key:
        print(f"key           {environment.key_path} (was there)")
    else:
        print(
            f"key           {environment.key_path} (created: keep a copy in a safe place, records pseudonymized with it"
            " cannot be matched without it)"
        )
    return 0
