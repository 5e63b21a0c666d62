"""ft export: a checkpoint as a PEFT folder, merged weights, a GGUF file or a model for TensorFlow, compared with the
checkpoint."""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

HELP = (
    "Write a checkpoint as a PEFT folder, merged weights, a GGUF file, a model for TensorFlow, or a list of words. Ends"
    " with 1 and writes nothing if it would not answer as the checkpoint does."
)
EXAMPLES = [
    "ft export complaint_routing --as adapter",
    "ft export <checkpoint_id> --as merged --json",
    "ft export complaint_routing --checkpoint <checkpoint_id> --as merged --dtype float32",
    "ft export complaint_routing --as gguf --quantization q8_0 --out models/routing",
    "ft export complaint_routing --as savedmodel",
    "ft export complaint_routing --as words",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ft_platform.serving.exporting.arguments import add_form

    parser.add_argument("name", metavar="use_case|checkpoint", help="use case (its newest checkpoint), or a checkpoint")
    parser.add_argument("--checkpoint", metavar="ID", help="checkpoint of the use case; first characters are enough")
    add_form(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: folder, equal_decisions, ok, and what differs")


def run(arguments: argparse.Namespace) -> int:
    use_case, checkpoint = _find(arguments.name, arguments.checkpoint, arguments.form)
    words = ["--use-case", use_case, "--checkpoint", checkpoint, "--as", arguments.form, "--dtype", arguments.dtype]
    words += ["--quantization", arguments.quantization]
    words += ["--out", str(arguments.out)] if arguments.out else []
    words += ["--keep-different"] if arguments.keep_different else []
    words += ["--records", str(arguments.records)] if arguments.records else []
    command = [sys.executable, "-m", "ft_platform.programs.export", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ), check=False)
    if done.returncode:
        if arguments.json:
            print(json.dumps({"folder": None, "ok": False}))
        return 1  # the program said why on standard error
    found = _summary(json.loads(done.stdout))
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _show(found)
    return 0 if found["ok"] or arguments.keep_different else 1


def _summary(told: dict[str, Any]) -> dict[str, Any]:
    """What programs ask for, and all that `export.json` says."""
    evidence = told["equivalence"]
    equal = evidence.get("equal_decisions")
    return {
        "folder": told["folder"],
        "equal_decisions": equal["value"] if equal else None,
        "max_logprob_difference": evidence.get("max_logprob_difference"),
        "max_logit_difference": evidence.get("max_logit_difference"),
        "ok": evidence["ok"],
        "status": evidence["status"],
        "export": told,
    }


def _show(found: dict[str, Any]) -> None:
    from ft_platform.evaluation.abstaining import SUGGESTION
    from ft_platform.use_case.settings.gate import SUGGESTS

    told, evidence = found["export"], found["export"]["equivalence"]
    form = " ".join(part for part in (told["form"], told["weights"]) if part)
    print(f"{told['checkpoint']} as {form}: {found['folder']}")
    if "records" not in evidence:
        print("The weights are those of the checkpoint, byte by byte.")
    else:
        _show_compared(evidence)
    if "max_logit_difference" in evidence:
        print(
            f"Largest difference of a logit {evidence['max_logit_difference']:.3g}, of logits up to"
            f" {evidence['largest_logit']:.3g}."
        )
    if evidence["status"] == "too_few_records":
        needed = f"; that takes {evidence['records_needed']:,}" if "records_needed" in evidence else ""
        print(
            f"Nothing differs too much, but {evidence['records']:,} records cannot show that the two answer alike"
            f"{needed}."
        )
    if not evidence["ok"]:
        print(f"ANOTHER MODEL: {'; '.join(evidence['problems'])}. The release decision does not hold for it.")
    elif not told["decision_holds"]:
        print("The release decision is not shown to hold for it: fewer records were compared than were evaluated.")
    if told["claim"] == SUGGESTS:
        print(SUGGESTION)
    print(f"signed by the key {told['signed']}" if told["signed"] else "not signed: model-signing is not installed")
    if told["start"]:
        print("To start it, in that folder:", *told["start"], sep="\n  ")


def _show_compared(evidence: dict[str, Any]) -> None:
    """What the test records show."""
    both = evidence["perplexity"]
    if "divergence" in evidence:
        differs, first = evidence["divergence"], evidence["first_difference"]
        print(
            f"{100 * differs['value']:.1f} % of its answers come out otherwise ({100 * differs['low']:.1f} to"
            f" {100 * differs['high']:.1f} %), by {evidence['records']:,} drawn answers; an evaluation of"
            f" {evidence['records_evaluated']:,} records would notice {100 * evidence['most_divergence']:.1f} %."
        )
        print(
            f"The same token is likeliest at {first['same']:,} of {first['places']:,} places;"
            f" {first['answers_without']:,} of {evidence['records']:,} answers have no difference."
        )
    else:
        decided = evidence["equal_decisions"]
        print(
            f"{100 * decided['value']:.2f} % of {evidence['records']:,} decisions are equal"
            f" (interval {100 * decided['low']:.2f} to {100 * decided['high']:.2f} %)."
        )
    print(
        f"Perplexity {both['export']['value']:.4g}, of the checkpoint {both['checkpoint']['value']:.4g}"
        f" ({both['checkpoint']['low']:.4g} to {both['checkpoint']['high']:.4g});"
        f" largest difference of a log-probability {evidence['max_logprob_difference']:.3g}."
    )


def _find(name: str, wanted: str | None, form: Any) -> tuple[str, str]:
    """Use case and id of a checkpoint that can have this form: of a use case the newest, or the one that is named.

    Raises:
        DataError: no use case, or more than one, has it.
        NotTraced: the use case has no such checkpoint.
        ExportRefused: its files tell that it cannot have this form.
    """
    from ft_platform.lake.opening import open_lake
    from ft_platform.serving.exporting.matrix import require_possible
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    lake = open_lake(environment)
    use_case, checkpoint = _checkpoint(environment, lake, name, wanted)
    require_possible(lake.manifest(checkpoint).files, form)
    return use_case, checkpoint.artifact_id


def _checkpoint(environment: Any, lake: Any, name: str, wanted: str | None) -> tuple[str, Any]:
    """Use case and checkpoint. Raises as `_find`."""
    from ft_platform.errors import DataError
    from ft_platform.lake.provenance import NotTraced, find_checkpoint
    from ft_platform.use_case.file import find_use_cases

    names = [folder.name for folder in find_use_cases(environment.defs)]
    if name in names:
        if wanted:
            return name, find_checkpoint(lake, name, wanted)
        newest = next(iter(lake.artifacts(name, "adapter_checkpoint")), None)
        if newest is None:
            raise DataError(f"{name} has no checkpoint yet", f"Run: ft run {name}")
        return name, newest
    if wanted:
        raise DataError(f"there is no use case {name!r}", f"There are {', '.join(names) or 'none'}")
    found = []
    for one in names:
        try:
            found.append((one, find_checkpoint(lake, one, name)))
        except NotTraced:
            continue
    if len(found) != 1:
        problem = f"there is no use case {name!r}, and {len(found)} use cases have a checkpoint {name!r}"
        raise DataError(problem, f"Searched: {', '.join(names) or 'no use case'}. ft list names them")
    return found[0]
