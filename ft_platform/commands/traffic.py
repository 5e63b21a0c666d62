"""ft traffic: what a served model was asked, day by day; the shipping of what servers noted, and the logs of others."""

import argparse
import json
import sys
import time
from typing import Any

HELP = "Show the requests to a served model by day; ship what servers of this machine noted, and read logs of others."
EXAMPLES = [
    "ft traffic complaint_routing",
    "ft traffic complaint_routing --days 30 --json",
    "ft traffic complaint_routing --labels tickets.csv --columns answer_id department",
    "ft traffic complaint_routing --forget -      # the person's id on standard input",
    "ft traffic --ship --every 60                # beside servers on a machine without Dagster's daemon",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", nargs="?", help="name of the use case (ft list)")
    parser.add_argument("--days", type=int, default=7, help="newest days that are shown (default: 7)")
    parser.add_argument("--labels", metavar="FILE", help="add right labels by ids of requests, e.g. of a ticket system")
    parser.add_argument(
        "--columns", nargs=2, default=["request_id", "label"], metavar=("ID", "LABEL"), help="of --labels"
    )
    parser.add_argument("--forget", metavar="PERSON", help="delete all texts of a person, `-`: one on standard input")
    parser.add_argument("--ship", action="store_true", help="only ship, for every use case")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="with --ship: again and again")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.monitoring.traffic.shipping import ship, spool_path
    from ft_platform.use_case.environment import load_environment

    if arguments.ship == bool(arguments.use_case):
        raise ConfigError(["name a use case, or --ship for all"])
    if arguments.use_case:
        return _show(arguments)
    environment = load_environment()
    lake = open_lake(environment)
    while True:
        added = ship(lake, spool_path(environment))
        if added or not arguments.every:
            print(json.dumps(added) if arguments.json else _in_words(added), flush=True)
        if not arguments.every:
            return 0
        time.sleep(arguments.every)


def _in_words(added: dict[str, dict[str, int]]) -> str:
    words = (f"{name}: {', '.join(f'{rows:,} {kind}' for kind, rows in of.items())}" for name, of in added.items())
    return "\n".join(words) or "nothing new"


def _show(arguments: argparse.Namespace) -> int:
    from ft_platform.commands import opened
    from ft_platform.monitoring.traffic import logs
    from ft_platform.monitoring.traffic.days import summary
    from ft_platform.monitoring.traffic.label_file import add_labels
    from ft_platform.monitoring.traffic.shipping import ship, spool_path

    environment, use_case, lake = opened(arguments.use_case)
    ship(lake, spool_path(environment))
    if arguments.forget:
        return _forget(lake, environment, use_case, arguments)
    read = logs.read_logs(lake, environment, use_case)
    for words in filter(None, map(logs.in_words, read)):
        print(words, file=sys.stderr)
    if arguments.labels:
        told = add_labels(lake, environment, use_case.name, arguments.labels, *arguments.columns)
        print(json.dumps(told) if arguments.json else _added(told))
        return 0
    days = summary(lake, use_case.name, arguments.days)
    if arguments.json:
        print(json.dumps({"use_case": use_case.name, "days": days, "logs": read}, indent=1))
        return 0
    if not days:
        print(f"No request to {use_case.name} was noted. Serve it: ft deploy {use_case.name}")
        return 0
    print(f"{'day':<12}{'requests':>10}{'errors':>8}{'p50 s':>9}{'p95 s':>9}{'texts':>8}{'feedback':>10}  right")
    for one in days:
        print(_row(one))
    return 0


def _forget(lake: Any, environment: Any, use_case: Any, arguments: argparse.Namespace) -> int:
    from ft_platform.governance.taint import sweep
    from ft_platform.monitoring.traffic.shipping import forget_subject, spool_path

    subject = sys.stdin.readline().strip() if arguments.forget == "-" else arguments.forget
    requests = forget_subject(lake, spool_path(environment), use_case.name, subject)
    tainted = [one.to_dict() for one in sweep(lake, use_case).tainted]
    if arguments.json:
        print(json.dumps({"requests": requests, "tainted": tainted}, indent=1))
        return 0
    print(f"the texts of {requests:,} requests are deleted")
    for one in tainted:
        print(f"  {one['version']} holds {one['rows']:,} rows that may not be used any more")
    return 0


def _added(told: dict[str, int]) -> str:
    if not told["added"] and told["rows"]:
        return f"a file with this content was added before ({told['rows']:,} rows)"
    waits = f"; {told['unknown']:,} ids are of no request that is noted" if told["unknown"] else ""
    other = f"; {told['other_labels']:,} are no label of a record, and only say: wrong" if told["other_labels"] else ""
    return f"{told['added']:,} labels added{waits}{other}"


def _row(one: dict[str, Any]) -> str:
    right = "-" if one["right"] is None else f"{one['right']:.0%} of {one['judged']:,} judged"
    p50, p95 = (f"{one[name]:.3f}" if one[name] is not None else "-" for name in ("p50", "p95"))
    return (
        f"{one['day']:<12}{one['requests']:>10,}{one['errors']:>8,}{p50:>9}{p95:>9}{one['texts']:>8,}"
        f"{one['feedback']:>10,}  {right}"
    )
