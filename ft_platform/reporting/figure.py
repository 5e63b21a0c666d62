"""Frame of every picture: no display, colours that colour-blind people can tell apart, small PNG files, nothing
interpreted in labels."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

DPI = 80
YELLOW = "#F0E442"
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", YELLOW, "#000000"]
"""Okabe and Ito, Color Universal Design, 2008."""

LONGEST_NAME = 28


def short(name: str) -> str:
    """A label as it fits beside an axis."""
    flat = " ".join(name.split())
    return flat if len(flat) <= LONGEST_NAME else flat[: LONGEST_NAME - 1] + "…"


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Any, Any, io.BytesIO]]:
    """Figure, axes and the buffer that holds the PNG after the block."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    # A label such as `$5 off $10` is text, not a formula.
    with (
        mpl.rc_context(
            {"text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure, figure.subplots(), buffer
        figure.savefig(buffer, format="png", metadata={"Software": None})


def remark(axes: Any, text: str, place: float | None = None) -> None:
    """A text in place of a figure: in the middle of the axes, or of the line at `place`."""
    transform, height = (axes.transAxes, 0.5) if place is None else (axes.get_yaxis_transform(), place)
    style = {"ha": "center", "va": "center", "style": "italic", "color": "#555555"}
    axes.text(0.5, height, text, transform=transform, **style)


def around(found: Mapping[str, float]) -> list[list[float]]:
    """`xerr` or `yerr` of a figure with its interval."""
    return [[max(found["value"] - found["low"], 0.0)], [max(found["high"] - found["value"], 0.0)]]
