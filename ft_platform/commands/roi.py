"""ft roi: what a model is worth, from the newest ROI report of a use case."""

import argparse
import json
from typing import Any

from ft_platform.commands import opened, use_case_and_json

HELP = "Show what a model is worth: figures before and after, savings and payback, each with its source."
EXAMPLES = ["ft roi complaint_routing", "ft roi complaint_routing --json"]
add_arguments = use_case_and_json


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.monitoring.business.realized import evaluation_of, realized
    from ft_platform.release.standing_now import standing_now
    from ft_platform.reporting.publishing.roi import newest_roi, outdated

    environment, use_case, lake = opened(arguments.use_case)
    report, found = newest_roi(lake, use_case)
    problems = outdated(lake, environment, use_case, report, found)
    now = realized(lake, evaluation_of(lake, report), found)
    standing = standing_now(lake, use_case)
    if arguments.json:
        print(
            json.dumps(
                {
                    "use_case": use_case.name,
                    "roi_report": report.artifact_id,
                    "release": standing and standing.state,
                    **found,
                    "realized": now,
                    "problems": problems,
                },
                indent=1,
                ensure_ascii=False,
            )
        )
    else:
        print(
            f"{use_case.name}: {standing.words if standing else 'no release decision yet'}. A model saves nothing"
            " until it is released.\n"
        )
        for problem in problems:
            print(f"out of date: {problem}")
        _print(found)
        if now:
            _print_realized(now)
        print(f"\n{report.uri}/report.html")
    return 0


def _print(found: dict[str, Any]) -> None:
    from ft_platform.reporting.roi_words import (
        conclusion,
        figure_sentence,
        left_out,
        requests_sentence,
        uncertainty_sentence,
    )

    for name, figure in found["figures"].items():
        print(figure_sentence(name, figure)["text"])
        print(f"  from {figure['source'] or 'nothing'}")
    print()
    asked = [requests_sentence(found)] if "requests" in found else []  # one of an earlier version has none
    for sentence in [
        *(one["text"] for one in conclusion(found)),
        *left_out(found),
        *asked,
        uncertainty_sentence(found),
    ]:
        print(sentence)


def _print_realized(now: dict[str, Any]) -> None:
    from ft_platform.reporting.formats import amount

    print(f"\nSince it serves, {now['from']} to {now['to']}:")
    for what, one in now["compared"].items():
        forecast, found = (amount(one[side]) for side in ("forecast", "realized"))
        print(f"  {what.replace('_', ' ')}: forecast {forecast}, realized {found} ({one['about']})")
