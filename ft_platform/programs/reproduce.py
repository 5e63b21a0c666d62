"""Trains a checkpoint again and compares the weights: `python -m ft_platform.programs.reproduce --use-case <name>
--checkpoint <id>`."""

import argparse

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Reports whether the weights are the same."""
    prepare_process()
    from ft_platform.lake.provenance import find_checkpoint

    with program("reproduce") as running:
        pin_threads()
        from ft_platform.training.reproduce import reproduce

        wanted = running.extras.get("checkpoint_id") or _by_hand()
        checkpoint = find_checkpoint(running.lake, running.use_case.name, wanted)
        running.finish(**reproduce(running.lake, running.environment, running.use_case, checkpoint))


def _by_hand() -> str:
    parser = argparse.ArgumentParser(prog="python -m ft_platform.programs.reproduce")
    parser.add_argument("--checkpoint", required=True, help="id of the checkpoint; its first characters are enough")
    return parser.parse_known_args()[0].checkpoint


if __name__ == "__main__":
    main()
