"""What KerasHub would make another model of is refused by name; nothing here needs TensorFlow."""

import math
import subprocess
import sys

import numpy as np
import pytest

from ft_platform.errors import ExportRefused, MissingExtra
from ft_platform.serving.exporting import keras_files, keras_process
from ft_platform.serving.exporting.keras_support import problem, readable

LLAMA = {
    "model_type": "llama",
    "num_attention_heads": 4,
    "hidden_size": 64,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
STRETCHED = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"head_dim": 16}, None),
        ({"rope_parameters": STRETCHED}, None),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope type linear of llama"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope type yarn of llama"),
        ({"model_type": "qwen2", "rope_parameters": STRETCHED}, "rope type llama3 of qwen2"),
        ({"model_type": "qwen3", "head_dim": 32}, None),
        ({"head_dim": 32}, "head_dim 32 of llama"),
        ({"attention_bias": True}, "attention_bias True of llama"),
        ({"hidden_act": "gelu"}, "hidden_act gelu of llama"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window True of qwen2"),
        ({"model_type": "mistral"}, "type mistral are not written for TensorFlow, only llama, qwen2, qwen3"),
    ],
)
def test_what_the_converter_passes_over_is_refused_by_name(changed, why):
    found = problem({**LLAMA, **changed})
    assert found is None if why is None else found and why in found


def test_a_stretched_rope_is_written_where_kerashub_looks_for_it():
    made = readable({**LLAMA, "rope_parameters": STRETCHED}, label_head=False)
    assert made["rope_scaling"] == STRETCHED and made["rope_theta"] == 500000.0
    assert made["rope_parameters"] == {"rope_theta": 500000.0} and not made["tie_word_embeddings"]
    assert readable(LLAMA, label_head=True)["tie_word_embeddings"]
    assert readable(LLAMA, label_head=True)["rope_scaling"] is None


def test_without_tensorflow_the_error_names_extra_and_variable(monkeypatch):
    monkeypatch.delenv(keras_process.PYTHON, raising=False)
    monkeypatch.setattr(keras_process, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"FT_TENSORFLOW_PYTHON.*ft-platform\[keras\]"):
        keras_files.require_convertible(LLAMA)
    monkeypatch.setenv(keras_process.PYTHON, "/nowhere/python")
    with pytest.raises(MissingExtra, match=r"/nowhere/python cannot be started.*ft-platform\[keras\]"):
        keras_files.run_program("convert", {})


def test_a_python_without_tensorflow_is_named(monkeypatch, tmp_path):
    """A bare environment, as `FT_TENSORFLOW_PYTHON` may name by mistake."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setenv(keras_process.PYTHON, str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(MissingExtra, match=r"bare/bin/python.*ft-platform\[keras\]"):
        keras_files.run_program("convert", {})


def test_what_a_failed_program_says_of_records_is_not_repeated(monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("raise ValueError('the words of a person')")
    monkeypatch.setattr(keras_process, "PROGRAM", program)
    monkeypatch.setenv(keras_process.PYTHON, sys.executable)
    with pytest.raises(ExportRefused, match="KerasHub failed to answer the model: ValueError") as refused:
        keras_files.run_program("answer", {})
    assert "words of a person" not in str(refused.value)


@pytest.mark.parametrize(
    ("exported", "ok"),
    [
        (np.full((2, 3), 1.001), True),
        (np.full((2, 3), 1.003), False),
        (np.full((2, 3), math.nan), False),
        (np.full((2, 4), 1.0), False),
    ],
)
def test_logits_are_compared_as_well_as_decisions(exported, ok):
    equal = {"status": "equal", "ok": True, "problems": []}
    found = keras_files.with_logits(equal, np.ones((2, 3)), exported)
    assert found["ok"] == ok and found["status"] == ("equal" if ok else "different")
    assert ok or "a logit differs by" in found["problems"][0]


def test_a_greedy_answer_ends_at_the_first_other_token():
    assert keras_files._as_written([5, 6, 7], np.array([5, 6, 7])) == [5, 6, 7]
    assert keras_files._as_written([5, 6, 7], np.array([5, 9, 7])) == [5, 9]
    assert keras_files._as_written([], np.array([], int)) == []
