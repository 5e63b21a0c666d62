"""Brings what a person did in the portal into the graph, and a release that was gone back to onto its targets; carries
out erasures.

python -m ft_platform.orchestration.follow_up <use case> <what was done: a key of `STAGES_OF`>"""

import sys
from collections.abc import Sequence

from ft_platform.assets.order import Order
from ft_platform.errors import FtError
from ft_platform.lake.deployments import deployed_to
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.erasures import carry_out
from ft_platform.orchestration.execution import run_use_case
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.settings.environment import Environment

SIGNED, DECIDED, RELEASED = ["sign_off"], ["release_decision", "sign_off"], ["release"]
STAGES_OF: dict[str, list[str]] = {
    "approve": SIGNED,
    "reject": SIGNED,
    "delegate": [],
    "take_back": SIGNED,
    "waive": DECIDED,
    "confirm": DECIDED,
    "release": RELEASED,
    "rollback": RELEASED,
    "start": [],
    "publish": ["human_review"],
    "drop": [],
    "approve_erasure": [],
    "carry_out": [],
}
"""What was done -> stages that show it."""


def follow_up(name: str, what: str, environment: Environment) -> list[str]:
    """Runs what follows. Returns what went wrong, with what to do about it."""
    stages = STAGES_OF[what]
    if what in ("approve_erasure", "carry_out"):
        return carry_out(name, environment)
    runs = [(stages, Order(standing=True) if stages is RELEASED else None)] if stages else []
    if what == "rollback":
        use_case = load_use_case(use_case_folder(environment.defs, name), environment=environment)
        targets = deployed_to(open_lake(environment), name, use_case.settings.serving.targets)
        runs += [([f"deployment/{one}" for one in targets], None)] if targets else []
    outcomes = [run_use_case(name, None, select, environment, order=order) for select, order in runs]
    return [" ".join(filter(None, [one.error, one.next_step])) for one in outcomes if not one.success]


def main(words: Sequence[str]) -> int:
    """Returns 1 if something went wrong, after a line on standard error."""
    name, what = words
    try:
        problems = follow_up(name, what, load_environment())
    except FtError as error:
        problems = [" ".join(str(error).split())]
    for problem in problems:
        print(f"portal: {name}, {what}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
