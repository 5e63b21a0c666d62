"""Writes a checkpoint in a form that other programs load: `python -m ft_platform.programs.export --use-case <name>
--checkpoint <id> --as merged`."""

import argparse

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.serving.exporting.arguments import add_form
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Reports what was written."""
    prepare_process()
    from ft_platform.lake.provenance import find_checkpoint

    with program("export") as running:
        pin_threads()
        from ft_platform.serving.exporting.export import Order, export

        asked = _asked()
        checkpoint = find_checkpoint(running.lake, running.use_case.name, asked.checkpoint)
        named = {"merged": asked.dtype, "gguf": asked.quantization}.get(asked.form, asked.form)
        out = asked.out or running.environment.home / "exports" / f"{checkpoint.artifact_id}-{named}"
        order = Order(asked.form, asked.dtype, asked.quantization, out.absolute(), asked.keep_different, asked.records)
        told = export(running.lake, running.environment, running.use_case, checkpoint, order)
        running.finish(folder=str(order.out), **told)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ft_platform.programs.export")
    add_form(parser)
    parser.add_argument("--checkpoint", required=True, help="id of the checkpoint; its first characters are enough")
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    main()
