"""ft monitor: what the monitoring of the newest days found; and that somebody looked at an alarm."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ft_platform.commands import count, opened, use_case_and_json

if TYPE_CHECKING:
    from ft_platform.lake.versions import ArtifactVersion
    from ft_platform.monitoring.day_reports import DayReport

HELP = "Show what changed in the requests to a served model: alarms with their cause, accuracy without and with labels."
EXAMPLES = [
    "ft monitor complaint_routing",
    "ft monitor complaint_routing --day 2026-03-14 --json",
    "ft monitor complaint_routing --days 30",
    'ft monitor complaint_routing --acknowledge label --reason "a campaign for transfers"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    use_case_and_json(parser)
    parser.add_argument("--day", metavar="YYYY-MM-DD", help="make the report of this day first, and show it")
    parser.add_argument("--days", type=count, help="a line for each of so many newest days")
    parser.add_argument("--acknowledge", metavar="MEASURE", help="somebody looked at this alarm of the newest report")
    parser.add_argument("--reason", default="", help="of --acknowledge: what you found")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.monitoring.acknowledging import acknowledge
    from ft_platform.monitoring.day_reports import day_reports
    from ft_platform.monitoring.traffic.shipping import ship, spool_path
    from ft_platform.reporting.publishing.monitoring import publish_monitoring

    if bool(arguments.day) + bool(arguments.days) + bool(arguments.acknowledge) > 1:
        raise ConfigError(["--day, --days and --acknowledge do not go together"])
    environment, use_case, lake = opened(arguments.use_case)
    if arguments.acknowledge:
        said = acknowledge(lake, use_case.name, arguments.acknowledge, arguments.reason)
        print(json.dumps(said) if arguments.json else f"noted; {arguments.acknowledge} begins anew with the next day")
        return 0
    if arguments.day:
        ship(lake, spool_path(environment))
        publish_monitoring(lake, use_case, arguments.day)
    found = day_reports(lake, use_case.name, None if arguments.day else arguments.days or 1)
    found = [(version, one) for version, one in found if arguments.day in (None, one.day)]
    if not found:
        raise DataError(
            f"{use_case.name} has no monitored day", f"Make one: ft monitor {use_case.name} --day <YYYY-MM-DD>"
        )
    if arguments.days:
        _list(found, arguments.json)
    elif arguments.json:
        print(json.dumps(_told(lake, *found[-1]), indent=1, ensure_ascii=False))
    else:
        _show(lake, *found[-1])
    return 0


def _told(lake: Any, version: "ArtifactVersion", report: "DayReport") -> dict[str, Any]:
    from ft_platform.monitoring.acknowledging import acknowledged_on

    looked_at = acknowledged_on(lake, report.use_case, report.day)
    alarms = [{**one.model_dump(mode="json"), "acknowledged": looked_at.get(one.what)} for one in report.alarms]
    about = {"as_of": lake.manifest(version).written_at, "report": f"{version.uri}/report.html"}
    return {**report.model_dump(mode="json"), "alarms": alarms, **about}


def _show(lake: Any, version: "ArtifactVersion", report: "DayReport") -> None:
    from ft_platform.monitoring.acknowledging import acknowledged_on
    from ft_platform.reporting.monitoring_groups import groups_in_words
    from ft_platform.reporting.monitoring_report import accuracy_in_words, alarm_in_words, verdict

    looked_at = acknowledged_on(lake, report.use_case, report.day)
    print(f"As of {lake.manifest(version).written_at[:16].replace('T', ' ')} UTC. {verdict(report)['text']}")
    for one in report.alarms:
        print(f"\n{one.what}, since {one.since}: {alarm_in_words(one)}")
        if one.records:
            print(f"  requests to look at: {', '.join(one.records)}")
        if said := looked_at.get(one.what):
            print(f"  acknowledged by {said['by']}: {said['reason']}")
    print()
    print(accuracy_in_words("Estimated without labels", report.estimated_accuracy))
    print(accuracy_in_words("Measured by feedback", report.measured_accuracy))
    for sentence in groups_in_words(report.figures["fairness"]):
        print(sentence)
    print(f"\n{version.uri}/report.html")


def _list(found: "list[tuple[ArtifactVersion, DayReport]]", as_json: bool) -> None:
    if as_json:
        days = [one.model_dump(mode="json") for _, one in found]
        print(json.dumps({"use_case": found[-1][1].use_case, "days": days}, indent=1, ensure_ascii=False))
        return
    print(
        f"{'day':<12}{'requests':>10}{'errors':>8}{'p95 s':>9}{'estimated':>11}{'measured':>10}  {'release':<24}alarms"
    )
    for _, one in found:
        service = one.figures["service"]
        p95 = "-" if service["p95_seconds"] is None else f"{service['p95_seconds']:.3f}"
        shares = [
            "-" if accuracy.value is None else f"{accuracy.value:.1%}"
            for accuracy in (one.estimated_accuracy, one.measured_accuracy)
        ]
        names = ", ".join(f"{each.what}{'*' if each.since == one.day else ''}" for each in one.alarms)
        others = f" +{len(one.releases) - 1}" if len(one.releases) > 1 else ""
        print(
            f"{one.day:<12}{one.requests:>10,}{service['errors']:>8,}{p95:>9}{shares[0]:>11}{shares[1]:>10}"
            f"  {one.releases[0] + others:<24}{names}"
        )
    print(
        "* raised on this day. Accuracy and alarms are of the release that answered most; +1: another one answered, too"
    )
