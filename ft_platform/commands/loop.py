"""ft loop: a served model, a change in what it is asked, and the way back, in a time-lapse."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ft_platform.commands import count

if TYPE_CHECKING:
    from ft_platform.use_case.settings.environment import Environment

HELP = "Play the whole loop on the demo: serve, change, alarm, retraining, gate, shadow, canary, switch, recovery."
EXAMPLES = ["ft loop", "ft loop --control", "ft loop --days 12 --requests 80 --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--control", action="store_true", help="the same requests without a change must start nothing")
    parser.add_argument("--days", type=count, help="days to play (default: 10)")
    parser.add_argument("--requests", type=count, help="requests each day (default: 100)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Ends with 0 where the loop closed, with `--control` where nothing was started; with 1 otherwise."""
    import shutil
    from dataclasses import replace

    from ft_platform.onboarding.rehearsal.loop.case import alone, installation, prepared
    from ft_platform.onboarding.rehearsal.loop.story import Plan
    from ft_platform.serving.supervision import stop
    from ft_platform.use_case.environment import load_environment

    chosen = {name: value for name in ("days", "requests") if (value := getattr(arguments, name))}
    plan = replace(Plan(share=0.0) if arguments.control else Plan(), **chosen)
    environment = installation(load_environment(), "control" if arguments.control else "change")
    with alone(environment):
        for left in environment.home.glob("serving/server-*.pid"):  # of a loop that was killed
            stop(left)
        shutil.rmtree(environment.home, ignore_errors=True)
        return played(prepared(environment), plan, as_json=arguments.json)


def played(environment: "Environment", plan: Any, *, as_json: bool = False) -> int:
    """Trains and serves the first release of a prepared installation, plays a plan, and tells the end."""
    from ft_platform.commands.serve import noted
    from ft_platform.lake.opening import open_lake
    from ft_platform.onboarding.rehearsal.loop.case import USE_CASE
    from ft_platform.onboarding.rehearsal.loop.story import TARGET, Story, to_dict
    from ft_platform.orchestration.loop_event import show_loop
    from ft_platform.reporting.loop_page import REPORT
    from ft_platform.reporting.loop_summary import closed, summary
    from ft_platform.reporting.publishing.loop import publish_loop
    from ft_platform.serving.supervision import stop
    from ft_platform.use_case.file import load_use_case, use_case_folder

    with variables_of(environment):
        use_case = load_use_case(use_case_folder(environment.defs, USE_CASE), {}, environment)
        url = use_case.settings.serving.targets[TARGET].url  # pyright: ignore[reportAttributeAccessIssue]
        _tell("The first release is trained, released and served.")
        _run(environment, None, {})
        lake = open_lake(environment)
        story = Story(lake, environment, use_case, plan, lambda *of: _run(environment, *of), _tell)
        try:
            story.release()
            _run(environment, [f"deployment/{TARGET}"], {})
            story.play()
        finally:
            stop(noted(environment, int(url.rpartition(":")[2])))
            told = to_dict(plan, story.days, story.starts)
            if story.days:  # what was played before a part failed is shown as well
                version = publish_loop(lake, use_case, told)
                show_loop(lake, environment, version, told)
                page = f"{version.uri}/{REPORT}"
    good = closed(told)
    if as_json:
        print(json.dumps({**told, "closed": good, "page": page}, indent=1))
    else:
        print("\n".join([*summary(told), f"Page: {page}"]))
    return 0 if good else 1


def _run(environment: "Environment", stages: Sequence[str] | None, overrides: dict[str, Any]) -> None:
    """Raises:
    LoopBroken: a stage failed.
    """
    from ft_platform.commands.terminal import ProgressView
    from ft_platform.onboarding.rehearsal.loop.case import USE_CASE
    from ft_platform.onboarding.rehearsal.loop.story import LoopBroken
    from ft_platform.orchestration.execution import run_use_case
    from ft_platform.process import progress
    from ft_platform.redaction.output import terminal

    with terminal(sys.stderr) as stream, ProgressView(stream) as view, progress.listening(view.update):
        outcome = run_use_case(USE_CASE, overrides, list(stages) if stages else None, environment)
        view.failed_stage = outcome.failed_stage
    if not outcome.success:
        raise LoopBroken(f"{outcome.failed_stage} failed: {outcome.error}", outcome.next_step or "")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def variables_of(environment: "Environment") -> Iterator[None]:
    """The server that `ft deploy` starts finds its installation in the variables of this process."""
    before = dict(os.environ)
    os.environ |= environment.to_variables()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
