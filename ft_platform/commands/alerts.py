"""ft alerts: which alarms of a use case last, who was told, and a test message."""

import argparse
import json

from ft_platform.commands import count, use_case_and_json

HELP = "Show which alarms of a use case last and what was told to whom, or send a test message to a channel."
EXAMPLES = [
    "ft alerts complaint_routing",
    "ft alerts complaint_routing --json",
    "ft alerts complaint_routing --test operations",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    use_case_and_json(parser)
    parser.add_argument("--test", metavar="CHANNEL", help="send a test message to this channel of the installation")
    parser.add_argument("--newest", type=count, default=10, help="messages that are shown (default: 10)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands import opened
    from ft_platform.monitoring.alerts.day_alarms import of_day_reports
    from ft_platform.monitoring.alerts.delivery import known_channel, send_test
    from ft_platform.monitoring.alerts.outbox import opened as opened_outbox
    from ft_platform.monitoring.day_reports import day_reports
    from ft_platform.reporting.report_urls import home_url

    environment, use_case, lake = opened(arguments.use_case)
    if arguments.test:
        send_test(environment, use_case.name, arguments.test)
        print(
            json.dumps({"sent": arguments.test}) if arguments.json else f"a test message was sent to {arguments.test}"
        )
        return 0
    channels = use_case.settings.monitoring.alerts
    for name in channels:
        known_channel(environment.alerting.channels, name)
    with opened_outbox(environment.home, environment.alerting) as outbox:
        alarms, messages = outbox.alarms(use_case.name), outbox.messages(use_case.name)
    reports = day_reports(lake, use_case.name, newest=1)
    known = {alarm.key for alarm, _ in alarms}
    home = home_url(environment, use_case.name)
    coming = [alarm for alarm in of_day_reports(reports, lambda _: home) if alarm.key not in known and channels]
    shown = messages[-arguments.newest :]
    if arguments.json:
        lasting = [{**vars(alarm), "raised": raised.isoformat(timespec="seconds")} for alarm, raised in alarms]
        told = {"channels": channels, "alarms": lasting, "coming": [vars(alarm) for alarm in coming], "messages": shown}
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return 0
    print(f"told: {', '.join(channels) or 'nobody (monitoring.alerts)'}")
    for alarm, raised in alarms:
        print(f"lasts since {raised:%Y-%m-%d %H:%M} UTC  {alarm.severity:<9} {alarm.what}: {alarm.text}")
    for alarm in coming:
        print(f"will be told  {alarm.severity:<9} {alarm.what}: {alarm.text}")
    for one in shown:
        state = f"sent {one['sent']}" if one["sent"] else f"waits until {one['due']}"
        why = f", {one['problem']}, attempt {one['attempts']}" if one["problem"] else ""
        print(f"{one['event']:<9} {one['channel']:<16} {state}{why}")
    return 0
