"""`benchmarks/gpu.sh` with an interpreter that only plays: what it runs, and what becomes of a part that fails."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_table import summary, table
from benchmarks.training import ON_REQUEST, SYSTEMS
from ft_platform_tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "benchmarks" / "gpu.sh"
PLAYED = """#!{python}
import os, sys, time
words = sys.argv[1:]
if words[:1] == ["-m"] or words[0].endswith("gpu_table.py") and "--device" not in words:
    os.execv({python!r}, [{python!r}, *words])
if "find_spec" in " ".join(words):
    sys.exit(words[-1] not in os.environ["INSTALLED"].split())
with open(os.environ["ASKED"], "a") as file:
    file.write(" ".join(words) + chr(10))
if "ours_full" in words:
    sys.exit(3)
if "ours_dpo" in words:
    time.sleep(60)
if "ours_sharded" in words:
    print("no figures")
    sys.exit()
print("words before")
print('{{"tokens_per_second": {{"ours": 1200.5}}, "gpu_peak_gib": {{"ours": 2.5}}}}')
"""


def run(folder: Path, *words: str, installed: str = "bitsandbytes trl") -> tuple[subprocess.CompletedProcess[str], str]:
    """What the script says, and what its interpreter was asked."""
    python, asked = folder / "python", folder / "asked"
    python.write_text(PLAYED.format(python=sys.executable))
    python.chmod(0o755)
    asked.touch()
    given = {"FT_GPU_PYTHON": str(python), "ASKED": str(asked), "INSTALLED": installed, "FT_UNSLOTH_PYTHON": "/unsloth"}
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FT_")} | given
    command = [str(SCRIPT), "--out", str(folder / "out"), *words]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    return done, asked.read_text()


def test_the_parts_take_at_most_40_minutes():
    done = subprocess.run([str(SCRIPT), "--list"], capture_output=True, text=True, check=True)
    limits = dict(line.split() for line in done.stdout.splitlines())
    assert {"lora", "qlora", "full", "dpo", "flash", "liger", "compile", "sharded"} < limits.keys()
    assert {"evaluation", "serving", "vllm"} < limits.keys() and sum(map(int, limits.values())) <= 40 * 60


@pytest.mark.smoke
@pytest.mark.integration
def test_a_part_that_fails_stops_no_other_and_fails_the_script(tmp_path):
    done, asked = run(tmp_path, "--limit", "3", "qlora", "full", "dpo", "sharded", "flash", "lora")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "failed: full, dpo, sharded"
    found = summary(tmp_path / "out")
    assert {name: part["state"] for name, part in found.items()} == {
        "lora": "passed",
        "qlora": "passed",
        "full": "failed",
        "dpo": "failed",
        "sharded": "failed",
        "flash": "not run",
    }
    assert found["full"]["why"] == "ended with 3: full.log" and found["dpo"]["why"] == "took longer than 3 s"
    assert found["flash"]["why"] == "flash-attn is not installed" and "ours_flash" not in asked
    assert "--systems trl_default trl_packing transformers_trainer ours unsloth" in asked
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == found
    assert "| qlora | passed |" in done.stdout and "| ours 1,200.5 | ours 2.5 |" in done.stdout


@pytest.mark.smoke
@pytest.mark.integration
def test_on_a_cpu_the_model_is_tiny_and_kernels_for_a_gpu_are_not_run(tmp_path):
    done, asked = run(tmp_path, "--cpu", "device", "liger", "flash", "evaluation", installed="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("needs a CUDA device") == 2 and "save_tiny_model" in asked
    assert f"evaluation.py --base-model {tmp_path / 'out' / 'tiny'} --prompts 2" in asked


@pytest.mark.parametrize(("words", "why"), [(["--fast"], "--fast is no option"), (["lara"], "lara is no part")])
def test_a_wrong_word_is_refused(tmp_path, words, why):
    done, asked = run(tmp_path, *words)
    assert done.returncode == 2 and why in done.stderr and not asked


def test_each_part_that_trains_names_a_system_of_the_benchmark():
    text = SCRIPT.read_text()
    named = {f"ours_{part}" for part in ("qlora", "full", "dpo", "sharded", "liger", "flash")} | {"ours_compiled"}
    assert named <= set(ON_REQUEST) and "trl_default trl_packing transformers_trainer ours)" in text
    assert {"trl_default", "trl_packing", "transformers_trainer", "ours"} == set(SYSTEMS)


def test_shell_of_the_script():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", "--severity", "warning", str(SCRIPT)], check=True)


def test_a_table_without_figures(tmp_path):
    assert table(summary(tmp_path)).count("\n") == 1
