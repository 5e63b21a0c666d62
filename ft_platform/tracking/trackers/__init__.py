"""One file per tracker: `open_tracker(environment, run, log)` gives a `Tracker`. The file's name is its name in the
environment."""
