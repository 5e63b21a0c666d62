"""Whether a fine-tuned model keeps a style (`task.style`) better than a prompted one, on the same test records.

    python -m benchmarks.recipe_tasks --folder F --task operations
    OMP_NUM_THREADS=1 python benchmarks/style.py --folder F --json    # about half an hour

Task: what an operation of botocore does, in a sentence of its documentation (`operations` of
`benchmarks/recipe_tasks`, 300 training and 100 test records). The rules were chosen on the training answers alone:
98 % of them or more keep each one. `told`: the rules stand in the system message of all systems (`{style}`). `untold`:
they do not, and only the few-shot examples and the training records show the style.

Prints `{"told" | "untold": {"systems": {system: {"style", "rouge_l"}}, "difference", "rules", "training_seconds"}}`:
figures with intervals, and fine-tuned minus few-shot.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
STYLE = {
    "max_sentences": 1,
    "max_words": 22,  # the 99th percentile of the training answers
    "forbidden": ["I", "we", "please", "note that", "this operation", "the operation"],
}
INSTRUCTIONS = {"told": "Answer in a sentence.\n{style}", "untold": "Answer in a sentence."}
SYSTEMS = ("base_zero_shot", "base_few_shot", "fine_tuned")


def measured(folder: Path, name: str) -> dict[str, Any]:
    """A run of the platform up to the evaluation."""
    attributes = yaml.safe_load((folder / "defs" / "operations" / "defs.yaml").read_text(encoding="utf-8"))
    attributes["attributes"]["task"] |= {"instruction": INSTRUCTIONS[name], "style": STYLE}
    own = folder / "style" / "defs" / name / "defs.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(yaml.safe_dump(attributes, sort_keys=False), encoding="utf-8")
    where = {"FT_HOME": str(folder / "style" / "home"), "FT_DEFS": str(own.parent.parent), "FT_TRACKERS": "none"}
    run = subprocess.run(
        [sys.executable, "-m", "ft_platform.cli", "run", name, "--until", "evaluation_report", "--json"],
        env={**os.environ, **where, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise SystemExit(f"{name}: ft run ended with {run.returncode}\n{run.stderr[-2000:]}")
    said = json.loads(run.stdout)
    report = next((folder / "style" / "home").glob(f"lake/shared/{name}/evaluation_report/*/metrics.json"))
    found = json.loads(report.read_text(encoding="utf-8"))
    return {
        "systems": {one: {metric: found["systems"][one][metric] for metric in ("style", "rouge_l")} for one in SYSTEMS},
        "difference": found["differences"]["base_few_shot"]["style"],
        "rules": {
            one: {rule: round(figure["value"], 3) for rule, figure in rules.items()}
            for one, rules in found["style"]["systems"].items()
        },
        "training_seconds": said["stage_seconds"].get("adapter_checkpoint"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="has the task; lake and results go below `style`")
    parser.add_argument("--only", choices=[*INSTRUCTIONS], help="default: both")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {name: measured(arguments.folder, name) for name in INSTRUCTIONS if arguments.only in (None, name)}
    print(json.dumps(found, indent=1) if arguments.json else "\n".join(line(*one) for one in found.items()))


def line(name: str, found: dict[str, Any]) -> str:
    shares = [
        f"{system} {one['style']['value']:.2f} ({one['style']['low']:.2f} to {one['style']['high']:.2f})"
        for system, one in found["systems"].items()
    ]
    return f"{name:8s} {'  '.join(shares)}"


if __name__ == "__main__":
    main()
