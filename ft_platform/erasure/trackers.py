"""Which runs in the trackers may hold something of erased persons, and what came of asking to delete them."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from ft_platform.erasure.artifacts import artifacts_of
from ft_platform.erasure.needles import Needles
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.tracking.deleting import Unwanted, ask_to_delete, unwanted
from ft_platform.use_case.settings.environment import Environment

NOT_CONFIRMED = "requested, not confirmed"


def ask_trackers(
    lake: Lake,
    environment: Environment,
    use_case: str,
    request: str,
    learned: Collection[str],
    needles: Needles | None = None,
) -> list[dict[str, Any]]:
    """Asks every tracker to delete the runs of what learned from the rows, and of reports that lost something.

    Args:
        learned: ids of checkpoints, and of unfinished trainings.
        needles: what runs must not hold; None: it is not known any more.
    """
    about = unwanted(lake, use_case, _touched(lake, use_case, request, learned), _names_person(needles))
    wanted = Unwanted(use_case, about.made | frozenset(learned), about.runs, about.names_person)
    return [one.to_dict() for one in ask_to_delete(environment, wanted)]


def _names_person(needles: Needles | None) -> Callable[[str], bool]:
    return lambda text: needles is not None and needles.count(b"\0" + text.encode("utf-8", "replace") + b"\0") > 0


def _touched(lake: Lake, use_case: str, request: str, learned: Collection[str]) -> Iterator[ArtifactVersion]:
    """These checkpoints, what was made from one, and what this erasure took something out of."""
    for artifact in artifacts_of(lake, use_case):
        manifest = lake.manifest(artifact)
        lost = any(one.request == request for one in lake.erased_rows(artifact).erasures)
        if lost or artifact.artifact_id in learned or any(parent.id in learned for parent in manifest.parents):
            yield artifact


def open_places(asked: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was asked and is not confirmed."""
    return [one for one in asked if not one["confirmed"]]
