"""The artifact `loop`: days that `ft loop` played, with their picture and page."""

import json
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.stages import LOOP, MONITORING
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

FILE = "loop.json"


def publish_loop(lake: Lake, use_case: NamedUseCase, told: dict[str, Any]) -> ArtifactVersion:
    """Made from the report of its last day.

    Args:
        told: `loop.story.to_dict`, with one day or more.
    """
    from ft_platform.reporting.loop_page import write_loop_page

    inputs = settings_hash(told)
    parents = lake.artifacts(use_case.name, MONITORING)[:1]
    draft = Draft(lake, use_case, LOOP, f"loop-{inputs}", inputs, parents, settings_hash(told["plan"]))
    if existing := draft.existing():
        return existing
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(told, indent=1), encoding="utf-8")
        write_loop_page(folder, told)
        return draft.publish(folder, counts={"days": len(told["days"]), "starts": len(told["starts"])})
