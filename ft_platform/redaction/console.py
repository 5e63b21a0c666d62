"""The log of a run on the terminal of the process that runs it: the lines of Dagster and of our own stages, with the
rest withheld."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import dagster as dg
from dagster._core.execution import context_creation_job
from dagster._core.log_manager import construct_log_record_message, get_log_record_metadata, has_log_record_metadata
from dagster._core.utils import coerce_valid_log_level

from ft_platform.redaction.edge import Edge
from ft_platform.redaction.withheld import Withheld

MARK = "_ft_edge"
"""Attribute of an instance that has an edge."""
WIRED = "default_system_loggers"
FORMAT = "%(asctime)s - %(levelname)s - %(message)s"


class Passed(logging.Filter):
    """Puts what the edge passes in place of a record's message."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self._edge = edge

    def filter(self, record: logging.LogRecord) -> bool:
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        if not has_log_record_metadata(record):
            record.msg = self._edge.placeholder("no_run")
            return True
        known = get_log_record_metadata(record)
        name, event = known["run_id"] or "no_run", known["dagster_event"]
        passed = self._edge.passed(event, name, keep=False) if event else None
        message = (passed.message if passed else None) or self._edge.sentence(
            known["orig_message"], name, own=not event, keep=False
        )
        record.msg = construct_log_record_message({**known, "orig_message": message, "dagster_event": passed})
        return True


def console_logger(withheld: Withheld) -> dg.LoggerDefinition:
    """Dagster's console logger in its usual place, behind the edge. What it withholds is kept where the event log's
    texts are."""

    @dg.logger(
        config_schema={
            "log_level": dg.Field(str, default_value="INFO"),
            "name": dg.Field(str, default_value="dagster"),
        },
        description="Lines of Dagster and of our own stages; what other code logs is withheld.",
    )
    def console(context: dg.InitLoggerContext) -> logging.Logger:
        made = logging.Logger(context.logger_config["name"], coerce_valid_log_level(context.logger_config["log_level"]))
        handler = logging.StreamHandler(_own_stream())
        handler.setFormatter(logging.Formatter(FORMAT))
        made.addHandler(handler)
        made.addFilter(Passed(Edge(withheld)))
        return made

    return console


def use_for_runs() -> None:
    """Runs on an instance with an edge log through it also where their configuration names no logger, as is the rule:
    Dagster has its own wired in."""
    before = vars(context_creation_job)[WIRED]
    if hasattr(before, MARK):
        return

    def loggers(instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, object]]]:
        edge = getattr(instance, MARK, None)
        found = before(instance)
        return [(console_logger(edge.withheld), config) for _, config in found] if edge else found

    setattr(loggers, MARK, True)
    setattr(context_creation_job, WIRED, loggers)


def _own_stream() -> TextIO:
    """Standard error as it is now: while a step runs, that of the process goes into a file."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    except (AttributeError, OSError, ValueError):
        return sys.stderr
