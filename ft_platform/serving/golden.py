"""Test records that an endpoint is asked, with what the evaluation of the release has of each."""

from collections.abc import Sequence

from ft_platform.errors import DataError
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.records import side_of
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.releases import Release
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.rendering.renderer import NotRendered, Renderer
from ft_platform.models.rendering.turns import ANSWERS
from ft_platform.serving.causes import Golden
from ft_platform.serving.evaluated import FINE_TUNED, evaluation_behind
from ft_platform.training.dataset import read_splits
from ft_platform.use_case.named import NamedUseCase

BASE = "base_zero_shot"


def golden_set(lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, records: int) -> list[Golden]:
    """Evenly over the test records that the evaluation of this release answered.

    Raises:
        VersionRefused: the evaluation behind the decision is not in the lake any more.
        DataError: none of its records can be asked.
    """
    report = evaluation_behind(lake, release)
    table = read_predictions(lake, report)
    rows = table.to_pylist()
    answered, base = ({row["record_id"]: row for row in rows if row["system"] == one} for one in (FINE_TUNED, BASE))
    said = "predicted" if renderer.labels else "answer"
    side = side_of(use_case, read_splits(lake, _splits(lake, report)), "test")
    longest = release.record["asked"]["max_prompt_tokens"]
    found = []
    records_of_side = zip(side.rows["record_id"].to_pylist(), side.messages(), side.answers, strict=True)
    for record_id, messages, expected in records_of_side:
        row = answered.get(record_id)
        question = _question(messages)
        if row is None or question is None:
            continue
        try:
            prompt = tuple(renderer.prompt_ids(messages, longest))
        except NotRendered:
            continue
        untrained = base.get(record_id, {}).get(said)
        found.append(Golden(record_id, question, prompt, row[said] or "", row.get("confidence"), untrained, expected))
    if not found:
        raise DataError(f"no test record of {report.id} can be asked", f"Run: ft run {use_case.name}")
    step = max(1, len(found) // records)
    return found[::step][:records]


def evaluated_records(lake: Lake, release: Release) -> int:
    """How many test records the evaluation of a release answered.

    Raises:
        VersionRefused: as `golden_set`.
    """
    systems = read_predictions(lake, evaluation_behind(lake, release))["system"].to_pylist()
    return systems.count(FINE_TUNED)


def _splits(lake: Lake, report: ArtifactVersion) -> TableVersion:
    """The splits behind an evaluation."""
    parent = next(one for one in lake.manifest(report).parents if one.name == "splits")
    splits = version_of_parent(lake, report.use_case, parent)
    assert isinstance(splits, TableVersion)
    return splits


def _question(messages: Sequence[dict[str, str]]) -> list[dict[str, str]] | None:
    """Without the answer at the end; None where it cannot be asked in OpenAI's form (tools)."""
    asked = list(messages[:-1]) if messages and messages[-1]["role"] in ANSWERS else list(messages)
    plain = all(one["role"] in ("system", "user", "assistant") for one in asked)
    return asked if asked and plain else None
