from typing import Any

import pytest

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting import plots
from ft_platform.reporting.figure import short
from ft_platform_tests.reporting.picture_rules import require_readable, require_whole

pytestmark = pytest.mark.pictures

ACCURACY = metric("accuracy")
LABELS = ["card", "$broken^{math$", "口座 <script>", "x" * 200]
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.7}
ROWS = {label: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 9} for label in LABELS}


def step(stage: str, kept: int, **removed: int) -> dict[str, Any]:
    return {"stage": stage, "rows_in": kept + sum(removed.values()), "kept": kept, "removed": removed}


# As many stages and reasons as a real run has: the legend needs three rows.
FUNNEL = [
    step("raw_records", 360),
    step("permitted_records", 268, consent_missing=20, consent_not_accepted=59, consent_withdrawn=13),
    step("cleaned_records", 240, empty=3, exact_duplicate=11, near_duplicate=11, too_long=1, too_short=2),
    step("anonymized_records", 240),
    step("splits", 240),
]
SEEDS = {
    "seeds": [{"seed": 2**31 - 1}, {"seed": 0}, {"seed": 1}],
    "metrics": {"accuracy": {**FIGURE, "values": [0.4, 0.5, 0.6], "sd": 0.1}},
    "systems": {
        **{f"endpoint_{name}": {"accuracy": 0.3} for name in LABELS},
        "majority": {"accuracy": 0.1},
        "base_zero_shot": {"macro_f1": 0.1},
    },
}
NO_EVIDENCE = {"b": {"rows": 2, "enough_evidence": False}}
PICTURES = {
    "funnel of all stages": lambda: plots.funnel_plot(FUNNEL),
    "funnel with long reasons": lambda: plots.funnel_plot(
        [step("cleaned_records", 7_000_000, **{"W" * n: 1_000_000 for n in range(15, 28)})]
    ),
    "funnel without stages": lambda: plots.funnel_plot([]),
    "funnel": lambda: plots.funnel_plot(
        [{"stage": "cleaned_records", "rows_in": 10, "kept": 7, "removed": {"exact_duplicate": 2, "too_short": 1}}]
    ),
    "funnel that removes all": lambda: plots.funnel_plot(
        [{"stage": "cleaned_records", "rows_in": 3, "kept": 0, "removed": {"too_short": 3}}]
    ),
    "confusion": lambda: plots.confusion_matrix_plot(
        LABELS, [[3, 0, 0, 1], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 5]], "fine_tuned"
    ),
    "confusion of 77 labels": lambda: plots.confusion_matrix_plot(
        [f"label {i}" for i in range(77)], [[int(i == j) for j in range(77)] for i in range(77)], "x" * 200
    ),
    "per label": lambda: plots.per_label_plot(
        {"tfidf_logreg": ROWS, "fine_tuned": ROWS}, ["tfidf_logreg", "fine_tuned"]
    ),
    "per label that one system never saw": lambda: plots.per_label_plot(
        {"a": {}, "fine_tuned": ROWS}, ["a", "fine_tuned"]
    ),
    "systems": lambda: plots.systems_plot(
        {"majority": {"macro_f1": FIGURE}, "fine_tuned": {"macro_f1": FIGURE}}, metric("macro_f1")
    ),
    "seeds": lambda: plots.seeds_plot(SEEDS, ACCURACY),
    "groups": lambda: plots.groups_plot(
        "region", {"$a": {"rows": 30, "enough_evidence": True, "accuracy": FIGURE}, **NO_EVIDENCE}, ACCURACY
    ),
    "groups without evidence": lambda: plots.groups_plot("region", NO_EVIDENCE, ACCURACY),
    "groups without evidence of a metric without bound": lambda: plots.groups_plot(
        "region", NO_EVIDENCE, metric("answer_loss")
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_readable_small_and_the_same_every_time(name: str) -> None:
    require_readable(PICTURES[name])


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_nothing_is_cut_off_at_the_edge_of_a_picture(name: str, drawn: list[Any]) -> None:
    require_whole(PICTURES[name], drawn)


@pytest.mark.parametrize("stages", [FUNNEL, FUNNEL[2:3]], ids=["all stages", "one stage"])
def test_the_legend_of_the_funnel_lies_below_the_words_of_the_axis(stages: list, drawn: list[Any]) -> None:
    plots.funnel_plot(stages)
    (figure,) = drawn
    assert figure.legends[0].get_window_extent().y1 <= figure.axes[0].xaxis.label.get_window_extent().y0


def test_every_reason_looks_in_the_legend_as_in_its_bar_and_like_no_other(drawn: list[Any]) -> None:
    plots.funnel_plot(FUNNEL)
    (figure,) = drawn

    def look(patch: Any) -> tuple:
        return patch.get_facecolor(), patch.get_hatch()

    (legend,) = figure.legends
    in_legend = {
        text.get_text(): look(patch) for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    reasons = ["kept", *(reason for stage in FUNNEL for reason in stage["removed"])]
    assert list(in_legend) == reasons and len(set(in_legend.values())) == len(reasons)
    bars = [
        (name, bar)
        for stage, bars in zip(FUNNEL, _bars_by_stage(figure), strict=True)
        for name, bar in zip(["kept", *stage["removed"]], bars, strict=True)
    ]
    for name, bar in bars:
        assert look(bar) == in_legend[name], name


def _bars_by_stage(figure: Any) -> list[list[Any]]:
    bars = [bar for container in figure.axes[0].containers for bar in container]
    places = [round(bar.get_y() + bar.get_height() / 2) for bar in bars]
    return [[bar for bar, found in zip(bars, places, strict=True) if found == place] for place in range(len(FUNNEL))]


def test_looks_of_many_reasons_are_distinct() -> None:
    looks = [(style["facecolor"], style["hatch"]) for style in map(plots.style_of_reason, range(28))]
    assert len(set(looks)) == 28


@pytest.mark.parametrize(("name", "limits"), [("accuracy", (0, 1)), ("chrf", (0, 100))])
def test_groups_without_evidence_show_the_range_of_the_metric(name: str, limits: tuple, drawn: list[Any]) -> None:
    plots.groups_plot("region", NO_EVIDENCE, metric(name))
    assert drawn[0].axes[0].get_xlim() == limits


def test_groups_without_evidence_show_no_numbers_for_a_metric_without_bound(drawn: list[Any]) -> None:
    plots.groups_plot("region", NO_EVIDENCE, metric("answer_loss"))
    assert list(drawn[0].axes[0].get_xticks()) == []


def test_values_beside_points_have_three_places(drawn: list[Any]) -> None:
    groups = {
        name: {"rows": 30, "enough_evidence": True, "accuracy": {"value": value, "low": 0.0, "high": 1.0}}
        for name, value in (("a", 2 / 35), ("b", 0.5))
    }
    plots.groups_plot("region", groups, ACCURACY)
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["0.057", "0.500"]


@pytest.mark.parametrize("system", TITLES)
def test_a_confusion_matrix_says_whose_it_is(system: str, drawn: list[Any]) -> None:
    plots.confusion_matrix_plot(["a", "b"], [[1, 0], [0, 1]], system)
    assert drawn[0].axes[0].get_title() == TITLES[system]


def test_long_names_are_cut_and_line_breaks_removed() -> None:
    assert short("a\nb") == "a b"
    assert len(short("x" * 200)) == 28
