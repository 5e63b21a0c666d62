"""Kinds of databases, one per file, known by the scheme of `source.uri`: see `ft_platform.sources.table_sources`."""
