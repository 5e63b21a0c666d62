"""What `ft run`, `ft results` and `ft trace` show on a terminal: live progress, then tables."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ft_platform.errors.printable import printable
from ft_platform.evaluation.systems import NOT_FINE_TUNED
from ft_platform.process.progress import Update

PLAIN_SECONDS = 5.0
"""Seconds between two lines of a stage where the output is no terminal (a log file, a pipeline)."""

HIDDEN = ("learning_rate", "seconds_left")
UNITS = {
    "tokens_per_second": "tokens/s",
    "memory_gib": "GiB",
    "gpu_utilization_percent": "% GPU",
    "gpu_power_watts": "W",
}
SYSTEMS = {
    "majority": "majority class",
    "nearest_neighbour": "nearest train. record",
    "tfidf_logreg": "TF-IDF + log. regr.",
    "linear_probe": "linear probe",
    "base_zero_shot": "base model, zero-shot",
    "base_few_shot": "base model, few-shot",
    "champion": "champion",
    "fine_tuned": "trained model",
}
MAIN_METRICS = ("macro_precision", "macro_recall", "macro_f1")
SHA256_DIGITS = 64
WIDE = 110
"""Columns of a terminal from which all metrics are shown, not the main ones only."""


@dataclass
class StageLine:
    """The state of one stage: its last update and since when it has counted in this unit."""

    update: Update
    started: float
    phase_started: float
    first_done: int = 0
    seconds: float | None = None
    mark: str = "·"

    def take(self, update: Update, now: float) -> None:
        if update.unit != self.update.unit or update.done < self.update.done:
            self.phase_started, self.first_done = now, update.done
        self.update = update

    def seconds_left(self, now: float) -> float | None:
        """The stage's own estimate, or one from the speed in this unit."""
        if "seconds_left" in self.update.fields:
            return float(self.update.fields["seconds_left"])
        done = self.update.done - self.first_done
        if not self.update.total or done <= 0:
            return None
        return (now - self.phase_started) / done * max(0, self.update.total - self.update.done)

    def text(self, now: float) -> str:
        update = self.update
        parts = [f"{update.stage:<20}"]
        if update.total:
            parts.append(f"{update.done:,} of {update.total:,} {update.unit}")
        elif update.done:
            parts.append(f"{update.done:,} {update.unit}")
        parts += [_figure(name, value) for name, value in update.fields.items() if name not in HIDDEN]
        left = self.seconds_left(now) if self.seconds is None else None
        parts.append(
            f"{_clock(now - self.started if self.seconds is None else self.seconds)}"
            + (f", about {_clock(left)} left" if left else "")
        )
        return printable("  ".join(parts))


class Terminal(Console):
    """Rich's console for texts that others wrote: no markup in them, and no sign that a terminal obeys."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


class ProgressView:
    """Shows updates while it is open: a line for each stage on a terminal, a line every few seconds elsewhere.

    Attributes:
        failed_stage: set it before the end if a stage did not end well. It may be one that had nothing to show yet.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Terminal(file=stream or sys.stdout, soft_wrap=True)
        self._lines: dict[str, StageLine] = {}
        self._current: str | None = None
        self.failed_stage: str | None = None
        self._printed = 0.0
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> "ProgressView":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(self._current, "stopped" if error else "failed" if self.failed_stage == self._current else "done")
        if self._live:
            self._live.stop()

    def update(self, update: Update) -> None:
        """Takes one update; give it to `progress.listening`."""
        now = time.monotonic()
        if update.stage != self._current:
            self._finish(self._current)
            self._current = update.stage
            self._printed = 0.0
        line = self._lines.get(update.stage)
        if line is None:
            line = self._lines[update.stage] = StageLine(update, now, now, update.done)
        line.seconds, line.mark = None, "·"
        line.take(update, now)
        if not self._live and now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            self._console.print(line.text(now))

    def _finish(self, stage: str | None, how: str = "done") -> None:
        if stage is None:
            return
        now = time.monotonic()
        line = self._lines[stage]
        line.seconds = now - line.started
        line.mark = "✓" if how == "done" else "✗"
        if not self._live:
            self._console.print(f"{line.text(now)}, {how}")

    def _render(self) -> Text:
        now = time.monotonic()
        lines = [f"{line.mark} {line.text(now)}" for line in self._lines.values()]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")


