"""ft decide: whether the newest checkpoint of a use case may be released, and why."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ft_platform.commands import opened

if TYPE_CHECKING:
    from ft_platform.lake.snapshot import Snapshot
    from ft_platform.lake.store import Lake
    from ft_platform.lake.versions import ArtifactVersion
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = "Say, rule by rule, whether the newest checkpoint may be released. Ends with 1 if the release is refused."
EXAMPLES = [
    "ft decide complaint_routing",
    "ft decide complaint_routing --json",
    "ft decide complaint_routing --checkpoint ckpt-0a1b2c3d4e5f",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--checkpoint", help="id of the checkpoint (default: the newest that may be used)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.lake.snapshot import Snapshot
    from ft_platform.release.decide import decide, newest_evidence, the_checkpoint

    environment, use_case, lake = opened(arguments.use_case)
    lake = Snapshot(lake)
    checkpoint = the_checkpoint(lake, use_case, arguments.checkpoint)
    decision = decide(lake, use_case, checkpoint, newest_evidence(lake, use_case, checkpoint))
    _require_same_base_model(environment, use_case, lake, checkpoint)
    found = decision.to_dict()
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _show(found)
    return 0 if decision.accepted else 1


def _require_same_base_model(
    environment: "Environment", use_case: "NamedUseCase", lake: "Lake | Snapshot", checkpoint: "ArtifactVersion"
) -> None:
    """Raises VersionRefused if the base model on this machine is not as the checkpoint was trained on it."""
    from ft_platform.errors import VersionRefused
    from ft_platform.models.base_model import resolve_here
    from ft_platform.models.model_sources import is_here

    settings, training = use_case.settings.trained_base, lake.manifest(checkpoint).info
    if training.get("base_model", {}).get("uri") != settings.uri or not is_here(settings, environment.cache_path):
        return
    if difference := resolve_here(settings, environment).other_than(training):
        raise VersionRefused(
            f"{checkpoint.id} was trained on {difference}",
            f"Find out who changed the base model, or train again: ft run {use_case.name}",
        )


def _show(found: dict[str, Any]) -> None:
    if found["simpler"]:
        print(found["simpler"])
    policy = found["policy"]
    print(
        f"{found['checkpoint']} of {found['use_case']}: {found['decision']}, under policy {policy['name']}"
        f" {policy['version']} ({policy['hash']}). {found['tested'] or ''}".rstrip()
    )
    if found["answers"]:
        print(found["answers"])
    for ruling in found["rules"]:
        mark = "✓" if ruling["passed"] else "~" if ruling["waiver"] else "✗"
        print(f"  {mark} {ruling['rule']:<38} {ruling['why']}")
        if not ruling["passed"]:
            print(f"    {'':<38} needed: {ruling['needed']}")
    for waiver in found["waivers"]:
        print(
            f"  waived: {waiver['rule']} by {waiver['granted_by']} ({waiver['role']}) until {waiver['until']}:"
            f" {waiver['reason']}"
        )
    for waiver_id, why in found["waivers_without_effect"].items():
        print(f"  without effect: {waiver_id}: {why}")
