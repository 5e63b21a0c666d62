from pathlib import Path

import pytest

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.champion import champion
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import STANDS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.releases import released


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


def test_without_a_release_there_is_no_champion(lake: Lake) -> None:
    checkpoint(lake, 1)
    assert champion(lake, "letters") is None


def test_the_newest_release_that_stands_names_the_champion(lake: Lake) -> None:
    first, second, third = (checkpoint(lake, number) for number in (1, 2, 3))
    released(lake, first, "2026-01-02T00:00:00+00:00")
    released(lake, second, "2026-01-01T00:00:00+00:00")  # the clock was set back in between
    withdrawn = released(lake, third, "2026-01-03T00:00:00+00:00")
    assert champion(lake, "letters") == third
    lake.add_verdict(withdrawn, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
    assert champion(lake, "letters") == second


def test_a_checkpoint_is_compared_with_the_same_champion_before_and_after_it_is_released(lake: Lake) -> None:
    old, new = checkpoint(lake, 1), checkpoint(lake, 2)
    released(lake, old, "2026-01-01T00:00:00+00:00")
    before = champion(lake, "letters", beside=new)
    released(lake, new, "2026-01-02T00:00:00+00:00")
    assert before == old == champion(lake, "letters", beside=new)
    assert champion(lake, "letters") == new


@pytest.mark.parametrize("named", ["ckpt-99", "../ckpt-1", ["ckpt-1"]], ids=str)
def test_a_release_of_no_checkpoint_is_an_error_and_not_no_champion(lake: Lake, named: object) -> None:
    released(lake, checkpoint(lake, 1), record={"checkpoint": {"id": named}})
    with pytest.raises(VersionRefused, match="not in the lake"):
        champion(lake, "letters")


@pytest.mark.parametrize("content", ['{"checkpoint": {"id": "ckpt-1"}}', "[]", "{", ""])
def test_a_release_that_was_altered_is_an_error(lake: Lake, content: str) -> None:
    made = released(lake, checkpoint(lake, 1))
    (Path(made.uri) / "release.json").write_text(content)
    with pytest.raises(VersionRefused, match="cannot be read"):
        champion(lake, "letters")


@pytest.mark.parametrize("record", [{}, {"checkpoint": None}, {"checkpoint": {}}], ids=str)
def test_a_release_that_says_no_checkpoint_is_an_error(lake: Lake, record: dict) -> None:
    released(lake, checkpoint(lake, 1), record=record)
    with pytest.raises(VersionRefused, match="cannot be read"):
        champion(lake, "letters")
