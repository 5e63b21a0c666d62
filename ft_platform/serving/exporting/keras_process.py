"""Runs `keras_program` in a process of its own: TensorFlow and torch never share one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ft_platform.errors import FtError, MissingExtra
from ft_platform.process.cores import threads

PROGRAM = Path(__file__).with_name("keras_program.py")
PYTHON = "FT_TENSORFLOW_PYTHON"
"""Variable that names the Python of another environment with the extra `keras`."""
MOST_OFF_LOGIT = 0.002
"""Largest difference of a logit in float32 between PyTorch and TensorFlow (tests: below 0.0001 with tiny models)."""


def tensorflow_python() -> str:
    """The Python that has TensorFlow: the one that `FT_TENSORFLOW_PYTHON` names, or this one.

    Raises:
        MissingExtra: neither has it.
    """
    if named := os.environ.get(PYTHON):
        return named
    missing = next((one for one in ("tensorflow", "keras_hub") if find_spec(one) is None), None)
    if missing:
        raise MissingExtra(f"{missing} (in this environment; {PYTHON} names the Python of another)", "keras")
    return sys.executable


def run_keras(
    step: str,
    arguments: dict[str, Any],
    failed: Callable[[str], FtError],
    *,
    private: bool = False,
    tick: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Runs a step of `keras_program` and returns what it says.

    Args:
        failed: what it said last -> the error to raise.
        private: it handles records, which may stand in a message of TensorFlow: only the type of an error is told.
        tick: called with the number of rows done.

    Raises:
        FtError: it failed.
        MissingExtra: there is no TensorFlow.
    """
    python = tensorflow_python()
    with tempfile.TemporaryDirectory(prefix="ft-keras-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        asked = {"step": step, "arguments": arguments, "result": str(result), "threads": threads()}
        request.write_text(json.dumps(asked), encoding="utf-8")
        with open(Path(folder) / "errors", "w+", encoding="utf-8", errors="replace") as errors:
            try:
                process = subprocess.Popen(
                    [python, "-I", str(PROGRAM), str(request)], stdout=subprocess.PIPE, stderr=errors, text=True
                )
            except OSError as error:
                raise MissingExtra(
                    f"{PYTHON}={python} cannot be started ({type(error).__name__}), and TensorFlow", "keras"
                ) from None
            with process:
                for line in process.stdout or ():
                    if tick and line.strip().isdecimal():
                        tick(int(line))
            errors.seek(0)
            said = [line.strip() for line in errors if line.strip()]
        if process.returncode == 0:
            return json.loads(result.read_text(encoding="utf-8"))
    last = said[-1] if said and process.returncode > 0 else f"it ended with {process.returncode}"
    if last.startswith("ModuleNotFoundError"):
        raise MissingExtra(f"{last.rpartition(' ')[2]} (in {python})", "keras")
    raise failed((last.partition(":")[0] if private else last)[:300])
