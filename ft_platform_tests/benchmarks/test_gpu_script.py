"""`benchmarks/gpu.sh` with an interpreter that only plays: what it runs, and what becomes of a part that fails."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.gpu_table import BEGIN, END, PAGE, summary, table, told, write
from benchmarks.training import ON_REQUEST, SYSTEMS
from ft_platform_tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "benchmarks" / "gpu.sh"
PLAYED = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
if words[:1] == ["-m"] or words[0].endswith("gpu_table.py") and "--device" not in words:
    os.execv({python!r}, [{python!r}, *words])
if "find_spec" in " ".join(words):
    sys.exit(words[-1] not in os.environ["INSTALLED"].split())
with open(os.environ["ASKED"], "a") as file:
    file.write(" ".join(words) + chr(10))
if "tiny_tokenizer" in " ".join(words):
    os.mkdir(words[-1])
if "ours_full" in words and "MENDED" not in os.environ:
    sys.exit(3)
if "ours_dpo" in words:
    subprocess.run(["sleep", os.environ["ASLEEP"]])
if "ours_sharded" in words:
    print("no figures")
    sys.exit()
print("words before")
print('{{"tokens_per_second": {{"ours": 1200.5}}, "gpu_peak_gib": {{"ours": 2.5}},', end="")
print('"validation_loss": {{"ours": [1.5]}}}}')
"""


def asleep(folder: Path) -> str:
    """Seconds that nobody else sleeps."""
    return f"60.{int(hashlib.sha256(str(folder).encode()).hexdigest()[:12], 16)}"


def sleeps(folder: Path) -> bool:
    """Whether a process that a part started goes on."""
    words = f"sleep\0{asleep(folder)}\0".encode()
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if one.read_bytes() == words:
                return True
    return False


def command(folder: Path, *words: str, installed: str = "bitsandbytes trl", **more: str) -> tuple[list[str], dict]:
    """The script with its interpreter, and its variables."""
    python = folder / "python"
    python.write_text(PLAYED.format(python=sys.executable))
    python.chmod(0o755)
    (folder / "asked").touch()
    given = {
        "FT_GPU_PYTHON": str(python),
        "ASKED": str(folder / "asked"),
        "INSTALLED": installed,
        "ASLEEP": asleep(folder),
    }
    given |= more
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FT_")} | given
    return [str(SCRIPT), "--out", str(folder / "out"), *words], variables


