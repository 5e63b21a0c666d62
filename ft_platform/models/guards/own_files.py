"""Names of files that say what kind of model a checkpoint is."""

LABEL_HEAD = "label_head.safetensors"
"""Only in a checkpoint that scores labels and writes nothing (`models.label_head`)."""
TERMS, TERM_WEIGHTS = "terms.json", "terms.safetensors"
"""Only in a checkpoint that is no language model (`models.text_classifier`)."""
SCORES_LABELS = (LABEL_HEAD, TERMS)
"""Files of checkpoints that score labels and write nothing."""
