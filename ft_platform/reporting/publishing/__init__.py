"""From the inputs of a stage to its published artifact: figures from below, a page from `reporting`, a run in the
tracker."""
