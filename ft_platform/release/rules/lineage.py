"""`lineage/signatures`, `lineage/adapter_checkpoint`, `lineage/<report>`: what is decided about is whole, current, and
what a program signed.

Needs the manifests of the use case, the checkpoint, and every report that a decision needs (`REQUIRED`). What is
missing, altered, stale or about another checkpoint is told by the evidence itself. Nobody can waive it: without it, it
is unknown what would be released.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import REQUIRED, Evidence, Item
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    yield Rule("lineage/signatures", "each manifest, verdict, waiver and decision is as a program signed it", _signed)
    yield Rule(
        "lineage/adapter_checkpoint",
        "intact, current, permitted",
        lambda found: _whole(found.checkpoint.id, found.problems),
    )
    for stage in REQUIRED:
        yield Rule(
            f"lineage/{stage}",
            "present, intact, current, of this checkpoint",
            lambda found, stage=stage: _item_whole(found.items[stage]),
        )


def _signed(found: Evidence) -> Finding:
    if found.signatures:
        return Finding(False, "; ".join(found.signatures))
    afterwards = (
        f" {found.adopted:,} of them were written before there were signatures and signed afterwards."
        if found.adopted
        else ""
    )
    return Finding(True, f"Each is as it was signed, and none is missing.{afterwards}")


def _item_whole(item: Item) -> Finding:
    return _whole(item.version.id if item.version else item.stage, item.problems)


def _whole(name: str, problems: tuple[str, ...]) -> Finding:
    return (
        Finding(False, "; ".join(problems))
        if problems
        else Finding(True, f"{name} and all it was made from are intact and current.")
    )


KIND = Kind(names=("lineage",), owner=None, order=(10, 0), rules=_rules)
