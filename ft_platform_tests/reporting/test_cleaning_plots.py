"""Pictures of cleaning can be drawn for any counts, and say other things for other counts."""

import pytest

from ft_platform.cleaning.clean import LENGTHS
from ft_platform.reporting.cleaning_plots import changes_plot, lengths_plot

pytestmark = pytest.mark.pictures

PNG = b"\x89PNG\r\n\x1a\n"
NONE = [0] * len(LENGTHS)


@pytest.mark.parametrize(
    ("changed", "rows"),
    [({"unicode": 3, "html": 0}, 10), ({"unicode": 0, "html": 0}, 0), ({"unicode": 12_345_678}, 20_000_000)],
)
def test_changes_are_drawn_whatever_the_counts(changed: dict[str, int], rows: int) -> None:
    assert changes_plot(changed, rows).startswith(PNG)
    assert changes_plot(changed, rows) != changes_plot({**changed, "unicode": changed["unicode"] + 1}, rows + 1)


@pytest.mark.parametrize("place", [0, 5, len(LENGTHS) - 1])
def test_lengths_are_drawn_whatever_the_counts(place: int) -> None:
    some = [7 if number == place else 0 for number in range(len(LENGTHS))]
    assert lengths_plot(LENGTHS, NONE, NONE).startswith(PNG)
    assert (
        len({lengths_plot(LENGTHS, some, NONE), lengths_plot(LENGTHS, NONE, some), lengths_plot(LENGTHS, some, some)})
        == 3
    )
