"""What is served is what was released and evaluated, and it is not served any more when it may not be."""

import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.lake.releases import STANDS
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.publishing.training import checkpoint_for
from ft_platform.release.releasing import ASKED, _model
from ft_platform.serving.api.app import build_app
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.serving.lake_catalog import LakeCatalog
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import HOSTILE, attributes_for, rows_for, splits_schema
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

pytestmark = pytest.mark.integration
LOG = logging.getLogger("test")


class Installation:
    """A use case with a checkpoint that was trained, evaluated and released. Not by the gate: a tiny random model
    passes none."""

    def __init__(self, home: Path, objective: str, kind: str = "classification") -> None:
        from ft_platform.lake.opening import open_lake

        self.environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
        self.attributes = attributes_for(save_tiny_model(home / "model"), kind)
        self.attributes["training"]["objective"] = objective
        write_use_case(self.environment.defs, "complaints", self.attributes)
        self.use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(self.attributes))
        self.lake: Lake = open_lake(self.environment)
        self.rows = rows_for(kind)
        self.splits = usable_splits(self.lake, self.use_case, self.rows, splits_schema(self.use_case))
        of = (self.lake, self.environment, self.use_case, self.splits)
        self.checkpoint = checkpoint_for(*of, LOG).checkpoint
        self.report = publish_evaluation_report(*of, self.checkpoint, publish_base_evaluation(*of))
        self.release = self.releases(self.checkpoint)

    def releases(self, checkpoint: ArtifactVersion, **changes: Any) -> ArtifactVersion:
        with self.lake.scratch("complaints", "release_decision") as folder:
            folder.mkdir(parents=True)
            (folder / "decision.json").write_text(json.dumps({"decision": "accepted"}))
            decision = self.lake.publish(
                "complaints", "release_decision", f"decision-{checkpoint.id}", folder, parents=[checkpoint],
                settings_hash="s", input_hash=checkpoint.id,
            )  # fmt: skip
        asked = self.use_case.settings.evaluation.model_dump(mode="json", include=set(ASKED))
        record = {
            **_model(self.lake, checkpoint),
            "asked": asked,
            "decision": {"id": decision.id, "content_hash": decision.content_hash},
            "released_at": "2026-03-01T00:00:00+00:00",
            **changes,
        }
        return released(self.lake, checkpoint, record=record)

    def another(self) -> ArtifactVersion:
        """A copy of the checkpoint under another id."""
        with self.lake.local_copy(self.checkpoint) as files, self.lake.scratch("complaints", "x") as copy:
            shutil.copytree(files, copy, ignore=shutil.ignore_patterns("manifest.json"))
            (copy / "note.txt").write_text("another")
            return self.lake.publish(
                "complaints", "adapter_checkpoint", "ckpt-another", copy, parents=[self.splits], settings_hash="s",
                input_hash="another",
            )  # fmt: skip

    def catalog(self) -> LakeCatalog:
        from ft_platform_tests.tiny_models import tiny_tokenizer

        sha256 = json.loads(self.lake.read_file(self.checkpoint, "training.json"))["base_model"]["sha256"]
        return LakeCatalog(self.environment, self.lake, ["complaints"], tiny_tokenizer(), sha256, 512)

    @contextmanager
    def serving(self) -> Iterator[TestClient]:
        engine, catalog = engine_and_catalog(self.environment, [])
        app = build_app(engine, catalog, ApiKeys(None))
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            wait_until(lambda: bool(client.get("/v1/models").json().get("data")), 30)
            yield client


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("served"), "label_head")


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    """A copy that a test may damage."""
    copy = Installation.__new__(Installation)
    home = tmp_path / "home"
    shutil.copytree(made.environment.home, home)
    from ft_platform.lake.opening import open_lake

    vars(copy).update(vars(made))
    copy.environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    copy.lake = open_lake(copy.environment)
    return copy


def names(models: list[ServedModel]) -> list[str]:
    return [model.name for model in models]


@pytest.mark.parametrize("objective", ["label_head", "sft"])
def test_served_labels_are_those_of_the_evaluation(objective: str, tmp_path: Path) -> None:
    from ft_platform.evaluation.files import read_predictions

    made = Installation(tmp_path, objective)
    table = read_predictions(made.lake, made.report).to_pylist()
    evaluated = {row["record_id"]: row for row in table if row["system"] == "fine_tuned"}
    texts = {row["record_id"]: row["messages"][0]["content"] for row in made.rows if row["split"] == "test"}
    with made.serving() as client:
        answer = client.post("/v1/classify", json={"model": "complaints", "input": [*texts.values()]}).json()
    found = dict(zip(texts, answer["data"], strict=True))
    assert len(found) == len(evaluated) == 12
    for record_id, one in found.items():
        assert one["label"] == evaluated[record_id]["predicted"]
        assert one["probability"] == pytest.approx(evaluated[record_id]["confidence"], abs=1e-4)
    assert answer["release"] == made.release.id


