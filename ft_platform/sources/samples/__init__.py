"""Sample data of fictitious persons, generated deterministically, with the ground truth of everything planted in it."""

from ft_platform.sources.samples.generator import sample_file, truth_file

__all__ = ["sample_file", "truth_file"]
