"""ft run: a use case from raw records to report, with live progress and a summary."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from ft_platform.commands import changed_settings

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake
    from ft_platform.orchestration.plan import Plan
    from ft_platform.orchestration.runs import RunOutcome
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = "Run a use case, or some of its stages, and show progress and results."
EXAMPLES = [
    "ft run complaint_routing",
    "ft run complaint_routing --set source.uri=complaints.csv --set training.epochs=1",
    "ft run complaint_routing --set training.learning_rate=0.0002 --keep",
    "ft run complaint_routing --continue",
    "ft run complaint_routing --until data_report",
    "ft run complaint_routing --plan --set compute.profile=local",
    "ft run complaint_routing --select raw_records permitted_records cleaned_records",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    add_run_arguments(parser)
    parser.add_argument(
        "--keep",
        action="store_true",
        help="write what --set changes into the use case's file (comments stay), so that the model can be released",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="start nothing: say what would be made, where programs would run, how long they take and what they cost",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    changed_settings(parser, "change one setting for this run; may be repeated")
    parser.add_argument(
        "--select", action="extend", nargs="+", default=[], metavar="STAGE", help="run only these stages"
    )
    parser.add_argument("--until", metavar="STAGE", help="run this stage and all that lead to it")
    parser.add_argument(
        "--continue",
        dest="further",
        action="store_true",
        help=(
            "train further from the weights of the newest checkpoint (training.continue_from: newest); to go on with a"
            " run that was stopped, just repeat it"
        ),
    )
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON; progress goes to standard error"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.plan:
        return show_plan(arguments)
    if arguments.keep:
        keep(arguments)
    return run_and_show(arguments.use_case, arguments)


def keep(arguments: argparse.Namespace) -> None:
    """Writes what `--set` changes into the file, so that it is no change for one run any more.

    Raises:
        ConfigError: a value is wrong, or can only be changed by a person. Nothing is written then.
    """
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import FILE_NAME, load_use_case, parse_overrides, shown, use_case_folder
    from ft_platform.use_case.kept_values import keep_values

    environment, overrides = load_environment(), parse_overrides(arguments.overrides)
    folder = use_case_folder(environment.defs, arguments.use_case)
    load_use_case(folder, overrides, environment)
    keep_values(folder / FILE_NAME, overrides)
    print(f"Written to {shown(folder / FILE_NAME)}: {', '.join(arguments.overrides) or 'nothing'}", file=sys.stderr)
    arguments.overrides = []


def run_and_show(name: str, arguments: argparse.Namespace) -> int:
    """Runs stages, shows progress, prints the summary. Returns the exit code."""
    from ft_platform.use_case.environment import load_environment

    code, found = run_and_collect(name, arguments, load_environment())
    if found is not None:
        show(found, arguments)
    return code


def show(found: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Prints `results.collect_results`."""
    from ft_platform.commands.terminal import print_summary
    from ft_platform.orchestration.results import for_programs

    if arguments.json:
        print(json.dumps(for_programs(found), indent=1, ensure_ascii=False))
    else:
        print_summary(found)


def run_and_collect(
    name: str, arguments: argparse.Namespace, environment: "Environment"
) -> tuple[int, dict[str, Any] | None]:
    """Runs stages and shows progress. Returns the exit code and `results.collect_results`; None where the run did not
    end well, which is said then."""
    from ft_platform.commands.terminal import ProgressView
    from ft_platform.orchestration import execution
    from ft_platform.orchestration.results import collect_results
    from ft_platform.process.progress import listening
    from ft_platform.redaction.output import terminal
    from ft_platform.release.policy import undercuts
    from ft_platform.use_case.file import load_use_case, use_case_folder

    overrides = _overrides(arguments)
    use_case = load_use_case(use_case_folder(environment.defs, name), overrides, environment)
    if below := [one.text for one in undercuts(use_case.settings, use_case.policy)]:
        print(
            f"ft run: these settings cannot lead to a release: {'; '.join(below)}. `ft check` shows the lines",
            file=sys.stderr,
        )
    stages = _wanted(arguments)
    lake, planned = _plan(environment, use_case, stages)
    for line in [*planned.lines(), *_needed(lake, use_case, planned)]:
        print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    # The run's own output goes elsewhere: code of a use case, or a library, may print a record.
    with (
        terminal(sys.stderr if arguments.json else sys.stdout) as stream,
        ProgressView(stream) as view,
        listening(view.update),
    ):
        outcome = execution.run_use_case(name, overrides, stages or None, environment)
        view.failed_stage = outcome.failed_stage
    if environment.unity_catalog:
        _show_in_catalog(environment, name)
    if not outcome.success:
        return _failed(name, outcome, arguments), None
    return 0, collect_results(environment, use_case, outcome)