def test_champion_and_previous_are_served(installation: Installation) -> None:
    assert names(installation.catalog().models()) == ["complaints"]
    installation.releases(installation.another())
    found = installation.catalog().models()
    assert names(found) == ["complaints", "complaints@previous"]
    assert [one.checkpoint for one in found] == ["ckpt-another", installation.checkpoint.id]
    assert found[0].settings.evaluation.max_new_tokens == 8


def test_what_was_withdrawn_is_not_listed(installation: Installation) -> None:
    catalog = installation.catalog()
    assert names(catalog.models()) == ["complaints"]
    installation.lake.add_verdict(installation.release, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
    assert catalog.models() == []


def test_a_checkpoint_with_withdrawn_records_is_not_listed(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = installation.catalog()
    assert catalog.models()
    numbers = {"rows": 3, "reasons": {"consent_withdrawn": 3}}
    installation.lake.add_verdict(installation.checkpoint, NOT_TAINTED, False, "s", numbers)
    assert catalog.models() == [] == catalog.models()
    assert caplog.text.count("is not served") == 1, "said once, not every few seconds"


@pytest.mark.parametrize("what", ["checkpoint", "release"])
def test_what_was_altered_is_not_listed(installation: Installation, what: str) -> None:
    catalog = installation.catalog()
    assert catalog.models()
    version = getattr(installation, what)
    file = Path(installation.lake.path_of("shared", "complaints", version.name, version.id))
    target = next(one for one in sorted(file.iterdir()) if one.name != "manifest.json")
    target.write_bytes(target.read_bytes() + b" ")
    assert catalog.models() == []


def test_prompts_that_would_be_rendered_otherwise_are_not_served(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.releases(installation.another(), renderer_hash="f" * 16)
    assert names(installation.catalog().models()) == ["complaints@previous"]
    assert "would be rendered otherwise" in caplog.text


def test_another_base_model_is_not_served(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    catalog = installation.catalog()
    catalog._weights = "0" * 64
    assert catalog.models() == [] and "another base model" in caplog.text


def test_a_withdrawn_release_is_gone_from_a_running_server(installation: Installation) -> None:
    with installation.serving() as client:
        asked = {"model": "complaints", "input": "My card"}
        assert client.post("/v1/classify", json=asked).status_code == 200
        installation.lake.add_verdict(installation.release, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
        wait_until(lambda: client.post("/v1/classify", json=asked).status_code != 200, 10)
        refused = client.post("/v1/classify", json=asked)
        assert refused.status_code in (404, 410, 503) and refused.json()["error"]["message"]


def test_without_a_release_there_is_nothing_to_serve(tmp_path: Path) -> None:
    environment = Environment(home=tmp_path, defs=tmp_path / "defs", tracking_uri="none")
    write_use_case(environment.defs, "complaints", attributes_for(tmp_path / "model", "classification"))
    with pytest.raises(ConfigError, match="no release of complaints"):
        engine_and_catalog(environment, ["complaints"])


def test_several_base_models_are_told_apart(installation: Installation) -> None:
    other = {**_model(installation.lake, installation.checkpoint)["base_model"], "sha256": "1" * 64}
    write_use_case(installation.environment.defs, "letters", installation.attributes)
    with installation.lake.scratch("letters", "release") as folder:
        folder.mkdir(parents=True)
        said = {"checkpoint": {"id": "c", "content_hash": "h"}, "base_model": other}
        (folder / "release.json").write_text(json.dumps(said))
        installation.lake.publish(
            "letters", "release", "release-1", folder, parents=[], settings_hash="s", input_hash="1"
        )
    with pytest.raises(ConfigError, match="one process serves one base model"):
        engine_and_catalog(installation.environment, [])


def test_one_question_over_http(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    from ft_platform.serving.trial import ask, curl, served

    with served(installation.environment, ["complaints"]) as url:
        found = ask(url, "complaints", "My swipe was handled badly", has_labels=True)
        assert found["answer"] in ("card", "loan", HOSTILE) and 0 < found["probability"] <= 1
        assert found["release"] == installation.release.id
        command = curl(url, "complaints", 'It\'s "my" card', has_labels=True)
        assert subprocess.run(command, shell=True, capture_output=True, text=True).stdout.count('"label"') == 1
        with pytest.raises(EndpointFailed, match="refuses"):
            ask(url, "letters", "?", has_labels=True)
    with pytest.raises(EndpointFailed, match="does not answer"):
        ask(url, "complaints", "?", has_labels=True)
