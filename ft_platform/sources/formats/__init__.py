"""One format per file. Its name is what `source.format` holds; `ft_platform.sources.file_format` says what it
offers."""
