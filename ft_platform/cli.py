"""The `ft` command. Each command is one file in `ft_platform/commands/`; heavy packages load only in the command that
needs them."""

import argparse
import difflib
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

from ft_platform import __version__
from ft_platform.commands import (
    MESSAGE_LINES,
    access,
    alerts,
    annotate,
    ask,
    audit,
    audit_log,
    backup,
    bundle,
    catalog,
    chat,
    check,
    compare,
    costs,
    decide,
    demo,
    deploy,
    diff,
    erase,
    errors,
    estimate,
    evidence,
    explain,
    export,
    fairness,
    feedback,
    golden,
    incident,
    init,
    keys,
    lake,
    look,
    looks,
    loop,
    may,
    monitor,
    needs,
    new,
    parity,
    privacy,
    quota,
    release,
    releases,
    reports,
    reproduce,
    restore,
    results,
    retention,
    retraining,
    review,
    roi,
    rollback,
    rollout,
    run,
    schema,
    seals,
    search,
    serve,
    shortened,
    sign,
    subject,
    targets,
    tokens,
    trace,
    traffic,
    ui,
    users,
    vault,
    waiver,
    withdraw,
)
from ft_platform.commands import list as list_command
from ft_platform.errors import ConfigError, FtError
from ft_platform.errors.printable import printable_streams
from ft_platform.process.hooks import install_hooks, native_errors_dropped
from ft_platform.process.system_errors import in_words

COMMANDS = {
    "demo": demo,
    "loop": loop,
    "init": init,
    "new": new,
    "check": check,
    "list": list_command,
    "targets": targets,
    "catalog": catalog,
    "run": run,
    "results": results,
    "compare": compare,
    "decide": decide,
    "waiver": waiver,
    "sign": sign,
    "release": release,
    "releases": releases,
    "rollback": rollback,
    "deploy": deploy,
    "rollout": rollout,
    "withdraw": withdraw,
    "incident": incident,
    "ask": ask,
    "chat": chat,
    "parity": parity,
    "traffic": traffic,
    "alerts": alerts,
    "monitor": monitor,
    "feedback": feedback,
    "erase": erase,
    "subject": subject,
    "errors": errors,
    "fairness": fairness,
    "roi": roi,
    "audit": audit,
    "explain": explain,
    "estimate": estimate,
    "costs": costs,
    "quota": quota,
    "review": review,
    "annotate": annotate,
    "golden": golden,
    "search": search,
    "trace": trace,
    "look": look,
    "looks": looks,
    "diff": diff,
    "privacy": privacy,
    "keys": keys,
    "vault": vault,
    "seals": seals,
    "retention": retention,
    "retraining": retraining,
    "lake": lake,
    "backup": backup,
    "restore": restore,
    "bundle": bundle,
    "reproduce": reproduce,
    "evidence": evidence,
    "export": export,
    "schema": schema,
    "needs": needs,
    "may": may,
    "access": access,
    "users": users,
    "tokens": tokens,
    "audit-log": audit_log,
    "ui": ui,
    "reports": reports,
    "serve": serve,
}
"""Command -> module with HELP, EXAMPLES, add_arguments(parser) and run(arguments) -> exit code."""

STARTS_OTHERS = ("ui", "reports", "reproduce", "export")
"""Commands that become or start other processes, which need standard error as it is."""

DESCRIPTION = (
    "Fine-tune language models on Dagster: one YAML file becomes one lineage graph, from permitted records to a"
    " signed release."
)


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with one line and exit code 1, like every other error."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}. Try: {self.prog} --help", file=sys.stderr)
        raise SystemExit(1)


