"""ft parity: whether an endpoint answers as the released model did when it was evaluated."""

import argparse
import json

from ft_platform.commands import count

HELP = "Ask an endpoint a golden set of the test split and compare it with the evaluation. Ends with 1 if it differs."
EXAMPLES = [
    "ft parity complaint_routing",
    "ft parity complaint_routing --url https://models.example.org --records 500 --json",
    "ft parity complaint_routing --url http://10.0.0.7:8000 --other-engine",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case, or <use_case>@previous")
    parser.add_argument("--url", help="address of a server that runs (default: one that runs for this comparison)")
    parser.add_argument("--model", help="name of the model there (default: that of the use case)")
    parser.add_argument("--records", type=count, default=200, help="test records to ask (default: %(default)s)")
    parser.add_argument(
        "--other-engine",
        action="store_true",
        help="it is not our server: 0.5 %% of the decisions may differ by rounding",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    import os
    import sys
    from contextlib import nullcontext

    from ft_platform.commands import opened
    from ft_platform.commands.terminal import ProgressView
    from ft_platform.errors import DataError
    from ft_platform.process import progress
    from ft_platform.serving.live import listed
    from ft_platform.serving.parity import golden_in_words, measured
    from ft_platform.serving.rendering import renderer_of
    from ft_platform.serving.targets.contract import Endpoint
    from ft_platform.serving.trial import KEY, served

    name = arguments.use_case.partition("@")[0]
    environment, use_case, lake = opened(name)
    release = listed(lake, environment.home, name).get(arguments.use_case)
    if release is None:
        raise DataError(f"nothing is released as {arguments.use_case}", f"Run: ft release {name}")
    renderer = renderer_of(environment, lake, release)
    ours = not arguments.other_engine
    with (
        nullcontext(arguments.url) if arguments.url else served(environment, [name]) as url,
        ProgressView(sys.stderr) as view,
        progress.listening(view.update),
    ):
        endpoint = Endpoint(url, arguments.model or arguments.use_case, os.environ.get(KEY), ours)
        found = measured(lake, use_case, release, renderer, endpoint, arguments.records)
    found = {"use_case": name, "release": release.id, "url": url, **found}
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0 if found["ok"] else 1
    equal = found["decisions_equal"]
    print(
        f"{release.id} at {url}: {'as evaluated' if found['ok'] else 'NOT as evaluated'}. Of {found['asked']:,} records"
        f" {equal['value']:.1%} get the same decision ({equal['low']:.1%} to {equal['high']:.1%}); prompts"
        f" {'have' if found['prompts_equal'] else 'do not have'} the same numbers of tokens"
    )
    if acted := found["guardrails"]:
        named = ", ".join(f"{name} {records:,}" for name, records in acted.items())
        print(f"  guardrails acted on records ({named}); these are compared as answered without guardrails")
    for reason, ids in found["differs"].items():
        print(f"  other {reason}: {', '.join(ids)}")
    for cause in found["causes"]:
        print(f"  likely cause: {cause}")
    for sentence in golden_in_words(found):
        print(f"  {sentence}")
    return 0 if found["ok"] else 1
