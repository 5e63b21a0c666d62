"""ft retraining: why a model is trained again, or not; what other rules would have done; and a person's request."""

import argparse
import json
from datetime import UTC, date, datetime
from typing import Any

from ft_platform.commands import changed_settings

HELP = (
    "Say which reasons for a retraining hold and what holds it back, replay the past under other rules, or ask for one."
)
EXAMPLES = [
    "ft retraining explain complaint_routing",
    "ft retraining simulate complaint_routing --from 2026-09-01 --to 2026-11-30 --set retraining.when.decline=0.05",
    'ft retraining start complaint_routing --reason "New products since Monday"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["explain", "simulate", "start"], help="what to do")
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DAY", help="first day of a replay")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DAY", help="last day (default: today)")
    parser.add_argument("--reason", default="", help="why a person wants one; no personal data")
    parser.add_argument("--instead", metavar="START", help="with start: the run of this start is lost, wait no longer")
    changed_settings(parser, "with simulate: replay under another setting; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, parse_overrides, use_case_folder

    environment = load_environment()
    overrides = parse_overrides(arguments.overrides)
    use_case = load_use_case(use_case_folder(environment.defs, arguments.use_case), overrides, environment)
    opened = (open_lake(environment), environment, use_case)
    if arguments.what == "simulate":
        return _simulate(arguments, *opened)
    if arguments.what == "start":
        _ask(arguments, *opened)
    return _explain(arguments, *opened)


def _ask(arguments: argparse.Namespace, lake: Any, environment: Any, use_case: Any) -> None:
    from ft_platform.monitoring.retraining.journal import ask, give_up
    from ft_platform.people.audit_log.opening import audit_log_of

    now, log = datetime.now(UTC), audit_log_of(lake, {use_case.name: use_case.path} if use_case.path else {})
    asked = ask(lake, environment, use_case, arguments.reason, now, log)
    if arguments.instead:
        give_up(lake, environment, use_case, arguments.instead, now, log)
    if not arguments.json:
        print(f"{asked.id} is noted. The sensor {use_case.name}_retraining weighs it while Dagster's daemon runs.")


def _explain(arguments: argparse.Namespace, lake: Any, environment: Any, use_case: Any) -> int:
    from ft_platform.monitoring.retraining.deciding import decision_at
    from ft_platform.training.continuing import weights_of

    found = decision_at(lake, environment, use_case, datetime.now(UTC)).to_dict()
    weights, why_not = weights_of(lake, use_case)
    found["trains_further"] = {"checkpoint": weights or None, "why_not": why_not or None}
    if arguments.json:
        print(json.dumps({"use_case": use_case.name, **found}, indent=1, ensure_ascii=False))
        return 0
    print(f"{use_case.name}: a retraining {'would start now' if found['would_start'] else 'would not start now'}")
    for one in found["reasons"]:
        print(f"  {'✓' if one['holds'] else '✗'} {one['name']:<18} {one['evidence']}")
        if one["needs"]:
            print(f"    {'':<18} needed: {one['needs']}")
    for one in found["blocked_by"]:
        spared = f" (not for: {', '.join(one['spares'])})" if one["spares"] else ""
        print(f"  blocked by {one['rule']}: {one['why']}{spared}")
    cost = found["estimated_cost"]
    money = "not known, " if cost["money"] is None else f"{cost['money']:.2f} {cost['currency']}, "
    time = "" if cost["seconds"] is None else f"{cost['seconds'] / 60:.0f} min, "
    if weights or why_not:
        print(f"  trains from {weights or f'the base model: {why_not}'}")
    print(f"  cost: {money if time else ''}{time}{cost['basis']}")
    return 0


def _simulate(arguments: argparse.Namespace, lake: Any, environment: Any, use_case: Any) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.monitoring.retraining.deciding import LOOKS_BACK, history_of
    from ft_platform.monitoring.retraining.simulate import simulate

    first, last = arguments.first, arguments.last or datetime.now(UTC).date()
    if first is None or first > last:
        raise ConfigError(["--from needs a day that is not after --to"])
    history = history_of(lake, environment, use_case, first - LOOKS_BACK)
    days = [one.to_dict() for one in simulate(history, use_case.settings.retraining, first, last)]
    if arguments.json:
        print(json.dumps({"use_case": use_case.name, "days": days}, indent=1, ensure_ascii=False))
        return 0
    print(f"{'day':<12}{'starts':>7}  because, or why not")
    for one in days:
        why = ", ".join(one["reasons"]) or "no reason"
        if not one["started"] and one["reasons"] and one["blocked_by"]:
            why += f"; blocked by {', '.join(one['blocked_by'])}"
        print(f"{one['day']:<12}{len(one['started']):>7}  {why}")
    starts = sum(len(one["started"]) for one in days)
    print(
        f"{starts} retraining(s) in {len(days)} day(s). New base models are not replayed. A start that did not really"
    )
    print("happen counts as ended after its estimated time, as no loss and no release.")
    return 0
