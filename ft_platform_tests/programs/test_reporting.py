"""What every program does around its work: a missing package is named with its command, wherever it shows up."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ft_platform.compute.pipes import final_values
from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.process.cores import spin_count, threads
from ft_platform.programs.reporting import _from_pipes, described, program
from ft_platform.training.threads import pin_threads
from ft_platform.use_case.file import load_use_case
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


@pytest.mark.integration
def test_the_training_program_on_a_machine_without_torch_names_the_extra(tmp_path, environment, lake):
    write_use_case(environment.defs, "complaints", minimal_attributes("unused.csv"))
    usable_splits(lake, load_use_case(environment.defs / "complaints"))
    (tmp_path / "no_torch").mkdir()
    (tmp_path / "no_torch" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    )
    variables = {**os.environ, **environment.to_variables(), "PYTHONPATH": str(tmp_path / "no_torch")}
    command = [sys.executable, "-m", "ft_platform.programs.train", "--use-case", "complaints"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, f"train failed: torch is not installed. Add it with: {ADVICE}\n")


ORDERS = {
    "garbage": "garbage",
    "another encoding": "eyJhIjogMX0=",
    "a file that is not there": {"path": "/nowhere"},
    "no mapping": [],
}


@pytest.mark.parametrize("orders", ORDERS.values(), ids=ORDERS)
def test_orders_that_are_none_end_a_program_with_one_line(orders, tmp_path, monkeypatch, capsys):
    from dagster_pipes import encode_param

    messages = tmp_path / "messages.jsonl"
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", orders if isinstance(orders, str) else encode_param(orders))
    monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", encode_param({"path": str(messages)}))
    with pytest.raises(SystemExit) as ended, program("train"):
        raise AssertionError("it works on orders that are none")
    assert ended.value.code == 1
    told = capsys.readouterr().err + (messages.read_text() if messages.exists() else "")
    assert "hold no orders of a back end" in told and "Start it by `ft run`" in told and "Traceback" not in told


@pytest.mark.parametrize("extras", [{}, {"use_case": "../../x", "settings": {}}, {"use_case": "letters"}, None, []])
def test_orders_without_a_use_case_are_none(extras):
    with pytest.raises(ConfigError, match="hold no orders of a back end"):
        _from_pipes(SimpleNamespace(extras=extras))


@pytest.mark.parametrize(("named", "expected"), [("3", 3), ("x", None), ("-4", None), ("", None), ("9" * 30, None)])
def test_threads_that_are_no_number_are_those_of_the_machine(named, expected, monkeypatch):
    monkeypatch.setenv("FT_THREADS", named)
    assert threads() == (expected or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("load", "spins"), [(0.2, True), (1.0, True), (2.1, False), (40.0, False)])
def test_waiting_threads_spin_only_if_the_machine_has_no_other_work(load, spins, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 5.0, 5.0))
    assert (spin_count() > 0) == spins
