"""What every picture keeps to."""

import struct
import warnings
from collections.abc import Callable
from typing import Any


def require_readable(draw: Callable[[], bytes]) -> None:
    """Of a size that fits a page, small, and the same every time; without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = draw()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 300 <= width <= 1200 and 80 <= height <= 1100
    assert len(png) < 80_000
    assert draw() == png


def require_whole(draw: Callable[[], bytes], drawn: list[Any]) -> None:
    """Nothing is cut off at the edge."""
    draw()
    (figure,) = drawn
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, box.extents
