"""Estimates a training: `python -m ft_platform.programs.estimate <orders.json>`, started by `ft estimate` and before a
launch with a budget.

Orders: `use_case`, `settings`, `splits` (a version handle), `seconds`; the answer is written into `answer`: what
`training.estimate.estimate` returns, or `{"failed": {"type", "message", "next_step"}}`.
"""

import ctypes
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from ft_platform.lake.opening import open_lake
from ft_platform.programs.reporting import PR_SET_PDEATHSIG, described, prepare_process
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Prepares the training as the program `train` does, measures a few steps and writes the answer."""
    began = time.monotonic()
    prepare_process()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody waits for the answer any more
    orders = json.loads(Path(sys.argv[1]).read_text())
    try:
        found = _estimate(orders, began)
    except Exception as error:
        found = {"failed": described(error)}
    Path(orders["answer"]).write_text(json.dumps(found))


def _estimate(orders: dict, began: float) -> dict:
    from ft_platform.lake.versions import TableVersion, from_dict
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.schema import UseCase

    environment = load_environment()
    lake = open_lake(environment)
    use_case = NamedUseCase(name=orders["use_case"], settings=UseCase.model_validate(orders["settings"]))
    splits = from_dict(orders["splits"])
    assert isinstance(splits, TableVersion)
    pin_threads()
    if "mlflow" in environment.trackers and environment.mlflow_uri != "none":
        import mlflow.tracking  # noqa: F401  # the training program has it in memory as well
    from ft_platform.training.estimate import cpu_seconds, estimate
    from ft_platform.training.expected import expected
    from ft_platform.training.prepare import prepare

    prepared = prepare(lake, environment, use_case, splits)
    profile = environment.profile(use_case.settings.compute.profile)
    setup = (time.monotonic() - began, cpu_seconds())
    found = estimate(prepared, prepared.training, profile, orders["seconds"], setup)
    if use_case.settings.training.recipe == "auto":
        said = expected(use_case, lambda columns: lake.read(splits, columns))
        found["expected"] = said and asdict(said)
    return found


if __name__ == "__main__":
    main()
