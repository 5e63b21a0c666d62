"""Runs in the trackers of the environment, behind what the programs need of them. One file per tracker, in `trackers/`.

A tracker that is down costs a warning, never a checkpoint or a report: everything that counts is in the lake. Only
settings, figures, ids, hashes, adapters and report pages are sent, no records and no predictions; nothing of the person
or machine either."""

from ft_platform.tracking.runs import (
    figure_metrics,
    finish_report,
    is_tracked,
    report_tracker,
    runs_of,
    tracker_for,
    training_run,
)
from ft_platform.tracking.tracker import Tracker

__all__ = [
    "Tracker",
    "figure_metrics",
    "finish_report",
    "is_tracked",
    "report_tracker",
    "runs_of",
    "tracker_for",
    "training_run",
]