def run(
    folder: Path, *words: str, installed: str = "bitsandbytes trl", **more: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """What the script says, and what its interpreter was asked."""
    words_, variables = command(folder, *words, installed=installed, **more)
    done = subprocess.run(words_, env=variables, capture_output=True, text=True, check=False, timeout=120)
    return done, (folder / "asked").read_text()


def only(*parts: str) -> list[str]:
    return [word for part in parts for word in ("--only", part)]


def states(folder: Path) -> dict[str, str]:
    """Of the parts that were reached."""
    found = json.loads((folder / "out" / "summary.json").read_text())
    return {name: one["state"] for name, one in found.items() if not one["why"].startswith("gpu.sh --only")}


def test_the_parts_take_at_most_40_minutes():
    done = subprocess.run([str(SCRIPT), "--list"], capture_output=True, text=True, check=True)
    limits = dict(line.split() for line in done.stdout.splitlines())
    assert {"lora", "qlora", "full", "dpo", "flash", "liger", "compile", "sharded"} < limits.keys()
    assert {"evaluation", "serving", "vllm"} < limits.keys() and sum(map(int, limits.values())) <= 40 * 60


@pytest.mark.smoke
@pytest.mark.integration
def test_a_part_that_fails_or_hangs_stops_no_other_and_fails_the_script(tmp_path):
    parts = only("qlora", "full", "dpo", "sharded", "flash", "lora")
    done, asked = run(tmp_path, "--limit", "3", *parts, FT_UNSLOTH_PYTHON="/unsloth")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "failed: full, dpo, sharded"
    assert not sleeps(tmp_path)
    assert states(tmp_path) == {
        "lora": "passed",
        "qlora": "passed",
        "full": "failed",
        "dpo": "failed",
        "sharded": "failed",
        "flash": "not run",
    }
    assert "| `full` | failed: ended with 3: full.log |" in done.stdout
    assert "| `dpo` | failed: took longer than 3 s |" in done.stdout
    assert "| `flash` | not run: flash-attn is not installed |" in done.stdout and "ours_flash" not in asked
    assert "--systems trl_default trl_packing transformers_trainer ours unsloth" in asked
    assert "ours 1,200.5 tokens/s, 2.5 GiB, loss 1.5 |" in done.stdout


@pytest.mark.integration
def test_one_part_is_run_again_and_the_others_stay(tmp_path):
    done, _ = run(tmp_path, *only("lora", "full"))
    assert done.returncode == 1 and states(tmp_path) == {"lora": "passed", "full": "failed"}
    done, asked = run(tmp_path, *only("full"), MENDED="yes")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == {"lora": "passed", "full": "passed"} and asked.count("transformers_trainer") == 1
    assert "| `dpo` | not run: gpu.sh --only dpo |" in done.stdout
    done, _ = run(tmp_path, "--cpu", *only("full"))
    assert done.returncode == 2 and "holds results of a gpu" in done.stderr and states(tmp_path)["lora"] == "passed"


@pytest.mark.integration
def test_a_script_that_is_stopped_ends_its_part_and_says_what_there_is(tmp_path):
    words, variables = command(tmp_path, *only("lora", "dpo"))
    going = subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while going.poll() is None and not sleeps(tmp_path):
            time.sleep(0.05)
        going.terminate()
        said, problem = going.communicate(timeout=30)
    finally:
        going.kill()
    assert going.returncode == 130 and "go on with --only" in problem and not sleeps(tmp_path)
    assert "| `lora` | passed: without Unsloth" in said and "| `dpo` | not run: gpu.sh --only dpo |" in said


@pytest.mark.smoke
@pytest.mark.integration
def test_on_a_cpu_nothing_passes_that_needs_a_gpu(tmp_path):
    done, asked = run(tmp_path, "--cpu", *only("device", "qlora", "liger", "flash", "evaluation", "lora"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not run: needs a CUDA device") == 2 and "tiny_tokenizer" in asked
    assert states(tmp_path)["qlora"] == "not run" and "--systems ours_qlora" in asked
    assert f"evaluation.py --base-model {tmp_path / 'out' / 'tiny'} --prompts 2" in asked
    done, asked = run(tmp_path, "--cpu", *only("qlora", "lora"), installed="")
    assert "| `qlora` | not run: bitsandbytes is not installed |" in done.stdout
    assert "| `lora` | passed: without TRL, which is not installed |" in done.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--fast"], "--fast is no option"),
        (["--only", "lara"], "lara is no part"),
        (["--only"], "--only needs a value"),
        (["--limit", "2m"], "--limit must be seconds"),
        (["--cpu", "--write"], "--write is for figures of a GPU"),
    ],
)
def test_a_wrong_word_is_refused(tmp_path, words, why):
    done, asked = run(tmp_path, *words)
    assert done.returncode == 2 and why in done.stderr and not asked and not (tmp_path / "out").exists()


def test_the_table_goes_between_the_marks_of_the_page(tmp_path):
    page = tmp_path / "hardware.md"
    assert PAGE.read_text().count(BEGIN) == PAGE.read_text().count(END) == 1
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    about = {"device": "A GPU", "gib": 79.1, "torch": "2.13", "cuda": "13.0"}
    found = {"device": {"state": "passed", "seconds": 3, "commit": "abc", "why": "", "figures": about}}
    found["dpo"] = {"state": "failed", "seconds": 9, "commit": "abc", "why": "ended with 3: dpo.log", "figures": None}
    write(found, page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}`benchmarks/gpu.sh --write` on 20") and text.endswith(f"{END}after\n")
    assert "commit `abc`: A GPU, 79.1 GiB, torch 2.13, CUDA 13.0." in text and "old" not in text
    assert "| `dpo` | failed: ended with 3: dpo.log | 9 |  |" in text
    found["dpo"]["commit"] = "abc+"
    with pytest.raises(SystemExit, match=r"commits abc, abc\+"):
        write(found, page)
    found["dpo"]["commit"], found["device"]["state"] = "abc", "failed"
    with pytest.raises(SystemExit, match="device"):
        write(found, page)
    assert page.read_text() == text


def test_what_each_kind_of_part_measured_is_told():
    evaluation = {"rows": 9, "seconds_per_1000": {"generation": 2.5}}
    assert [*told(evaluation)] == ["generation 2.5 seconds for 1,000"]
    serving = {"tokens_per_cpu_second": {"mixed": {"engine": 1200.5, "transformers": 80.0, "ratio": 15.0}}}
    assert [*told(serving)] == ["mixed: engine 1,200.5, transformers 80.0 tokens/cpu second"]


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
    assert table(summary(tmp_path, [])).count("\n") == 1


@pytest.mark.slow
@pytest.mark.integration
def test_on_this_cpu_every_part_goes_to_its_end(tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FT_")}
    words = [str(SCRIPT), "--cpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(words, env=variables | {"FT_GPU_PYTHON": sys.executable}, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(tmp_path)
    assert {part for part, state in found.items() if state == "passed"} == {
        *("device", "lora", "full", "dpo", "sharded", "compile", "evaluation", "serving")
    }
    assert set(found.values()) == {"passed", "not run"} and len(found) == 14
