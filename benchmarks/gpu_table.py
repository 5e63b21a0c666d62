"""What `benchmarks/gpu.sh` came to: `python benchmarks/gpu_table.py FOLDER` prints a table and writes `summary.json`;
ends with 1 if a part failed."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def summary(folder: Path) -> dict[str, dict[str, Any]]:
    """Part -> `state` (`passed`, `failed`, `not run`), `seconds`, `why`, and the `figures` that it printed."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.state"), key=lambda path: path.stat().st_mtime_ns):
        state, seconds, why = path.read_text(encoding="utf-8").rstrip("\n").split("\t")
        figures = path.with_suffix(".json")
        told = json.loads(figures.read_text(encoding="utf-8")) if figures.is_file() else None
        found[path.stem] = {"state": state, "seconds": int(seconds), "why": why, "figures": told}
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = ["| part | state | seconds | tokens/s | peak GiB of the GPU | |", "| --- | --- | ---: | --- | --- | --- |"]
    for name, part in found.items():
        figures = part["figures"] or {}
        speed, peak = (by_system(figures.get(key)) for key in ("tokens_per_second", "gpu_peak_gib"))
        lines.append(f"| {name} | {part['state']} | {part['seconds']} | {speed} | {peak} | {part['why']} |")
    return "\n".join(lines)


def by_system(values: Any) -> str:
    return ", ".join(f"{system} {value:,}" for system, value in values.items()) if isinstance(values, dict) else ""


def device(expected: str) -> dict[str, Any]:
    """What computes, with utilization and power by NVML."""
    import torch

    from ft_platform.training.gpu import GpuMeter

    if expected == "cpu":
        return {"device": "cpu", "torch": torch.__version__}
    if not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    meter = GpuMeter(torch.device("cuda", 0))
    seen = meter.read()
    if meter.problem:
        raise SystemExit(meter.problem)
    properties = torch.cuda.get_device_properties(0)
    facts = {"device": properties.name, "gib": round(properties.total_memory / 2**30, 1)}
    return {**facts, "torch": torch.__version__, "cuda": torch.version.cuda, **seen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="results of gpu.sh")
    parser.add_argument("--device", choices=["gpu", "cpu"], help="print what computes, as JSON; nothing else")
    arguments = parser.parse_args()
    if arguments.device:
        print(json.dumps(device(arguments.device)))
        return
    found = summary(arguments.folder)
    (arguments.folder / "summary.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(table(found))
    failed = [name for name, part in found.items() if part["state"] == "failed"]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
