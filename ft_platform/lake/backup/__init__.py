"""Lakes that are copied, and installations that are backed up and restored."""
