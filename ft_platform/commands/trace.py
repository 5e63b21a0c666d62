"""ft trace: from a record to the checkpoints that saw it, and from a checkpoint back to its source files."""

import argparse
import json

HELP = "Trace a record forwards to checkpoints, or a checkpoint back to its sources. Prints hashes, reasons and counts, no text."
EXAMPLES = ["ft trace record complaint_routing <record_id>", "ft trace checkpoint complaint_routing <checkpoint_id> --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["record", "checkpoint"], help="what the id is of")
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("id", help="record_id (or the source's own id), or checkpoint id; the first characters are enough for a checkpoint")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.lake import Lake
    from ft_platform.lake.provenance import trace_checkpoint, trace_record
    from ft_platform.terminal import print_checkpoint_trace, print_record_trace
    from ft_platform.use_case_file import use_case_folder

    environment = load_environment()
    use_case_folder(environment.defs, arguments.use_case)
    lake = Lake(environment.lake_uri, environment.storage_options())
    trace, show = (trace_record, print_record_trace) if arguments.what == "record" else (trace_checkpoint, print_checkpoint_trace)
    found = trace(lake, arguments.use_case, arguments.id)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        show(found)
    return 0
