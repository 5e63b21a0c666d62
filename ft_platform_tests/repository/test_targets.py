"""`ft init NAME --target`: infrastructure as code and compute profiles of one target, beside the use cases."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform import cli
from ft_platform.commands import init
from ft_platform.onboarding.repository.write import ENVIRONMENT, INFRA, TARGETS
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.repository.test_repository import empty  # noqa: F401


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_brings_its_files_and_profiles(
    target: str,
    empty: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cli.main(["init", "acme", "--target", target]) == 0
    first = TARGETS[target][0]
    for source in TARGETS[target]:
        there = {file.relative_to(INFRA / source) for file in (INFRA / source).rglob("*") if file.is_file()}
        written = empty / "acme" / "infra" / source
        came = {file.relative_to(written) for file in written.rglob("*") if file.is_file()}
        assert came == there - ({Path(ENVIRONMENT)} if source == first else set())
    monkeypatch.chdir(empty / "acme")
    environment = load_environment()
    own: dict[str, Any] = yaml.safe_load((INFRA / first / ENVIRONMENT).read_text())
    assert set(environment.profiles) >= set(own["profiles"])
    text = (empty / "acme" / ENVIRONMENT).read_text()
    assert text.startswith("# Settings of this installation") and text.count("lake_root:") <= 1
    assert text.count("profiles:") == 1


def test_a_target_without_a_name_is_refused(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert cli.main(["init", "--target", "gcp"]) != 0
    assert "ft init NAME --target gcp" in capsys.readouterr().err
    assert not list(empty.iterdir())


def test_the_command_offers_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert init.EXAMPLES
    with pytest.raises(SystemExit):
        cli.main(["init", "acme", "--target", "moon"])
    said = capsys.readouterr().err
    assert all(target in said for target in TARGETS)
