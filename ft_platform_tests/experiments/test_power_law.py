"""The fit against curves whose parameters are known, and against a general optimizer."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from ft_platform.training.experiments.power_law import fit

ROWS = np.array([50, 100, 200, 500, 1000])


@pytest.mark.parametrize(("a", "b", "c"), [(3.0, 0.5, 0.4), (8.0, 1.0, 0.0), (0.5, 0.2, 1.0)])
def test_a_curve_without_noise_is_found_again(a: float, b: float, c: float) -> None:
    losses = c + a * ROWS.astype(float) ** -b
    law = fit(ROWS, losses[None, :])
    assert law.at(1000)[0] == pytest.approx(losses[-1], abs=1e-6)
    assert law.at(2000)[0] == pytest.approx(c + a * 2000**-b, abs=2e-4)


def test_noisy_curves_are_fitted_as_well_as_by_scipy() -> None:
    generator = np.random.default_rng(3)
    losses = 0.5 + 4 * ROWS.astype(float) ** -0.6 + generator.normal(0, 0.01, (20, 5))
    law = fit(ROWS, losses)
    for number, one in enumerate(losses):
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: c + a * n**-b,
            ROWS.astype(float),
            one,
            p0=(4, 0.6, 0.5),
            bounds=([-50, 0.05, 0], [50, 2, 5]),
            maxfev=10_000,
        )
        theirs = ((one - (c + a * ROWS.astype(float) ** -b)) ** 2).sum()
        ours = ((one - (law.c[number] + law.a[number] * ROWS.astype(float) ** -law.b[number])) ** 2).sum()
        assert ours <= theirs * 1.05 + 1e-9


def test_a_curve_that_rises_has_a_negative_gain_and_none_goes_below_zero() -> None:
    rising = fit(ROWS, np.array([[0.5, 0.52, 0.54, 0.56, 0.58]]))
    assert rising.at(1000)[0] < rising.at(2000)[0]
    falling = fit(ROWS, np.array([[4.0, 2.0, 1.0, 0.2, 0.01]]))
    assert falling.c[0] >= 0
