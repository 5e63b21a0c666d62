"""ft rollout: a release that is tried on some of the traffic."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ft_platform.commands import opened

if TYPE_CHECKING:
    from ft_platform.monitoring.rollout.conducting import Seen

HELP = "Show the release that is tried on some of the traffic and what speaks for it; promote it, or stop it."
EXAMPLES = [
    "ft rollout complaint_routing",
    "ft rollout complaint_routing --differences --json",
    'ft rollout complaint_routing --promote --by ana.ruiz@example.org --reason "Reviewed 50 differences, all better"',
    'ft rollout complaint_routing --stop --reason "Mortgage complaints go to cards"',
    'ft rollout complaint_routing --unblock release-0a1b2c3d4e5f --reason "The disk was full, not the model"',
]
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--differences", action="store_true", help="requests that the shadow answered otherwise, by id")
    what.add_argument("--promote", action="store_true", help="give the candidate all the traffic now")
    what.add_argument("--stop", action="store_true", help="take its share away from the candidate now")
    what.add_argument("--unblock", metavar="RELEASE", help="you have looked at it: it may be deployed again")
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="who does it (default: the account of the operating system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.lake.releases import blocked_releases
    from ft_platform.monitoring.rollout.conducting import last_outcome, step, unblock

    environment, use_case, lake = opened(arguments.use_case)
    if arguments.unblock:
        unblock(lake, use_case, arguments.unblock, reason=arguments.reason, by=arguments.by)
        told: Any = {"use_case": use_case.name, "unblocked": arguments.unblock}
        print(json.dumps(told) if arguments.json else f"{arguments.unblock} may be deployed again")
        return 0
    if arguments.promote or arguments.stop:
        return _ended(arguments)
    seen = step(lake, environment, use_case)
    if arguments.differences:
        return _differences(arguments)
    last, blocked = last_outcome(lake, use_case.name), blocked_releases(lake, use_case.name)
    if arguments.json:
        told = {"use_case": use_case.name, "under_way": _told(seen), "last": last, "blocked": blocked}
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return 0
    for line in _lines(use_case.name, seen, last, blocked):
        print(line)
    return 0


def _ended(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import DataError
    from ft_platform.monitoring.rollout.conducting import end_by_person

    environment, use_case, lake = opened(arguments.use_case)
    about = {"promote": arguments.promote, "reason": arguments.reason, "by": arguments.by}
    ended = end_by_person(lake, environment, use_case, **about)
    if ended is None:
        raise DataError(f"no rollout of {use_case.name} is under way", f"See: ft rollout {use_case.name}")
    now = ended.candidate if arguments.promote else ended.champion
    told = {"use_case": use_case.name, "promoted": arguments.promote, "traffic": now}
    print(json.dumps(told) if arguments.json else f"{now} has all the traffic of {use_case.name}")
    return 0


def _told(seen: "Seen | None") -> dict[str, Any] | None:
    from dataclasses import asdict

    if seen is None or seen.reason:
        return None
    about = {"rollout": seen.rollout.to_dict(), "days": seen.days}
    return {**about, "counts": asdict(seen.counts), "evidence": seen.verdict.evidence}


def _differences(arguments: argparse.Namespace) -> int:
    from ft_platform.monitoring.rollout.conducting import newest_rollout
    from ft_platform.monitoring.rollout.counting import differences

    _, use_case, lake = opened(arguments.use_case)
    newest = newest_rollout(lake, use_case.name)
    found = differences(lake, use_case.name, newest) if newest else []
    if arguments.json:
        print(json.dumps({"use_case": use_case.name, "differences": found}, indent=1, ensure_ascii=False))
        return 0
    for one in found[:SHOWN]:
        said = [", ".join(label or "(text)" for label in one[name]) for name in ("champion", "candidate")]
        print(f"{one['at']}  {one['request_id']}  {said[0]} -> {said[1]}")
    print(f"{len(found):,} requests were answered otherwise" + (": --json has all" if len(found) > SHOWN else ""))
    return 0


def _lines(name: str, seen: "Seen | None", last: dict[str, Any] | None, blocked: dict[str, str]) -> list[str]:
    lines = []
    if seen is None or seen.reason:
        lines.append(f"no rollout of {name} is under way")
        if last:
            lines.append(
                f"  {last['release']} was {'promoted' if last['promoted'] else 'rolled back'}: {last['reason']}"
            )
    else:
        rollout, counts = seen.rollout, seen.counts
        lines.append(
            f"{rollout.candidate}: {rollout.rules.mode} on {rollout.rules.share:.0%} of the traffic of"
            f" {rollout.champion}, since {rollout.began}"
        )
        lines.append(f"  {'':<10}{'requests':>10}{'errors':>8}{'guarded':>9}{'right':>8}{'wrong':>8}")
        for title, arm in (("champion", counts.champion), ("candidate", counts.candidate)):
            lines.append(
                f"  {title:<10}{arm.requests:>10,}{arm.errors:>8,}{arm.acted:>9,}{arm.right:>8,}{arm.wrong:>8,}"
            )
        lines.append(f"  slow: {counts.slow:,} of {counts.timed:,}")
        if rollout.rules.mode == "shadow":
            agree = f"{counts.agreeing:,} of {counts.compared:,} labels agree"
            lines.append(f"  {agree}; judged right only by it: {counts.better:,}, by the champion: {counts.worse:,}")
        found = ", ".join(f"{test} {chance:.2g}" for test, chance in seen.verdict.evidence.items())
        lines.append(f"  chance alone would show as much with a probability of: {found}")
        lines.append("  rolled back at 0.01 or less, promoted where `better` has 0.05 or less")
        lines.append(f"  to end it: ft rollout {name} --promote | --stop --reason <why>")
    for release, why in blocked.items():
        lines.append(f"  {release} may not be deployed until a person has looked: {why}")
        lines.append(f"    ft rollout {name} --unblock {release} --reason <why>")
    return lines
