"""Kill, stop and damage a small training on purpose, many times, and check that what comes out is bit for bit the
same."""

import argparse
import importlib.util
import json
import subprocess
import sys
from typing import Any

from ft_platform.errors import FtError, MissingExtra, TrainingFailed


def main(words: list[str] | None = None) -> int:
    """Prints what was found. Returns 1 where a training was stuck or came out different, damage went unnoticed, or the
    test could not run."""
    parser = argparse.ArgumentParser(prog="python -m ft_platform_tests.kill_test", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=100, metavar="N", help="attempts to end by a fault (default 100: some minutes)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of what is drawn: faults, their places, damage (default 1)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the counts as JSON; every fault goes to standard error"
    )
    arguments = parser.parse_args(words)
    try:
        found = kill_test(arguments.kills, arguments.seed, show_faults=arguments.json)
    except FtError as error:
        print(f"kill_test: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(found))
    else:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(found["by_fault"].items()))
        print(f"{found['kills']} attempts ended by a fault ({faults}) in {found['trials']} trainings")
        print(f"stuck: {found['stuck']}   different weights: {found['different']}")
        print(f"saved states that were damaged: {found['corrupt_planted']}   noticed: {found['corrupt_detected']}")
    return int(bool(found["stuck"] or found["different"] or found["corrupt_detected"] != found["corrupt_planted"]))


def kill_test(kills: int, seed: int, *, show_faults: bool = False) -> dict[str, Any]:
    """Counts of `run.Counts`.

    Args:
        show_faults: print every fault to standard error.

    Raises:
        MissingExtra: torch is not installed.
        TrainingFailed: the test itself could not run.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("torch", "train")
    command = [sys.executable, "-m", "ft_platform_tests.kill_test.run", "--kills", str(kills), "--seed", str(seed)]
    met, last = 0, {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            last = json.loads(line)
            met += last.get("ended") in ("killed", "failed")
            if show_faults:
                print(line, end="", file=sys.stderr)
            elif sys.stderr.isatty():
                print(f"\r{met} of {kills} faults", end="", file=sys.stderr, flush=True)
        errors = process.stderr.read()
    if process.returncode or "stuck" not in last:
        raise TrainingFailed(
            f"the kill test ended with exit code {process.returncode}: {errors.strip().splitlines()[-1:]}",
            "Run it again with --json",
        )
    if sys.stderr.isatty() and not show_faults:
        print(file=sys.stderr)
    return last


if __name__ == "__main__":
    sys.exit(main())
