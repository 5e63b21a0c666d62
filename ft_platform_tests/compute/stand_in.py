"""A stand-in for the programs: what `python -m ft_platform.programs.<name>` would run, without a model. The name says
what it does.

Started by `stand_in_python`, a script that stands in for the interpreter.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["STAND_IN_FOLDER"])


def wait_for(name: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not (FOLDER / name).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody touched {name}")
        time.sleep(0.02)


def main(what: str) -> None:
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        (FOLDER / "pid").write_text(str(os.getpid()))
        if what == "tells_variables":
            (FOLDER / "variables").write_text(json.dumps({**os.environ, "extras": dict(pipes.extras)}))
        elif what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "sleeps":
            (FOLDER / "started").touch()
            time.sleep(120)
        elif what == "sleeps_like_a_program":
            from ft_platform.programs.reporting import prepare_process

            prepare_process()
            (FOLDER / "started").touch()
            time.sleep(120)
        elif what == "reports_losses":
            for step in range(1, 4):
                fields = {"loss": 1 / step, "learning_rate": 1e-4, "tokens_per_second": 900.0, "memory_gib": 1.5}
                progress = {"stage": "adapter_checkpoint", "done": step, "total": 4, "unit": "steps", "fields": fields}
                pipes.report_custom_message({"progress": progress})
            wait_for("seen")
            pipes.report_custom_message(
                {
                    "progress": {
                        "stage": "adapter_checkpoint",
                        "done": 4,
                        "total": 4,
                        "unit": "steps",
                        "fields": {"loss": 0.251234567},
                    }
                }
            )
        artifact = {
            "type": "artifact",
            "use_case": "complaints",
            "name": "adapter_checkpoint",
            "artifact_id": "a-1",
            "content_hash": "0" * 64,
            "uri": "nowhere",
        }
        pipes.report_custom_message({"artifact": artifact})


if __name__ == "__main__":
    assert sys.argv[1] == "-m"
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))  # quietly, as the programs do
    main(sys.argv[2].removeprefix("ft_platform.programs."))
