"""Records divided into train, validation and test, related records together, and an independent look for leaks."""
