"""What is served is what was released and evaluated, and it is not served any more when it may not be."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.lake.files import sha256_file
from ft_platform.lake.releases import STANDS
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.release.releasing import _model
from ft_platform.serving import evaluated, lake_catalog
from ft_platform.serving.catalog import ServedModel, Shelf
from ft_platform.serving.guardrails.refusal import Refused
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.use_case.file import FILE_NAME
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.tiny_case import HOSTILE, attributes_for
from ft_platform_tests.serving.fakes import FakeEngine, wait_until
from ft_platform_tests.serving.installations import Installation, copied
from ft_platform_tests.serving.test_base_model_files import negate

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("served"), "label_head")


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    return copied(made, tmp_path / "home")


def names(models: list[ServedModel]) -> list[str]:
    return [model.name for model in models]


@pytest.mark.parametrize(
    ("objective", "method"),
    [("label_head", "lora"), ("label_head", "linear_probe"), ("label_head", "tfidf_logreg"), ("sft", "lora")],
)
def test_served_labels_are_those_of_the_evaluation(objective: str, method: str, tmp_path: Path) -> None:
    from ft_platform.evaluation.files import read_predictions

    made = Installation(tmp_path, objective, method=method)
    table = read_predictions(made.lake, made.report).to_pylist()
    evaluated = {row["record_id"]: row for row in table if row["system"] == "fine_tuned"}
    texts = {row["record_id"]: row["messages"][0]["content"] for row in made.rows if row["split"] == "test"}
    with made.serving() as client:
        asked = {"model": "complaints", "input": [*texts.values()]}
        answer = client.post("/v1/classify", json=asked, headers={"X-FT-Guardrails": "off"}).json()
    found = dict(zip(texts, answer["data"], strict=True))
    assert len(found) == len(evaluated) == 12
    for record_id, one in found.items():
        assert one["label"] == evaluated[record_id]["predicted"]
        assert one["probability"] == pytest.approx(evaluated[record_id]["confidence"], abs=1e-4)
    assert answer["release"] == made.release.id


def test_a_changed_file_reaches_what_is_served(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    engine, catalog = FakeEngine(), installation.catalog()
    shelf = Shelf(catalog, engine)
    shelf.refresh()
    shelf.load_missing()

    def served_now() -> ServedModel:
        shelf.refresh()
        found = shelf.find("complaints")
        assert found is not None
        return found

    before = served_now()
    assert before.settings.monitoring.capture.share == 0 and served_now() is before
    changes = {
        "monitoring": {"capture": {"share": 1.0, "purpose": "monitoring"}},
        "serving": {"guardrails": {"abstain_below": 0.7, "personal_data": "refuse"}},
    }
    write_use_case(installation.environment.defs, "complaints", installation.attributes | changes)
    after = served_now()
    assert after.settings.monitoring.capture.share == 1 and after.abstain_below == 0.7
    assert after.settings.evaluation == before.settings.evaluation, "limits of the evaluation stay"
    with pytest.raises(Refused):
        after.guardrails.request([{"role": "user", "content": "Write to anna.berg@example.org."}])
    path = installation.environment.defs / "complaints" / FILE_NAME
    path.write_text(path.read_text() + "  nonsense: 1\n")
    assert served_now() is after and "The changed file of complaints" in caplog.text
    write_use_case(installation.environment.defs, "complaints", installation.attributes)
    assert served_now().settings.monitoring.capture.share == 0
    assert len(engine.loaded) == 1, "the weights were loaded once"


def test_a_copy_of_an_object_stores_checkpoint_that_was_changed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with s3_bucket("served", monkeypatch):
        made = Installation(tmp_path, "label_head", lake_root="s3://served/lake")
        (model,) = made.catalog().models()
        before = sha256_file(model.folder / "adapter_model.safetensors")
        for change in (negate, lambda folder: (folder / "more.json").write_text("{}")):
            change(model.folder)
            assert [one.folder for one in made.catalog().models()] == [model.folder]
            assert sha256_file(model.folder / "adapter_model.safetensors") == before
            assert not (model.folder / "more.json").exists()
            assert "was changed in the cache" in caplog.text
            caplog.clear()
        running = made.catalog()
        _ = running.models()
        negate(model.folder)
        monkeypatch.setattr(lake_catalog, "VERIFY_SECONDS", 0.0)
        _ = running.models()
        assert sha256_file(model.folder / "adapter_model.safetensors") == before, (
            "it is compared again from time to time"
        )


@pytest.mark.parametrize(
    ("guardrails", "least"),
    [  # 12 test records prove no 99 %, nor the 95 % that nobody asked for
        ({"abstain_below": "none", "abstain_for_accuracy": 0.99}, 0.0),
        ({"abstain_below": 0.6, "abstain_for_accuracy": 0.99}, 0.6),
        ({"abstain_for_accuracy": 0.99}, 2.0),
        ({}, 0.0),
    ],
)
def test_the_threshold_is_what_the_file_says(
    installation: Installation, guardrails: dict[str, Any], least: float
) -> None:
    attributes = installation.attributes | {"serving": {"guardrails": guardrails}}
    write_use_case(installation.environment.defs, "complaints", attributes)
    (found,) = installation.catalog().models()
    assert found.abstain_below == least


def test_an_automatic_threshold_is_of_the_evaluation_behind_the_release(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def metrics(_lake: Any, report: Any) -> dict[str, Any]:  # the tiny model is right in no test record
        assert report.id == installation.report.id
        rows = [(200, 150, 0.3), (100, 100, 0.8)]
        table = [
            {"coverage": n / 200, "rows": n, "threshold": least, "accuracy": {"value": hits / n}}
            for n, hits, least in rows
        ]
        return {"calibration": {"fine_tuned": {"selective": table}}}

    monkeypatch.setattr(evaluated, "read_metrics", metrics)
    assert "serving" not in installation.attributes, "nobody asked for it"
    (found,) = installation.catalog().models()
    assert found.abstain_below == 0.8


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
    catalog._base = replace(catalog._base, weights_sha256="0" * 64)
    assert catalog.models() == [] and "was trained on base model" in caplog.text


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


def test_a_conversation_with_a_server_that_runs_for_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_HOME", str(installation.environment.home))
    monkeypatch.setenv("FT_DEFS", str(installation.environment.defs))
    monkeypatch.setattr(sys, "stdin", io.StringIO("My swipe was handled badly\n/release\n"))
    assert main(["chat", "complaints"]) == 0
    label, release = capsys.readouterr().out.splitlines()
    assert label.startswith(("card  (", "loan  (", HOSTILE)) and installation.release.id in release


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


def test_one_release_can_be_served_and_no_other(installation: Installation) -> None:
    first = installation.release.id
    installation.releases(installation.another())
    catalog = installation.catalog(first)
    assert [(one.name, one.release) for one in catalog.models()] == [("complaints", first)]
    assert installation.catalog("release-unknown").models() == []
