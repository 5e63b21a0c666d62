"""ft check: every use-case file, all problems at once; and who else may read the private folders, as warnings."""

import argparse
import json
import sys

HELP = (
    "Check every use-case file (each problem with file, line, expected and got), name the settings and policy in force,"
    " and warn where others may read."
)
EXAMPLES = ["ft check", "ft check --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError
    from ft_platform.lake.private_folders import problems_of
    from ft_platform.redaction.lint import own_code_warnings
    from ft_platform.redaction.settings_file import instance_problems
    from ft_platform.settings.environment_file import environment_file
    from ft_platform.use_case.file import find_use_cases, has_own_component, shown, validate_all

    environment, settings = load_environment(), environment_file()
    defs = environment.defs
    folders = find_use_cases(defs)
    names = [folder.name for folder in folders]
    problems = [*validate_all(defs, environment), *instance_problems(environment.dagster_home)]
    warnings: list[str] = []
    if own := [folder for folder in folders if has_own_component(folder)]:
        from ft_platform.orchestration.loading import component_problems

        problems += component_problems(own, environment)
        warnings += [warning for folder in own for warning in own_code_warnings(folder)]
    try:
        warnings += problems_of(environment)
    except ConfigError as error:  # a group that does not exist
        problems += error.problems
    if arguments.json:
        found = {"settings": str(settings) if settings else None, "policy": environment.policy.title}
        print(
            json.dumps(
                {"use_cases": names, "problems": problems, "warnings": warnings, **found}, indent=1, ensure_ascii=False
            )
        )
    else:
        print(
            f"Settings: {shown(settings) if settings else 'no ft_environment.yaml'}. Policy: {environment.policy.title}"
        )
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        for problem in problems:
            print(problem, file=sys.stderr)
        print(
            f"{len(names)} use case{'' if len(names) == 1 else 's'} in {shown(defs)}: "
            + (f"{len(problems)} problems" if problems else "all load")
        )
    return 1 if problems else 0
