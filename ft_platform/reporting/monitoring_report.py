"""The page of a monitored day: what is wrong in words, pictures, then every figure."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.monitoring.day_reports import Accuracy, Alarm, DayReport
from ft_platform.reporting.formats import amount
from ft_platform.reporting.monitoring_groups import group_tables, groups_in_words
from ft_platform.reporting.monitoring_plots import days_plot, labels_plot, watched_plot
from ft_platform.reporting.report_page import saved, write_report_page

MOST_CAUSES = 5
TITLES = {
    "characters": "characters of a request",
    "new_words": "share of new words",
    "confidence": "confidence",
    "entropy": "entropy (nats)",
    "answer_characters": "characters of an answer",
}


def write_monitoring_report(
    folder: Path, draft: Draft, report: DayReport, history: Sequence[Mapping[str, Any]]
) -> None:
    """`days.png`, `watched.png`, for labels `labels.png`, and `report.html`.

    Args:
        history: of the last days, this one included (`watching.Kept`).
    """
    service, labels = report.figures["service"], report.figures["outputs"].get("labels", {})
    measured = report.measured_accuracy
    right = {"of": measured.of, "measured": measured.value, "low": measured.low, "high": measured.high}
    levels = report.figures["watched"]
    pictures = {
        "days": days_plot(history, service["target_p95_seconds"], right),
        "watched": watched_plot(levels, [one.what for one in report.alarms]),
    }
    if labels:
        pictures["labels"] = labels_plot(labels)
    write_report_page(
        folder,
        draft,
        "monitoring_report.html",
        title=f"Monitoring of {draft.use_case.name}, {report.day}",
        report=report,
        day_in_words=in_words_day(report.day),
        verdict=verdict(report),
        alarms=[(one, causes_in_words(one)) for one in report.alarms],
        accuracies=[
            accuracy_in_words("Estimated without labels", report.estimated_accuracy),
            accuracy_in_words("Measured by feedback", measured),
        ],
        service=_service_rows(service),
        compared=[
            (title, found)
            for name, title in TITLES.items()
            if (found := {**report.figures["inputs"], **report.figures["outputs"]}.get(name))
        ],
        languages=report.figures["inputs"].get("languages", {}),
        feedback=report.figures.get("feedback", {}),
        groups=groups_in_words(report.figures["fairness"]),
        group_tables=group_tables(report.figures["fairness"]),
        least=draft.use_case.settings.fairness.min_group_rows,
        pictures=saved(folder, pictures),
        alts=_alts(report, history),
    )


def in_words_day(day: str) -> str:
    found = date.fromisoformat(day)
    return f"{found.day} {found:%B %Y}"


def verdict(report: DayReport) -> dict[str, Any]:
    """The first sentence."""
    asked = f"{report.requests:,} requests on {in_words_day(report.day)}"
    if not report.alarms:
        return {"good": True, "text": f"Nothing is unusual: {asked}, and no measure has an alarm."}
    new = [one.what for one in report.alarms if one.since == report.day]
    old = [f"{one.what} (since {in_words_day(one.since)})" for one in report.alarms if one.since != report.day]
    said = [f"New on this day: {', '.join(new)}." if new else "", f"Still open: {', '.join(old)}." if old else ""]
    return {"good": False, "text": " ".join(["Something changed.", *filter(None, said), f"{asked}."])}


def causes_in_words(alarm: Alarm) -> list[str]:
    then, now = ("of the other requests", "of these") if alarm.kind == "service" else ("before", "now")
    return [
        f"{one['kind']} {one['value']}: {one['before']:.1%} {then}, {one['now']:.1%} {now}"
        for one in alarm.cause[:MOST_CAUSES]
    ]


def alarm_in_words(alarm: Alarm) -> str:
    common = "; ".join(causes_in_words(alarm))
    return f"{alarm.evidence}.{f' What goes with it: {common}.' if common else ''}"


def accuracy_in_words(title: str, found: Accuracy) -> str:
    of = f" The evaluation measured {found.of:.1%}." if found.of is not None else ""
    if found.value is None or found.low is None or found.high is None:
        return f"{title}: not known ({found.note}).{of}"
    span = f"{found.value:.1%} of {found.answers:,} answers are right ({found.low:.1%} to {found.high:.1%})"
    return f"{title}: {span}.{of} {found.note[:1].upper()}{found.note[1:]}."


def _service_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What, value, target."""
    budget = found["error_budget"]
    left = f"{budget['spent']:,} of {amount(budget['allowed'])} allowed in {budget['days']} days"
    target = found["target_p95_seconds"]
    rows = [
        ("requests", f"{found['requests']:,}", ""),
        ("answers", f"{found['answers']:,}", ""),
        (
            "failed requests",
            f"{found['errors']:,} ({found['error_share']:.2%})",
            f"at most {found['target_error_share']:.2%}",
        ),
        ("error budget spent", left, ""),
        (
            "refused requests (status 400 to 499, without those that found the server full)",
            f"{found['refused_requests']:,}",
            "",
        ),
        ("seconds, half of the answers", amount(found["p50_seconds"]), ""),
        ("seconds, 95 of 100", amount(found["p95_seconds"]), "none" if target is None else f"at most {amount(target)}"),
        ("seconds, 99 of 100", amount(found["p99_seconds"]), ""),
        ("seconds to the first token, 95 of 100", amount(found["p95_first_seconds"]), ""),
        ("abstained", "–" if found["abstained_share"] is None else f"{found['abstained_share']:.1%}", ""),
        ("tokens read and written", f"{found['prompt_tokens']:,} and {found['completion_tokens']:,}", ""),
        ("cost of the day", _cost(found), ""),
    ]
    return [*rows, *((f"guardrail {name}", f"{count:,} requests", "") for name, count in found["guardrails"].items())]


def _alts(report: DayReport, history: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    levels = report.figures["watched"]
    newest = history[-1]
    return {
        "days": (
            f"Requests, seconds and accuracy of {len(history)} days; on the last one {newest['requests']:,}"
            f" requests, {newest['errors']:,} failed."
            f" {accuracy_in_words('Accuracy without labels', report.estimated_accuracy)}"
        ),
        "watched": "Evidence by measure, 1 is an alarm: " + ", ".join(f"{name} {v:.2f}" for name, v in levels.items()),
        "labels": "Shares of labels in the test split and on this day: "
        + ", ".join(
            f"{name} {found['test']:.0%} and {found['day']:.0%}"
            for name, found in list(report.figures["outputs"].get("labels", {}).items())[:15]
        ),
    }


def _cost(found: Mapping[str, Any]) -> str:
    return "not known" if found["cost"] is None else f"{amount(found['cost'])} {found['currency'] or ''}".strip()
