"""The sections of a use case's YAML, one file per stage. `use_case.py` puts them together."""
