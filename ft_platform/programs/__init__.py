"""Programs that run on a compute back end, started as `python -m ft_platform.programs.<name>`."""
