"""Evaluates the base model or the fine-tuned one: `python -m ft_platform.programs.evaluate`, started by a compute back
end or by hand.

Orders: `which` is `base` or `tuned`; `splits`, and for `tuned` `checkpoint` and `base_evaluation`, are version handles.
By hand (`--use-case <name> --which base`) the newest versions are taken. Whichever way, versions that the gate refuses
are not evaluated.
"""

import argparse

from ft_platform.programs.reporting import Program, prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable versions, evaluates unless the artifact exists, publishes it and reports it."""
    prepare_process()
    from ft_platform.errors import VersionRefused
    from ft_platform.lake.gate import require_usable
    from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report

    with program("evaluate") as running:
        which = running.extras.get("which") or _which_by_hand()
        splits = running.table("splits")
        checkpoint = _artifact(running, "checkpoint", "adapter_checkpoint")
        base = _artifact(running, "base_evaluation", "base_evaluation")
        needed = {
            "splits": splits,
            **({"adapter_checkpoint": checkpoint, "base_evaluation": base} if which == "tuned" else {}),
        }
        missing = sorted(name for name, version in needed.items() if version is None)
        if missing or splits is None:
            raise VersionRefused(
                f"{running.use_case.name} has no {' and no '.join(missing)}", f"Run: ft run {running.use_case.name}"
            )
        for version in needed.values():
            if version is not None:
                require_usable(running.lake, running.use_case, version)
        pin_threads()
        where = (running.lake, running.environment, running.use_case, splits)
        if which == "tuned" and checkpoint is not None and base is not None:
            artifact = publish_evaluation_report(*where, checkpoint, base, running.log)
        else:
            artifact = publish_base_evaluation(*where, running.log)
        running.finish(artifact=artifact.to_dict())


def _artifact(running: Program, order: str, stage: str):
    """The artifact that the back end handed over; by hand, the newest."""
    from ft_platform.lake.versions import ArtifactVersion, from_dict

    handed = running.extras.get(order)
    if handed:
        version = from_dict(handed)
        assert isinstance(version, ArtifactVersion)
        return version
    return None if "which" in running.extras else next(iter(running.lake.artifacts(running.use_case.name, stage)), None)


def _which_by_hand() -> str:
    parser = argparse.ArgumentParser(prog="python -m ft_platform.programs.evaluate")
    parser.add_argument(
        "--which",
        choices=["base", "tuned"],
        required=True,
        help="base: the systems without training; tuned: the newest checkpoint",
    )
    return parser.parse_known_args()[0].which


if __name__ == "__main__":
    main()
