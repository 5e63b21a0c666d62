"""ft demo: the shipped use case on its sample data, and the same with shuffled answers, which the same rules must
refuse."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ft_platform.commands.run import add_run_arguments, run_and_collect, show

if TYPE_CHECKING:
    from ft_platform.use_case.settings.environment import Environment

HELP = "Run the shipped use case customer_feedback on its sample data: from raw records to a release that answers."
EXAMPLES = ["ft demo", "ft demo --control", "ft demo --json"]
USE_CASE, CONTROL = "customer_feedback", "customer_feedback_control"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--control",
        action="store_true",
        help="shuffle the answers of all records, so that there is nothing to learn and the release must be refused",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ends with 0 where the release is accepted, with `--control` where it is refused; with 1 otherwise."""
    from ft_platform.reporting.demo_summary import summary
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.settings.environment import SHIPPED

    environment = load_environment().model_copy(update={"defs": SHIPPED})
    name = CONTROL if arguments.control else USE_CASE
    if arguments.control:
        environment = with_control(environment)
    code, found = run_and_collect(name, arguments, environment)
    if found is None:
        return code
    show(found, arguments)
    if not found["decision"]:  # some stages only were asked for
        return code
    accepted = found["decision"]["decision"] == "accepted"
    # With --json, standard output is the JSON alone.
    file = sys.stderr if arguments.json else sys.stdout
    print("\n".join(summary(found, environment, control=arguments.control)), file=file)
    if accepted and not arguments.control:
        print("\n".join(released_and_asked(environment)), file=file)
    return int(accepted == arguments.control)


def released_and_asked(environment: "Environment") -> list[str]:
    """Releases the checkpoint, serves it for one question over HTTP, and says how to do the same."""
    from ft_platform.commands.serve import PORT
    from ft_platform.errors import VersionRefused
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.releases import standing_releases
    from ft_platform.orchestration.execution import run_use_case
    from ft_platform.serving.trial import QUESTION, ask, curl, served

    outcome = run_use_case(USE_CASE, None, ["release"], environment)
    if not outcome.success:
        raise VersionRefused(outcome.error or "the release failed", outcome.next_step or f"Run: ft release {USE_CASE}")
    release = standing_releases(open_lake(environment), USE_CASE)[0]
    with served(environment, [USE_CASE]) as url:
        found = ask(url, USE_CASE, QUESTION, has_labels=True)
    return [
        "",
        f"Released as {release.id}, with a signature that others can verify (ft releases {USE_CASE}).",
        f'Asked over HTTP: "{QUESTION}" -> {found["answer"]} ({found["probability"]:.0%}, {found["seconds"]:.2f} s).',
        f"To ask it yourself: ft deploy {USE_CASE}, which compares it with its evaluation and serves it. Then:",
        f"  {curl(f'http://127.0.0.1:{PORT}', USE_CASE, QUESTION, has_labels=True)}",
    ]


def with_control(environment: "Environment") -> "Environment":
    """An environment whose only use case is the control: the file of the demo with another source, and nothing else
    changed."""
    from ft_platform.use_case.settings.environment import SHIPPED, Environment

    shipped = SHIPPED / USE_CASE / "defs.yaml"
    lines: list[Any] = shipped.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [
        line.rstrip("\n") + "&shuffled=100\n" if line.strip().startswith("uri: sample://") else line for line in lines
    ]
    assert sum(one != other for one, other in zip(lines, changed, strict=True)) == 1, (
        "the source of the demo is one line of its file"
    )
    folder = environment.home / "control" / CONTROL
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "defs.yaml").write_text("".join(changed), encoding="utf-8")
    return Environment.model_validate({**environment.model_dump(), "defs": folder.parent})
