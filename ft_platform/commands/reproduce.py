"""ft reproduce: trains a checkpoint again from its manifest and compares the weights."""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

HELP = "Train a checkpoint again from its manifest, and compare the weights bit by bit. Publishes nothing."
EXAMPLES = ["ft reproduce <checkpoint_id>", "ft reproduce <checkpoint_id> --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="id of the checkpoint; its first characters are enough")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 where the weights are the same, bit for bit."""
    use_case, threads = _find(arguments.checkpoint)
    command = [
        sys.executable,
        "-m",
        "ft_platform.programs.reproduce",
        "--use-case",
        use_case,
        "--checkpoint",
        arguments.checkpoint,
    ]
    env = {**os.environ, "FT_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
    if done.returncode:
        return 1  # the program said why on standard error
    found: dict[str, Any] = json.loads(done.stdout)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(
            f"{found['checkpoint']}: {'the same weights, bit for bit' if found['identical'] else 'DIFFERENT weights'}"
        )
        if not found["identical"]:
            share = f"{found['max_relative_difference']:.3g}"
            print(f"largest difference of a weight: {share} of the largest weight of its tensor")
            if found["device"].startswith("cuda"):
                print("Sums on a GPU depend on the order of threads; how far equal trainings differ was not measured.")
        for name, (then, now) in found["other"].items():
            print(f"different now: {name}: {then} -> {now}")
    return 0 if found["identical"] else 1


def _find(wanted: str) -> tuple[str, int]:
    """The use case of a checkpoint, and the threads it was trained with.

    Raises:
        DataError: no use case, or more than one, has it.
    """
    from ft_platform.errors import DataError
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.provenance import NotTraced, find_checkpoint
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases

    environment = load_environment()
    lake = open_lake(environment)
    found = {}
    names = [folder.name for folder in find_use_cases(environment.defs)]
    for name in names:
        try:
            found[name] = find_checkpoint(lake, name, wanted)
        except NotTraced:
            continue
    if len(found) != 1:
        problem = f"{len(found)} use cases have a checkpoint {wanted!r}"
        raise DataError(problem, f"Searched: {', '.join(names) or 'no use case'}. ft list names them")
    name, checkpoint = next(iter(found.items()))
    return name, int(lake.manifest(checkpoint).info["threads"])