class Layout(argparse.HelpFormatter):
    """Every command beside its help: argparse forgets how far commands are indented, and puts the help of the longest
    one below it."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        self._action_max_length = max(self._action_max_length, 2 * self._indent_increment + max(map(len, COMMANDS)))


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ft", description=DESCRIPTION, epilog="ft <command> --help has examples.", formatter_class=Layout
    )
    parser.add_argument("--version", action="version", version=f"ft-platform {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="<command>", parser_class=Parser)
    for name, module in COMMANDS.items():
        examples = "examples:\n" + "\n".join(f"  {line}" for line in module.EXAMPLES)
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        for action in sub._actions:
            if action.dest == "use_case":
                vars(action)["completer"] = use_case_names
        sub.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    return parser


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell where it asks how a line goes on (docs/how_to/complete_commands.md); returns otherwise."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    argcomplete.autocomplete(parser)


def use_case_names(**_: object) -> list[str]:
    """Names that complete the argument `use_case`; none where the settings cannot be read."""
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases

    try:
        return [folder.name for folder in find_use_cases(load_environment().defs)]
    except FtError:
        return []


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0, or 1 after one clear line on standard error; where a signal stopped it, 128 and its
    number."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    complete(parser)
    if not words:
        parser.print_help()
        return 0
    if not words[0].startswith("-") and words[0] not in COMMANDS:
        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        parser.error(
            f"there is no command {words[0]!r}; "
            + (f"did you mean {close[0]}" if close else f"there are {', '.join(COMMANDS)}")
        )
    arguments = parser.parse_args(words)
    if not arguments.debug and not sys.warnoptions:
        warnings.simplefilter("ignore")
    with printable_streams():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        if getattr(arguments, "use_case", None):
            _become_account(arguments.use_case)
        with nullcontext() if arguments.debug or arguments.command in STARTS_OTHERS else native_errors_dropped():
            return COMMANDS[arguments.command].run(arguments)
    except FtError as error:
        return _failed(arguments, _lines(error))
    except KeyboardInterrupt:
        print("ft: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `ft list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except GeneratorExit:
        raise
    except SystemExit as stop:
        if not isinstance(stop.code, str):
            raise
        return _failed(
            arguments, [("the command failed with a text that may quote a record. Run it again with --debug to see it")]
        )
    except BaseException as error:  # the last resort: panics of native libraries are no Exception
        return _failed(arguments, last_words(error))


def last_words(error: BaseException) -> list[str]:
    """Lines about an error that nobody foresaw. Its text may quote a record: it goes into a file that its owner alone
    can read."""
    home = Path(os.environ.get("FT_HOME") or ".ft").absolute()
    if found := in_words(error, home):
        return _lines(found)
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rsplit('site-packages/', 1)[-1]}:{place.lineno}"
    try:
        kept = home / "restricted" / "errors"
        kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(".txt", time.strftime("%Y%m%d-%H%M%S-"), kept)  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return [f"unexpected error at {where}. Run it again with --debug to see all of it"]
    return [
        f"something that the platform has no words for went wrong at {where}",
        (
            f"The details are in {name}, which only you can read, because it may quote records. Look there for the"
            " cause, or report the error without them"
        ),
    ]


def _become_account(use_case: str) -> None:
    """Where the installation gives a use case an account of its own, commands about it run under that account."""
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    if use_case in environment.identities:
        from ft_platform.orchestration.identities import become

        become(environment, use_case)


def _lines(error: FtError) -> list[str]:
    if isinstance(error, ConfigError):
        problems, last = error.problems, [error.next_step] if error.next_step else []
        shown = MESSAGE_LINES - 1 - len(last)
        if (
            type(error) is ConfigError and len(problems) > shown + 1
        ):  # sheets that people filled in are named row by row
            problems = [*problems[:shown], f"and {len(problems) - shown} more; those of a use case: ft check"]
        return [*problems, *last]
    return [" ".join(str(error).split())]


def _failed(arguments: argparse.Namespace, lines: list[str]) -> int:
    if arguments.debug:
        traceback.print_exc()
    for line in lines:
        print(shortened(f"ft {arguments.command}: {line}"), file=sys.stderr)
    return 1


def run_and_exit() -> None:
    """Entry point of the command `ft`.

    Ends the process at once after the output is flushed: threads of native libraries (arrow, tokio) sometimes abort a
    process that is shutting down ("terminate called without an active exception", seen once in two runs of the suite),
    and a run that succeeded would then exit with a failure.
    """
    install_hooks()
    try:
        code = main()
    except SystemExit as stop:  # argparse: --help and wrong options
        code = stop.code if isinstance(stop.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run_and_exit()
