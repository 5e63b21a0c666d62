"""The asset and the command `release`: what the UI shows, and that no text reaches Dagster's database."""

import argparse
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.release import ReleaseConfig, build
from ft_platform.commands import release as command
from ft_platform.lake.releases import releases
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.settings.environment import Environment
from ft_platform_tests.release.test_releasing import REASON, Case

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")


class WithCard(Case):
    """A case whose model card is a page, as the graph makes it."""

    def add(self, stage: str, suffix: str = "") -> Any:
        if stage == "model_card":
            return self._publish(stage, {"README.md": "# Card", "page.json": suffix}, f"{stage}{suffix}")
        return super().add(stage, suffix)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WithCard:
    digest = {"sha256": "e" * 64, "files": {"index.html": "f" * 64}, "missing": []}  # packs: tests of `evidence`
    monkeypatch.setattr("ft_platform.evidence.pack.evidence_digest", lambda *_: digest)
    made = WithCard(tmp_path)
    made.publish()
    return made


def materialized(case: Case, **config: Any) -> Any:
    (asset,) = build(case.use_case)
    decision = case.published_decision()
    return asset(
        config=ReleaseConfig(**config),
        lake=case.lake,
        environment=Environment(home=case.home, tracking_uri="none"),
        release_decision=decision,
        adapter_checkpoint=case.versions["adapter_checkpoint"],
    )


def test_the_asset_shows_record_and_registry(case: WithCard) -> None:
    result = materialized(case, released_by="ana.ruiz@example.org")
    (release,) = releases(case.lake, "complaints")
    assert result.value == release.version and result.data_version == dg.DataVersion(release.version.content_hash[:32])
    assert result.metadata["checkpoint"] == "ckpt-weights" and str(result.metadata["number"]) == "1"
    assert str(result.metadata["registry"]).startswith("off: ")
    assert release.record["evidence"]["sha256"] == "e" * 64


def test_the_asset_goes_back(case: WithCard) -> None:
    materialized(case)
    case.again("second")
    materialized(case)
    materialized(case, back_to="previous", reason=REASON)
    newest = releases(case.lake, "complaints")[0]
    assert newest.checkpoint == "ckpt-weights" and newest.record["reason"] == REASON


def test_it_goes_back_without_a_word(case: WithCard) -> None:
    """From the button of Dagster, whose database keeps no text."""
    materialized(case)
    case.again("second")
    materialized(case)
    materialized(case, roll_back=True)
    newest = releases(case.lake, "complaints")[0]
    assert newest.checkpoint == "ckpt-weights" and newest.record["reason"].startswith("Rolled back in Dagster")


def test_it_shows_what_stands_and_makes_nothing(case: WithCard) -> None:
    """After the portal has released or gone back."""
    with pytest.raises(dg.Failure, match="no release that stands"):
        materialized(case, standing=True)
    materialized(case)
    case.again("second")
    assert materialized(case, standing=True).metadata["checkpoint"] == "ckpt-weights"
    assert len(releases(case.lake, "complaints")) == 1


def test_a_refusal_is_a_failure_that_says_why(case: WithCard) -> None:
    with pytest.raises(dg.Failure, match="no earlier release"):
        materialized(case, back_to="previous", reason=REASON)


def test_texts_of_the_command_reach_the_asset_as_variables(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster keeps the configuration of a run for everybody who may look at it."""
    asked: list[Any] = []

    def run(*arguments: Any, config: Any) -> RunOutcome:
        asked.append(config)
        return RunOutcome(error="refused", next_step="Do it")

    monkeypatch.setattr("ft_platform.commands.opened", lambda name: (environment, None, None))
    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", run)
    arguments = argparse.Namespace(use_case="complaints", json=False, command="rollback")
    assert command.made(arguments, {"released_by": "", "reason": REASON, "back_to": "previous"}) == 1
    assert asked == [{"reason": {"env": "FT_RELEASE_REASON"}, "back_to": {"env": "FT_RELEASE_BACK_TO"}}]
    assert capsys.readouterr().err == "ft rollback: refused Do it\n"
