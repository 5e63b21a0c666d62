"""Which Keras presets are taken as base models; nothing here needs TensorFlow."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.models import keras_preset, keras_process
from ft_platform.models.base_model import resolve, weights_sha256
from ft_platform.models.keras_preset import asked_of_keras, is_preset
from ft_platform.settings.base_model import BaseModelSettings

QWEN = {"vocabulary_size": 100, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16, "rope_scaling_factor": 1.0}


def preset(folder: Path, family: str = "Qwen", tokenizer: str = "", **settings: Any) -> Path:
    """The files of a preset, with weights that only have a size."""
    folder.mkdir(parents=True)
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": settings.pop("dtype", "bfloat16")}}
    config = {"name": "backbone", "trainable": True, "dtype": policy, **QWEN, **settings}
    written = {"registered_name": f"keras_hub>{family}Backbone", "module": "os", "config": config}
    (folder / "config.json").write_text(json.dumps(written))
    words = {"registered_name": f"keras_hub>{tokenizer or family}Tokenizer", "config": {"unsplittable_tokens": ["<s>"]}}
    (folder / "tokenizer.json").write_text(json.dumps(words))
    (folder / "model.weights.h5").write_bytes(bytes(2000))
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "assets" / "tokenizer" / "vocabulary.json").write_text("{}")
    return folder


def test_only_plain_settings_and_no_module_reach_keras(tmp_path):
    found = asked_of_keras(preset(tmp_path / "preset"))
    assert found["family"] == "Qwen" and found["settings"] == QWEN
    assert found["tokenizer"] == {"unsplittable_tokens": ["<s>"]} and "os" not in json.dumps(found).split('"')


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"family": "Bloom"}, "presets of Bloom are not read, only GPT2, Llama3, Qwen"),
        ({"family": "Gemma3"}, "presets of Gemma3 are not read"),
        ({"tokenizer": "Llama3"}, "it is for Llama3, and the model is Qwen"),
        ({"rope_scaling_factor": 4.0}, r"does not write rope_scaling_factor 4\.0 of Qwen"),
        ({"use_sliding_window_attention": True}, "does not write use_sliding_window_attention True of Qwen"),
        ({"family": "Llama3", "rope_position_scaling_factor": 2.0}, r"rope_position_scaling_factor 2\.0 of Llama3"),
        ({"dtype": "int8_from_float32"}, "its weights are int8_from_float32"),
        ({"layer": {"module": "os", "class_name": "system"}}, "layer must be a plain value"),
        ({"num_layers": 10**9}, r"describes 128,000,000,800 weights or more, but the files have 2,000 bytes"),
        ({"num_layers": "two"}, "its sizes must be whole numbers above 0"),
        ({"num_layers": True}, "its sizes must be whole numbers above 0"),
    ],
)
def test_a_preset_is_refused_by_name_before_tensorflow_is_started(tmp_path, monkeypatch, changed, why):
    monkeypatch.setattr(keras_preset, "run_keras", lambda *asked, **more: pytest.fail("it was started"))
    with pytest.raises(BaseModelError, match=why) as refused:
        resolve(BaseModelSettings(uri=str(preset(tmp_path / "preset", **changed))), tmp_path / "cache")
    assert refused.value.next_step
    assert not [one for one in (tmp_path / "cache" / "converted").iterdir() if one.is_dir()]


def test_a_class_that_is_not_kerashubs_is_refused(tmp_path):
    folder = preset(tmp_path / "preset")
    (folder / "config.json").write_text(json.dumps({"registered_name": "builtins>eval", "config": {}}))
    with pytest.raises(BaseModelError, match=r"config\.json is refused: builtins>eval is no backbone of KerasHub"):
        asked_of_keras(folder)


def test_weights_may_not_lie_elsewhere(tmp_path):
    folder = preset(tmp_path / "preset")
    (folder / "model.weights.h5").rename(folder / "model_00000.weights.h5")
    index = folder / "model.weights.json"
    index.write_text(json.dumps({"weight_map": {"/a": ["model_00000.weights.h5"], "/b": "model_00000.weights.h5"}}))
    assert asked_of_keras(folder)["family"] == "Qwen"
    index.write_text(json.dumps({"weight_map": {"/a": ["model_00000.weights.h5", "../model_00001.weights.h5"]}}))
    with pytest.raises(BaseModelError, match=r"'\.\./model_00001\.weights\.h5', which is no weights file of this"):
        asked_of_keras(folder)


def test_a_preset_without_a_tokenizer_is_refused(tmp_path):
    folder = preset(tmp_path / "preset")
    (folder / "assets" / "tokenizer" / "vocabulary.json").unlink()
    (folder / "assets" / "tokenizer").rmdir()
    with pytest.raises(BaseModelError, match="has no tokenizer"):
        asked_of_keras(folder)


def test_the_hash_is_of_all_files_that_make_the_model_and_of_no_other(tmp_path):
    folder = preset(tmp_path / "preset")
    first = weights_sha256(folder)
    (folder / "README.md").write_text("words")
    (folder / "metadata.json").write_text("{}")
    assert weights_sha256(folder) == first
    for name in ("assets/tokenizer/vocabulary.json", "tokenizer.json", "config.json", "chat_template.jinja"):
        (folder / name).write_text('{"a": 1}')
        assert weights_sha256(folder) != first
        first = weights_sha256(folder)
    with pytest.raises(BaseModelError, match=f"base_model.sha256 expects {'0' * 64}.*{first}"):
        resolve(BaseModelSettings(uri=str(folder), sha256="0" * 64), tmp_path / "cache")


def test_a_folder_of_transformers_is_no_preset(tmp_path):
    folder = preset(tmp_path / "preset")
    assert is_preset(folder)
    (folder / "model.safetensors").touch()
    assert not is_preset(folder)


def test_without_tensorflow_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.delenv(keras_process.PYTHON, raising=False)
    monkeypatch.setattr(keras_process, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"FT_TENSORFLOW_PYTHON.*ft-platform\[keras\]"):
        resolve(BaseModelSettings(uri=str(preset(tmp_path / "preset"))), tmp_path / "cache")


@pytest.mark.parametrize(("shift", "ok"), [(0.0, True), (0.001, True), (0.003, False), (float("nan"), False)])
def test_logits_are_compared_within_the_bound_of_the_export(tmp_path, shift, ok):
    import numpy as np
    import torch

    from ft_platform_tests.tiny_models import save_tiny_model

    folder = save_tiny_model(tmp_path / "model")
    from transformers import AutoModelForCausalLM

    tokens = np.arange(20).reshape(2, 10)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(tokens)).logits.numpy() + np.float32(shift)
    if ok:
        keras_preset._require_same_logits(folder, tokens, logits)
        return
    with pytest.raises(BaseModelError, match="another model: a logit differs by"):
        keras_preset._require_same_logits(folder, tokens, logits)
