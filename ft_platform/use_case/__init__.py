"""One use case: the schema of its file, how the file is read and checked, and how a new one is written."""
