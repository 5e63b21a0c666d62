"""How well each system answers on the test split: metrics with intervals, baselines, the model, and groups of
people."""
