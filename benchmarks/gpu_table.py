"""What `benchmarks/gpu.sh` came to: `python benchmarks/gpu_table.py FOLDER --parts lora dpo` prints a table and writes
`summary.json`; ends with 1 if a part failed. `--write` also puts the table into docs/hardware.md."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "hardware.md"
BEGIN, END = "<!-- gpu -->\n", "<!-- /gpu -->\n"


def summary(folder: Path, parts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Part -> `state` (`passed`, `failed`, `not run`), `seconds`, `commit`, `why`, and the `figures` it printed."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        path = folder / f"{part}.state"
        text = path.read_text(encoding="utf-8") if path.is_file() else f"not run\t0\t\tgpu.sh --only {part}\n"
        state, seconds, commit, why = text.rstrip("\n").split("\t")
        figures = path.with_suffix(".json")
        told = json.loads(figures.read_text(encoding="utf-8")) if figures.is_file() else None
        found[part] = {"state": state, "seconds": int(seconds), "commit": commit, "why": why, "figures": told}
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| part | result | seconds | figures |", "| --- | --- | ---: | --- |"]
    for name, part in found.items():
        result = f"{part['state']}: {part['why']}" if part["why"] else part["state"]
        figures = "; ".join(told(part["figures"] or {})) if part["state"] == "passed" else ""
        lines.append(f"| `{name}` | {result} | {part['seconds']} | {figures} |")
    return "\n".join(lines)


def told(figures: Mapping[str, Any]) -> Iterator[str]:
    """What a part measured, in short."""
    if isinstance(speeds := figures.get("tokens_per_second"), dict) and "validation_loss" in figures:
        peaks = figures.get("gpu_peak_gib", {})
        for system, speed in speeds.items():
            peak = f", {peaks[system]} GiB" if system in peaks else ""
            yield f"{system} {speed:,} tokens/s{peak}, loss {figures['validation_loss'][system][0]}"
    for key in ("cpu_seconds_per_1000", "seconds_per_1000"):
        for name, seconds in figures.get(key, {}).items():
            yield f"{name} {seconds:,} {key.removesuffix('_per_1000').replace('_', '-')} for 1,000"
    for key in ("tokens_per_cpu_second", "tokens_per_second"):
        for name, speed in figures.get(key, {}).items():
            if isinstance(speed, dict):
                each = ", ".join(f"{system} {value:,}" for system, value in speed.items() if system != "ratio")
                yield f"{name}: {each} {key.replace('_', ' ').replace(' per ', '/')}"
    if "device" in figures:
        yield ", ".join(f"{name} {value}" for name, value in figures.items())


def write(found: Mapping[str, Mapping[str, Any]], page: Path) -> None:
    """Puts the table between the marks of a page.

    Raises:
        SystemExit: nobody knows which GPU it was, or parts were run at different commits.
    """
    commits = {one["commit"] for one in found.values() if one["commit"]}
    if len(commits) > 1:
        raise SystemExit(f"gpu: {page.name} stays as it is: parts ran at commits {', '.join(sorted(commits))}")
    if found["device"]["state"] != "passed":
        raise SystemExit(f"gpu: {page.name} stays as it is: the part `device` did not pass")
    about = found["device"]["figures"]
    where = f"{about['device']}, {about['gib']} GiB, torch {about['torch']}, CUDA {about['cuda']}"
    head = f"`benchmarks/gpu.sh --write` on {datetime.now(UTC):%Y-%m-%d}, commit `{commits.pop()}`: {where}.\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    assert mark, f"{page} has no place for the table"
    new = page.with_suffix(".new")
    new.write_text(f"{before}{BEGIN}{head}\n{table(found)}\n{END}{after}", encoding="utf-8")
    new.rename(page)


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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="results of gpu.sh")
    parser.add_argument("--parts", nargs="+", default=[], help="in the order of the table")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(REPOSITORY)}")
    parser.add_argument("--device", choices=["gpu", "cpu"], help="print what computes, as JSON; nothing else")
    arguments = parser.parse_args()
    if arguments.device:
        print(json.dumps(device(arguments.device)))
        return
    found = summary(arguments.folder, arguments.parts)
    (arguments.folder / "summary.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(table(found))
    if arguments.write:
        write(found, PAGE)
    failed = [name for name, part in found.items() if part["state"] == "failed"]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    main()
