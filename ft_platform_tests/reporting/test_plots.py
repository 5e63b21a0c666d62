import struct
import warnings

import pytest

from ft_platform.reporting import plots
from ft_platform.reporting.figure import short

LABELS = ["card", "$broken^{math$", "口座 <script>", "x" * 200]
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.7}
ROWS = {label: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 9} for label in LABELS}


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


PICTURES = {
    "funnel": lambda: plots.funnel_plot([{"stage": "cleaned_records", "rows_in": 10, "kept": 7, "removed": {"exact_duplicate": 2, "too_short": 1}}]),
    "funnel that removes all": lambda: plots.funnel_plot([{"stage": "cleaned_records", "rows_in": 3, "kept": 0, "removed": {"too_short": 3}}]),
    "confusion": lambda: plots.confusion_matrix_plot(LABELS, [[3, 0, 0, 1], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 5]]),
    "confusion of 77 labels": lambda: plots.confusion_matrix_plot([f"label {i}" for i in range(77)], [[int(i == j) for j in range(77)] for i in range(77)]),
    "per label": lambda: plots.per_label_plot({"tfidf_logreg": ROWS, "fine_tuned": ROWS}, ["tfidf_logreg", "fine_tuned"]),
    "per label that one system never saw": lambda: plots.per_label_plot({"a": {}, "fine_tuned": ROWS}, ["a", "fine_tuned"]),
    "systems": lambda: plots.systems_plot({"majority": {"macro_f1": FIGURE}, "fine_tuned": {"macro_f1": FIGURE}}, "macro_f1", "Macro F1"),
    "groups": lambda: plots.groups_plot(
        "region", {"$a": {"rows": 30, "enough_evidence": True, "accuracy": FIGURE}, "b": {"rows": 2, "enough_evidence": False}}, "accuracy", "Accuracy"
    ),
    "groups without evidence": lambda: plots.groups_plot("region", {"b": {"rows": 2, "enough_evidence": False}}, "accuracy", "Accuracy"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_readable_small_and_the_same_every_time(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = PICTURES[name]()
    width, height = size(png)
    assert 300 <= width <= 1200 and 80 <= height <= 1100
    assert len(png) < 80_000
    assert PICTURES[name]() == png


def test_long_names_are_cut_and_line_breaks_removed() -> None:
    assert short("a\nb") == "a b"
    assert len(short("x" * 200)) == 28
