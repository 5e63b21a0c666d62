"""Records on their way through the stages: their columns, rows that do not fit into memory, and keys that are too many
to hold."""
