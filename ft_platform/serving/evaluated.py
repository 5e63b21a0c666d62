"""The evaluation that a release rests on."""

from ft_platform.lake.releases import evaluation_behind as evaluation_behind

FINE_TUNED = "fine_tuned"
"""The released model among the systems of an evaluation."""
