"""A real TensorFlow: tiny checkpoints as SavedModel answer as in PyTorch, and planted faults are
refused.

`FT_TENSORFLOW_PYTHON` names the Python of an environment with the extra `keras`, where it is not this one."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from ft_platform.errors import ExportRefused
from ft_platform.serving.exporting import chat_template, export, keras_files
from ft_platform.serving.exporting.keras_process import PYTHON as PYTHON_VARIABLE
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.exporting.exported import Case, trained

PYTHON = os.environ.get(PYTHON_VARIABLE) or (sys.executable if find_spec("keras_hub") else "")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.components(name="tensorflow"),
    pytest.mark.skipif(not PYTHON, reason="FT_TENSORFLOW_PYTHON names no environment with TensorFlow and KerasHub"),
]


@pytest.fixture(autouse=True)
def few_chats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "compare", partial(chat_template.compare, chats=60))


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("labels") / "home", "classification")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("answers") / "home", "generation")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("head") / "home", "classification", objective="label_head")


@pytest.mark.parametrize("kind", ["labels", "answers", "head"])
def test_every_kind_answers_on_tensorflow_as_in_pytorch(kind, request):
    case = request.getfixturevalue(kind)
    told = case.export("savedmodel", kind)
    found, folder = told["equivalence"], case.place(kind)
    assert found["ok"] and found["status"] == "too_few_records" and found["records"] == 12
    assert found["equal_decisions"]["value"] == 1.0 and found["max_logprob_difference"] < 1e-4
    assert 0 < found["max_logit_difference"] < 1e-4 < found["largest_logit"]
    assert found["weights"]["layers"] > 0 and found["versions"]["keras-hub"]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"export.json", "model.sig"} == set(told["files"])
    assert "model/1/saved_model.pb" in files


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_other_architectures(tmp_path, architecture):
    case = trained(tmp_path / "home", "classification", architecture=architecture)
    assert case.export("savedmodel", "out")["equivalence"]["ok"]


def test_a_stretched_rope_arrives(tmp_path):
    """As in Llama 3.1; the converter passes over it where transformers 5 writes it."""
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    base = base_with(tmp_path, rope_parameters=rope)
    case = trained(tmp_path / "home", "classification", base=base)
    assert case.export("savedmodel", "out")["equivalence"]["ok"]


def base_with(folder: Path, **settings) -> dict[str, str]:
    from ft_platform_tests.exporting.exported import merging_tokenizer
    from ft_platform_tests.tiny_models import tiny_model

    sizes = {"vocab_size": 264, "hidden_size": 64, "num_attention_heads": 4, "head_dim": 16}
    ids = {"bos_token_id": 261, "eos_token_id": 260, "pad_token_id": 260}
    tiny_model(**sizes, **ids, **settings).save_pretrained(folder / "base")
    merging_tokenizer().save_pretrained(folder / "base")
    return {"uri": str(folder / "base"), "dtype": "float32"}


def test_another_rope_is_refused_before_anything_is_merged(tmp_path, monkeypatch):
    rope = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    case = trained(tmp_path / "home", "classification", base=base_with(tmp_path, rope_parameters=rope))
    with pytest.raises(ExportRefused, match="KerasHub does not know rope type linear of llama"):
        case.export("savedmodel", "out")
    assert case.left() == []


def test_a_wrong_epsilon_is_refused_and_nothing_is_left(labels, monkeypatch):
    """1e-2 in place of 1e-6."""
    real, before = keras_files.run_program, labels.left()

    def run(step, arguments, rows=0):
        return real(step, arguments | ({"epsilon": 1e-2} if step == "convert" else {}), rows)

    monkeypatch.setattr(keras_files, "run_program", run)
    with pytest.raises(ExportRefused, match=r"a logit differs by 0\.\d+, more than 0\.002"):
        labels.export("savedmodel", "wrong-epsilon")
    assert labels.left() == before


def test_a_lost_rope_is_refused(tmp_path, monkeypatch):
    """What the converter makes of the folder as transformers 5 writes it."""
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    case = trained(tmp_path / "home", "classification", base=base_with(tmp_path, rope_parameters=rope))
    monkeypatch.setattr(keras_files, "readable", lambda config, label_head: config)
    with pytest.raises(ExportRefused, match="a logit differs by"):
        case.export("savedmodel", "out")


def test_an_answer_of_another_model_is_another_decision(answers, monkeypatch):
    """One token of one answer."""
    real = keras_files.ask

    def ask(made, texts, rows):
        asked = real(made, texts, rows)
        asked.best[-1][0] += 1
        return asked

    monkeypatch.setattr(keras_files, "ask", ask)
    with pytest.raises(ExportRefused, match="1 of 12 decisions are not those of the checkpoint"):
        answers.export("savedmodel", "wrong-token")


def test_the_example_in_the_docs_runs_without_the_platform(labels, tmp_path):
    """The code block of the page, in an environment that has TensorFlow and transformers."""
    labels.export("savedmodel", "for-docs")
    page = (REPOSITORY / "docs" / "how_to" / "export.md").read_text(encoding="utf-8")
    code = "#" + page.split("```python no-run\n# on TensorFlow")[1].split("```")[0]
    shutil.copytree(labels.place("for-docs"), tmp_path / "exported")
    words = [PYTHON, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)
