"""The systems that are compared: baselines without a model, the base model by prompting, the fine-tuned model."""
