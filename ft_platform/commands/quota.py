"""ft quota: what each team has used of its month, what is left, and who waits for the machines."""

import argparse
import json
from dataclasses import asdict
from typing import Any

HELP = "Show what each team used of its quota of a month, what is reserved and left, and the queue of programs."
EXAMPLES = ["ft quota", "ft quota legal", "ft quota --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("team", nargs="?", help="only this team (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.costs.ledger import month_of
    from ft_platform.costs.quotas import standings
    from ft_platform.costs.teams import teams_of
    from ft_platform.costs.waiting import waiting_in
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.loading import use_cases_of
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    lake, teams = open_lake(environment), teams_of(use_cases_of(environment).values())
    found = standings(lake, environment, teams, month_of())
    if arguments.team is not None:
        known = [one.team for one in found]
        found = [one for one in found if one.team == arguments.team]
        if not found:
            raise ConfigError([f"there is no team {arguments.team!r}; there are {known}"])
    queue = waiting_in(lake, environment, teams)
    if arguments.json:
        told = {"month": month_of(), "teams": [_told(one) for one in found], "queue": [asdict(one) for one in queue]}
        print(json.dumps(told, indent=1))
        return 0
    _print_teams(found)
    _print_queue(queue)
    return 0


def _told(one: Any) -> dict[str, Any]:
    measures = {each.name: {**asdict(each), "left": each.left} for each in one.measures}
    return {"team": one.team, **measures, "raised": [each.model_dump() for each in one.raised]}


def _print_teams(found: list[Any]) -> None:
    if not found:
        print("No team has a quota, a use case or programs.")
        return
    width = max(len(one.team) for one in found)
    print(f"{'team':<{width}}  {'used':>10} {'reserved':>10} {'limit':>10} {'left':>10} {'forecast':>10}")
    for one in found:
        for measure in one.measures:
            figures = (measure.used, measure.reserved, measure.limit, measure.left, measure.forecast)
            shown = " ".join(f"{'-' if value is None else f'{value:.2f}':>10}" for value in figures)
            print(f"{one.team:<{width}}  {shown}  {measure.unit}")
        for each in one.raised:
            print(f"{'':<{width}}  of which granted: {each.gpu_hours:g} GPU-hours, {each.money:g} {one.money.unit}")
            print(f"{'':<{width}}  because: {each.reason}")


def _print_queue(queue: list[Any]) -> None:
    for one in queue:
        print(f"{one.place:>3}  {one.team}  {one.use_case}  {one.program}  {one.priority}  {one.why}")
