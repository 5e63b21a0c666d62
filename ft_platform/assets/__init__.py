"""The stages as Dagster assets: one file per stage, its checks in the same file. STAGES (`ft_platform/stages.py`) has
their order."""
