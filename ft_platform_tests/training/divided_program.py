"""Short trainings in several processes (gloo), each described by a line of JSON on standard input and forked from this
one, which has imported everything: `python -m ft_platform_tests.training.divided_program < trainings`.

A line holds `processes`, `divided`, `training`, `base` (folder of the base model), `home` (its lake), `stop_after` (0:
to the end), `into` (folder for the checkpoint's weights). Prints a line of JSON for each: its curve, or why it ended.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from ft_platform.errors import Preempted
from ft_platform.lake.opening import open_lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import TableVersion
from ft_platform.models import base_model
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training import processes, sharding
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.checkpoint import hand_over, of_all_processes, write_weights
from ft_platform.training.loop import train
from ft_platform.training.lora import with_trainable_weights
from ft_platform.training.objectives import AnswerLoss
from ft_platform.training.state import States
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import split_rows

LOG = logging.getLogger("test")


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        given = json.loads(line)
        with tempfile.TemporaryDirectory() as meeting:
            children = [_forked(given, number, meeting) for number in range(given["processes"])]
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            answer = Path(meeting) / "answer.json"
            print(answer.read_text() if not any(codes) else json.dumps({"codes": codes}), flush=True)


def _forked(given: dict[str, Any], number: int, meeting: str) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if given["processes"] > 1:
            dist.init_process_group(
                "gloo", init_method=f"file://{meeting}/store", rank=number, world_size=given["processes"]
            )
        found = _train(given)
        if number == 0:
            (Path(meeting) / "answer.json").write_text(json.dumps(found))
        code = 0
    except BaseException:
        logging.exception("process %d", number)
    finally:
        os._exit(code)


def _train(given: dict[str, Any]) -> dict[str, Any]:
    training, folder = Training(**given["training"]), Path(given["base"])
    divided = given["divided"] and given["processes"] > 1
    resolved = base_model.ResolvedModel(folder, "", "tiny")
    model, tokenizer = base_model.load(resolved, "float32", by_parts=divided)
    model = with_trainable_weights(model, training, fused=not divided)
    if divided:
        sharding.divide(model, folder, torch.float32)
    renderer = Renderer(tokenizer, Task(kind="classification", instruction="One of: {labels}."), ["loan", "card"])
    prefix = renderer.prefix_ids()
    rows, validation = (
        split_off_prefix(
            [renderer.example(r["messages"], r["label"]) for r in split_rows(40) if r["split"] == s], prefix
        )
        for s in ("train", "validation")
    )
    lake = open_lake(Environment(home=Path(given["home"])))
    states = TrainingStates(lake, TableVersion("complaints", "splits", "shared", 1, "c0", 40, ""), "ckpt-1")

    def limit(run: Any) -> Preempted | None:
        return Preempted("stopped", "Run it again") if run.step == given["stop_after"] else None

    objective = AnswerLoss(packed_forward, prefix)
    try:
        run = train(model, objective, rows, validation, training, states=States(states, 9999, LOG), limit=limit)
    except Preempted as ended:
        return {"ended": ended.message}
    prepared: Any = SimpleNamespace(model=model, base=resolved)
    if processes.is_first():
        Path(given["into"]).mkdir(parents=True)
        write_weights(Path(given["into"]), prepared, of_all_processes(prepared, run))
    elif divided:
        hand_over(prepared, run)
    losses = [point[name] for point in run.curve for name in ("loss", "validation_loss") if name in point]
    return {"losses": losses, "attempts": [attempt["processes"] for attempt in run.attempts]}


if __name__ == "__main__":
    main()