def _show_in_catalog(environment: "Environment", name: str) -> None:
    """A catalogue that fails costs no run; the sensor and the next run try again."""
    from ft_platform.errors import FtError
    from ft_platform.orchestration.catalog_watch import look

    try:
        problems = [one.line() for one in look(environment, [name]) if one.state == "failed"]
    except FtError as error:
        problems = [" ".join(str(error).split())]
    for problem in problems:
        print(f"ft run: Unity Catalog was not told: {problem}", file=sys.stderr)


def show_plan(arguments: argparse.Namespace) -> int:
    """Says what a run would do, and starts nothing."""
    from dataclasses import asdict

    from ft_platform.orchestration.planned_programs import lines, planned_programs, warnings
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    folder = use_case_folder(environment.defs, arguments.use_case)
    use_case = load_use_case(folder, _overrides(arguments), environment)
    lake, found = _plan(environment, use_case, _wanted(arguments))
    programs = planned_programs(lake, environment, use_case, found)
    warned = warnings(lake, environment, use_case, programs)
    if arguments.json:
        stages = [{**asdict(one), "made": bool(one.why)} for one in found.stages]
        said = {"stages": stages, "programs": [asdict(one) for one in programs], "warnings": warned}
        print(json.dumps(said, indent=1))
        return 0
    print("\n".join([*found.lines(), *_needed(lake, use_case, found), *lines(programs), *warned]))
    return 0


def _needed(lake: "Lake", use_case: "NamedUseCase", planned: "Plan") -> list[str]:
    """What a release will need besides, where a model is trained, in a line; none where nothing is known to be
    missing."""
    from ft_platform.release.duties import duties, in_one_line

    trains = any(one.stage == "adapter_checkpoint" for one in planned.made)
    return list(filter(None, [in_one_line(duties(lake, use_case), use_case.name)])) if trains else []


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that hold for this run only."""
    from ft_platform.use_case.file import parse_overrides
    from ft_platform.use_case.settings.training import NEWEST

    overrides = parse_overrides(arguments.overrides)
    if arguments.further:
        overrides.setdefault("training.continue_from", NEWEST)
    return overrides


def _wanted(arguments: argparse.Namespace) -> list[str]:
    """The stages that were asked for; none: the usual ones."""
    stages = [stage for text in arguments.select for stage in text.split(",") if stage]
    return list(dict.fromkeys([*leading_to(arguments.until), *stages])) if arguments.until else stages


def _plan(environment: "Environment", use_case: "NamedUseCase", stages: list[str]) -> "tuple[Lake, Plan]":
    from ft_platform.lake.opening import open_lake
    from ft_platform.orchestration.execution import prepare_home
    from ft_platform.orchestration.instance import existing_instance
    from ft_platform.orchestration.loading import stages_of
    from ft_platform.orchestration.plan import plan
    from ft_platform.stages import DEFAULT_STAGES
    from ft_platform.training.continuing import require_start
    from ft_platform.use_case.file import use_case_folder

    prepare_home(environment)  # the keys that the lake is opened with
    lake = open_lake(environment)
    if not stages:
        folder = use_case_folder(environment.defs, use_case.name)
        stages = [stage for stage in stages_of(folder, environment) if stage in DEFAULT_STAGES]
    if "adapter_checkpoint" in stages:
        require_start(lake, use_case)  # before stages are made that lead nowhere
    with existing_instance(environment) as instance:
        return lake, plan(lake, environment, use_case, stages, instance)


def leading_to(stage: str) -> list[str]:
    """The stages that a stage is built from, and itself, in the order of the graph.

    Raises:
        ConfigError: there is no such stage.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.stages import STAGES
    from ft_platform.use_case.problems import did_you_mean

    if stage not in STAGES:
        hint = did_you_mean(stage, STAGES) or f"; there are {', '.join(STAGES)}"
        raise ConfigError([f"--until {stage}: there is no such stage{hint}"])
    needed = {stage}
    for name in reversed(STAGES):
        needed |= set(STAGES[name].parents) if name in needed else set()
    return [name for name in STAGES if name in needed]


def _failed(name: str, outcome: "RunOutcome", arguments: argparse.Namespace) -> int:
    """Says why a run did not end well. Returns the exit code, for a run that a signal ended the one that shells give
    it."""
    from ft_platform.commands import shortened

    error = outcome.error or ""
    error += "." if outcome.next_step and error and error[-1] not in ".!?:" else ""
    reason = " ".join(" ".join(filter(None, [error, outcome.next_step])).split())
    if outcome.stopped:
        reason = f"stopped. {outcome.next_step}"
    if arguments.json:
        found = {
            "use_case": name,
            "success": False,
            "stopped": outcome.stopped,
            "failed_stage": outcome.failed_stage,
            "error": reason,
        }
        print(json.dumps(found, indent=1, ensure_ascii=False))
    told = f"ft run: {outcome.failed_stage or name} {'was' if outcome.stopped else 'failed:'} {reason}"
    print(shortened(told), file=sys.stderr)
    return 128 + outcome.stopped_by if outcome.stopped_by else 1