def print_summary(found: dict[str, Any], console: Console | None = None) -> None:
    """Funnel, systems, planted things and where to look further, from `results.collect_results`."""
    console = console or Terminal()
    console.print()
    console.print(_funnel_table(found["funnel"]))
    for warning in found.get("warnings", []):
        console.print(f"! {warning}", soft_wrap=True, markup=False)
    if found["systems"]:
        console.print(_systems_table(found, console.width))
    if review := found.get("human_review"):
        from ft_platform.reporting.review_report import preference_sentence

        console.print(preference_sentence("Experts", review)["text"], soft_wrap=True)
    if found.get("diagnosis"):
        from ft_platform.reporting.plain_words import diagnosed

        console.print("\n  ".join(["What would make it better", *diagnosed(found)]), soft_wrap=True, markup=False)
    if planted := found.get("planted"):
        console.print(_planted_table(planted))
    if found["reused"]:
        console.print(
            f"unchanged, reused: {', '.join(found['reused'])}, because content and settings are the same",
            soft_wrap=True,
        )
    if not found["trained"] and found["systems"]:
        console.print("Nothing was trained in this run.")
    if total := found["seconds"].get("total"):
        console.print(f"Time: {_clock(total)}")
    if found.get("data_report"):
        console.print(f"Data report: {found['data_report']}", soft_wrap=True)
    if found["report"]:
        console.print(f"Report: {found['report']}", soft_wrap=True)
    if decision := found.get("decision"):
        _print_decision(decision, console)
    if found["report"]:
        console.print("Lineage, checks and plots: make ui (or: ft ui)")


def _print_decision(decision: dict[str, Any], console: Console) -> None:
    for name in ("simpler", "tested", "answers"):
        if sentence := decision.get(name):
            console.print(sentence, soft_wrap=True)
    waived = f", waived: {', '.join(decision['waived'])}" if decision["waived"] else ""
    console.print(f"{decision['checkpoint']}: {decision['words']}{waived}", soft_wrap=True, markup=False)
    for rule, why in decision["broken"].items():
        console.print(f"  ✗ {rule}: {why}", soft_wrap=True, markup=False)
    console.print(f"Decision brief: {decision['brief']}", soft_wrap=True)


def _funnel_table(funnel: list[dict[str, Any]]) -> Table:
    table = _table("Rows", "stage", "in", "kept", "removed", "reasons", right=(1, 2, 3))
    for row in funnel:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in row["removed"].items())
        table.add_row(
            row["stage"], f"{row['rows_in']:,}", f"{row['kept']:,}", f"{sum(row['removed'].values()):,}", reasons
        )
    return table


def _systems_table(found: dict[str, Any], width: int) -> Table:
    systems = found["systems"]
    metrics = list(dict.fromkeys(metric for figures in systems.values() for metric in figures))
    shown = metrics if width >= WIDE else [m for m in MAIN_METRICS if m in metrics] or metrics[:3]
    title = f"Test split, {found['test_rows']:,} records: value (interval)"
    table = _table(title, "system", *(metric_title(m) for m in shown), right=tuple(range(1, len(shown) + 1)))
    names = {**SYSTEMS, "fine_tuned": NOT_FINE_TUNED.get(found.get("method") or "", SYSTEMS["fine_tuned"])}
    for name, figures in systems.items():
        if name != found.get("method"):  # the same model, trained once more
            table.add_row(names.get(name, name), *(_interval(figures.get(metric)) for metric in shown))
    return table


def metric_title(name: str) -> str:
    """Words for a metric of `ft_platform/evaluation/metrics/`."""
    from ft_platform.evaluation.metric import all_metrics

    known = all_metrics()
    return known[name].title if name in known else name.replace("_", " ")


def _planted_table(planted: dict[str, Any]) -> Table:
    table = _table("Planted in the sample data", "what", "planted", "caught", "missed", right=(1, 2, 3))
    for what, counts in planted.items():
        rows = {
            what.replace("_", " "): counts,
            **{f"  {entity}": found for entity, found in counts.get("entities", {}).items()},
        }
        for name, row in rows.items():
            table.add_row(name, *(f"{row[key]:,}" for key in ("planted", "caught", "missed")))
    return table


