"""The ROI report: pictures and one HTML file from the figures of `monitoring.business.roi`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.metric import metric
from ft_platform.lake.draft import Draft
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting import alt_texts
from ft_platform.reporting.method_words import as_trained
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.reporting.roi_plots import change_plot, payback_plot, tornado_plot
from ft_platform.reporting.roi_words import (
    NOT_RELEASED,
    TITLES,
    alternative_rows,
    amount,
    conclusion,
    figure_sentence,
    left_out,
    requests_sentence,
    uncertainty_sentence,
    with_interval,
)
from ft_platform.reporting.verdict import worth_paying_for


def write_roi_report(folder: Path, draft: Draft, evaluation: ArtifactVersion, found: Mapping[str, Any]) -> None:
    """`change.png`, `tornado.png` and `payback.png` where there are savings (and an investment), and `report.html`."""
    pictures = {"change": change_plot(found["figures"])}
    if found["sensitivity"]:
        pictures["tornado"] = tornado_plot(found["sensitivity"], found["savings_per_month"]["value"], found["currency"])
        if found["investment"]:
            pictures["payback"] = payback_plot(found["savings_per_month"], found["investment"], found["currency"])
    figures, settings = read_metrics(draft.lake, evaluation), draft.use_case.settings
    write_report_page(
        folder,
        draft,
        "roi_report.html",
        title=f"Return on investment of {draft.use_case.name}",
        found=found,
        quality=as_trained(
            worth_paying_for(
                figures,
                metric(figures["main_metric"]),
                settings.gate.must_beat(settings.task.kind, settings.training.method),
                settings.evaluation.confidence,
            ),
            settings.training.method,
        ),
        not_released=NOT_RELEASED,
        conclusion=conclusion(found),
        figures=[
            {"name": name, "sentence": figure_sentence(name, figure), **_cells(name, figure)}
            for name, figure in found["figures"].items()
        ],
        uncertainty=uncertainty_sentence(found),
        left_out=left_out(found),
        sensitivity=[_sensitivity_cells(row, found["currency"]) for row in found["sensitivity"]],
        alternatives=alternative_rows(found),
        requests=requests_sentence(found),
        assumptions=[
            (name, amount(one["value"]), one["unit"].replace("money", found["currency"]))
            for name, one in found["assumptions"].items()
        ],
        programs=with_money(found["programs"]),
        pictures=saved(folder, pictures),
        alts={
            "change": alt_texts.changes(found["figures"], TITLES),
            "tornado": alt_texts.sensitivity(found["sensitivity"], found["currency"]),
            "payback": f"Savings minus investment by month. {' '.join(one['text'] for one in conclusion(found))}",
        },
    )


def _cells(name: str, figure: Mapping[str, Any]) -> dict[str, str]:
    sides = {side: with_interval(figure[side]) for side in ("before", "after", "difference")}
    return {
        "title": TITLES[name],
        **sides,
        "source": figure["source"] or "none",
        "unit": figure["unit"],
        "about": figure["about"],
        "status": figure["status"],
    }


def _sensitivity_cells(row: Mapping[str, Any], currency: str) -> dict[str, str]:
    def months(value: float | None) -> str:
        return "–" if value is None else amount(value)

    return {
        "name": row["name"],
        "source": row["source"],
        "range": f"{amount(row['low'])} to {amount(row['high'])}",
        "saving": f"{amount(row['saving_at_low'])} to {amount(row['saving_at_high'])} {currency}",
        "payback": f"{months(row['payback_at_low'])} to {months(row['payback_at_high'])}",
    }


def with_money(programs: Mapping[str, Any]) -> str:
    """What the programs behind the checkpoint have cost, in words."""
    taken = f"{programs['runs']} program runs, {amount(programs['seconds'])} seconds"
    return (
        f"{taken}, {programs['money']:,.2f} {programs['currency']}."
        if programs["money"] is not None
        else f"{taken}; cost unknown: {programs['reason']}."
    )
