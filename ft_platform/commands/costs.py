"""ft costs: what programs cost, by use case and month, beside the budgets."""

import argparse
import json
import re
from typing import Any

HELP = "Show what program runs cost, by use case and month, and the budgets."
EXAMPLES = ["ft costs", "ft costs complaint_routing", "ft costs --month 2026-11 --json", "ft costs --runs"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", nargs="?", help="only this use case (ft list); default: all")
    parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="only this month, UTC (default: all)")
    parser.add_argument("--runs", action="store_true", help="list every program run, including failed and lost ones")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _month(text: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError(f"must look like 2026-11, got {text!r}")
    return text


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.costs.ledger import Ledger
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import use_case_folder

    environment = load_environment()
    rows = Ledger(open_lake(environment)).rows(arguments.month)
    if name := arguments.use_case:
        rows = [row for row in rows if row["use_case"] == name]
        if not rows:
            use_case_folder(environment.defs, name)  # one that is gone may have cost something all the same
    sums = by_use_case_and_month(rows, environment)
    if arguments.json:
        print(json.dumps({"use_cases": sums, **({"runs": rows} if arguments.runs else {})}, indent=1, default=str))
        return 0
    if not rows:
        print(
            "No program has run"
            + (f" for {name}" if name else "")
            + (f" in {arguments.month}" if arguments.month else "")
            + " yet."
        )
        return 0
    _print_sums(sums)
    if arguments.runs:
        print()
        _print_runs(rows)
    return 0


def by_use_case_and_month(rows: list[dict[str, Any]], environment: Any) -> list[dict[str, Any]]:
    """One row per month, use case and currency; the budget is the one that applies now. `money` is None where no run
    has a price."""
    from ft_platform.costs.spent import spent

    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    limits = _limits(environment, {row["use_case"] for row in rows})
    for row in rows:
        key = (row["month"], row["use_case"], row["currency"])
        found = sums.setdefault(
            key,
            {
                "month": key[0],
                "use_case": key[1],
                "currency": key[2],
                "runs": 0,
                "not_finished": 0,
                "seconds": 0.0,
                "cpu_seconds": 0.0,
                "gpu_hours": 0.0,
            }
            | {"tokens": 0, "money": None, "kwh": None, "budget": limits[row["use_case"]]},
        )
        found["runs"] += 1
        found["not_finished"] += row["state"] != "finished"
        for name in ("seconds", "cpu_seconds"):
            found[name] = round(found[name] + row[name], 4)
        found["gpu_hours"] = round(found["gpu_hours"] + row["gpu_seconds"] / 3600, 4)
        found["tokens"] += row["tokens"] or 0
        if row["kwh"] is not None:
            found["kwh"] = round((found["kwh"] or 0.0) + row["kwh"], 6)
    for key, found in sums.items():
        same = (row for row in rows if (row["month"], row["use_case"], row["currency"]) == key)
        found["money"] = spent(same)[key[2]]
    return [sums[key] for key in sorted(sums)]


def _limits(environment: Any, names: set[str]) -> dict[str, float | None]:
    """The lowest limit of each use case alone; one that is gone or does not load has the environment's."""
    from ft_platform.costs.budgets import EVERYTHING, limits_of
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.file import load_use_case, use_case_folder

    found: dict[str, float | None] = {}
    for name in names:
        try:
            path = use_case_folder(environment.defs, name)
            limits = limits_of(environment, load_use_case(path, environment=environment))
            found[name] = min((limit for setting, limit in limits.items() if setting != EVERYTHING), default=None)
        except ConfigError:
            found[name] = environment.budgets.of(name)
    return found


def _print_sums(sums: list[dict[str, Any]]) -> None:
    width = max(len(row["use_case"]) for row in sums)
    print(
        f"month    {'use case':<{width}}  {'runs':>5} {'failed':>7} {'hours':>8} {'GPU-hours':>10} {'tokens':>12}"
        f" {'cost':>12} {'budget':>10}  kWh"
    )
    for row in sums:
        budget = "-" if row["budget"] is None else f"{row['budget']:.2f}"
        energy = "-" if row["kwh"] is None else f"{row['kwh']:.3f}"
        money = "not known" if row["money"] is None else f"{row['money']:.2f} {row['currency']}"
        hours = row["seconds"] / 3600
        print(
            f"{row['month']}  {row['use_case']:<{width}}  {row['runs']:>5} {row['not_finished']:>7} {hours:>8.3f}"
            f" {row['gpu_hours']:>10.3f} {row['tokens']:>12,} {money:>12} {budget:>10}  {energy}"
        )


def _print_runs(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        why = f" ({row['error']})" if row["error"] else ""
        money = f"{row['money']:.2f} {row['currency']}" if row["money"] is not None else "no price"
        print(
            f"{row['started_at']:%Y-%m-%d %H:%M}  {row['use_case']}  {row['program']:<9} {row['state']}{why} "
            f" {row['seconds']:.0f} s  {money}  {row['artifact'] or '-'}  {row['profile']}"
            f" on {row['host']}"
        )
