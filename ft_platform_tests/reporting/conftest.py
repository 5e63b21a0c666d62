"""What a test of pictures draws."""

from contextlib import contextmanager
from typing import Any

import pytest

from ft_platform.reporting import data_plots, plots


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The matplotlib figures of the pictures that a test draws."""
    figures: list[Any] = []
    drawing = plots.drawing

    @contextmanager
    def kept(width: float, height: float):
        with drawing(width, height) as (figure, axes, buffer):
            figures.append(figure)
            yield figure, axes, buffer

    for module in (plots, data_plots):
        monkeypatch.setattr(module, "drawing", kept)
    return figures
