from pathlib import Path

import pytest

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.champion import champion
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment
from ft_platform_tests.evaluation.decisions import decide


def checkpoint(lake: Lake, number: int) -> ArtifactVersion:
    with lake.scratch("letters", "adapter_checkpoint") as folder:
        folder.mkdir(parents=True)
        (folder / "weights.txt").write_text(str(number))
        return lake.publish(
            "letters",
            "adapter_checkpoint",
            f"ckpt-{number}",
            folder,
            parents=[],
            settings_hash="s",
            input_hash=str(number),
        )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(Environment(home=tmp_path))


def test_without_a_decision_there_is_no_champion(lake: Lake) -> None:
    assert champion(lake, "letters") is None
    decide(lake, checkpoint(lake, 1), "refused")
    assert champion(lake, "letters") is None


def test_the_newest_accepted_decision_names_the_champion(lake: Lake) -> None:
    first, second, third = (checkpoint(lake, number) for number in (1, 2, 3))
    decide(lake, second, written_at="2026-01-02T00:00:00+00:00")
    decide(lake, first, written_at="2026-01-01T00:00:00+00:00")
    decide(lake, third, "refused", written_at="2026-01-03T00:00:00+00:00")
    assert champion(lake, "letters") == second
    assert champion(lake, "letters", beside=third) == second


def test_a_checkpoint_is_compared_with_the_same_champion_before_and_after_it_is_accepted(lake: Lake) -> None:
    old, new = checkpoint(lake, 1), checkpoint(lake, 2)
    decide(lake, old, written_at="2026-01-01T00:00:00+00:00")
    before = champion(lake, "letters", beside=new)
    decide(lake, new, written_at="2026-01-02T00:00:00+00:00")
    assert before == old == champion(lake, "letters", beside=new)
    assert champion(lake, "letters") == new


@pytest.mark.parametrize(
    "changes",
    [{"checkpoint": None}, {"checkpoint": "ckpt-99"}, {"checkpoint": "../ckpt-1"}, {"checkpoint": ["ckpt-1"]}],
    ids=str,
)
def test_an_accepted_decision_about_no_checkpoint_is_an_error_and_not_no_champion(lake: Lake, changes: dict) -> None:
    decide(lake, checkpoint(lake, 1), changes=changes)
    with pytest.raises(VersionRefused, match="not in the lake"):
        champion(lake, "letters")


@pytest.mark.parametrize("content", ['{"decision": "accepted", "checkpoint": "ckpt-1"}', "[]", "{", ""])
def test_a_decision_that_was_altered_is_an_error(lake: Lake, content: str) -> None:
    made = decide(lake, checkpoint(lake, 1), "refused")
    (Path(made.uri) / "decision.json").write_text(content)
    with pytest.raises(VersionRefused, match="cannot be read"):
        champion(lake, "letters")
