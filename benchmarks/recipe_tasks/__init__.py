"""Public data as small tasks, on which recipes of fine-tuning are compared: `python -m benchmarks.recipe_tasks`."""
