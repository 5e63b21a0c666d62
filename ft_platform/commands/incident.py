"""ft incident: reports an incident of what is released, says what was done, and closes it."""

import argparse
import json
from datetime import UTC, date, datetime

from ft_platform.commands import opened

HELP = "Report an incident of what is released, say what was done about it, and close it."
EXAMPLES = [
    "ft incident list complaint_routing",
    'ft incident report complaint_routing --severity serious --what "Refunds were refused to a whole region"',
    'ft incident measure complaint_routing incident-0a1b2c3d4e5f --what "Rolled back to release-0a1b2c3d4e5f"',
    'ft incident close complaint_routing incident-0a1b2c3d4e5f --what "The authority was told, the cause is mended"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=["list", "report", "measure", "close"], help="what to do")
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("incident", nargs="?", default="", help="id of the incident (ft incident list)")
    parser.add_argument("--severity", default="serious", help="minor, serious, death or widespread (default: serious)")
    parser.add_argument(
        "--what", default="", help="what happened or was done, in 10 characters or more; no personal data"
    )
    parser.add_argument("--aware", type=date.fromisoformat, help="day on which somebody became aware (default: today)")
    parser.add_argument(
        "--release", nargs="+", default=[], metavar="ID", help="affected releases (default: the newest)"
    )
    parser.add_argument("--by", default="", help="e-mail address of who says so (default: the account)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.people.person import at_this_machine, named
    from ft_platform.release import incidents

    _, use_case, lake = opened(arguments.use_case)
    person, today = named(arguments.by) if arguments.by.strip() else at_this_machine(), datetime.now(UTC).date()
    if arguments.do in ("measure", "close") and not arguments.incident:
        raise ConfigError(["which incident?"], f"See: ft incident list {use_case.name}")
    if arguments.do == "report":
        incidents.report(
            lake,
            use_case,
            person,
            severity=arguments.severity,
            what=arguments.what,
            aware=arguments.aware or today,
            today=today,
            affected=arguments.release,
        )
    elif arguments.do == "measure":
        incidents.add_measure(lake, use_case, arguments.incident, person, what=arguments.what)
    elif arguments.do == "close":
        incidents.close(lake, use_case, arguments.incident, person, reason=arguments.what)
    found = incidents.incidents(lake, use_case)
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False))
        return 0
    for one in found:
        last = f", tell the authority by {one.deadline}" if one.deadline and not one.closed else ""
        print(f"{one.id}  {one.said['severity']}, {'closed' if one.closed else 'open'}{last}: {one.said['what']}")
        for measure in one.measures:
            print(f"  {measure['at'][:10]} {measure['person']}: {measure['what']}")
    if not found:
        print("No incident was reported.")
    return 0