def print_record_trace(found: dict[str, Any]) -> None:
    """`lake.provenance.trace_record` for people."""
    console = Terminal(soft_wrap=True)
    source = found["source"]
    console.print(f"record {found['record_id']}")
    console.print(
        f"source {source['uri']}, row {source['position']}, hash {source['hash']}, ingested {source['ingested_at']}"
    )
    for stage in found["stages"]:
        told = {
            k: v
            for k, v in stage.items()
            if k not in ("stage", "version", "outcome", "in_versions") and v not in ([], {})
        }
        details = ", ".join(f"{key.replace('_', ' ')} {_told(value)}" for key, value in told.items())
        console.print(f"{stage['version']:<26} {stage['outcome']:<8} {details}")
    console.print(f"split  {found['split'] or 'none'}")
    for checkpoint in found["checkpoints"]:
        console.print(
            f"trained into {checkpoint['checkpoint']} ({checkpoint['written_at']}, {', '.join(checkpoint['splits'])})"
        )
    if not found["checkpoints"]:
        console.print("no checkpoint was trained on it")
    for training in found["unfinished_trainings"]:
        console.print(
            f"unfinished training {training['checkpoint']} ({training['splits'] or 'splits unknown'}): saved states, no"
            " checkpoint yet"
        )


def print_checkpoint_trace(found: dict[str, Any]) -> None:
    """`lake.provenance.trace_checkpoint` for people."""
    console = Terminal(soft_wrap=True)
    console.print(f"checkpoint {found['checkpoint']}, written {found['written_at']}, content {found['content_hash']}")
    if found["quarantined"]:
        console.print(f"QUARANTINED: {found['quarantined']}. No gate, release or server takes it.")
    console.print(f"base model {_told(found['base_model'])}")
    if "continued_from" in found:
        console.print(f"continued from {_told(found['continued_from'])}")
    for version in found["versions"]:
        console.print(
            f"{version['version']:<26} {version['rows']:>9,} rows  {version['content_hash']}  {version['written_at']}"
        )
    console.print(f"trained on {found['training_records']:,} records, from:")
    for file in found["source_files"]:
        console.print(f"  {file['uri']}  {file['records']:,} records  {file['hash'] or ''}")


def print_subject_trace(found: dict[str, Any]) -> None:
    """`lake.subjects.merged` for people."""
    console = Terminal(soft_wrap=True)
    console.print(f"{found['records']:,} records of this person")
    for one in found["versions"]:
        removed = ", ".join(f"removed: {reason} {count:,}" for reason, count in one["removed"].items())
        console.print(
            f"{one['use_case']:<24} {one['version']:<26} {one['rows']:>7,} rows "
            f" {'tainted  ' if one['tainted'] else ''}{removed}".rstrip()
        )
    for one in found["splits"]:
        console.print(
            f"{one['use_case']:<24} {one['version']:<26} "
            + ", ".join(f"{one[side]:,} {side}" for side in ("train", "validation", "test"))
        )
    for one in found["checkpoints"]:
        rows = "an unknown number of" if one["rows"] is None else f"{one['rows']:,}"
        console.print(
            f"{one['use_case']:<24} trained {one['checkpoint']} on {rows} rows{', tainted' if one['tainted'] else ''}"
            f" ({one['written_at']})"
        )
    if not found["checkpoints"]:
        console.print("no checkpoint was trained on them")
    for one in found["unfinished_trainings"]:
        console.print(
            f"{one['use_case']:<24} unfinished training {one['checkpoint']} ({one['splits'] or 'splits unknown'}):"
            " saved states, no checkpoint yet"
        )
    for one in found["reports"]:
        console.print(
            f"{one['use_case']:<24} {one['report']} has a row about {one['records']:,} of them ({one['written_at']})"
        )
    if found["not_searched"]:
        console.print(f"not searched, because their records name no person: {', '.join(found['not_searched'])}")


def _told(value: Any) -> str:
    """A value of a trace for people: lists and counts in words, hashes by their first digits (`--json` has them
    whole)."""
    if isinstance(value, dict):
        return " ".join(f"{name} {_told(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, list):
        return " ".join(value)
    return value[:12] if isinstance(value, str) and len(value) == SHA256_DIGITS else str(value)


def _table(title: str, *columns: str, right: tuple[int, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), show_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in right else "left", no_wrap=position in right)
    return table


def _interval(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "-"
    value = f"{figure['value']:.3f}" if abs(figure["value"]) < 100 else f"{figure['value']:,.0f}"
    return value if figure.get("low") is None else f"{value} ({figure['low']:.2f}-{figure['high']:.2f})"


def _figure(name: str, value: float | int | str) -> str:
    shown = (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:,.0f}"
        if isinstance(value, (int, float))
        else value
    )
    unit = UNITS.get(name)
    return f"{shown} {unit}" if unit else f"{name.replace('_', ' ')} {shown}"


def _clock(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3:05 min`"""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
