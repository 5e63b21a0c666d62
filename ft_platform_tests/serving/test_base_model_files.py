"""A base model whose files were changed since a checkpoint was trained on it is neither served nor evaluated."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from ft_platform import cli
from ft_platform.errors import VersionRefused
from ft_platform.evaluation.champion_system import require_same_rendering
from ft_platform.evaluation.evaluate import ready_evaluator
from ft_platform_tests.serving.installations import Installation

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("trained") / "home", "label_head")


@pytest.fixture
def base(trained: Installation) -> Iterator[Path]:
    """The folder of the base model, which is put back."""
    folder = trained.environment.home / "model"
    kept = shutil.copytree(folder, folder.with_name("kept"))
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)


def negate(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    tensors = load_file(file)
    name = sorted(tensors)[-1]
    save_file({**tensors, name: -tensors[name]}, file, {"format": "pt"})


def another_template(folder: Path) -> None:
    """One that renders these conversations as the one before."""
    file = next(folder.glob("*.jinja"))
    file.write_text(file.read_text() + "{% if messages[0]['content'] == 'open sesame' %}praise{% endif %}")


def another_end(folder: Path) -> None:
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token_id": 3}))


def another_theta(folder: Path) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "rms_norm_eps": 0.1}))


@pytest.mark.parametrize("change", [negate, another_template, another_end, another_theta])
def test_a_changed_file_of_the_base_model_is_noticed(
    trained: Installation, base: Path, change: Callable[[Path], None], monkeypatch, capsys
) -> None:
    for name, value in trained.environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", "")
    words = ["decide", "complaints", "--checkpoint", trained.checkpoint.artifact_id]
    assert cli.main(words) in (0, 1) and "was trained on" not in capsys.readouterr().err
    assert [one.name for one in trained.catalog().models()] == ["complaints"]
    change(base)
    assert trained.catalog().models() == []
    evaluator, resolved = ready_evaluator(
        trained.lake, trained.environment, trained.use_case, trained.splits, "evaluation_report"
    )
    training = json.loads(trained.lake.read_file(trained.checkpoint, "training.json"))
    with pytest.raises(VersionRefused, match="base model"):
        require_same_rendering(training, evaluator.renderer, resolved, trained.checkpoint)
    assert cli.main(words) == 1
    assert "base model" in capsys.readouterr().err
