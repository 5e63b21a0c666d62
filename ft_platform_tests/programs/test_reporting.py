"""What every program does around its work: a missing package is named with its command, wherever it shows up."""

import json
import os
import subprocess
import sys

import pytest

from ft_platform.compute.pipes import final_values
from ft_platform.errors import MissingExtra
from ft_platform.programs.reporting import described, pin_threads
from ft_platform.use_case_file import load_use_case
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import usable_splits

ADVICE = 'pip install "ft-platform[train]"'


def test_without_torch_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="torch is not installed") as raised:
        pin_threads()
    assert ADVICE in raised.value.next_step


@pytest.mark.parametrize("module", ["torch", "transformers", "peft", "safetensors.torch", "gguf"])
def test_a_module_of_an_extra_that_is_missing_anywhere_is_described_with_its_command(module):
    failed = described(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert failed["type"] == "MissingExtra"
    assert failed["message"] == f"{module.split('.')[0]} is not installed"
    assert ADVICE in failed["next_step"]


def test_another_missing_module_is_a_failure_with_its_place():
    failed = described(ModuleNotFoundError("No module named 'nonsense'", name="nonsense"))
    assert failed["type"] == "TrainingFailed" and "ModuleNotFoundError" in failed["message"]


def test_the_back_end_passes_the_message_of_a_missing_extra_on_unchanged():
    failed = described(MissingExtra("torch", "train"))
    with pytest.raises(Exception, match="torch") as raised:
        final_values([{"failed": json.loads(json.dumps(failed))}], "train", 1)
    assert str(raised.value) == f"torch is not installed. Add it with: {ADVICE}"
    assert raised.value.permanent


def test_the_training_program_on_a_machine_without_torch_names_the_extra(tmp_path, environment, lake):
    write_use_case(environment.defs, "complaints", minimal_attributes("unused.csv"))
    usable_splits(lake, load_use_case(environment.defs / "complaints"))
    (tmp_path / "no_torch").mkdir()
    (tmp_path / "no_torch" / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    variables = {**os.environ, **environment.to_variables(), "PYTHONPATH": str(tmp_path / "no_torch")}
    command = [sys.executable, "-m", "ft_platform.programs.train", "--use-case", "complaints"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, f"train failed: torch is not installed. Add it with: {ADVICE}\n")
