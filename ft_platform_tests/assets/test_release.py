"""The asset and the command `release`: what the UI shows, and who releases."""

import argparse
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.order import PREVIOUS, Order
from ft_platform.assets.release import build
from ft_platform.commands import release as command
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import releases
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.orchestration.shared import resources
from ft_platform.people.person import Person, at_this_machine, named
from ft_platform.people.started import signed_tags, tags_of
from ft_platform.stages import way_back
from ft_platform.use_case.settings.environment import Environment
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
    monkeypatch.setattr("ft_platform.reporting.evidence.pack.evidence_digest", lambda *_: digest)
    made = WithCard(tmp_path)
    made.publish()
    return made


def materialized(case: Case, **order: Any) -> Any:
    (asset,) = build(case.use_case)
    decision = case.published_decision()
    return asset(
        order=Order(**order),
        lake=case.lake,
        environment=Environment(home=case.home, tracking_uri="none"),
        release_decision=decision,
        adapter_checkpoint=case.versions["adapter_checkpoint"],
    )


def test_the_asset_shows_record_and_registry(case: WithCard) -> None:
    result = materialized(case, by=Person("ana.ruiz@example.org", known_by="openid"))
    (release,) = releases(case.lake, "complaints")
    assert result.value == release.version and result.data_version == dg.DataVersion(release.version.content_hash[:32])
    assert result.metadata["checkpoint"] == "ckpt-weights" and str(result.metadata["number"]) == "1"
    assert str(result.metadata["registry"]).startswith("off: ")
    assert release.record["evidence"]["sha256"] == "e" * 64
    assert (release.record["released_by"], release.record["known_by"]) == ("ana.ruiz@example.org", "openid")


def test_the_asset_goes_back(case: WithCard) -> None:
    materialized(case)
    case.again("second")
    materialized(case)
    materialized(case, release=PREVIOUS, reason=REASON)
    newest = releases(case.lake, "complaints")[0]
    assert newest.checkpoint == "ckpt-weights" and newest.record["reason"] == REASON


def test_it_goes_back_without_a_word(case: WithCard) -> None:
    """From the button of Dagster, whose database keeps no text."""
    materialized(case)
    case.again("second")
    materialized(case)
    materialized(case, job=way_back("complaints"))
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
        materialized(case, release=PREVIOUS, reason=REASON)


def test_the_command_hands_over_what_was_typed_and_no_configuration(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster keeps the configuration of a run for everybody who may look at it."""
    asked: list[Any] = []

    def run(*arguments: Any, order: Order) -> RunOutcome:
        asked.append(order)
        return RunOutcome(error="refused", next_step="Do it")

    monkeypatch.setattr("ft_platform.commands.opened", lambda name: (environment, None, None))
    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", run)
    arguments = argparse.Namespace(use_case="complaints", json=False, command="rollback", by="", reason=REASON)
    assert command.made(arguments, PREVIOUS) == 1
    arguments.by = "Ana.Ruiz@example.org"
    command.made(arguments, "release-0a1b2c3d4e5f")
    assert asked == [
        Order(PREVIOUS, REASON, by=at_this_machine()),
        Order("release-0a1b2c3d4e5f", REASON, by=named("ana.ruiz@example.org")),
    ]
    assert capsys.readouterr().err.splitlines()[0] == "ft rollback: refused Do it"


@pytest.mark.integration
@pytest.mark.parametrize("typed", ["", "typed@example.org"])
def test_who_acts_is_whoever_started_the_run_as_the_web_server_signed_it(environment: Environment, typed: str) -> None:
    person = Person("ana.ruiz@example.org", known_by="openid")
    given = Order("release-1", by=named(typed)) if typed else Order("release-1")
    seen: list[Order] = []

    @dg.asset
    def acts(order: dg.ResourceParam[Order]) -> None:
        seen.append(order)

    made = dg.Definitions(assets=[acts], resources=resources(environment, [], given))
    job, run = made.resolve_implicit_global_asset_job_def(), "0c1f9ad0-0000-4000-8000-000000000001"
    keys = open_lake(environment).signing.keys  # type: ignore[union-attr]
    for name, tags in (
        (run, signed_tags(run, tags_of(person), keys)),
        (run.replace("1", "2"), {}),
        (run.replace("1", "3"), signed_tags(run, tags_of(person), keys)),
    ):
        assert job.execute_in_process(run_id=name, tags=tags).success
    assert [one.release for one in seen] == ["release-1"] * 3
    # A tag that was copied from another run vouches for nobody.
    assert [one.by for one in seen] == [person, given.by, Person("ana.ruiz@example.org")]
