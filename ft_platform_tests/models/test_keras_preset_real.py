"""Presets that the real KerasHub wrote, as base models: converted once, with equal logits and tokens, or refused.

`FT_TENSORFLOW_PYTHON` names the Python of an environment with the extra `keras`, where it is not this one."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ft_platform.errors import BaseModelError
from ft_platform.models import keras_preset
from ft_platform.models.base_model import load, resolve, weights_sha256
from ft_platform.models.keras_process import PYTHON as VARIABLE
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.settings.base_model import BaseModelSettings
from ft_platform.use_case.schema import Task
from ft_platform_tests.exporting.exported import trained
from ft_platform_tests.tiny_models import CHATML

PYTHON = os.environ.get(VARIABLE) or (sys.executable if find_spec("keras_hub") else "")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.components(name="tensorflow"),
    pytest.mark.skipif(not PYTHON, reason="FT_TENSORFLOW_PYTHON names no environment with TensorFlow and KerasHub"),
]


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("presets")
    words = [PYTHON, "-I", str(Path(__file__).with_name("write_keras_presets.py")), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def changed(presets, tmp_path):
    """Writes a copy of a preset with other settings of its backbone."""

    def change(name: str, **settings: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(presets / name, folder)
        config = json.loads((folder / "config.json").read_text())
        config["config"] |= settings
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return change


def resolved(preset: Path, cache: Path):
    return resolve(BaseModelSettings(uri=str(preset)), cache)


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen_tied", "sharded"])
def test_every_family_gives_the_same_logits_and_tokens(presets, tmp_path, name, caplog):
    caplog.set_level("INFO")
    found = resolved(presets / name, tmp_path)
    model, tokenizer = load(found, "float32")
    assert found.weights_sha256 == weights_sha256(presets / name) and model.num_parameters() > 10_000
    off = next(re.finditer(r"largest difference of a logit (\S+)", caplog.text))[1]
    print(f"{name}: {off}")
    assert float(off) < 1e-4 and "has no chat template" in caplog.text
    assert tokenizer("the end", add_special_tokens=False)["input_ids"] and tokenizer.eos_token_id is not None
    assert not list((tmp_path / "converted").glob(".*-*/"))


def test_it_is_converted_once_and_again_when_a_file_changes(presets, tmp_path, monkeypatch):
    preset = shutil.copytree(presets / "qwen", tmp_path / "qwen")
    first = resolved(preset, tmp_path / "cache")
    real, steps = keras_preset.run_keras, []
    monkeypatch.setattr(keras_preset, "run_keras", lambda step, *more, **kw: steps.append(step) or real(step, *more))
    assert resolved(preset, tmp_path / "cache").folder == first.folder and not steps
    (preset / "chat_template.jinja").write_text(CHATML)
    with_template = resolved(preset, tmp_path / "cache")
    assert with_template.folder != first.folder and steps == ["from_preset"]
    renderer = Renderer(load(with_template)[1], Task(kind="generation"))
    ids = renderer.prompt_ids([{"role": "user", "content": "hello"}])
    assert renderer.text.text_of(ids[0]) == "<|im_start|>" and renderer.text.text_of(renderer.end_of_turn[-1]) == (
        "<|im_end|>"
    )


def test_a_checkpoint_is_trained_on_it_and_goes_back_to_tensorflow(presets, tmp_path):
    preset = shutil.copytree(presets / "qwen", tmp_path / "qwen")
    (preset / "chat_template.jinja").write_text(CHATML)
    case = trained(tmp_path / "home", "classification", base={"uri": str(preset), "dtype": "float32"})
    told = case.export("savedmodel", "back")
    assert told["equivalence"]["ok"] and told["base_model"]["sha256"] == weights_sha256(preset)


def test_another_model_is_refused_and_nothing_is_kept(changed, tmp_path, monkeypatch):
    """A setting that KerasHub 0.32 drops, where the table did not know it."""
    monkeypatch.setitem(keras_preset.LOST, "Qwen", {})
    with pytest.raises(BaseModelError, match=r"another model: a logit differs by \d[\d.]*, more than 0\.002"):
        resolved(changed("qwen", rope_scaling_factor=4.0), tmp_path / "cache")
    assert not [one for one in (tmp_path / "cache" / "converted").iterdir() if one.is_dir()]


def test_control_tokens_that_arrive_as_words_are_refused(presets, tmp_path, monkeypatch):
    """What KerasHub writes by itself."""
    monkeypatch.setattr(keras_preset, "_write_tokenizer", lambda folder, control: None)
    with pytest.raises(BaseModelError, match=r"cuts 2 of 11 made-up texts otherwise.*'a<\|im_start\|>"):
        resolved(presets / "qwen", tmp_path)


def test_what_kerashub_says_is_told(changed, tmp_path):
    with pytest.raises(BaseModelError, match=r"KerasHub cannot write the preset .*: ") as refused:
        resolved(changed("qwen", hidden_dim=16), tmp_path / "cache")
    assert len(str(refused.value).splitlines()) <= 5
