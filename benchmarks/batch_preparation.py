"""What share of a training is preparing its batches: would it pay to prepare the next one while the present one trains?

    python benchmarks/batch_preparation.py
    python benchmarks/batch_preparation.py --rows 64 --words 80 --base-model <folder> --json

Trains LoRA adapters on distinct texts of common English words, on one core, for one epoch. All rows are rendered to
tokens before the first step, as the program does it; what is left for the steps is choosing rows, laying them out as a
packed row and making tensors of them. Prints `{"rows", "tokens", "rendering", "preparing", "computing",
"rendering_share", "preparing_share"}`: cpu-seconds, and shares of their sum."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.audit import SMOLLM2, records, use_case


class Watch:
    """CPU seconds within some functions, which are exchanged for ones that are timed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.process_time() - began

        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--words", type=int, default=80, help="words of a text")
    parser.add_argument("--base-model", default=SMOLLM2, metavar="URI", help="as base_model.uri of a use case")
    parser.add_argument(
        "--cache", default=str(Path.home() / ".cache" / "ft_platform"), help="where base models are kept"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "FT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    found = measured(arguments)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{found['rows']} rows, {found['tokens']:,} tokens in one epoch")
    for part in ("rendering", "preparing", "computing"):
        share = f"{found[f'{part}_share']:.2%}" if f"{part}_share" in found else ""
        print(f"{part:<10} {found[part]:8.3f} cpu-seconds  {share}")


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    from ft_platform.models import base_model
    from ft_platform.models.kernels import packed_forward
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.settings.base_model import BaseModelSettings
    from ft_platform.settings.training import Training
    from ft_platform.training import loop
    from ft_platform.training.batches import split_off_prefix
    from ft_platform.training.dataset import render_split
    from ft_platform.training.lora import add_adapter
    from ft_platform.training.objectives import AnswerLoss

    case, table = use_case(), records(arguments.rows, arguments.words)
    resolved = base_model.resolve(BaseModelSettings(uri=arguments.base_model), Path(arguments.cache))
    model, tokenizer = base_model.load(resolved)
    renderer = Renderer(tokenizer, case.settings.task, ["card", "loan"])
    prefix = renderer.prefix_ids()
    rendering, preparing, whole = Watch(), Watch(), Watch()
    rows = rendering.timed(lambda: split_off_prefix(render_split(table, "train", renderer, case).rows, prefix))()
    training = Training(epochs=1, validations_per_epoch=1)
    model = add_adapter(model, training)
    # What could be made in advance: the micro-batches and the layouts with their tensors.
    packed_forward.PackedLayout = preparing.timed(packed_forward.PackedLayout)
    loop._own_micro_batches = preparing.timed(loop._own_micro_batches)
    objective = AnswerLoss(packed_forward.packed_forward, prefix)
    run = whole.timed(loop.train)(model, objective, rows, rows[:1], training)
    parts = {
        "rendering": rendering.seconds,
        "preparing": preparing.seconds,
        "computing": whole.seconds - preparing.seconds,
    }
    total = sum(parts.values())
    shares = {f"{name}_share": round(parts[name] / total, 5) for name in ("rendering", "preparing")}
    return {
        "rows": len(rows),
        "tokens": run.tokens,
        **{name: round(seconds, 4) for name, seconds in parts.items()},
        **shares,
    }


if __name__ == "__main__":
    main()
