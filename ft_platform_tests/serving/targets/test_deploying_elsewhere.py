"""`ft deploy` to every kind of target beside our own server, from the YAML to the switch. The other side is a stand-in
with a state, whose models answer as the evaluation noted it, or with a planted fault."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.cli import main
from ft_platform.lake.deployments import deployments
from ft_platform.lake.releases import Release, releases
from ft_platform.orchestration.instance import prepare_home
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.serving.causes import Golden
from ft_platform.serving.golden import golden_set
from ft_platform.serving.live import live_path
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.opening import open_target
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.serving.installations import Installation
from ft_platform_tests.serving.targets.stand_in import Reply
from ft_platform_tests.serving.targets.worlds import WORLDS, World, opened

pytestmark = pytest.mark.integration
NAME, TARGET = "complaints", "elsewhere"
KINDS = sorted(set(WORLDS) - {"local"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A model that writes labels, which every kind of target takes."""
    return Installation(tmp_path_factory.mktemp("made"), "sft")


class Models:
    """What the models of a stand-in answer.

    Attributes:
        more_tokens: of every prompt than were evaluated, as of another chat template.
        wrong: how many of the records get another label, as of other weights.
        asked: requests for answers so far.
    """

    def __init__(self, golden: list[Golden]) -> None:
        self.golden = {json.dumps(one.messages): (number, one) for number, one in enumerate(golden)}
        self.more_tokens, self.wrong, self.asked = 0, 0, 0

    def answer(self, release: str, body: Mapping[str, Any]) -> Reply:
        self.asked += 1
        number, one = self.golden[json.dumps(body["messages"])]
        said = "another label" if number < self.wrong else one.decision
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(one.prompt) + self.more_tokens, "completion_tokens": 2, "total_tokens": 2}
        return Reply(body={"model": body["model"], "choices": [choice], "usage": usage})


class Elsewhere:
    """The use case with one target, and its other side."""

    def __init__(self, made: Installation, world: World) -> None:
        settings: Any = getattr(world.target(), "settings", None) or vars(world.target())["_settings"]
        said = settings.model_dump(mode="json", exclude_defaults=True) | {"kind": settings.kind}
        attributes = {**made.attributes, "serving": {"targets": {TARGET: said}, "parity_records": 12}}
        write_use_case(made.environment.defs, NAME, attributes)
        self.made, self.world = made, world
        self.use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))
        renderer = renderer_of(made.environment, made.lake, self.release)
        self.models = Models(golden_set(made.lake, self.use_case, self.release, renderer, 10_000))
        world.other.answer = self.models.answer
        world.prepare(self.release.id)

    @property
    def release(self) -> Release:
        return releases(self.made.lake, NAME)[0]

    def live(self) -> str | None:
        return open_target(self.made.environment, self.use_case, TARGET).status().live


def materialized(made: Installation) -> None:
    """Dagster knows the release."""
    prepare_home(made.environment)
    with dg.DagsterInstance.get() as instance:
        metadata = vouched_metadata({"handle": dg.MetadataValue.json(made.release.to_dict())})
        instance.report_runless_asset_event(dg.AssetMaterialization([NAME, "release"], metadata=metadata))


@pytest.fixture(params=KINDS)
def elsewhere(
    request: pytest.FixtureRequest, made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Elsewhere]:
    monkeypatch.setenv("FT_HOME", str(made.environment.home))
    monkeypatch.setenv("FT_DEFS", str(made.environment.defs))
    monkeypatch.setenv("FT_TRACKING_URI", "none")
    materialized(made)
    with opened(request.param, tmp_path, monkeypatch) as world:
        yield Elsewhere(made, world)
    # Of a server that others run, the installation notes what has the traffic.
    live_path(made.environment.home, NAME, f"target-{TARGET}").unlink(missing_ok=True)


def test_a_release_that_answers_as_evaluated_gets_the_traffic(elsewhere: Elsewhere, capsys) -> None:
    known = len(deployments(elsewhere.made.lake, NAME, TARGET))
    assert elsewhere.live() is None
    code = main(["deploy", NAME, "--target", TARGET, "--json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert elsewhere.live() == elsewhere.release.id
    assert len(deployments(elsewhere.made.lake, NAME, TARGET)) == known + 1
    record = json.loads(told.out)
    assert record["engine"] == "other" and record["release"] == elsewhere.release.id
    assert record["parity"]["asked"] == 12 and record["parity"]["decisions_equal"]["value"] == 1.0
    assert record["parity"]["prompts_compared"] == "counts"


@pytest.mark.parametrize(
    ("fault", "said"),
    [({"wrong": 6}, "other weights"), ({"wrong": 1}, "precision"), ({"more_tokens": 3}, "chat template: 12 of 12")],
    ids=["other weights", "one other label", "another template"],
)
def test_a_model_that_answers_otherwise_gets_none_and_nothing_of_it_stays(
    elsewhere: Elsewhere, capsys, fault: dict[str, int], said: str
) -> None:
    vars(elsewhere.models).update(fault)
    before, known = elsewhere.world.other.paid(), len(deployments(elsewhere.made.lake, NAME, TARGET))
    assert main(["deploy", NAME, "--target", TARGET]) == 1
    error = capsys.readouterr().err
    assert "does not answer as" in error and said in error
    assert elsewhere.models.asked >= 12
    assert elsewhere.live() is None and elsewhere.world.other.paid() == before
    assert len(deployments(elsewhere.made.lake, NAME, TARGET)) == known
