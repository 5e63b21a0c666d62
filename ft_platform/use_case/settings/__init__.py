"""The sections of a use case's YAML, one file per stage. `ft_platform/use_case/schema.py` puts them together."""
