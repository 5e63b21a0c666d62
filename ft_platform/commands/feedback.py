"""ft feedback: which right answers to requests wait to be learned, and a person's release of them."""

import argparse
import json
from typing import Any

from ft_platform.commands import opened

HELP = "Show the feedback that waits to be learned, release a batch of it for training, or take a release back."
EXAMPLES = [
    "ft feedback complaint_routing",
    'ft feedback complaint_routing --release 2026-11-28-0a1b2c3d --reason "Looked at 20 of them with Ana"',
    "ft feedback complaint_routing --effect",
    'ft feedback complaint_routing --revoke feedback-0a1b2c3d4e5f --reason "Labels of a broken import"',
]
SHOWN_LABELS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--release", nargs="+", metavar="BATCH", help="these batches may be learned")
    what.add_argument("--revoke", metavar="ID", help="take this release back")
    what.add_argument("--effect", action="store_true", help="what learning from it changed on the test records")
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="who says so (default: the account of the operating system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.governance.feedback_releases import feedback_releases
    from ft_platform.governance.taint import sweep
    from ft_platform.monitoring.traffic import batches
    from ft_platform.monitoring.traffic.remaking import remake

    environment, use_case, lake = opened(arguments.use_case)
    if arguments.effect:
        return _show_effect(lake, use_case, arguments.json)
    told = {"reason": arguments.reason, "by": arguments.by}
    tainted: list[dict[str, Any]] = []
    if arguments.revoke:
        batches.take_back(lake, use_case, arguments.revoke, **told)
        tainted = [one.to_dict() for one in sweep(lake, use_case).tainted]
    else:
        remake(lake, environment, use_case)
    for name in arguments.release or []:
        batches.release(lake, use_case, name, **told)
    found = {
        "use_case": use_case.name,
        "joins_training": use_case.settings.source.feedback.join,
        "waiting": [{"batch": one.name, **one.counts} for one in batches.waiting(lake, use_case)],
        "released": [_released(one) for one in feedback_releases(lake, use_case.name)],
        "newly_released": arguments.release or [],
        "tainted": tainted,
    }
    print(json.dumps(found, indent=1, ensure_ascii=False)) if arguments.json else _show(found)
    return 0


def _show_effect(lake: Any, use_case: Any, as_json: bool) -> int:
    from ft_platform.monitoring.traffic.effect import feedback_effect

    found = feedback_effect(lake, use_case)
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"{found['metric']} with feedback minus without: {found['value']:+.3f} ({found['low']:+.3f} to", end=" ")
    print(f"{found['high']:+.3f}), {found['feedback_rows']:,} requests learned, {found['test_rows']:,} test records")
    if found["low"] <= 0 <= found["high"]:
        print(f"the two cannot be told apart: this test split shows differences from {found['detectable']:.3f} on")
    print("one training each: `seed_variation` says how much of it may be luck of the seed")
    return 0


def _released(one: Any) -> dict[str, Any]:
    release = one.release
    said = {"release": release.id, "batch": release.batch, "at": release.released_at, "by": release.released_by}
    return {**said, "reason": release.reason, "records": len(one.records), "of": len(release.records)} | {
        "fresh": len(one.fresh),
        "revoked": one.revoked,
    }


def _show(found: dict[str, Any]) -> None:
    if not found["waiting"]:
        print(f"No feedback on requests to {found['use_case']} waits for a release")
    else:
        print(f"{'waits for a release':<22}{'records':>9}{'model right':>13}  labels")
    for one in found["waiting"]:
        labels = sorted(one["labels"].items(), key=lambda label: -label[1])
        more = f" and {len(labels) - SHOWN_LABELS} more" * (len(labels) > SHOWN_LABELS)
        named = ", ".join(f"{name} {count:,}" for name, count in labels[:SHOWN_LABELS]) + more
        kept = f"; {one['for_testing']:,} are kept for testing" if "for_testing" in one else ""
        print(f"{one['batch']:<22}{one['records']:>9,}{one['agree'] / one['records']:>13.0%}  {named or '-'}{kept}")
    for one in found["released"]:
        ended = " (taken back)" if one["revoked"] else ""
        kept = f" and {one['fresh']:,} for testing" if one["fresh"] else ""
        learned = f"{one['records']:,} of {one['of']:,} records{kept}"
        print(f"{one['release']}{ended}  {one['batch']}: {learned}, by {one['by']}")
    for one in found["tainted"]:
        print(f"  {one['version']} holds {one['rows']:,} rows that may not be used any more")
    if found["newly_released"]:
        print(f"next, to learn them: ft run {found['use_case']}")
    if found["released"] and not found["joins_training"]:
        print("released feedback is not learned: set source.feedback.join")
