"""What to do next after a training and its evaluation: one diagnosis, with the command to type."""
