"""Pictures of data: readable, whole, and showing the figures they are given."""

from typing import Any

import numpy as np
import pytest

from ft_platform.records.profiling.lengths import Lengths
from ft_platform.reporting import data_plots
from ft_platform_tests.reporting.picture_rules import require_readable, require_whole

pytestmark = pytest.mark.pictures

SIDES = {
    "card": {"train": 80, "validation": 10, "test": 10},
    "$x^2$ <b>": {"train": 5, "test": 5},
    "口座": {"train": 1},
}
K_ANONYMITY = {
    "k": 5,
    "required_k": 5,
    "l_diversity": None,
    "unique_rows_before": 120,
    "unique_rows_after": 0,
    "rows_removed": 17,
    "levels": {"feature_age": "2 of 4", "feature_zip": "1 of 5"},
}


def lengths(scale: float, rows: int = 500) -> Lengths:
    made = Lengths()
    made.add(np.random.default_rng(0).lognormal(scale, 1, rows).astype(int))
    return made


PICTURES = {
    "counts": lambda: data_plots.counts_plot({"a": 9, "b": 3}, "records", of=12),
    "no counts": lambda: data_plots.counts_plot({}, "records"),
    "many counts": lambda: data_plots.counts_plot({f"label {i}": 1_000_000 * i for i in range(200)}, "records"),
    "entities": lambda: data_plots.entity_counts_plot({"PERSON": 100_000, "$EMAIL": 3}),
    "lengths": lambda: data_plots.lengths_plot(lengths(5), "words", lengths(5.5)),
    "short lengths": lambda: data_plots.lengths_plot(lengths(0.1), "words"),
    "no lengths": lambda: data_plots.lengths_plot(Lengths(), "words", Lengths()),
    "split balance": lambda: data_plots.split_balance_plot(SIDES),
    "split balance without labels": lambda: data_plots.split_balance_plot(
        {"": {"train": 8, "validation": 1, "test": 1}}
    ),
    "split balance of many labels": lambda: data_plots.split_balance_plot(
        {f"label {i}": {"train": i, "test": 1} for i in range(77)}
    ),
    "no split balance": lambda: data_plots.split_balance_plot({}),
    "k-anonymity": lambda: data_plots.k_anonymity_plot(K_ANONYMITY, 1_000),
    "k-anonymity of nothing": lambda: data_plots.k_anonymity_plot(
        {**K_ANONYMITY, "k": None, "unique_rows_before": 0, "rows_removed": 0, "levels": {}}, 0
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_readable_small_and_the_same_every_time(name: str) -> None:
    require_readable(PICTURES[name])


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_nothing_is_cut_off_at_the_edge_of_a_picture(name: str, drawn: list[Any]) -> None:
    require_whole(PICTURES[name], drawn)


def texts(figure: Any) -> list[str]:
    return [text.get_text().strip() for text in figure.axes[0].texts]


def ticks(figure: Any) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_of_many_names_the_rest_is_one_bar_and_nothing_is_lost(drawn: list[Any]) -> None:
    counts = {f"label {i}": i for i in range(1, 101)}
    data_plots.counts_plot(counts, "records")
    assert len(ticks(drawn[0])) == data_plots.MOST_BARS
    assert ticks(drawn[0])[0] == "label 100" and ticks(drawn[0])[-1] == "71 others"
    assert sum(bar.get_width() for bars in drawn[0].axes[0].containers for bar in bars) == sum(counts.values())


def test_counts_show_their_share(drawn: list[Any]) -> None:
    PICTURES["counts"]()
    assert ticks(drawn[0]) == ["a", "b"]
    assert texts(drawn[0]) == ["9 (75.0 %)", "3 (25.0 %)"]


def test_the_bars_of_lengths_are_shares_of_the_rows(drawn: list[Any]) -> None:
    for name in ("lengths", "short lengths"):
        PICTURES[name]()
        heights = [bar.get_height() for bar in drawn[-1].axes[0].containers[0]]
        assert sum(heights) == pytest.approx(1)


def test_no_bar_of_lengths_gets_the_rows_of_its_neighbour(drawn: list[Any]) -> None:
    values = np.random.default_rng(0).lognormal(5, 1, 5_000).astype(int)
    made = Lengths()
    made.add(values)
    data_plots.lengths_plot(made, "words")
    bars = list(drawn[0].axes[0].containers[0])
    edges = [bar.get_x() for bar in bars] + [bars[-1].get_x() + bars[-1].get_width()]
    assert [bar.get_height() for bar in bars] == pytest.approx(np.histogram(values, edges)[0] / 5_000)


def test_every_bar_of_lengths_covers_a_whole_number(drawn: list[Any]) -> None:
    made = Lengths()
    made.add(np.arange(200))
    data_plots.lengths_plot(made, "words")
    heights = [bar.get_height() for bar in drawn[0].axes[0].containers[0]]
    assert min(heights) > 0 and heights[:2] == [0.005, 0.005]  # 0 and 1 have bars of their own


@pytest.mark.parametrize(
    ("values", "expected"),
    [(range(8, 91), ["8", "16", "32", "64", "128"]), ([0, 1, 41], ["0", "1", "2", "4", "8", "16", "32"])],
)
def test_the_axis_of_lengths_has_numbers_even_where_all_lie_in_one_decade(
    drawn: list[Any], values: Any, expected: list[str]
) -> None:
    made = Lengths()
    made.add(np.array(values))
    data_plots.lengths_plot(made, "words")
    assert [text.get_text() for text in drawn[0].axes[0].get_xticklabels()] == expected


def test_the_sides_of_each_label_fill_its_bar(drawn: list[Any]) -> None:
    PICTURES["split balance"]()
    train, validation, test = ([bar.get_width() for bar in bars] for bars in drawn[0].axes[0].containers)
    assert train == [0.8, 0.5, 1.0] and test == pytest.approx([0.1, 0.5, 0.0])
    assert [sum(widths) for widths in zip(train, validation, test, strict=True)] == pytest.approx([1, 1, 1])
    assert ticks(drawn[0])[0] == "card (100)"
    assert [line.get_xdata()[0] for line in drawn[0].axes[0].lines] == pytest.approx([86 / 111, 96 / 111])


def test_k_anonymity_says_what_was_reached_and_what_it_took(drawn: list[Any]) -> None:
    PICTURES["k-anonymity"]()
    axes = drawn[0].axes[0]
    assert axes.get_title() == "k = 5 (required 5), l-diversity not known"
    assert texts(drawn[0]) == ["120 (12.0 %)", "0 (0.0 %)", "17 (1.7 %)"]
    assert "feature_age: level 2 of 4" in axes.get_xlabel()


def test_k_anonymity_reads_the_counts_of_the_plan() -> None:
    from ft_platform.privacy.k_anonymity import plan
    from ft_platform.records.rows import TableRows
    from ft_platform_tests.tables import raw, use_case

    case = use_case()
    feature_region = ["north"] * 5 + ["south"]
    subject_id = [f"s{i}" for i in range(6)]
    table = raw(case, ["text"] * 6, feature_region=feature_region, label=["a", "b"] * 3, subject_id=subject_id)
    counts = plan(TableRows(table), {"feature_region": "category"}, 2, 50.0).counts
    assert data_plots.k_anonymity_plot(counts, 6).startswith(b"\x89PNG")
